"""Rendering that takes a known time and no CPU, in place of FFmpeg, voices and drawing.

All the rest of the pipeline is real: claims, plans, statuses, manifests, log lines.
"""

import hashlib
import time
from collections.abc import Callable, Sequence

from trivia_render.models.formats import FORMATS
from trivia_render.models.plan import ClipSpec, JobPlan, VideoPlan
from trivia_render.models.results import Chapter, ClipResult, ObjectRef, VideoRecord
from trivia_render.models.timeline import Span, Timeline
from trivia_render.pipeline import clip, job
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipFinished, ClipStarted, StageStarted
from trivia_render.pipeline.stopwatch import Stopwatch
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore

#: 10 s, about what a question takes.
_FRAMES = 300
_CLIP_STAGES = ("speech", "drawing", "encode", "sound", "upload")
_VIDEO_STAGES = ("matching", "fetching", "mixing", "joining", "checking", "publishing")


class BucketNames(LocalStore):
    """A local folder that calls its objects as a bucket would.

    So a thumbnail is shown by its address, as in production, and not by a copy in Prefect's database.
    """

    def uri(self, key: str) -> str:
        return f"gs://trivia-load/{key}"


def install(*, clip_seconds: float) -> None:
    """Replace rendering and assembly in this process. Each clip, and each video, takes so many seconds."""
    clip.render_clip = stub_clip(clip_seconds)
    job.assemble_video = stub_assembly(clip_seconds)  # type: ignore[attr-defined]


def stub_clip(seconds: float) -> Callable[..., ClipResult]:
    """Return what stands for `pipeline.clip.render_clip`; it stores nothing."""

    def render_clip(ports: Ports, spec: ClipSpec, *, again: bool = False) -> ClipResult:  # noqa: ARG001
        ports.report(ClipStarted(clip_key=spec.key, label=spec.label, frames=_FRAMES))
        time.sleep(seconds)
        ports.report(ClipFinished(clip_key=spec.key, label=spec.label, reused=False, seconds=seconds))
        return ClipResult(
            clip_key=spec.key,
            label=spec.label,
            frames=_FRAMES,
            timeline=Timeline(
                frames=_FRAMES,
                spans=(Span(stage="hold", start_frame=0, end_frame=_FRAMES),),
                speech=(),
                cues=(),
            ),
            video=_object(keys.clip_key(spec.key, ".mp4")),
            audio=_object(keys.clip_key(spec.key, ".flac")),
            parameter_sets_sha256=hashlib.sha256(b"one encoder").hexdigest(),
            seconds=dict.fromkeys(_CLIP_STAGES, seconds / len(_CLIP_STAGES)),
            rendered_at=ports.now(),
        )

    return render_clip


def stub_assembly(seconds: float) -> Callable[..., VideoRecord]:
    """Return what stands for `pipeline.assembly.assemble_video`; it stores nothing."""

    def assemble_video(
        ports: Ports,
        plan: JobPlan,
        video: VideoPlan,
        clips: Sequence[ClipResult],
        *,
        attempt: int,
        clock: Stopwatch,
        repaired: Callable[[ClipResult, str], None],  # noqa: ARG001 - nothing is ever damaged
    ) -> VideoRecord:
        for stage in ("mixing", "joining", "publishing"):
            ports.report(StageStarted(stage=stage, format=video.format))
        time.sleep(seconds)
        for name in _VIDEO_STAGES:
            clock.add(name, seconds / len(_VIDEO_STAGES))

        def stored(name: keys.VideoFile) -> ObjectRef:
            return _object(
                keys.video_key(plan.channel, plan.job_id, format=video.format, attempt=attempt, name=name)
            )

        frames = sum(item.frames for item in clips)
        return VideoRecord(
            format=video.format,
            width=FORMATS[video.format].width,
            height=FORMATS[video.format].height,
            frames=frames,
            duration_seconds=frames / 30,
            video=stored("video.mp4"),
            sha256=hashlib.sha256(plan.job_id.encode()).hexdigest(),
            captions={"srt": stored("captions.srt"), "vtt": stored("captions.vtt")},
            thumbnail=stored("thumbnail.jpg"),
            chapters=tuple(
                Chapter(title=item.label, start_seconds=10.0 * index, end_seconds=10.0 * (index + 1))
                for index, item in enumerate(clips)
            ),
            integrated_lufs=-14.0,
            true_peak_dbtp=-1.6,
            silent=False,
            clip_keys=tuple(item.clip_key for item in clips),
        )

    return assemble_video


def _object(key: str) -> ObjectRef:
    return ObjectRef(key=key, size_bytes=2_000_000, crc32c="AAAAAA==")
