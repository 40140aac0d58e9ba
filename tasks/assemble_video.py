"""Make one finished video of its clips."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.retries import RETRIES, RETRY_DELAYS, RETRY_JITTER, can_help
from trivia_render.models.plan import VideoPlan
from trivia_render.models.results import ClipResult, VideoRecord
from trivia_render.pipeline.job import JobRun


@task(
    name="assemble_video",
    task_run_name="{job} assemble {video.format}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_jitter_factor=RETRY_JITTER,
    retry_condition_fn=can_help,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def assemble_video(
    video: VideoPlan,
    *,
    clips: Sequence[ClipResult],
    run: JobRun,
    job: str,  # noqa: ARG001 - in the task run's name
) -> VideoRecord:
    """Join the clips and put the video's files into the store."""
    return run.assemble(video, clips)
