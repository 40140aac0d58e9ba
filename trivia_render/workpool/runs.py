"""Flow runs of the render pool: find them, put them back, and tell which jobs they render."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Crashed
from pydantic import ValidationError

from trivia_render.models.jobs import JobName

#: Prefect's server answers at most so many objects at a time.
_PAGE = 200

#: Set by Prefect's worker before it submits a run.
WORKER_LABEL = "prefect.worker.name"


class RunJob(NamedTuple):
    """A job that a flow run renders, and what its status may call that run.

    `flow_runs`: the ids of the run, its subflows, and the key by which the job was submitted.
    """

    channel: str
    job_id: str
    flow_runs: frozenset[str]


def read_runs(
    client: SyncPrefectClient,
    *,
    pool: str,
    states: Sequence[StateType],
    ended_after: datetime | None = None,
    flow: str | None = None,
) -> Iterator[FlowRun]:
    """Yield the pool's runs in these states; of one flow, where it is named."""
    chosen = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        end_time=None if ended_after is None else FlowRunFilterEndTime(after_=ended_after),
    )
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    yield from _paged(client, chosen, of_pool, flow=flow)


def named_runs(client: SyncPrefectClient, name: str) -> list[FlowRun]:
    """Return the runs with exactly this name."""
    return list(_paged(client, FlowRunFilter(name=FlowRunFilterName(any_=[name])), None))


def known_runs(client: SyncPrefectClient, run_ids: Sequence[str]) -> set[str]:
    """Return those of the ids that are runs of this server."""
    found: set[str] = set()
    for start in range(0, len(run_ids), _PAGE):
        page = [UUID(run_id) for run_id in run_ids[start : start + _PAGE]]
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=page))
        found |= {str(run.id) for run in client.read_flow_runs(flow_run_filter=chosen, limit=_PAGE)}
    return found


def subflow_runs(client: SyncPrefectClient, run_id: UUID) -> list[FlowRun]:
    """Return the runs that were started inside a run."""
    chosen = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
    return list(_paged(client, chosen, None))


def _paged(
    client: SyncPrefectClient,
    chosen: FlowRunFilter,
    pool: WorkPoolFilter | None,
    *,
    flow: str | None = None,
) -> Iterator[FlowRun]:
    offset = 0
    of_flow = None if flow is None else FlowFilter(name=FlowFilterName(any_=[flow]))
    while True:
        page = client.read_flow_runs(
            flow_filter=of_flow, flow_run_filter=chosen, work_pool_filter=pool, limit=_PAGE, offset=offset
        )
        yield from page
        if len(page) < _PAGE:
            return
        offset += len(page)


def is_open(run: FlowRun) -> bool:
    """Tell whether a run is still to end."""
    return run.state is None or not run.state.is_final()


def start_number(client: SyncPrefectClient, run_id: UUID) -> str:
    """Name the latest start of a run: a run that is put back begins with Pending each time."""
    states = client.read_flow_run_states(run_id)
    return f"{run_id}:{sum(state.name == 'Pending' for state in states)}"


def renders(run: FlowRun) -> bool:
    """Tell whether a run was started for jobs; the scheduled flows were not."""
    return "jobs" in run.parameters or "job_id" in run.parameters


def jobs_of(client: SyncPrefectClient, run: FlowRun) -> list[RunJob]:
    """Return all jobs that a run was started for, begun or not."""
    if "jobs" not in run.parameters:
        return _own_job(run)
    children: dict[tuple[str, str], set[str]] = {
        (str(job["channel"]), str(job["job_id"])): {str(run.id)} for job in run.parameters["jobs"]
    }
    for child in subflow_runs(client, run.id):
        name = (str(child.parameters["channel"]), str(child.parameters["job_id"]))
        children.setdefault(name, {str(run.id)}).add(str(child.id))
    return [RunJob(channel, job_id, frozenset(runs)) for (channel, job_id), runs in children.items()]


def jobs_in_progress(client: SyncPrefectClient, run: FlowRun) -> list[RunJob]:
    """Return the jobs that a run has begun and not ended: its own, or those of its open subflows."""
    if "jobs" not in run.parameters:
        return _own_job(run)
    begun = (job for child in subflow_runs(client, run.id) if is_open(child) for job in _own_job(child))
    return [job._replace(flow_runs=job.flow_runs | {str(run.id)}) for job in begun]


def _own_job(run: FlowRun) -> list[RunJob]:
    # The scheduled flows have no job.
    if "job_id" not in run.parameters:
        return []
    try:
        name = JobName.model_validate({key: run.parameters.get(key) for key in ("channel", "job_id")})
    except ValidationError:
        # Started by hand with names that no job can have: it fails by itself, and has nothing to give back.
        return []
    keys = {str(run.id)} if run.idempotency_key is None else {str(run.id), run.idempotency_key}
    return [RunJob(name.channel, name.job_id, frozenset(keys))]


def crash_open_subflows(client: SyncPrefectClient, run_id: UUID, *, message: str) -> None:
    """Set the open subflows of a dead run to Crashed: nobody else ever would."""
    for child in subflow_runs(client, run_id):
        if is_open(child):
            set_state(client, child.id, Crashed(message=message))


def set_state(client: SyncPrefectClient, run_id: UUID, state: State[object]) -> None:
    """Set a run's state, whatever it was."""
    client.set_flow_run_state(run_id, state, force=True)


def put_back(client: SyncPrefectClient, run: FlowRun, *, message: str, delay_seconds: float) -> None:
    """Put a dead run back into its pool and queue, to be started after the delay.

    By way of Crashed, so that its history says what happened. A worker dies of a run that it still holds
    and is offered again, hence the delay. Without one it has its old place: a lost machine must not send its
    jobs behind all that came since.
    """
    if run.state is None or not run.state.is_crashed():
        set_state(client, run.id, Crashed(message=message))
    start = datetime.now(UTC) + timedelta(seconds=delay_seconds)
    if delay_seconds == 0 and run.expected_start_time is not None:
        start = min(start, run.expected_start_time)
    set_state(client, run.id, AwaitingRetry(scheduled_time=start, message=message))
