"""Find the runs of workers that are gone, and see to it that their jobs go on.

Prefect leaves the run of a vanished worker running for ever. This is what a pass over the pool does about
it; the decision for each run is pure, and every step may be done twice.
"""

from collections.abc import Iterator, Set
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed, Failed

from trivia_render.errors import JobCancelledError, TriviaRenderError
from trivia_render.models.ports import Store
from trivia_render.pipeline.handover import end_job, give_back
from trivia_render.pipeline.workers import is_draining
from trivia_render.settings import Settings
from trivia_render.workpool.runs import (
    WORKER_LABEL,
    crash_open_subflows,
    jobs_in_progress,
    jobs_of,
    put_back,
    read_runs,
    renders,
    set_state,
)

#: A run that is handed to a process starts within some 10 s; on a machine under load within 30.
STUCK_SECONDS = 60.0
#: What Prefect's own cancellation takes, ten times over.
CANCELLING_SECONDS = 60.0
#: How far back ended runs are looked at: an outage of the maintenance flow should be shorter.
LOOK_BACK = timedelta(days=1)
#: Put on an ended run once its jobs say the same.
SETTLED_LABEL = "trivia.settled"
#: In the message of a crash with no job at work. So many of them end a shard.
IDLE_CRASH = "no job was at work"

Verdict = Literal["leave", "lost", "crashed", "cancelled", "failed"]


class Policy(NamedTuple):
    """When a worker is lost, how often a job may crash, and how long a crashed run waits."""

    lost_seconds: float
    max_crashes: int
    requeue_seconds: float


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say of it."""
    return Policy(
        lost_seconds=settings.worker_lost_seconds,
        max_crashes=settings.max_crashes,
        requeue_seconds=settings.requeue_seconds,
    )


class Reaped(NamedTuple):
    """What was done about a run."""

    run: FlowRun
    worker: str | None
    verdict: Verdict
    done: str


def judge(state: StateType, *, age_seconds: float, worker: str | None, live: Set[str]) -> Verdict:
    """Decide what a run is. Pure. `worker`: who was given the run; `live`: who has a fresh heartbeat."""
    gone = worker is not None and worker not in live
    verdict: Verdict = "leave"
    match state:
        case StateType.RUNNING if gone:
            verdict = "lost"
        # A pending run belongs to a process that is being started; for a moment it bears the name of the
        # worker that had it before.
        case StateType.PENDING if gone and age_seconds > STUCK_SECONDS:
            verdict = "lost"
        case StateType.CANCELLING if gone or age_seconds > CANCELLING_SECONDS:
            verdict = "cancelled"
        case StateType.CRASHED:
            verdict = "crashed"
        case StateType.CANCELLED:
            verdict = "cancelled"
        case StateType.FAILED:
            verdict = "failed"
    return verdict


def live_workers(client: SyncPrefectClient, pool: str, *, lost_seconds: float) -> set[str]:
    """Return the names of the workers with a fresh heartbeat."""
    now = datetime.now(UTC)
    return {
        worker.name
        for worker in client.read_workers_for_work_pool(pool)
        if worker.last_heartbeat_time is not None
        and (now - worker.last_heartbeat_time).total_seconds() < lost_seconds
    }


def reap(client: SyncPrefectClient, store: Store, *, pool: str, policy: Policy) -> Iterator[Reaped]:
    """Go once over the pool; yield what was done, run by run.

    A run whose job cannot be read or written now is left to the next pass: the error is raised once all
    the others were seen to.
    """
    live = live_workers(client, pool, lost_seconds=policy.lost_seconds)
    troubles: list[TriviaRenderError] = []
    for run in _runs_to_judge(client, pool):
        if run.state is None or run.labels.get(SETTLED_LABEL) == run.state.name:
            continue
        label = run.labels.get(WORKER_LABEL)
        worker = None if label is None else str(label)
        age = (datetime.now(UTC) - run.state.timestamp).total_seconds()
        verdict = judge(run.state.type, age_seconds=age, worker=worker, live=live)
        try:
            done = _see_to(client, store, run, verdict, worker=worker, live=live, policy=policy)
        except TriviaRenderError as error:
            troubles.append(error)
            continue
        if done is not None:
            yield Reaped(run, worker, verdict, done)
    if troubles:
        raise troubles[0]


def _runs_to_judge(client: SyncPrefectClient, pool: str) -> list[FlowRun]:
    since = datetime.now(UTC) - LOOK_BACK
    open_states = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    ended_states = [StateType.CRASHED, StateType.CANCELLED, StateType.FAILED]
    return [
        *read_runs(client, pool=pool, states=open_states),
        *read_runs(client, pool=pool, states=ended_states, ended_after=since),
    ]


def _see_to(
    client: SyncPrefectClient,
    store: Store,
    run: FlowRun,
    verdict: Verdict,
    *,
    worker: str | None,
    live: Set[str],
    policy: Policy,
) -> str | None:
    match verdict:
        case "leave":
            return None
        case "crashed" if not renders(run):
            return None
        case "lost":
            assert worker is not None  # noqa: S101 - a run is lost with its worker
            return hand_back(
                client,
                store,
                run,
                reason=f"Worker {worker} sends no heartbeat any more.",
                counted=not is_draining(store, worker),
                policy=policy,
                delay_seconds=0.0,
            )
        case "crashed":
            message = (run.state.message if run.state else None) or "Its process ended."
            return hand_back(
                client,
                store,
                run,
                reason=message,
                counted=worker is None or not is_draining(store, worker),
                policy=policy,
                # The worker may still hold it for a moment.
                delay_seconds=policy.requeue_seconds if worker in live else 0.0,
            )
        case "cancelled" | "failed":
            return _end(client, store, run, verdict)


def hand_back(
    client: SyncPrefectClient,
    store: Store,
    run: FlowRun,
    *,
    reason: str,
    counted: bool,
    policy: Policy,
    delay_seconds: float,
) -> str | None:
    """Give back the jobs of a dead run, then the run itself; return what became of it.

    `counted`: the death counts against the job that was at work.
    """
    if not renders(run):
        # A scheduled flow: its next run does all that this one did not.
        set_state(client, run.id, Crashed(message=reason))
        return "ended"
    now = datetime.now(UTC)
    jobs = jobs_in_progress(client, run)
    fates = {
        give_back(
            store,
            channel=job.channel,
            job_id=job.job_id,
            flow_runs=job.flow_runs,
            now=now,
            reason=reason,
            code="worker_lost" if counted else "preempted",
            crash_of=f"{run.id}:{run.run_count}" if counted else None,
            max_crashes=policy.max_crashes,
        )
        for job in jobs
    }
    crash_open_subflows(client, run.id, message=reason)
    if "jobs" not in run.parameters:
        if "failed" in fates:
            set_state(client, run.id, Failed(message=f"{reason} Its job has reached the limit of crashes."))
            return "failed: its job has reached the limit of crashes"
        if "elsewhere" in fates:
            if run.state is not None and run.state.is_crashed():
                return None
            set_state(client, run.id, Cancelled(message=f"{reason} Another run has its job now."))
            return "ended: another run has its job"
    elif counted and not jobs:
        if _idle_crashes(client, run) + 1 >= policy.max_crashes:
            set_state(client, run.id, Failed(message=f"{reason} Again {IDLE_CRASH}: it is not tried again."))
            return "failed: its process dies before any job begins"
        reason = f"{reason} ({IDLE_CRASH})"
    put_back(client, run, message=reason, delay_seconds=delay_seconds)
    return "put back"


def _idle_crashes(client: SyncPrefectClient, run: FlowRun) -> int:
    states = client.read_flow_run_states(run.id)
    return sum(state.is_crashed() and IDLE_CRASH in (state.message or "") for state in states)


def _end(client: SyncPrefectClient, store: Store, run: FlowRun, verdict: Verdict) -> str | None:
    """Make the jobs of an ended run tell the same as the run does."""
    message = (run.state.message if run.state else None) or ""
    ended = [
        end_job(
            store,
            channel=job.channel,
            job_id=job.job_id,
            flow_runs=job.flow_runs,
            now=datetime.now(UTC),
            error=ended_run_error(verdict, message),
        )
        for job in jobs_of(client, run)
    ]
    crash_open_subflows(client, run.id, message=f"Its parent run was {verdict}.")
    if run.state is not None and run.state.is_cancelling():
        set_state(client, run.id, Cancelled(message="Cancelled; its worker did not do it."))
        return "cancelled"
    client.update_flow_run_labels(run.id, {SETTLED_LABEL: (run.state.name if run.state else None) or ""})
    return f"{sum(ended)} jobs are marked {verdict}" if any(ended) else None


def ended_run_error(verdict: str, message: str) -> TriviaRenderError:
    """Return the error of a job whose run was cancelled, or failed before it began. Pure."""
    if verdict == "cancelled":
        return JobCancelledError(
            "The run was cancelled.", evidence=message, remedy="`trivia retry` starts the job again."
        )
    return TriviaRenderError(
        "The run failed before it could render.",
        evidence=message,
        remedy="Correct what the message says, then `trivia retry`.",
    )
