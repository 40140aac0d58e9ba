"""Breaking paragraphs into lines of even width, and finding the largest size that fits a box."""

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from trivia_render.scene.bidi import Direction, levels
from trivia_render.scene.breaking import Segment, may_be_split, segments, split_segment
from trivia_render.scene.shaping import ShapedLine, Typeface, shape_line

#: Widths are measured once at this size and scaled for the first estimate at another.
_REFERENCE_PX = 64


class Paragraph(NamedTuple):
    """A text without line ends, its levels, and the widths of its segments at the reference size."""

    text: str
    base: Direction
    levels: tuple[int, ...]
    #: Cut at spaces alone, and everywhere.
    cuts: tuple[tuple[Segment, ...], tuple[Segment, ...]]


def paragraph(text: str, *, base: Direction) -> Paragraph:
    """Prepare one paragraph."""
    at_spaces, everywhere = tuple(segments(text, at="spaces")), tuple(segments(text))
    return Paragraph(text, base, tuple(levels(text, base=base)), (at_spaces, everywhere))


def break_paragraph(
    source: Paragraph, *, typeface: Typeface, size_px: int, max_width_px: int | None, words: str
) -> list[ShapedLine] | None:
    """Set a paragraph in as few lines as it needs, as even as they can be.

    `words="whole"` gives None where a word is wider than the line; `words="split"` cuts such a word
    between its letters, and a single letter wider than the line sticks out.
    """
    if max_width_px is None:
        return [_shape(source, 0, len(source.text), "", typeface, size_px)]
    limit = float(max_width_px)
    # Widths of words do not quite add up to the width of a line: what is too wide is set once more.
    for _ in range(4):
        lines = _even_lines(source, typeface, size_px, limit, words)
        if lines is None:
            return None
        shaped = [_shape(source, start, end, hyphen, typeface, size_px) for start, end, hyphen in lines]
        excess = max(line.width_px for line in shaped) - max_width_px
        if excess <= 0:
            return shaped
        limit -= excess
    return shaped if words == "split" else None


def estimate_lines(
    source: Paragraph, *, typeface: Typeface, size_px: int, max_width_px: int, words: str
) -> int | None:
    """Estimate the number of lines from scaled widths; None where a whole word is too wide."""
    cut = _cut(source.cuts[1], source, typeface, size_px, max_width_px, words)
    if cut is None:
        return None
    return len(_greedy(_widths(cut, source, typeface, size_px), max_width_px))


def _even_lines(
    source: Paragraph, typeface: Typeface, size_px: int, limit: float, words: str
) -> list[tuple[int, int, str]] | None:
    cut = _cut(source.cuts[1], source, typeface, size_px, limit, words)
    if cut is None:
        return None
    widths = _widths(cut, source, typeface, size_px)
    ends = _greedy(widths, limit)
    # A break at a space is better than one at a hyphen, where it takes no more lines.
    at_spaces = _cut(source.cuts[0], source, typeface, size_px, limit, words)
    if at_spaces is not None and at_spaces != cut:
        space_widths = _widths(at_spaces, source, typeface, size_px)
        space_ends = _greedy(space_widths, limit)
        if len(space_ends) == len(ends):
            cut, widths, ends = at_spaces, space_widths, space_ends
    low, high = limit / len(ends) * 0.8, limit
    while high - low > max(1.0, size_px / 16):
        middle = (low + high) / 2
        if len(_greedy(widths, middle)) <= len(ends) and max(w for w, _, _ in widths) <= middle:
            high = middle
        else:
            low = middle
    ends = _greedy(widths, high)
    lines = []
    start = 0
    for end in ends:
        last = cut[end - 1]
        hyphen = last.hyphen if end < len(cut) else ""
        lines.append((cut[start].start, last.ink_end, hyphen))
        start = end
    return lines


def _cut(
    cuts: tuple[Segment, ...],
    source: Paragraph,
    typeface: Typeface,
    size_px: int,
    limit: float,
    words: str,
) -> tuple[Segment, ...] | None:
    """Return the segments, those wider than a line cut in pieces, or None where they must stay whole."""
    widths = _widths(cuts, source, typeface, size_px)
    if all(ink <= limit for ink, _, _ in widths):
        return cuts
    pieces: list[Segment] = []
    for segment, (ink, _, _) in zip(cuts, widths, strict=True):
        if ink <= limit:
            pieces.append(segment)
        elif words == "split" or may_be_split(source.text, segment):
            pieces += split_segment(source.text, segment)
        else:
            return None
    return tuple(pieces)


def _widths(
    cut: tuple[Segment, ...], source: Paragraph, typeface: Typeface, size_px: int
) -> list[tuple[float, float, float]]:
    """Return for each segment its width at a line's end, inside a line, and that of its hyphen."""
    scale = size_px / _REFERENCE_PX
    widths = []
    for segment in cut:
        ink = _reference_width(source.text[segment.start : segment.ink_end], source.base, typeface)
        blank = _reference_width(source.text[segment.ink_end : segment.end], source.base, typeface)
        hyphen = _reference_width(segment.hyphen, source.base, typeface)
        widths.append((ink * scale, (ink + blank) * scale, hyphen * scale))
    return widths


@lru_cache(maxsize=65536)
def _reference_width(text: str, base: Direction, typeface: Typeface) -> float:
    if not text:
        return 0.0
    line = shape_line(text, levels(text, base=base), base=base, typeface=typeface, size_px=_REFERENCE_PX)
    return line.advance_px


def _greedy(widths: list[tuple[float, float, float]], limit: float) -> list[int]:
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


def _shape(
    source: Paragraph, start: int, end: int, hyphen: str, typeface: Typeface, size_px: int
) -> ShapedLine:
    found = list(source.levels[start:end])
    if hyphen:
        found.append(found[-1] if found else int(source.base == "rtl"))
    return shape_line(
        source.text[start:end] + hyphen, found, base=source.base, typeface=typeface, size_px=size_px
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
