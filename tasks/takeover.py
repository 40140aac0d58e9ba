"""Tell Prefect of a run that died without a word."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from trivia_render.models.results import JobStatus


def end_dead_run(before: JobStatus | None, *, flow_run_id: str) -> None:
    """Set the job's earlier run to Crashed if it still counts as running.

    Call it with the status from before this run claimed the job: the claim proves that run dead. Its
    process was killed, so nobody else will ever say so.
    """
    if before is None or before.state != "running" or before.flow_run_id in {None, flow_run_id}:
        return
    dead = UUID(before.flow_run_id)
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(dead).state
        except ObjectNotFound:
            # That run belonged to another server.
            return
        if state is None or not state.is_final():
            message = f"Its process ended without a word. Flow run {flow_run_id} has taken the job over."
            client.set_flow_run_state(dead, Crashed(message=message), force=True)
            # Its tasks died with it; they would seem to run for ever.
            for task_run in client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[dead])), limit=200
            ):
                if task_run.state is None or not task_run.state.is_final():
                    client.set_task_run_state(task_run.id, Crashed(message=message), force=True)
