"""Frame formats and the frame rate, the same for every video."""

from fractions import Fraction
from typing import Literal, NamedTuple

FormatName = Literal["16:9", "9:16", "1:1"]

#: Frames a second, exactly.
FRAME_RATE = Fraction(30, 1)
FPS = 30
#: Samples a second of all sound, and so many of them to a frame.
SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
#: Frames between keyframes, counted from each clip's start.
GOP_FRAMES = 60


class FrameFormat(NamedTuple):
    """Width and height in pixels (both even), and the name's form for paths."""

    name: FormatName
    width: int
    height: int
    slug: str


FORMATS: dict[FormatName, FrameFormat] = {
    "16:9": FrameFormat("16:9", 1920, 1080, "16x9"),
    "9:16": FrameFormat("9:16", 1080, 1920, "9x16"),
    "1:1": FrameFormat("1:1", 1080, 1080, "1x1"),
}


def seconds_to_frames(seconds: float) -> int:
    """Round up to whole frames, so that what must fit into a span does."""
    return -int(-seconds * FPS // 1)
