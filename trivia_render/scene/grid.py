"""The fixed lines of each format, in pixels. A short side has 1080, and type the same sizes, in all."""

from typing import NamedTuple

from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.bidi import language_direction
from trivia_render.scene.planes import Box


class Grid(NamedTuple):
    """A format's lines.

    Grounds of cards and options span `left` to `right`; what must be seen keeps to `safe_left` to
    `safe_right`. `band` and `compact_band` are rows of whole macroblocks (16 px), or end with the frame.
    """

    left: int
    right: int
    safe_left: int
    safe_right: int
    header_top: int
    header_height: int
    content_top: int
    band: tuple[int, int]
    compact_band: tuple[int, int]
    #: Least distance of a badge or tick from its option's edge.
    inset: int
    card_pad: int

    @property
    def width(self) -> int:
        """Between the margins."""
        return self.right - self.left

    @property
    def header(self) -> Box:
        """Where progress is shown."""
        return Box(self.safe_left, self.header_top, self.safe_right - self.safe_left, self.header_height)

    def rows(self, *, compact: bool) -> tuple[int, int]:
        """Return the rows [top, bottom) of the band."""
        return self.compact_band if compact else self.band


#: 9:16 keeps clear of what players draw over it: 200 px at the top, 480 below, 64 left, 160 right.
GRIDS: dict[FormatName, Grid] = {
    "16:9": Grid(96, 1824, 96, 1824, 34, 64, 124, (848, 1080), (944, 1080), 16, 56),
    "9:16": Grid(36, 948, 64, 920, 212, 56, 292, (1216, 1440), (1328, 1440), 28, 36),
    "1:1": Grid(48, 1032, 56, 1024, 30, 56, 104, (864, 1080), (960, 1080), 16, 40),
}


def frame_size(name: FormatName) -> tuple[int, int]:
    """Return width and height in pixels."""
    return FORMATS[name].width, FORMATS[name].height


def stage_of(name: FormatName, *, compact: bool = False) -> Stage:
    """Return the frame with the band's rows."""
    return Stage(*frame_size(name), *GRIDS[name].rows(compact=compact))


def is_right_to_left(language: str) -> bool:
    """Tell whether the language's layout is mirrored."""
    return language_direction(language) == "rtl"


def even(number: float) -> int:
    """Round up to an even number: chroma has half the rows and columns."""
    whole = -int(-number // 1)
    return whole + whole % 2


def even_down(number: float) -> int:
    """Round down to an even number."""
    whole = int(number // 1)
    return whole - whole % 2
