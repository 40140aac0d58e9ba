"""Render a shard of jobs in one warm process, each as a run of its own."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.render_video import render_video
from tasks.artifacts import show_shard
from tasks.hooks import tell_end
from tasks.pool_run import come_back_later, leave_if_given_away, pool_run
from tasks.shard import end_orphans, outcome_of
from trivia_render.models.jobs import JobName
from trivia_render.pipeline.shard import JobOutcome, summary, what_is_left
from trivia_render.wiring import current_ports


@flow(
    name="render-batch",
    retries=0,
    persist_result=False,
    result_serializer="json",
    on_failure=[tell_end],
    on_cancellation=[tell_end],
)
def render_batch(
    jobs: Annotated[list[JobName], Field(min_length=1)],
) -> State[Any]:
    """Render jobs one after the other. A job that fails does not hold up the others.

    Started again, it goes on where it stopped: published jobs take no time, failed ones are passed over.

    Args:
        jobs: Jobs whose configs were submitted.
    """
    with pool_run():
        ports = current_ports()
        end_orphans()
        outcomes: dict[str, JobOutcome] = {}
        for job in jobs:
            leave_if_given_away()
            need = what_is_left(ports, job)
            if need == "render":
                state = render_video(job.channel, job.job_id, return_state=True)
                # What became of the job is in its status: its run may have ended otherwise, the server away.
                outcomes[str(job)] = "rendered" if state.is_completed() else outcome_of(state, ports, job)
            else:
                outcomes[str(job)] = need
        leave_if_given_away()
        show_shard(outcomes)
        if "held" in outcomes.values():
            come_back_later(summary(outcomes))
        return Completed(message=summary(outcomes))
