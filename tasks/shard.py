"""The steps of a shard that concern Prefect's runs."""

from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from trivia_render.errors import JobGivenBackError, JobHeldError, LeaseLostError
from trivia_render.models.jobs import JobName
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.shard import JobOutcome, what_is_left
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


def outcome_of(state: State[Any], ports: Ports, job: JobName) -> JobOutcome:
    """Tell what became of a job whose run within a shard did not complete."""
    need = what_is_left(ports, job)
    if need != "render":
        return need
    error = state.result(raise_on_failure=False)
    # Its run has it no more, or never had it: the shard comes back to it later.
    held = isinstance(error, JobHeldError | JobGivenBackError | LeaseLostError | httpx.HTTPError)
    return "held" if held else "failed"
