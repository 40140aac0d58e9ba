"""Encode one clip's frames to a file, and check the file before anyone else sees it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.packets import VideoPackets, difference, read_video_packets
from trivia_render.errors import VideoOutOfSpecError
from trivia_render.models.formats import GOP_FRAMES
from trivia_render.models.plan import EncoderSpec
from trivia_render.models.ports import Planes

#: x264 learns the lead of its decoding times from its third frame; shorter clips have another than all
#: others and cannot be joined to them.
MIN_FRAMES = 3


class EncodedClip(NamedTuple):
    """A clip's file as it was read back. `keyframes` are frame numbers, each an IDR."""

    path: Path
    frames: int
    keyframes: tuple[int, ...]
    parameter_sets_sha256: str
    size_bytes: int


def encode_clip(
    frames: Iterable[Planes],
    *,
    frame_count: int,
    width: int,
    height: int,
    encoder: EncoderSpec,
    ffmpeg: Ffmpeg,
    output: Path,
    threads: int,
    on_progress: Callable[[int], None] | None,
    gpu: int | None = None,
) -> EncodedClip:
    """Encode I420 planes, uint8 (height * 3/2, width), BT.709 limited range, to MP4 at `output`.

    A plane may be changed as soon as the next one is asked for. `on_progress` hears how many frames
    FFmpeg has taken. `gpu` is where NVENC encodes; None: on the first that can. The file appears whole and
    checked, or not at all.

    MP4, since it keeps times exactly (one tick a frame; Matroska rounds to milliseconds) and its parameter
    sets stand once, in the header, where they are compared before clips are joined.

    Raises EncodeError, EncodeStalledError, EncoderUnavailableError where NVENC fails, DiskFullError,
    VideoOutOfSpecError, and ValueError for planes of another shape or a clip too short to join.
    """
    if frame_count < MIN_FRAMES:
        raise ValueError(f"a clip of {frame_count} frames is under {MIN_FRAMES}")
    partial = output.with_name(f".{output.name}.partial")
    try:
        ffmpeg.feed(
            arguments.encode_clip(
                width=width, height=height, encoder=encoder.name, threads=threads, output=partial, gpu=gpu
            ),
            f"encoding {output.name}",
            chunks=_chunks(frames, (height * 3 // 2, width), on_progress),
        )
        packets = read_video_packets(partial)
        check_clip(packets, name=output.name, frame_count=frame_count)
        encoded = EncodedClip(
            output,
            packets.frames,
            packets.keyframes,
            packets.parameter_sets_sha256,
            partial.stat().st_size,
        )
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return encoded


def check_clip(packets: VideoPackets, *, name: str, frame_count: int) -> None:
    """Raise VideoOutOfSpecError unless the clip has exactly these frames and can be joined. Pure."""
    deviations = []
    if packets.frames != frame_count:
        deviations.append(f"{packets.frames} frames instead of {frame_count}")
    if sorted(packets.pts) != list(range(packets.frames)):
        deviations.append("its frames do not follow one another at 30 a second from 0")
    if any(later <= earlier for earlier, later in zip(packets.dts, packets.dts[1:], strict=False)):
        deviations.append("its decoding times do not rise")
    expected = tuple(range(0, packets.frames, GOP_FRAMES))
    if packets.keyframes != expected:
        deviations.append(f"keyframes: {difference(packets.keyframes, expected)}")
    if packets.idr_frames != expected:
        deviations.append(f"IDR pictures: {difference(packets.idr_frames, expected)}")
    if deviations:
        raise VideoOutOfSpecError(
            f"The clip {name} is not as it must be:",
            evidence="\n".join(f"  {deviation}" for deviation in deviations),
            remedy="Render it again; if it happens again, report the build that `trivia doctor` names.",
        )


def _chunks(
    frames: Iterable[Planes], shape: tuple[int, int], on_progress: Callable[[int], None] | None
) -> Iterator[memoryview]:
    taken = 0
    for count, planes in enumerate(frames):
        if planes.shape != shape or planes.dtype != "uint8" or not planes.flags.c_contiguous:
            raise ValueError(f"frame {count} is {planes.dtype} {planes.shape}, not contiguous uint8 {shape}")
        if on_progress is not None and count:
            on_progress(count)
        yield planes.data.cast("B")
        taken = count + 1
    if on_progress is not None:
        on_progress(taken)
