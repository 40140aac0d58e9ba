"""Where the parts of an intro or an outro stand: emblems, heading, and a line below."""

from functools import lru_cache
from typing import NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FormatName
from trivia_render.models.plan import IntroClip, OutroClip
from trivia_render.models.theme import Theme
from trivia_render.scene.grid import Grid, even, even_down, frame_size, grid_of, is_right_to_left
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, fit_text
from trivia_render.scene.typography import SUBTITLE_SIZES, TITLE_SIZES, label_style, title_style

EMBLEMS = 4
EMBLEM_SIZE, EMBLEM_GAP = 132, 20
_AIR = (56, 52)
_PILL_PAD = (56, 24)
#: An outro's pill is a button with a bell before its text.
BELL_SIZE, BELL_GAP = 56, 24


class TitleLayout(NamedTuple):
    """Boxes and set texts of a title card."""

    grid: Grid
    emblems: tuple[Box, ...]
    heading: SetText
    heading_box: Box
    below: SetText
    below_box: Box
    right_to_left: bool


@lru_cache(maxsize=64)
def lay_out_title(
    content: IntroClip | OutroClip, *, name: FormatName, theme: Theme, language: str
) -> TitleLayout:
    """Lay out an intro or an outro. Raises TextDoesNotFitError naming the text."""
    grid = grid_of(name)
    if isinstance(content, IntroClip):
        what, heading, below = "title", content.title, content.subtitle
    else:
        what, heading, below = "outro", content.heading, content.call_to_action
    bell = 0 if isinstance(content, IntroClip) else BELL_SIZE + BELL_GAP
    middle, width = frame_size(name)[0] // 2, grid.narrow
    left = middle - width // 2
    top, bottom = grid.header_top + 16, grid.band[0] - 16
    try:
        set_below = _set_below(below, theme, width - 2 * _PILL_PAD[0] - bell, language)
        pill = Box(
            0,
            0,
            even(set_below.width_px + 2 * _PILL_PAD[0] + bell),
            even(set_below.height_px + 2 * _PILL_PAD[1]),
        )
        taken = EMBLEM_SIZE + sum(_AIR) + pill.height
        set_heading = fit_text(
            heading,
            style=title_style(theme),
            width_px=width,
            height_px=bottom - top - taken,
            max_size_px=TITLE_SIZES[1],
            min_size_px=TITLE_SIZES[0],
            language=language,
        )
    except TextDoesNotFitError as error:
        raise TextDoesNotFitError(
            f"The {what} does not fit a {name} frame: {error.message}",
            evidence=error.evidence,
            remedy=error.remedy,
        ) from error
    y = top + even_down((bottom - top - taken - set_heading.height_px) * 0.55)
    mirrored = is_right_to_left(language)
    emblems = _emblem_row(middle, y)
    heading_top = y + EMBLEM_SIZE + _AIR[0]
    pill_top = even(heading_top + set_heading.height_px + _AIR[1])
    return TitleLayout(
        grid=grid,
        emblems=tuple(reversed(emblems)) if mirrored else emblems,
        heading=set_heading,
        heading_box=Box(left, heading_top, even_down(width), even(set_heading.height_px)),
        below=set_below,
        below_box=pill._replace(x=even_down(middle - pill.width // 2), y=pill_top),
        right_to_left=mirrored,
    )


def _set_below(text: str, theme: Theme, width: int, language: str) -> SetText:
    """Set the line of the pill: rather smaller than broken, but not too small."""

    def fitted(lines: int) -> SetText:
        return fit_text(
            text,
            style=label_style(theme),
            width_px=width,
            height_px=160,
            max_size_px=SUBTITLE_SIZES[1],
            min_size_px=SUBTITLE_SIZES[0],
            max_lines=lines,
            language=language,
        )

    try:
        return fitted(1)
    except TextDoesNotFitError:
        # Two or three lines still look like a button.
        return fitted(3)


def _emblem_row(middle: int, y: int) -> tuple[Box, ...]:
    """Return four boxes side by side; the inner two stand a little higher."""
    total = EMBLEMS * EMBLEM_SIZE + (EMBLEMS - 1) * EMBLEM_GAP
    left = even_down(middle - total // 2)
    return tuple(
        Box(
            left + index * (EMBLEM_SIZE + EMBLEM_GAP),
            y - (12 if index in {1, 2} else 0),
            EMBLEM_SIZE,
            EMBLEM_SIZE,
        )
        for index in range(EMBLEMS)
    )
