"""How many jobs wait in the render pool, and how many are at work: jobs, not flow runs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType

from trivia_render.models.config import Priority
from trivia_render.models.fleet import QueueCounts
from trivia_render.workpool.names import QUEUES, RENDER_BATCH, RENDER_POOL, RENDER_VIDEO
from trivia_render.workpool.runs import is_open, read_runs, subflow_runs

_WAITING = (StateType.SCHEDULED, StateType.PENDING)
_AT_WORK = (StateType.RUNNING, StateType.CANCELLING)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def read_queue(client: SyncPrefectClient) -> QueueCounts:
    """Count the jobs of the render pool by priority. Raises httpx.HTTPError.

    Runs of one job are counted by the server; shards are read, since each holds many.
    """
    pending = {name: _count(client, name, _WAITING) for name in QUEUES}
    running = {name: _count(client, name, _AT_WORK) for name in QUEUES}
    shards = read_runs(client, pool=RENDER_POOL, states=[*_WAITING, *_AT_WORK], flow=flow_of(RENDER_BATCH))
    # A run that is created while pages are read pushes another one onto the next page as well.
    for run in {run.id: run for run in shards}.values():
        queue = priority_of(run)
        begun = () if run.run_count == 0 else subflow_runs(client, run.id)
        waits, at_work = shard_counts(run, begun)
        pending[queue] += waits
        running[queue] += at_work
    return QueueCounts(pending=pending, running=running)


def shard_counts(run: FlowRun, begun: Sequence[FlowRun]) -> tuple[int, int]:
    """Return how many jobs of a shard have not begun, and how many are at work. Pure.

    A shard goes through its jobs in their order: whatever comes before the one begun last has ended, or was
    passed over. `begun`: its subflow runs, of all its starts.
    """
    jobs = [(str(job["channel"]), str(job["job_id"])) for job in run.parameters["jobs"]]
    begun = [child for child in begun if _job_of(child) in jobs]
    if not begun:
        return len(jobs), 0
    last = max(begun, key=lambda child: child.start_time or child.created or _LONG_AGO)
    after = len(jobs) - jobs.index(_job_of(last)) - 1
    if not is_open(last) or last.state is None:
        ended = last.state is not None and not last.state.is_crashed()
        # One that crashed is begun again with its shard.
        return after + (0 if ended else 1), 0
    at_work = run.state is not None and run.state.type in _AT_WORK
    return (after, 1) if at_work else (after + 1, 0)


def priority_of(run: FlowRun) -> Priority:
    """Return the work queue of a run; one of an unknown queue counts as `default`. Pure."""
    found: Priority = "default"
    for name in QUEUES:
        if run.work_queue_name == name:
            found = name
    return found


def flow_of(deployment: str) -> str:
    """Return the flow's name in a deployment's. Pure."""
    return deployment.partition("/")[0]


def _job_of(run: FlowRun) -> tuple[str, str]:
    return str(run.parameters.get("channel")), str(run.parameters.get("job_id"))


def _count(client: SyncPrefectClient, queue: Priority, states: Sequence[StateType]) -> int:
    return client.count_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[flow_of(RENDER_VIDEO)])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
        ),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[RENDER_POOL])),
        work_queue_filter=WorkQueueFilter(name=WorkQueueFilterName(any_=[queue])),
    )
