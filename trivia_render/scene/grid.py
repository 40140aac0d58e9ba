"""The fixed lines of each format, in pixels. A short side has 1080, and type the same sizes, in all."""

from typing import Literal, NamedTuple

from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.bidi import language_direction
from trivia_render.scene.planes import Box


class Grid(NamedTuple):
    """A format's lines.

    Grounds of cards and options span `left` to `right`; what must be seen keeps to `safe_left` to
    `safe_right`, and what stands in the middle of the frame to `narrow` pixels around it. `band` and
    `compact_band` are rows of whole macroblocks (16 px), or end with the frame.
    """

    left: int
    right: int
    safe_left: int
    safe_right: int
    narrow: int
    header_top: int
    header_height: int
    content_top: int
    band: tuple[int, int]
    compact_band: tuple[int, int]
    #: Least distance of a badge or tick from its option's edge.
    inset: int
    card_pad: int

    #: The right option's tick stands at its end, or takes the letter's place.
    tick: Literal["end", "letter"]
    mirrored: bool = False

    @property
    def width(self) -> int:
        """Between the margins."""
        return self.right - self.left

    @property
    def header(self) -> Box:
        """Where progress is shown; the bar at its end repeats the label and may lie outside."""
        end = max(self.safe_right, self.right - (self.safe_left - self.left))
        return Box(self.safe_left, self.header_top, end - self.safe_left, self.header_height)

    def rows(self, *, compact: bool) -> tuple[int, int]:
        """Return the rows [top, bottom) of the band."""
        return self.compact_band if compact else self.band


_WIDE = Grid(96, 1824, 96, 1824, 1728, 34, 64, 124, (848, 1080), (944, 1080), 16, 56, "end")
_SQUARE = Grid(48, 1032, 56, 1024, 968, 30, 56, 104, (864, 1080), (960, 1080), 16, 40, "letter")
#: 9:16 keeps clear of what players draw over it: 200 px at the top, 480 below, 64 left, 160 right.
_TALL = Grid(36, 1044, 64, 920, 760, 212, 56, 292, (1216, 1440), (1328, 1440), 28, 36, "letter")

_GRIDS: dict[FormatName, Grid] = {"16:9": _WIDE, "9:16": _TALL, "1:1": _SQUARE}


def grid_of(name: FormatName, *, mirrored: bool = False) -> Grid:
    """Return a format's lines. Mirrored, the letters are at the right, where 9:16 has less room."""
    grid = _GRIDS[name]
    if not mirrored:
        return grid
    return grid._replace(right=min(grid.right, grid.safe_right + grid.inset), mirrored=True)


def frame_size(name: FormatName) -> tuple[int, int]:
    """Return width and height in pixels."""
    return FORMATS[name].width, FORMATS[name].height


def stage_of(name: FormatName, *, compact: bool = False) -> Stage:
    """Return the frame with the band's rows."""
    return Stage(*frame_size(name), *_GRIDS[name].rows(compact=compact))


def is_right_to_left(language: str) -> bool:
    """Tell whether the language's layout is mirrored."""
    return language_direction(language) == "rtl"


def text_box(text_width: int, text_height: int, card: Box, name: FormatName, *, mirrored: bool) -> Box:
    """Return where a text's lines are centred in a card: its middle, or where 9:16 lets them be seen."""
    grid = grid_of(name, mirrored=mirrored)
    if card.right <= grid.safe_right + grid.card_pad:
        left, right = card.x + grid.card_pad, card.right - grid.card_pad
    elif text_width <= grid.narrow:
        middle = frame_size(name)[0] // 2
        left, right = middle - grid.narrow // 2, middle + grid.narrow // 2
    else:
        left, right = grid.safe_left, grid.safe_right
    return Box(left, card.y + (card.height - text_height) // 2, right - left, text_height)


def even(number: float) -> int:
    """Round up to an even number: chroma has half the rows and columns."""
    whole = -int(-number // 1)
    return whole + whole % 2


def even_down(number: float) -> int:
    """Round down to an even number."""
    whole = int(number // 1)
    return whole - whole % 2
