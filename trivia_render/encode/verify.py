"""Look at a finished video as a stranger would, and hold it against what it must be."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from pydantic import Field

from trivia_render.encode.packets import damaged, difference, open_video, unreadable, walk
from trivia_render.errors import VideoOutOfSpecError
from trivia_render.models.base import Model
from trivia_render.models.formats import FRAME_RATE, GOP_FRAMES, SAMPLE_RATE

#: Sound and picture may end so far apart: a frame and a half of 30, a player cannot show it.
MAX_DURATION_GAP_SECONDS: Final = 0.050
#: ITU-T H.273: 1 is BT.709 for primaries, transfer and matrix. FFmpeg's range 1 is limited (`tv`).
_BT709_LIMITED: Final = (1, 1, 1, 1)


class AudioFacts(Model):
    """The sound stream."""

    codec: str
    profile: str
    sample_rate: int
    channels: int
    start_seconds: float
    duration_seconds: float


class VideoFacts(Model):
    """What a file is, read from its boxes and packets; nothing is decoded."""

    codec: str
    profile: str
    pixel_format: str
    width: int
    height: int
    frame_rate: Fraction
    frames: int
    start_seconds: float
    duration_seconds: float
    constant_rate: bool = Field(description="Frames 0 to n - 1, each a frame after the other.")
    decoding_times_rise: bool
    keyframes: tuple[int, ...]
    idr_frames: tuple[int, ...]
    colour: tuple[int, int, int, int] = Field(
        description="Primaries, transfer, matrix (H.273 numbers), range (1 is limited)."
    )
    header_first: bool = Field(description="The `moov` box comes before the frames.")
    audio: AudioFacts | None


def inspect_video(path: Path) -> VideoFacts:
    """Read a video's facts. Raises VideoOutOfSpecError where it cannot be read as MP4 with H.264."""
    with open_video(path) as container:
        if not container.streams.video:
            raise unreadable(path, "it has no video stream")
        stream = container.streams.video[0]
        context = stream.codec_context
        # A stream without a known codec.
        with damaged(path, AttributeError):
            audio = _audio_facts(container)
        packets = walk(container)
        time_base = stream.time_base or Fraction(0)
        return VideoFacts(
            codec=context.name,
            profile=context.profile or "",
            pixel_format=context.pix_fmt or "",
            width=context.width,
            height=context.height,
            frame_rate=stream.average_rate or Fraction(0),
            frames=packets.frames,
            start_seconds=float((stream.start_time or 0) * time_base),
            duration_seconds=float((stream.duration or 0) * time_base),
            constant_rate=sorted(packets.pts) == list(range(packets.frames)),
            decoding_times_rise=all(
                earlier < later for earlier, later in zip(packets.dts, packets.dts[1:], strict=False)
            ),
            keyframes=packets.keyframes,
            idr_frames=packets.idr_frames,
            colour=(
                int(context.color_primaries),
                int(context.color_trc),
                int(context.colorspace),
                int(context.color_range),
            ),
            header_first=_header_first(path),
            audio=audio,
        )


def _audio_facts(container: av.container.InputContainer) -> AudioFacts | None:
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    time_base = stream.time_base or Fraction(0)
    return AudioFacts(
        codec=stream.codec_context.name,
        profile=stream.codec_context.profile or "",
        sample_rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        start_seconds=float((stream.start_time or 0) * time_base),
        duration_seconds=float((stream.duration or 0) * time_base),
    )


def _header_first(path: Path) -> bool:
    """Tell whether the file's `moov` box comes before its `mdat` (ISO/IEC 14496-12 box headers)."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, kind = int.from_bytes(header[:4], "big"), header[4:]
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                break
            file.seek(size - 8, 1)
    return False


def check_video(
    facts: VideoFacts, *, width: int, height: int, clip_frames: Sequence[int], sound: bool = True
) -> None:
    """Hold a finished video against what it must be. Pure.

    `clip_frames` are the lengths of its clips in order: they give its length and where its keyframes are.
    Raises VideoOutOfSpecError that lists every deviation.
    """
    expected_frames = sum(clip_frames)
    checks: list[tuple[str, object, object]] = [
        ("codec", facts.codec, "h264"),
        ("profile", facts.profile, "High"),
        ("pixel format", facts.pixel_format, "yuv420p"),
        ("size", (facts.width, facts.height), (width, height)),
        ("frame rate", facts.frame_rate, FRAME_RATE),
        ("frames", facts.frames, expected_frames),
        ("start", facts.start_seconds, 0.0),
        ("duration", round(facts.duration_seconds, 4), round(float(expected_frames / FRAME_RATE), 4)),
        ("constant frame rate", facts.constant_rate, True),
        ("rising decoding times", facts.decoding_times_rise, True),
        ("colour", facts.colour, _BT709_LIMITED),
        ("header before the frames", facts.header_first, True),
        ("sound", facts.audio is not None, sound),
    ]
    if facts.audio is not None:
        gap = abs(facts.audio.duration_seconds - facts.duration_seconds)
        checks += [
            ("sound codec", (facts.audio.codec, facts.audio.profile), ("aac", "LC")),
            ("sample rate", facts.audio.sample_rate, SAMPLE_RATE),
            ("sound channels", facts.audio.channels, 2),
            ("start of the sound", facts.audio.start_seconds, 0.0),
            (
                f"sound and picture within {MAX_DURATION_GAP_SECONDS * 1000:g} ms "
                f"(they differ by {gap * 1000:.1f} ms)",
                gap <= MAX_DURATION_GAP_SECONDS,
                True,
            ),
        ]
    deviations = [f"  {what}: {found}, not {wanted}" for what, found, wanted in checks if found != wanted]
    keyframes = expected_keyframes(clip_frames)
    for what, positions in (("keyframes", facts.keyframes), ("IDR pictures", facts.idr_frames)):
        if positions != keyframes:
            deviations.append(f"  {what}: {difference(positions, keyframes)}")
    if deviations:
        raise VideoOutOfSpecError(
            "The finished video is not as it must be:",
            evidence="\n".join(deviations),
            remedy="Render the job again; if it happens again, report the build that `trivia doctor` names.",
        )


def expected_keyframes(clip_frames: Sequence[int]) -> tuple[int, ...]:
    """Return the keyframes of joined clips: each clip's first frame and every 60th from there. Pure."""
    keyframes: list[int] = []
    start = 0
    for frames in clip_frames:
        keyframes.extend(range(start, start + frames, GOP_FRAMES))
        start += frames
    return tuple(keyframes)
