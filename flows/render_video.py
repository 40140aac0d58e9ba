"""Render one job's videos and publish them."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from tasks.artifacts import show_manifest
from tasks.assemble_video import assemble_video
from tasks.hooks import tell_crash, tell_end
from tasks.pool_run import current_start, pool_run, server_faults_as_outage
from tasks.publish_job import publish_job
from tasks.quoting import quoted
from tasks.render_clips import render_clips
from tasks.takeover import end_dead_run
from trivia_render.models.formats import FormatName
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.status import read_status
from trivia_render.wiring import current_ports


@flow(
    name="render-video",
    flow_run_name="{channel}/{job_id}",
    # Tasks are retried, the flow never: a run that was tried again by its flow cannot be rescheduled.
    retries=0,
    # A run with a persisted result could not be run again.
    persist_result=False,
    # Prefect stores a failed run's exception in any case, by default as a pickle.
    result_serializer="json",
    on_failure=[tell_end],
    on_cancellation=[tell_end],
    on_crashed=[tell_crash],
)
def render_video(
    channel: str, job_id: str, config: dict[str, Any] | None = None, formats: list[FormatName] | None = None
) -> dict[str, Any]:
    """Render one job's videos and publish them. What the store has already is not made again.

    Returns the job's manifest. Start it twice, and the second run finds the work done.

    Args:
        channel: The channel; the config's own must be the same.
        job_id: The job. Letters, digits, - and _.
        config: The job config. Left out: the one that was submitted under this job id.
        formats: Frame formats in place of the config's own.
    """
    # Prefect shows these words beside each parameter: it reads them here, and in no annotation.
    with pool_run():
        ports = current_ports()
        job, this_run = f"{channel}/{job_id}", flow_run.id
        before = read_status(ports, channel=channel, job_id=job_id)
        with (
            open_job(
                ports,
                channel=channel,
                job_id=job_id,
                config=config,
                formats=formats,
                flow_run_id=this_run,
                pool_start=current_start(),
            ) as run,
            server_faults_as_outage(),
        ):
            end_dead_run(before, flow_run_id=this_run)
            manifest = run.published
            if manifest is None:
                clips = render_clips(run, ports=ports, job=job)
                videos = [
                    assemble_video(
                        quoted(video),
                        clips=quoted([clips[spec.key] for spec in video.clips]),
                        run=quoted(run),
                        job=job,
                    )
                    for video in run.plan.videos
                ]
                manifest = publish_job(quoted(videos), run=quoted(run), job=job)
        show_manifest(manifest, store=ports.store, warnings=run.warnings)
        return manifest.model_dump(mode="json")
