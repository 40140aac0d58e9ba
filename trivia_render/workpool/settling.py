"""End or put back the runs that cannot do it themselves, and make their jobs tell the same.

Every step may be done twice: whoever takes it can die half-way.
"""

from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Crashed, Failed

from trivia_render.errors import JobCancelledError, TriviaRenderError
from trivia_render.models.ports import Store
from trivia_render.pipeline.handover import end_job, give_back
from trivia_render.pipeline.status import read_status_object
from trivia_render.settings import Settings
from trivia_render.workpool.runs import (
    crash_open_subflows,
    jobs_in_progress,
    jobs_of,
    put_back,
    renders,
    set_state,
    start_number,
    subflow_runs,
)

#: Put on an ended run once its jobs say the same.
SETTLED_LABEL = "trivia.settled"
#: In the message of a run that was put back although no job was at work. So many of them end a shard.
IDLE_CRASH = "no job was at work"

#: Said of a run that failed although its work is done.
WORK_IS_DONE = "Its work is done: the run shall say so too."

#: How a run ended that did not complete.
Ended = Literal["cancelled", "failed"]


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
    start = start_number(client, run.id)
    fates = {
        give_back(
            store,
            channel=job.channel,
            job_id=job.job_id,
            flow_runs=job.flow_runs,
            now=now,
            reason=reason,
            code="worker_lost" if counted else "preempted",
            crash_of=start if counted else None,
            max_crashes=policy.max_crashes,
        )
        for job in jobs
    }
    crash_open_subflows(client, run.id, message=reason)
    if "jobs" not in run.parameters:
        if "failed" in fates:
            set_state(client, run.id, Failed(message=f"{reason} Its job has failed: see its status."))
            return "failed, as its job has"
        if "elsewhere" in fates:
            set_state(client, run.id, Cancelled(message=f"{reason} Another run has its job now."))
            return "ended: another run has its job"
    elif counted and "again" not in fates:
        if _idle_crashes(client, run.id) + 1 >= policy.max_crashes:
            set_state(client, run.id, Failed(message=f"{reason} Again {IDLE_CRASH}: it is not tried again."))
            return "failed: its process dies before any job begins"
        reason = f"{reason} ({IDLE_CRASH})"
    put_back(client, run, message=reason, delay_seconds=delay_seconds)
    return "put back"


def _idle_crashes(client: SyncPrefectClient, run_id: UUID) -> int:
    """Count how often a shard was put back with no job at work since one of its jobs last ended."""
    ends = [child.end_time for child in subflow_runs(client, run_id) if child.end_time is not None]
    since = max(ends, default=None)
    return sum(
        state.name == "AwaitingRetry"
        and IDLE_CRASH in (state.message or "")
        and (since is None or state.timestamp > since)
        for state in client.read_flow_run_states(run_id)
    )


def settle(client: SyncPrefectClient, store: Store, run: FlowRun, ended: Ended) -> str | None:
    """Make the jobs of an ended run tell the same as the run does."""
    if ended == "failed" and _has_nothing_left(client, store, run):
        # The server was away when it would have said so. It finds its work done, and says it then.
        put_back(client, run, message=WORK_IS_DONE, delay_seconds=0.0)
        return "put back: its work is done"
    message = (run.state.message if run.state else None) or ""
    marked = end_jobs(client, store, run, ended, message=message)
    crash_open_subflows(client, run.id, message=f"Its parent run was {ended}.")
    if run.state is not None and run.state.is_cancelling():
        set_state(client, run.id, Cancelled(message="Cancelled; its worker did not do it."))
        return "cancelled"
    client.update_flow_run_labels(run.id, {SETTLED_LABEL: (run.state.name if run.state else None) or ""})
    return f"{marked} jobs are marked {ended}" if marked else None


def end_jobs(client: SyncPrefectClient, store: Store, run: FlowRun, ended: Ended, *, message: str) -> int:
    """Mark the still open jobs of an ended run failed; return how many. Raises the store's errors."""
    return sum(
        end_job(
            store,
            channel=job.channel,
            job_id=job.job_id,
            flow_runs=job.flow_runs,
            now=datetime.now(UTC),
            error=ended_run_error(ended, message),
        )
        for job in jobs_of(client, run)
    )


def _has_nothing_left(client: SyncPrefectClient, store: Store, run: FlowRun) -> bool:
    """Tell whether a failed run has done its work: its job is completed, or all of its shard have ended.

    Not if it was put back for that before: then it fails for a reason of its own.
    """
    if any(state.message == WORK_IS_DONE for state in client.read_flow_run_states(run.id)):
        return False
    for job in jobs_of(client, run):
        status, _ = read_status_object(store, channel=job.channel, job_id=job.job_id)
        if status is None or status.flow_run_id not in job.flow_runs:
            return False
        if status.state != "completed" and not (status.state == "failed" and "jobs" in run.parameters):
            return False
    return renders(run)


def ended_run_error(ended: Ended, message: str) -> TriviaRenderError:
    """Return the error of a job whose run was cancelled, or failed before it began. Pure."""
    if ended == "cancelled":
        return JobCancelledError(
            "The run was cancelled.", evidence=message, remedy="`trivia retry` starts the job again."
        )
    return TriviaRenderError(
        "The run failed before it could render.",
        evidence=message,
        remedy="Correct what the message says, then `trivia retry`.",
    )
