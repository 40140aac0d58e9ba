"""Breaking paragraphs into lines of even width, and finding the largest size that fits a box."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from trivia_render.scene.bidi import Direction, levels
from trivia_render.scene.breaking import Segment, may_be_split, segments, split_segment
from trivia_render.scene.shaping import ShapedLine, Typeface, line_advance, shape_line

#: Widths are measured once at this size and scaled for the first estimate at another.
_REFERENCE_PX = 64
#: Lines count as even when narrowing the measure by this many reference px makes no difference.
_EVEN_WITHIN = 3.0


class _Width(NamedTuple):
    """A segment's width at a line's end and inside a line, and that of its hyphen, in reference px."""

    ink: float
    inside: float
    hyphen: float


class _Cut(NamedTuple):
    """A paragraph in segments, with their widths and the largest width at a line's end."""

    segments: tuple[Segment, ...]
    widths: tuple[_Width, ...]
    widest: float


class Paragraph(NamedTuple):
    """A text without line ends, ready to be broken at any size."""

    text: str
    base: Direction
    typeface: Typeface
    levels: tuple[int, ...]
    at_spaces: _Cut
    everywhere: _Cut


Words = Literal["whole", "split"]


def paragraph(text: str, *, base: Direction, typeface: Typeface) -> Paragraph:
    """Prepare one paragraph."""
    everywhere = tuple(segments(text))
    at_spaces = tuple(segments(text, at="spaces"))
    cut = _measured(text, everywhere, base, typeface)
    same = at_spaces == everywhere
    return Paragraph(
        text,
        base,
        typeface,
        tuple(levels(text, base=base)),
        cut if same else _measured(text, at_spaces, base, typeface),
        cut,
    )


def break_paragraph(
    source: Paragraph, *, size_px: int, max_width_px: int | None, words: Words
) -> list[ShapedLine] | None:
    """Set a paragraph in as few lines as it needs, as even as they can be.

    Words that are to stay whole give None where one is wider than the line; else such a word is cut
    between its letters, and only a single letter wider than the line sticks out.
    """
    if max_width_px is None:
        return [_shape(source, 0, len(source.text), "", size_px)]
    limit_px = float(max_width_px)
    shaped: list[ShapedLine] = []
    # Widths of words do not quite add up to the width of a line: what is too wide is set once more.
    for _ in range(4):
        lines = _even_lines(source, limit_px * _REFERENCE_PX / size_px, words)
        if lines is None:
            return None
        shaped = [_shape(source, start, end, hyphen, size_px) for start, end, hyphen in lines]
        excess = max(line.width_px for line in shaped) - max_width_px
        if excess <= 0:
            return shaped
        limit_px -= excess
    return shaped if words == "split" else None


def estimate_lines(source: Paragraph, *, size_px: int, max_width_px: int, words: Words) -> int | None:
    """Estimate the number of lines from scaled widths; None where a whole word is too wide."""
    limit = max_width_px * _REFERENCE_PX / size_px
    cut = _cut_to(source.everywhere, source, limit, words)
    return None if cut is None else len(_greedy(cut.widths, limit))


def _even_lines(source: Paragraph, limit: float, words: Words) -> list[tuple[int, int, str]] | None:
    """Return each line's first character, its end and its hyphen; `limit` is in reference px."""
    cut = _cut_to(source.everywhere, source, limit, words)
    if cut is None:
        return None
    count = len(_greedy(cut.widths, limit))
    # A break at a space is better than one at a hyphen, where it takes no more lines.
    at_spaces = _cut_to(source.at_spaces, source, limit, words)
    if at_spaces is not None and len(_greedy(at_spaces.widths, limit)) == count:
        cut = at_spaces
    # The narrowest measure with as many lines makes them even.
    low, high = max(cut.widest, limit / count * 0.8), limit
    while high - low > _EVEN_WITHIN:
        middle = (low + high) / 2
        if len(_greedy(cut.widths, middle)) <= count:
            high = middle
        else:
            low = middle
    lines = []
    start = 0
    for end in _greedy(cut.widths, high):
        last = cut.segments[end - 1]
        hyphen = last.hyphen if end < len(cut.segments) else ""
        lines.append((cut.segments[start].start, last.ink_end, hyphen))
        start = end
    return lines


def _cut_to(cut: _Cut, source: Paragraph, limit: float, words: Words) -> _Cut | None:
    """Return the segments, those wider than a line cut in pieces, or None where they must stay whole."""
    if cut.widest <= limit:
        return cut
    pieces: list[Segment] = []
    for segment, width in zip(cut.segments, cut.widths, strict=True):
        if width.ink <= limit:
            pieces.append(segment)
        elif words == "split" or may_be_split(source.text, segment):
            pieces += split_segment(source.text, segment)
        else:
            return None
    return _measured(source.text, tuple(pieces), source.base, source.typeface)


def _measured(text: str, found: tuple[Segment, ...], base: Direction, typeface: Typeface) -> _Cut:
    widths = []
    for segment in found:
        ink = _reference_width(text[segment.start : segment.ink_end], base, typeface)
        blank = _reference_width(text[segment.ink_end : segment.end], base, typeface)
        widths.append(_Width(ink, ink + blank, _reference_width(segment.hyphen, base, typeface)))
    return _Cut(found, tuple(widths), max(width.ink for width in widths))


@lru_cache(maxsize=65536)
def _reference_width(text: str, base: Direction, typeface: Typeface) -> float:
    if not text:
        return 0.0
    return line_advance(text, levels(text, base=base), typeface=typeface, size_px=_REFERENCE_PX)


def _greedy(widths: Sequence[_Width], limit: float) -> list[int]:
    """Fill each line as far as it goes; return the segment index after each line's last."""
    ends = []
    filled = 0.0
    start = 0
    for index, (ink, inside, hyphen) in enumerate(widths):
        # A hyphen is printed only where the line ends, so that it counts for the last segment alone.
        needed = filled + ink + (hyphen if index + 1 < len(widths) else 0.0)
        if index > start and needed > limit:
            ends.append(index)
            start, filled = index, 0.0
        filled += inside
    ends.append(len(widths))
    return ends


def _shape(source: Paragraph, start: int, end: int, hyphen: str, size_px: int) -> ShapedLine:
    found = list(source.levels[start:end])
    if hyphen:
        found.append(found[-1] if found else int(source.base == "rtl"))
    return shape_line(
        source.text[start:end] + hyphen, found, base=source.base, typeface=source.typeface, size_px=size_px
    )


def block_height(
    lines: list[ShapedLine], *, size_px: int, leading: float, cap_px: float
) -> tuple[int, list[int]]:
    """Return the height of the lines as a block and their baselines from its top, in pixels.

    Capitals stand in the middle of their line, so that a block centred in a box looks centred. Lines
    move apart, and the block grows, where ink would leave its line otherwise.
    """
    pitch = leading * size_px
    for upper, lower in pairwise(lines):
        pitch = max(pitch, upper.drop_px + lower.rise_px + 1)
    first = max(math.ceil((pitch + cap_px) / 2), lines[0].rise_px)
    baselines = [first + math.floor(index * pitch) for index in range(len(lines))]
    below = max(math.ceil((pitch - cap_px) / 2), lines[-1].drop_px)
    return baselines[-1] + below, baselines
