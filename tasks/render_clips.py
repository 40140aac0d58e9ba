"""Fan out: a `render_clip` task for each clip of a job, so many at once as the machine takes."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectConcurrentFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from tasks.artifacts import Progress
from tasks.quoting import quoted
from tasks.render_clip import render_clip
from tasks.results import results_in
from tasks.retries import can_help
from trivia_render.models.results import ClipResult
from trivia_render.pipeline.clip import find_clip
from trivia_render.pipeline.job import JobRun
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipFinished

#: Clips that are looked for at once: each waits for the store.
_LOOKS = 8


def render_clips(run: JobRun, *, ports: Ports, job: str) -> dict[str, ClipResult]:
    """Return every clip of the job by its key. The first error ends the clips under way and is raised.

    A cached result is used only while the store has the clip, whole.
    """
    specs = {spec.key: spec for video in run.plan.videos for spec in video.clips}
    with ThreadPoolExecutor(_LOOKS) as pool:
        whole = dict(zip(specs, pool.map(partial(find_clip, ports), specs.values()), strict=True))
    stopping = threading.Event()

    def can_help_unless_stopping(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
        return not stopping.is_set() and can_help(task, task_run, state)

    done: dict[str, ClipResult] = {}
    progress = Progress(job, total=len(specs))
    # A runner of our own: it is sized by the settings at run time, and its threads have ended when this
    # block does, while the job is still claimed.
    runner: ThreadPoolTaskRunner[dict[str, Any]] = ThreadPoolTaskRunner(max_workers=ports.parallel_clips)
    with results_in(ports.work_store), runner:
        futures: list[PrefectConcurrentFuture[dict[str, Any]]] = []
        clip_keys: dict[UUID, str] = {}
        try:
            for key, spec in specs.items():
                task = render_clip.with_options(
                    refresh_cache=whole[key] is None,
                    retry_condition_fn=can_help_unless_stopping,
                )
                parameters = {"spec": quoted(spec), "ports": quoted(ports), "job": job}
                futures.append(runner.submit(task, parameters))
                clip_keys[futures[-1].task_run_id] = key
            for future in as_completed([*futures]):
                key = clip_keys[future.task_run_id]
                result = future.result()
                # A result may tell of an older build of the clip than the one that was looked at.
                done[key] = whole[key] or ClipResult.model_validate(result)
                if future.state.name == "Cached":
                    # Its task did not run, so nobody has told yet.
                    ports.report(ClipFinished(key, done[key].label, reused=True, seconds=0.0))
                run.clip_finished(done[key])
                progress.update(len(done))
        except BaseException:
            stopping.set()
            _end(futures, ports)
            raise
    return done


def _end(futures: Iterable[PrefectConcurrentFuture[dict[str, Any]]], ports: Ports) -> None:
    """Cancel what has not started, and end what has."""
    waited_for = [future.wrapped_future for future in futures]
    for future in waited_for:
        future.cancel()
    # More than once: a clip may be on its way to FFmpeg just now.
    while wait(waited_for, timeout=0.1).not_done:
        ports.ffmpeg.cancel()
