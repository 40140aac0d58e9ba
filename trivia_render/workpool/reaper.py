"""Find the runs of workers that are gone, and see to it that their jobs go on.

Prefect leaves the run of a vanished worker running for ever. This is what a pass over the pool does about
it; the decision for each run is pure, and every step may be done twice.
"""

from collections.abc import Iterator, Set
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from trivia_render.errors import TriviaRenderError
from trivia_render.models.ports import Store
from trivia_render.pipeline.ledger import count_crash
from trivia_render.pipeline.workers import is_stopping, is_well
from trivia_render.workpool.runs import WORKER_LABEL, read_runs, renders
from trivia_render.workpool.settling import SETTLED_LABEL, Policy, hand_back, settle

#: A run that is handed to a process starts within some 10 s; on a machine under load within 30.
STUCK_SECONDS = 60.0
#: What Prefect's own cancellation takes, ten times over.
CANCELLING_SECONDS = 60.0
#: How far back ended runs are looked at: an outage of the maintenance flow should be shorter.
LOOK_BACK = timedelta(days=1)

Verdict = Literal["leave", "lost", "crashed", "cancelled", "failed"]


class Reaped(NamedTuple):
    """What was done about a run."""

    run: FlowRun
    worker: str | None
    verdict: Verdict
    done: str


def judge(state: StateType, *, age_seconds: float, worker: str | None, live: Set[str]) -> Verdict:
    """Decide what a run is. Pure. `worker`: who was given the run, if anyone; `live`: who is well."""
    gone = worker is not None and worker not in live
    verdict: Verdict = "leave"
    match state:
        case StateType.RUNNING if gone:
            verdict = "lost"
        # A pending run belongs to a process that is being started. Its worker puts its name on it a moment
        # after it has made it pending, and may die in between.
        case StateType.PENDING if (gone or worker is None) and age_seconds > STUCK_SECONDS:
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

    A worker is lost when neither Prefect's server nor the store has heard of it: a server that was away has
    missed every heartbeat, and they come back late. A run whose job cannot be read or written now is left to
    the next pass: the error is raised once all the others were seen to.
    """
    runs = _runs_to_judge(client, pool)
    live = live_workers(client, pool, lost_seconds=policy.lost_seconds)
    for name in {worker_of(run) for run in runs} - live:
        if name is not None and is_well(store, name, now=datetime.now(UTC), lost_seconds=policy.lost_seconds):
            live.add(name)
    troubles: list[TriviaRenderError] = []
    for run in runs:
        if run.state is None or run.labels.get(SETTLED_LABEL) == run.state.name:
            continue
        age = (datetime.now(UTC) - run.state.timestamp).total_seconds()
        verdict = judge(run.state.type, age_seconds=age, worker=worker_of(run), live=live)
        try:
            done = _see_to(client, store, run, verdict, live=live, policy=policy)
        except TriviaRenderError as error:
            troubles.append(error)
            continue
        if done is not None:
            yield Reaped(run, worker_of(run), verdict, done)
    if troubles:
        raise troubles[0]


def worker_of(run: FlowRun) -> str | None:
    """Return the worker that was given a run."""
    label = run.labels.get(WORKER_LABEL)
    return None if label is None else str(label)


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
    live: Set[str],
    policy: Policy,
) -> str | None:
    if verdict == "leave" or (verdict == "crashed" and not renders(run)):
        return None
    now = client.read_flow_run(run.id)
    if now.state is None or run.state is None or now.state.id != run.state.id:
        # Somebody else has seen to it since the runs were read.
        return None
    if verdict in {"cancelled", "failed"}:
        return settle(client, store, run, "cancelled" if verdict == "cancelled" else "failed")
    worker = worker_of(run)
    lost = f"Worker {worker} sends no heartbeat any more." if worker else "No worker came to start it."
    counted = (worker is not None or verdict == "crashed") and not (
        worker is not None and is_stopping(store, worker)
    )
    done = hand_back(
        client,
        store,
        run,
        reason=lost if verdict == "lost" else (run.state.message or "Its process ended."),
        counted=counted,
        policy=policy,
        # A worker that lives may still hold it for a moment.
        delay_seconds=(
            policy.requeue_seconds if verdict == "crashed" and (worker is None or worker in live) else 0.0
        ),
    )
    if counted:
        # A supervisor that hands a run back counts it itself; then it does not come here.
        count_crash(store, death=f"{run.id}/{run.state.id}", at=datetime.now(UTC))
    return done
