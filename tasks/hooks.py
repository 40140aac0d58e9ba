"""State hooks: a run that ends without its own flow's doing still tells the job's status."""

from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from tasks.pool_run import started_here
from trivia_render.pipeline.handover import give_back
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store
from trivia_render.workpool.runs import WORKER_LABEL
from trivia_render.workpool.settling import Ended, end_jobs


def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's
    """Mark the jobs of a failed or cancelled run failed, unless they say how they ended already."""
    # A run within a shard has no deployment: the flow has told what it raised, or leaves it to the shard.
    if flow_run.deployment_id is None or _is_another_ones(flow_run):
        return
    ended: Ended = "failed" if state.is_failed() else "cancelled"
    store = make_store(load_settings())
    with get_client(sync_client=True) as client:
        end_jobs(client, store, flow_run, ended, message=state.message or "")


def tell_crash(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's
    """Say that a crashed run's job waits for its next run. The reaper counts the crash and starts it."""
    if "job_id" not in flow_run.parameters or _is_another_ones(flow_run):
        return
    settings = load_settings()
    give_back(
        make_store(settings),
        channel=str(flow_run.parameters["channel"]),
        job_id=str(flow_run.parameters["job_id"]),
        flow_runs={str(flow_run.id)},
        now=datetime.now(UTC),
        reason=state.message or "Its process ended.",
        code="crashed",
        crash_of=None,
        max_crashes=settings.max_crashes,
    )


def _is_another_ones(flow_run: FlowRun) -> bool:
    """Tell whether a run was given up here and started elsewhere: how its jobs end is the other's to say."""
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(flow_run.id)
    worker, mine = now.labels.get(WORKER_LABEL), load_settings().worker_name
    # Cancellation and crashes are told by the worker's process, the rest by the run's own.
    given_away = mine is not None and worker is not None and worker != mine
    return given_away or not started_here(now.id, run_count=now.run_count)
