"""The whole pipeline in one process, without a workflow engine: same cache, same resume."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextvars import copy_context
from typing import Any, NamedTuple

from trivia_render.models.formats import FormatName
from trivia_render.models.problems import Problem
from trivia_render.models.results import ClipResult, Manifest
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.clip import render_clip
from trivia_render.pipeline.job import JobRun
from trivia_render.pipeline.ports import Ports


class Outcome(NamedTuple):
    """What a run ended with. `already_published`: nothing was left to do."""

    manifest: Manifest
    warnings: tuple[Problem, ...]
    already_published: bool


def render_job(
    ports: Ports,
    *,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None = None,
    formats: Sequence[FormatName] | None = None,
) -> Outcome:
    """Render and publish a job; clips that the store has whole are not made again.

    Raises every error of the tree; a clip's first error ends the run after the clips under way.
    """
    with open_job(ports, channel=channel, job_id=job_id, config=config, formats=formats) as job:
        if job.published is not None:
            return Outcome(job.published, job.warnings, already_published=True)
        clips = _render_clips(ports, job)
        records = [
            job.assemble(video, [clips[spec.key] for spec in video.clips]) for video in job.plan.videos
        ]
        return Outcome(job.publish(records), job.warnings, already_published=False)


def _render_clips(ports: Ports, job: JobRun) -> dict[str, ClipResult]:
    # One entry a key: a clip that occurs twice is rendered once.
    specs = {spec.key: spec for video in job.plan.videos for spec in video.clips}
    done: dict[str, ClipResult] = {}
    with ThreadPoolExecutor(ports.parallel_clips, thread_name_prefix="clip") as pool:
        futures: dict[Future[ClipResult], str] = {
            # In a copy of the context, so that its log lines name the job.
            pool.submit(copy_context().run, render_clip, ports, spec): key
            for key, spec in specs.items()
        }
        try:
            for future in as_completed(futures):
                result = future.result()
                done[futures[future]] = result
                job.clip_finished(result)
        except BaseException:
            # Not by the pool's shutdown: it takes them from the queue, and `wait` would never see their end.
            for future in futures:
                future.cancel()
            # More than once: a clip may be on its way to FFmpeg just now.
            while wait(futures, timeout=0.1).not_done:
                ports.ffmpeg.cancel()
            raise
    return done
