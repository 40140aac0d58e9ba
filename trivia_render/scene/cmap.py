"""Which characters a font file has glyphs for: a reader of the OpenType `cmap` table.

Pillow tells nothing about coverage, and drawing a character that a font lacks gives a box.
Table and format numbers are those of the OpenType specification, chapter `cmap`.
"""

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from trivia_render.errors import ProgramMissingError

#: (platform, encoding) of Unicode subtables, the widest repertoire first.
_UNICODE_SUBTABLES = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))


@cache
def covered_characters(path: Path) -> frozenset[int]:
    """Return the code points that the font file maps to a glyph. Raises ProgramMissingError."""
    try:
        data = path.read_bytes()
        return frozenset(_read(data))
    except (OSError, struct.error, ValueError) as error:
        raise ProgramMissingError(
            f"The font file {path.name} cannot be read.",
            evidence=f"{path}: {error}",
            remedy="Install the project's dependencies again (`make setup`).",
        ) from error


def _read(data: bytes) -> Iterator[int]:
    cmap = _table_offset(data, b"cmap")
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    subtables = {}
    for index in range(count):
        platform, encoding, offset = struct.unpack_from(">HHL", data, cmap + 4 + 8 * index)
        subtables[platform, encoding] = cmap + offset
    for key in _UNICODE_SUBTABLES:
        if key not in subtables:
            continue
        offset = subtables[key]
        (layout,) = struct.unpack_from(">H", data, offset)
        if layout == 12:
            return _segmented_coverage(data, offset)
        if layout == 4:
            return _segment_mapping(data, offset)
    raise ValueError("no Unicode character map of format 4 or 12")


def _table_offset(data: bytes, tag: bytes) -> int:
    (count,) = struct.unpack_from(">H", data, 4)
    for index in range(count):
        name, _checksum, offset, _length = struct.unpack_from(">4sLLL", data, 12 + 16 * index)
        if name == tag:
            return int(offset)
    raise ValueError(f"no table {tag.decode()}")


def _segmented_coverage(data: bytes, offset: int) -> Iterator[int]:
    """Format 12: groups of consecutive characters with consecutive glyphs."""
    (groups,) = struct.unpack_from(">L", data, offset + 12)
    for index in range(groups):
        first, last, glyph = struct.unpack_from(">LLL", data, offset + 16 + 12 * index)
        yield from range(first + (glyph == 0), last + 1)


def _segment_mapping(data: bytes, offset: int) -> Iterator[int]:
    """Format 4: four parallel arrays of segments, the glyphs by offset or by an index array."""
    (doubled,) = struct.unpack_from(">H", data, offset + 6)
    segments = doubled // 2
    layout = f">{segments}H"
    ends = struct.unpack_from(layout, data, offset + 14)
    starts = struct.unpack_from(layout, data, offset + 16 + doubled)
    deltas = struct.unpack_from(layout, data, offset + 16 + 2 * doubled)
    ranges_at = offset + 16 + 3 * doubled
    ranges = struct.unpack_from(layout, data, ranges_at)
    for index, (start, end, delta, range_offset) in enumerate(zip(starts, ends, deltas, ranges, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if range_offset:
                place = ranges_at + 2 * index + range_offset + 2 * (code - start)
                (glyph,) = struct.unpack_from(">H", data, place)
                if glyph == 0:
                    continue
            if (glyph + delta) & 0xFFFF:
                yield code
