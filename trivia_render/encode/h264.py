"""The little of H.264 that must be looked into: parameter sets and picture types. Pure.

Numbers are those of ISO/IEC 14496-10 (NAL unit types) and 14496-15 (`avcC`, length-prefixed units). What the
formats do not allow is an error and never a guess: a wrong answer here would join clips that do not fit.
"""

import hashlib
from collections.abc import Iterator

NAL_SLICE = 1
NAL_IDR = 5
NAL_SPS = 7
NAL_PPS = 8

#: Before each unit of a packet; an avcC record says how many bytes, and every MP4 of FFmpeg's four.
_LENGTH_BYTES = 4


def parameter_sets(extradata: bytes) -> tuple[bytes, ...]:
    """Return the SPS and PPS of an `avcC` record, in order. Raises ValueError where it is none.

    What follows them (chroma format and bit depth of High and above) repeats what the SPS says.
    """
    if len(extradata) < 7 or extradata[0] != 1:
        raise ValueError(f"not an avcC record: {extradata[:8].hex()}")
    if (length_bytes := (extradata[4] & 0x03) + 1) != _LENGTH_BYTES:
        raise ValueError(f"units with lengths of {length_bytes} bytes, not {_LENGTH_BYTES}")
    position = 5
    units: list[bytes] = []
    for mask, kind in ((0x1F, NAL_SPS), (0xFF, NAL_PPS)):
        count = int.from_bytes(_piece(extradata, position, 1)) & mask
        position += 1
        if not count:
            raise ValueError(f"an avcC record without a unit of type {kind}: {extradata[:8].hex()}")
        for _ in range(count):
            size = int.from_bytes(_piece(extradata, position, 2))
            unit = _piece(extradata, position + 2, size)
            if not unit or unit[0] & 0x80 or unit[0] & 0x1F != kind:
                raise ValueError(f"not a unit of type {kind} in an avcC record: {unit[:8].hex()}")
            units.append(unit)
            position += 2 + size
    return tuple(units)


def _piece(data: bytes, start: int, size: int) -> bytes:
    piece = data[start : start + size]
    if len(piece) < size:
        raise ValueError(f"the avcC record of {len(data)} bytes is cut short")
    return piece


def parameter_sets_sha256(extradata: bytes) -> str:
    """Hash SPS and PPS: streams join without re-encoding only where this is equal. 64 hex digits.

    Raises ValueError where there are none.
    """
    digest = hashlib.sha256()
    for unit in parameter_sets(extradata):
        digest.update(len(unit).to_bytes(2, "big") + unit)
    return digest.hexdigest()


def unit_types(packet: bytes | memoryview) -> Iterator[int]:
    """Yield the types of a packet's NAL units, each prefixed with its length in four bytes.

    Raises ValueError where a length is zero or leads past the end, or where bytes are left over.
    """
    position = 0
    while position < len(packet):
        start = position + _LENGTH_BYTES
        size = int.from_bytes(packet[position:start], "big")
        if start > len(packet) or not 0 < size <= len(packet) - start:
            raise ValueError(f"a unit at byte {position} of {len(packet)} does not end in its packet")
        if packet[start] & 0x80:
            raise ValueError(f"no unit begins at byte {start}: its forbidden bit is set")
        yield packet[start] & 0x1F
        position = start + size


def is_idr(packet: bytes | memoryview) -> bool:
    """Tell whether the packet's picture is an IDR: decoding can start at it, and nothing reaches back.

    Raises ValueError for a packet that is none, or in which slices of both kinds are mixed.
    """
    slices = {kind for kind in unit_types(packet) if kind in (NAL_SLICE, NAL_IDR)}
    if len(slices) > 1:
        raise ValueError("a picture in part IDR and in part not")
    return slices == {NAL_IDR}
