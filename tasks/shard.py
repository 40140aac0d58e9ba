"""The steps of a shard that concern Prefect's runs."""

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from trivia_render.errors import JobGivenBackError, JobHeldError, LeaseLostError
from trivia_render.pipeline.shard import JobOutcome
from trivia_render.workpool.runs import crash_open_subflows


def end_orphans() -> None:
    """Set what this run's earlier starts left running to Crashed: the process that ran it is gone."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.run_count < 2:
        return
    with get_client(sync_client=True) as client:
        crash_open_subflows(
            client, context.flow_run.id, message="The process of its batch ended; the batch runs again."
        )


def outcome_of(state: State[Any]) -> JobOutcome:
    """Tell how a job's run within a shard ended."""
    if state.is_completed():
        return "rendered"
    error = state.result(raise_on_failure=False)
    # It has the job no more, or never had it: the shard asks again later.
    return "held" if isinstance(error, JobHeldError | JobGivenBackError | LeaseLostError) else "failed"
