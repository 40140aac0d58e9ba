"""Make one finished video of its clips: one sound master, one stream-copied picture, captions, thumbnail."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from trivia_render.audio.loudness import FinishedSound, finish
from trivia_render.audio.mix import mix_master
from trivia_render.encode.assembly import join_clips
from trivia_render.encode.sound import encode_aac, measure_loudness, read_flac
from trivia_render.encode.verify import check_video, inspect_video
from trivia_render.errors import ObjectDamagedError, ObjectMissingError, PreconditionFailedError
from trivia_render.models.formats import FORMATS, FPS
from trivia_render.models.plan import ClipSpec, JobPlan, QuestionClip, VideoPlan
from trivia_render.models.results import Chapter, ClipResult, ObjectRef, VideoRecord
from trivia_render.pipeline.assets import read_assets
from trivia_render.pipeline.captions import caption_cues, chapters, to_srt, to_vtt
from trivia_render.pipeline.clip import render_clip
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import StageStarted
from trivia_render.pipeline.scratch import scratch_folder
from trivia_render.pipeline.stopwatch import Stopwatch
from trivia_render.scene.thumbnail import draw_thumbnail
from trivia_render.storage import keys
from trivia_render.storage.keys import VideoFile

#: Hears of a clip that was rendered again, and why.
Repaired = Callable[[ClipResult, str], None]

CONTENT_TYPES: dict[VideoFile, str] = {
    "video.mp4": "video/mp4",
    "captions.srt": "application/x-subrip",
    "captions.vtt": "text/vtt",
    "thumbnail.jpg": "image/jpeg",
}


def assemble_video(
    ports: Ports,
    plan: JobPlan,
    video: VideoPlan,
    clips: Sequence[ClipResult],
    *,
    attempt: int,
    clock: Stopwatch,
    repaired: Repaired,
) -> VideoRecord:
    """Join the clips of a video, in order, and put its files into the store under this attempt.

    Clips whose stream parameters differ from the majority's, and clips that the store has no more or not
    as they were, are rendered again before joining, and told to `repaired` with the reason.
    Raises ClipMismatchError, VideoOutOfSpecError, EncodeError and the store's errors.
    """
    with scratch_folder(ports.scratch, prefix="video-") as workshop:
        with clock("matching"):
            clips = _with_equal_parameters(ports, video, clips, repaired)
        with clock("fetching"):
            clips, pictures, sounds = _fetch(ports, video, clips, workshop, repaired)
        ports.report(StageStarted(stage="mixing", format=video.format))
        with clock("mixing"):
            sound = _finish_sound(ports, plan, sounds, workshop)
        timelines = [clip.timeline for clip in clips]
        marks = chapters([spec.content for spec in video.clips], timelines)
        ports.report(StageStarted(stage="joining", format=video.format))
        with clock("joining"):
            output = workshop / "video.mp4"
            join_clips(
                pictures,
                audio=sound.path,
                chapters=marks,
                output=output,
                ffmpeg=ports.ffmpeg,
                title=plan.title,
            )
        with clock("checking"):
            _check(output, video, clips)
        ports.report(StageStarted(stage="publishing", format=video.format))
        with clock("publishing"):
            cues = caption_cues(timelines)
            files: dict[VideoFile, Path] = {"video.mp4": output}
            for kind, text in (("srt", to_srt(cues)), ("vtt", to_vtt(cues))):
                if kind in plan.captions.formats:
                    name: VideoFile = "captions.srt" if kind == "srt" else "captions.vtt"
                    files[name] = workshop / name
                    files[name].write_text(text, encoding="utf-8")
            files["thumbnail.jpg"] = workshop / "thumbnail.jpg"
            files["thumbnail.jpg"].write_bytes(_thumbnail(ports, plan, video))
            stored = {name: _upload(ports, plan, video, attempt, name, path) for name, path in files.items()}
        return _record(video, clips, stored, output, marks, sound)


def _with_equal_parameters(
    ports: Ports, video: VideoPlan, clips: Sequence[ClipResult], repaired: Repaired
) -> Sequence[ClipResult]:
    """Render clips again whose SPS and PPS are not the majority's; `join_clips` refuses what then differs."""
    usual, _ = Counter(clip.parameter_sets_sha256 for clip in clips).most_common(1)[0]

    def matching(spec: ClipSpec, clip: ClipResult) -> ClipResult:
        if clip.parameter_sets_sha256 == usual:
            return clip
        again = render_clip(ports, spec, again=True)
        repaired(again, "its stream parameters differed from the other clips'")
        return again

    return [matching(spec, clip) for spec, clip in zip(video.clips, clips, strict=True)]


def _fetch(
    ports: Ports, video: VideoPlan, clips: Sequence[ClipResult], folder: Path, repaired: Repaired
) -> tuple[list[ClipResult], list[Path], list[Path]]:
    """Download pictures and sound of each clip, checked; return the clips as they are now."""
    pictures = [folder / f"{index:03d}.mp4" for index in range(len(clips))]
    sounds = [folder / f"{index:03d}.flac" for index in range(len(clips))]

    def fetch(clip: ClipResult, picture: Path, sound: Path) -> None:
        ports.work_store.download(clip.video.key, picture, crc32c=clip.video.crc32c)
        ports.work_store.download(clip.audio.key, sound, crc32c=clip.audio.crc32c)

    fetched: list[ClipResult] = []
    for spec, known, picture, sound in zip(video.clips, clips, pictures, sounds, strict=True):
        clip = known
        try:
            fetch(clip, picture, sound)
        except (ObjectMissingError, ObjectDamagedError) as error:
            # It was whole when the run looked: deleted or damaged since.
            clip = render_clip(ports, spec, again=True)
            repaired(clip, error.message)
            fetch(clip, picture, sound)
        fetched.append(clip)
    return fetched, pictures, sounds


def _finish_sound(ports: Ports, plan: JobPlan, sounds: Sequence[Path], folder: Path) -> FinishedSound:
    master = mix_master(
        [read_flac(path) for path in sounds], soundtrack=plan.soundtrack, sound_effects=plan.sound_effects
    )
    return finish(
        master,
        target=plan.loudness,
        encode=partial(encode_aac, output=folder / "sound.m4a", ffmpeg=ports.ffmpeg),
        measure=partial(measure_loudness, ffmpeg=ports.ffmpeg),
    )


def _check(output: Path, video: VideoPlan, clips: Sequence[ClipResult]) -> None:
    frame_format = FORMATS[video.format]
    check_video(
        inspect_video(output),
        width=frame_format.width,
        height=frame_format.height,
        clip_frames=[clip.frames for clip in clips],
    )


def _thumbnail(ports: Ports, plan: JobPlan, video: VideoPlan) -> bytes:
    first = next((spec for spec in video.clips if isinstance(spec.content, QuestionClip)), None)
    return draw_thumbnail(
        plan.title,
        first_question=first.content.question if first and isinstance(first.content, QuestionClip) else None,
        total=sum(spec.content.kind == "question" for spec in video.clips),
        theme=video.clips[0].theme,
        assets=read_assets(first or video.clips[0], ports.store),
        language=plan.language,
    )


def _upload(
    ports: Ports, plan: JobPlan, video: VideoPlan, attempt: int, name: VideoFile, path: Path
) -> ObjectRef:
    key = keys.video_key(plan.channel, plan.job_id, format=video.format, attempt=attempt, name=name)
    try:
        info = ports.store.upload(key, path, content_type=CONTENT_TYPES[name])
    except PreconditionFailedError:
        # Left by an earlier try of this very attempt, which never published it: ours to replace.
        ports.store.delete(key)
        info = ports.store.upload(key, path, content_type=CONTENT_TYPES[name])
    return ObjectRef(key=key, size_bytes=info.size_bytes, crc32c=info.crc32c)


def _record(
    video: VideoPlan,
    clips: Sequence[ClipResult],
    stored: dict[VideoFile, ObjectRef],
    output: Path,
    marks: tuple[Chapter, ...],
    sound: FinishedSound,
) -> VideoRecord:
    frames = sum(clip.frames for clip in clips)
    with output.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return VideoRecord(
        format=video.format,
        width=FORMATS[video.format].width,
        height=FORMATS[video.format].height,
        frames=frames,
        duration_seconds=frames / FPS,
        video=stored["video.mp4"],
        sha256=digest,
        captions={
            kind: stored[name]
            for kind, name in (("srt", "captions.srt"), ("vtt", "captions.vtt"))
            if name in stored
        },
        thumbnail=stored["thumbnail.jpg"],
        chapters=marks,
        integrated_lufs=sound.integrated_lufs,
        true_peak_dbtp=sound.true_peak_dbtp,
        silent=sound.silent,
        clip_keys=tuple(clip.clip_key for clip in clips),
    )
