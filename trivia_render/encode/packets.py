"""Read a video stream's packets without decoding them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error

from trivia_render.encode.h264 import is_idr, parameter_sets_sha256
from trivia_render.errors import VideoOutOfSpecError
from trivia_render.models.formats import FPS


class VideoPackets(NamedTuple):
    """What a stream's packets say. Times are in frames, in the order of the file."""

    pts: tuple[int, ...]
    dts: tuple[int, ...]
    keyframes: tuple[int, ...]
    #: Pictures that are an IDR, whether the file calls them keyframes or not.
    idr_frames: tuple[int, ...]
    parameter_sets_sha256: str

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.pts)


def read_video_packets(path: Path) -> VideoPackets:
    """Walk through a file's H.264 stream. Raises VideoOutOfSpecError where there is none."""
    with open_video(path) as container:
        if not container.streams.video:
            raise unreadable(path, "it has no video stream")
        return walk(container)


@contextmanager
def open_video(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file for the block. Raises VideoOutOfSpecError where av cannot read it, now or in the block."""
    try:
        # Metadata that is no UTF-8 is a ValueError.
        with damaged(path, ValueError):
            container = av.open(path, mode="r")
        with container:
            yield container
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, str(error)) from error


@contextmanager
def damaged(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn these errors into VideoOutOfSpecError: around what reads a file, not what works with the facts."""
    try:
        yield
    except errors as error:
        raise unreadable(path, str(error)) from error


def walk(container: av.container.InputContainer) -> VideoPackets:
    """Read the first video stream of an open file to its end, in the block of `open_video`."""
    # Of `h264`: ValueError. Of av, for a stream without a known codec: AttributeError.
    with damaged(Path(container.name), ValueError, AttributeError):
        return _walk(container)


def _walk(container: av.container.InputContainer) -> VideoPackets:
    stream = container.streams.video[0]
    extradata = stream.codec_context.extradata
    if stream.codec_context.name != "h264" or not extradata:
        raise unreadable(Path(container.name), f"its video is {stream.codec_context.name}, not H.264 in MP4")
    ticks_per_frame = 1 / ((stream.time_base or Fraction(1)) * FPS)
    if ticks_per_frame.denominator != 1:
        raise unreadable(Path(container.name), f"its clock of {stream.time_base} s does not count frames")
    ticks = ticks_per_frame.numerator
    pts: list[int] = []
    dts: list[int] = []
    keyframes: list[int] = []
    idr_frames: list[int] = []
    for packet in container.demux(stream):
        if packet.size == 0:  # the end
            continue
        if packet.pts is None or packet.dts is None:
            raise unreadable(Path(container.name), f"picture {len(pts)} has no time")
        frame, rest = divmod(packet.pts, ticks)
        decoded_at, dts_rest = divmod(packet.dts, ticks)
        if rest or dts_rest:
            raise unreadable(
                Path(container.name), f"picture {len(pts)} is not on the grid of {FPS} frames a second"
            )
        pts.append(frame)
        dts.append(decoded_at)
        if packet.is_keyframe:
            keyframes.append(frame)
        if is_idr(memoryview(packet)):
            idr_frames.append(frame)
    return VideoPackets(
        tuple(pts), tuple(dts), tuple(keyframes), tuple(idr_frames), parameter_sets_sha256(extradata)
    )


def difference(found: Sequence[int], wanted: Sequence[int]) -> str:
    """Say how two lists of frame numbers differ, in one short line however long they are. Pure."""
    where = next(
        (place for place, (one, other) in enumerate(zip(found, wanted, strict=False)) if one != other),
        min(len(found), len(wanted)),
    )
    sides = [str(side[where]) if where < len(side) else "none" for side in (found, wanted)]
    count = f"{len(found)}" if len(found) == len(wanted) else f"{len(found)}, not {len(wanted)}"
    return f"{count}; the first that differs is at {sides[0]}, not {sides[1]}"


def unreadable(path: Path, why: str) -> VideoOutOfSpecError:
    """The error for a file that is not what an encoder of ours writes."""
    return VideoOutOfSpecError(
        f"{path.name} is not a video as it must be: {why}.",
        remedy="Render it again; if it happens again, run `trivia doctor` and report the FFmpeg build.",
    )
