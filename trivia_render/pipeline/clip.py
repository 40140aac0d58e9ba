"""Render one clip: narration, timeline, frames and sound in one go, so that frames never travel.

A clip's record, `clips/{key}.json`, is its commit: it is written last and names the two objects.
"""

import hashlib
import time
from pathlib import Path

from pydantic import ValidationError

from trivia_render.audio.mix import clip_sound
from trivia_render.encode.clip import encode_clip
from trivia_render.encode.sound import write_flac
from trivia_render.errors import ObjectMissingError, PreconditionFailedError
from trivia_render.models.formats import FORMATS
from trivia_render.models.plan import ClipSpec
from trivia_render.models.ports import ObjectInfo
from trivia_render.models.results import ClipResult, ObjectRef
from trivia_render.pipeline.assets import read_assets
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipAdvanced, ClipFinished, ClipStarted
from trivia_render.pipeline.scratch import scratch_folder
from trivia_render.pipeline.stopwatch import Stopwatch
from trivia_render.scene.compose import open_scene
from trivia_render.scene.timeline import build_timeline
from trivia_render.storage import keys
from trivia_render.telemetry.log_context import log_context


def find_clip(ports: Ports, spec: ClipSpec) -> ClipResult | None:
    """Return the clip's record if the clip is in the store and whole, else None."""
    try:
        data, _ = ports.work_store.read(keys.clip_key(spec.key, ".json"))
        result = ClipResult.model_validate_json(data)
    except (ObjectMissingError, ValidationError):
        # A record that cannot be read is no record: the clip is made again and the record replaced.
        return None
    return result if clip_is_whole(ports, result) else None


def clip_is_whole(ports: Ports, result: ClipResult) -> bool:
    """Tell whether both of the clip's objects are there with the recorded size and checksum."""
    return all(_is_whole(ref, ports.work_store.stat(ref.key)) for ref in (result.video, result.audio))


def _is_whole(ref: ObjectRef, info: ObjectInfo | None) -> bool:
    return info is not None and (info.size_bytes, info.crc32c) == (ref.size_bytes, ref.crc32c)


def render_clip(ports: Ports, spec: ClipSpec, *, again: bool = False) -> ClipResult:
    """Return the clip, rendered now unless the store has it whole. `again` renders in any case.

    Raises the errors of speech, scene, encode and storage.
    """
    started = time.monotonic()
    with log_context(clip=spec.label):
        found = None if again else find_clip(ports, spec)
        result = found or _render(ports, spec)
        ports.report(
            ClipFinished(
                clip_key=spec.key,
                label=spec.label,
                reused=found is not None,
                seconds=time.monotonic() - started,
            )
        )
    return result


def _render(ports: Ports, spec: ClipSpec) -> ClipResult:
    clock = Stopwatch()
    given_up = ports.ffmpeg.given_up()
    clip_key = spec.key
    with clock("speech"):
        speech = ports.voice(spec.voice.provider).synthesize(spec.content.lines, voice=spec.voice)
    with clock("drawing"):
        timeline = build_timeline(spec.content, speech.lines)
        scene = open_scene(spec, timeline, assets=read_assets(spec, ports.store))
    with scratch_folder(ports.scratch, prefix="clip-") as folder:
        video_path, audio_path = folder / "clip.mp4", folder / "clip.flac"
        # Waiting for a slot is nobody's work: no stage's seconds count it.
        with ports.slots.hold(spec.encoder.name, given_up=given_up) as gpu, clock("encode"):
            ports.report(ClipStarted(clip_key=clip_key, label=spec.label, frames=timeline.frames))
            encoded = encode_clip(
                scene.frames(),
                frame_count=timeline.frames,
                width=FORMATS[spec.format].width,
                height=FORMATS[spec.format].height,
                encoder=spec.encoder,
                ffmpeg=ports.ffmpeg,
                output=video_path,
                # Clips are encoded side by side, one a core: more threads each would only cost more.
                threads=1,
                on_progress=lambda frames: ports.report(ClipAdvanced(clip_key, frames)),
                gpu=gpu,
            )
        with clock("sound"):
            write_flac(audio_path, clip_sound(timeline, speech))
        with clock("upload"):
            result = ClipResult(
                clip_key=clip_key,
                label=spec.label,
                frames=timeline.frames,
                timeline=timeline,
                video=_upload(ports, spec, video_path, ".mp4", "video/mp4"),
                audio=_upload(ports, spec, audio_path, ".flac", "audio/flac"),
                parameter_sets_sha256=encoded.parameter_sets_sha256,
                seconds=clock.seconds,
                rendered_at=ports.now(),
            )
            ports.work_store.write(
                keys.clip_key(spec.key, ".json"),
                result.model_dump_json(indent=2).encode(),
                content_type="application/json",
            )
    return result


def _upload(ports: Ports, spec: ClipSpec, path: Path, extension: str, content_type: str) -> ObjectRef:
    # The content's hash is part of the name: two builds of one clip never meet under one name.
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    key = keys.clip_key(spec.key, f".{content}{extension}")
    try:
        info = ports.work_store.upload(key, path, content_type=content_type)
    except PreconditionFailedError:
        # Only a damaged object has this name and other content.
        ports.work_store.delete(key)
        info = ports.work_store.upload(key, path, content_type=content_type)
    return ObjectRef(key=key, size_bytes=info.size_bytes, crc32c=info.crc32c)
