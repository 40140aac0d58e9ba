"""Commit a job's videos."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.retries import RETRIES, RETRY_DELAYS, RETRY_JITTER, can_help
from trivia_render.models.results import Manifest, VideoRecord
from trivia_render.pipeline.job import JobRun


@task(
    name="publish_job",
    task_run_name="{job} publish",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_jitter_factor=RETRY_JITTER,
    retry_condition_fn=can_help,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def publish_job(
    videos: Sequence[VideoRecord],
    *,
    run: JobRun,
    job: str,  # noqa: ARG001 - in the task run's name
) -> Manifest:
    """Write the manifest under the job's fencing token."""
    return run.publish(videos)
