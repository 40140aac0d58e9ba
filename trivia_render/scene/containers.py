"""What surrounds an image's data in its file: counted, and left out before a decoder sees it. Pure.

Pillow keeps each part of a JPEG or PNG in Python's objects, and joins some of them again and again: some
megabytes in millions of parts would keep a processor busy for minutes before the image's size is looked at.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

#: Parts of a JPEG before its data. Photographs have some ten; with a depth map beside it, some two hundred.
MAX_JPEG_PARTS = 1_000
#: Parts of a PNG or WebP file: data in pieces, and two for each frame of an animation.
MAX_CHUNKS = 20_000
#: Bytes between the parts of a JPEG that belong to none.
MAX_STRAY_BYTES = 65_536

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_EXIF = b"Exif\0\0"
#: What is needed to draw the image itself: header, palette, its transparency, data.
_DRAWN_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_START_OF_SCAN = 0xDA
_APP0, _APP1, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
#: Marks that stand for themselves; the others are followed by a length.
MARKS_ALONE = frozenset({0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
_MARKS = frozenset(range(0xC0, 0xFF))

_ORIENTATION = 0x0112
_ORIENTATIONS = range(1, 9)
#: Exif's unsigned whole numbers: length of one, and struct's letter.
_NUMBERS = {1: "B", 3: "H", 4: "L"}


class Bared(NamedTuple):
    """An image file without what is not drawn."""

    content: bytes
    #: As Exif says it, 1 to 8; 1 is upright.
    orientation: int
    #: Passes over the image that the file's data may ask for; 1 but for JPEG.
    passes: int


def bare(content: bytes) -> Bared:
    """Leave out texts, profiles, previews and further frames. Raises ValueError saying what is too much.

    What is none of PNG, JPEG and WebP, or is broken, is returned as it is from there on.
    """
    if content.startswith(_PNG):
        return _bare_png(content)
    if content.startswith(_JPEG):
        return _bare_jpeg(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _counted_webp(content)
    return Bared(content, 1, 1)


def _bare_png(content: bytes) -> Bared:
    kept, orientation = [_PNG], 1
    for kind, start, end in _chunks(content, len(_PNG), ">", head=8, tail=4):
        if kind in _DRAWN_CHUNKS or not kind.isalpha():
            kept.append(content[start - 8 : end + 4])
        elif kind == b"eXIf":
            orientation = read_orientation(content[start:end])
        if kind == b"IEND":
            break
    return Bared(b"".join(kept), orientation, 1)


def _counted_webp(content: bytes) -> Bared:
    orientation = 1
    for kind, start, end in _chunks(content, 12, "<", head=8, tail=0):
        if kind == b"EXIF":
            orientation = read_orientation(content[start:end])
    return Bared(content, orientation, 1)


def _chunks(content: bytes, at: int, order: str, *, head: int, tail: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk's data: PNG has its length first, WebP its kind."""
    count = 0
    while len(content) - at >= head:
        count += 1
        if count > MAX_CHUNKS:
            raise ValueError(f"it has more than {MAX_CHUNKS:,} chunks")
        if order == ">":
            length, kind = struct.unpack_from(">L4s", content, at)
            padding = 0
        else:
            kind, length = struct.unpack_from("<4sL", content, at)
            padding = length & 1
        start = at + head
        yield kind, start, start + length
        at = start + length + tail + padding


def _bare_jpeg(content: bytes) -> Bared:
    kept, orientation = [content[:2]], 1
    stray = parts = 0
    at = kept_to = 2
    while (mark := content.find(b"\xff", at)) >= 0 and mark + 1 < len(content):
        code = content[mark + 1]
        filler = code in {0x00, 0xFF}
        stray += mark - at + filler
        parts += not filler
        if stray > MAX_STRAY_BYTES:
            raise ValueError(f"more than {MAX_STRAY_BYTES:,} bytes before its data belong to no part of it")
        if parts > MAX_JPEG_PARTS:
            raise ValueError(f"it has more than {MAX_JPEG_PARTS:,} parts before its data")
        if code == _START_OF_SCAN:
            at = mark
            break
        if filler or code in MARKS_ALONE:
            at = mark + (1 if code == 0xFF else 2)
            continue
        if code not in _MARKS:
            break
        start = mark + 4
        # A length counts its own two bytes; decoders take a smaller one for none.
        at = mark + 2 + max(2, int.from_bytes(content[mark + 2 : start], "big"))
        if _is_not_drawn(code):
            kept.append(content[kept_to:mark])
            kept_to = at
            if code == _APP1 and orientation == 1 and content.startswith(_EXIF, start):
                orientation = read_orientation(content[start:at])
    kept.append(content[kept_to:])
    # These two bytes are a mark wherever they stand in compressed data: there FF is followed by 00.
    return Bared(b"".join(kept), orientation, content.count(b"\xff\xda", at))


def _is_not_drawn(code: int) -> bool:
    """Tell what an application wrote for itself. JFIF and Adobe's part say how colours are meant."""
    return (_APP0 < code <= _APP15 and code != _APP14) or code == _COMMENT


def read_orientation(exif: bytes) -> int:
    """Return how the image is turned, 1 to 8; 1, upright, where that cannot be read."""
    tiff = exif.removeprefix(_EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (at,) = struct.unpack_from(order + "L", tiff, 4)
    if at + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHL", tiff, entry)
        if tag == _ORIENTATION and kind in _NUMBERS and count == 1:
            (value,) = struct.unpack_from(order + _NUMBERS[kind], tiff, entry + 8)
            return value if value in _ORIENTATIONS else 1
    return 1
