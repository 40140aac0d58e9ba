"""Setting text: the largest size that fits a box, shaped, in lines, and drawn.

The text is shown exactly as written, never as markup: only its characters are normalised (NFC,
controls become spaces). A character that no installed font has shows as the theme font's box and is
named in `SetText.missing`; no text makes setting fail but one that does not fit.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

from PIL import Image, ImageColor

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.theme import FontName
from trivia_render.scene.bidi import Direction, alignment_direction, base_direction
from trivia_render.scene.clusters import clean_text
from trivia_render.scene.fitting import (
    Paragraph,
    Words,
    block_height,
    break_paragraph,
    estimate_lines,
    paragraph,
)
from trivia_render.scene.fonts import lenders, open_face, theme_face
from trivia_render.scene.ink import draw_line
from trivia_render.scene.shaping import ShapedLine, Typeface, missing_characters

Align = Literal["start", "center"]
#: Below this part of the largest size, an overlong word is broken if that makes the text a good deal
#: larger.
_COMFORTABLE = 0.75
_WORTH_BREAKING = 1.15
#: Scaled widths of words are off by so much at most: the search starts at a size a little too large.
_ESTIMATE_SLACK = 1.02
_SHOWN_CHARACTERS = 40


class TextStyle(NamedTuple):
    """`leading` is the distance of lines, `tracking` the extra space after letters, in parts of the size."""

    font: FontName
    weight: int
    leading: float = 1.2
    tracking: float = 0.0


class SetText(NamedTuple):
    """A text in lines at a size. All its ink lies within `width_px` x `height_px`."""

    text: str
    style: TextStyle
    size_px: int
    lines: tuple[ShapedLine, ...]
    baselines_px: tuple[int, ...]
    width_px: int
    height_px: int
    #: Lines aligned to "start" begin here: "rtl" is the right.
    direction: Direction
    language: str | None
    #: Characters that no installed font has, each once: callers warn of them.
    missing: str


def set_text(
    text: str,
    *,
    style: TextStyle,
    size_px: int,
    max_width_px: int | None = None,
    direction: Direction | None = None,
    language: str | None = None,
) -> SetText:
    """Set text at a given size, broken to `max_width_px`, if given, and at its own line ends.

    A word wider than that is cut between letters; only a single letter may stick out. Without a
    `direction` it is the language's where that is written right to left, else the first strong letter's.
    """
    source = _source(text, style=style, direction=direction, language=language)
    lines: list[ShapedLine] = []
    for part in source.paragraphs:
        lines += break_paragraph(part, size_px=size_px, max_width_px=max_width_px, words="split") or ()
    return _stacked(source, lines, size_px)


def fit_text(
    text: str,
    *,
    style: TextStyle,
    width_px: int,
    height_px: int,
    max_size_px: int,
    min_size_px: int,
    max_lines: int | None = None,
    language: str | None = None,
    direction: Direction | None = None,
) -> SetText:
    """Set text at the largest size at which it fits the box, in lines of even width.

    Words stay whole down to three quarters of the largest size; below that, a word wider than the box
    is broken between letters (with a hyphen in alphabets). Raises TextDoesNotFitError.
    """
    source = _source(text, style=style, direction=direction, language=language)
    box = _Box(width_px, height_px, max_lines)
    estimate = _estimate(source, box, "whole", min_size_px, max_size_px)
    whole = _largest(source, box, "whole", min_size_px, estimate)
    if whole is not None and whole.size_px >= _COMFORTABLE * max_size_px:
        return whole
    worth = min_size_px if whole is None else int(whole.size_px * _WORTH_BREAKING) + 1
    estimate = _estimate(source, box, "split", min_size_px, max_size_px)
    found = _largest(source, box, "split", worth, estimate) or whole
    if found is not None:
        return found
    beginning = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    limit = "" if max_lines is None else f", at most {max_lines} lines"
    raise TextDoesNotFitError(
        f"The text “{beginning}” ({len(text)} characters) does not fit {width_px}x{height_px} pixels.",
        evidence=f"smallest size: {min_size_px} px{limit}",
        remedy="Shorten the text.",
    )


def draw_text(
    image: Image.Image,
    set_text: SetText,
    *,
    x: int,
    y: int,
    width_px: int,
    align: Align = "start",
    colour: str | tuple[int, ...],
) -> None:
    """Draw onto an RGB or RGBA image with (x, y) as the block's top left and lines aligned in `width_px`.

    `colour` is `#rrggbb`, `#rrggbbaa` or a tuple of as many. What falls outside the image is cut off.
    """
    red, green, blue, *alpha = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    for line, baseline in zip(set_text.lines, set_text.baselines_px, strict=True):
        slack = width_px - line.width_px
        indent = slack // 2 if align == "center" else slack if set_text.direction == "rtl" else 0
        draw_line(
            image,
            line,
            left=x + indent,
            baseline=y + baseline,
            size_px=set_text.size_px,
            language=set_text.language,
            colour=(red, green, blue),
            opacity=alpha[0] if alpha else 255,
        )


class _Source(NamedTuple):
    """A text ready to be set at any size."""

    text: str
    style: TextStyle
    typeface: Typeface
    paragraphs: tuple[Paragraph, ...]
    direction: Direction
    missing: str


class _Box(NamedTuple):
    width_px: int
    height_px: int
    max_lines: int | None


def _source(text: str, *, style: TextStyle, direction: Direction | None, language: str | None) -> _Source:
    clean = clean_text(text).strip("\n")
    borrowed = lenders(clean, name=style.font, weight=style.weight, language=language)
    typeface = Typeface(style.font, style.weight, style.tracking, language, borrowed)
    paragraphs = tuple(
        paragraph(line, base=direction or base_direction(line, language=language), typeface=typeface)
        for line in map(str.strip, clean.split("\n"))
    )
    return _Source(
        text,
        style,
        typeface,
        paragraphs,
        direction or alignment_direction(clean, language=language),
        missing_characters(clean.replace("\n", " "), typeface),
    )


def _stacked(source: _Source, lines: list[ShapedLine], size_px: int) -> SetText:
    style = source.style
    height, baselines = block_height(
        lines, size_px=size_px, leading=style.leading, cap_px=_cap_height(style.font, style.weight, size_px)
    )
    return SetText(
        text=source.text,
        style=style,
        size_px=size_px,
        lines=tuple(lines),
        baselines_px=tuple(baselines),
        width_px=max(line.width_px for line in lines),
        height_px=height,
        direction=source.direction,
        language=source.typeface.language,
        missing=source.missing,
    )


def _largest(source: _Source, box: _Box, words: Words, smallest_px: int, estimate_px: int) -> SetText | None:
    """Return the text at the largest size from the estimate down at which it really fits."""
    for size_px in range(estimate_px, smallest_px - 1, -1):
        found = _in_box(source, box, words, size_px)
        if found is not None:
            return found
    return None


def _in_box(source: _Source, box: _Box, words: Words, size_px: int) -> SetText | None:
    lines: list[ShapedLine] = []
    for part in source.paragraphs:
        broken = break_paragraph(part, size_px=size_px, max_width_px=box.width_px, words=words)
        if broken is None:
            return None
        lines += broken
    found = _stacked(source, lines, size_px)
    fits = found.width_px <= box.width_px and found.height_px <= box.height_px
    return found if fits and (box.max_lines is None or len(lines) <= box.max_lines) else None


def _estimate(source: _Source, box: _Box, words: Words, smallest_px: int, largest_px: int) -> int:
    """Return a size a little over the largest that may fit, by scaled widths."""

    def may_fit(size_px: int) -> bool:
        width_px = int(box.width_px * _ESTIMATE_SLACK) + 1
        counts = [
            estimate_lines(part, size_px=size_px, max_width_px=width_px, words=words)
            for part in source.paragraphs
        ]
        if None in counts:
            return False
        total = sum(count or 0 for count in counts)
        within_height = total * source.style.leading * size_px <= box.height_px + 1
        return within_height and (box.max_lines is None or total <= box.max_lines)

    low, high = smallest_px, largest_px
    while low < high:
        middle = (low + high + 1) // 2
        if may_fit(middle):
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=1024)
def _cap_height(font: FontName, weight: int, size_px: int) -> float:
    """Return the height of capitals."""
    _, top, _, _ = open_face(theme_face(font, weight=weight), size_px=size_px).getbbox("H", anchor="ls")
    return -top
