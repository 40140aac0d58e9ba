"""The little of H.264 that must be looked into: parameter sets and picture types. Pure.

Numbers are those of ISO/IEC 14496-10 (NAL unit types) and 14496-15 (`avcC`, length-prefixed units).
"""

import hashlib
from collections.abc import Iterator

NAL_SLICE = 1
NAL_IDR = 5
NAL_SPS = 7
NAL_PPS = 8


def parameter_sets(extradata: bytes) -> tuple[bytes, ...]:
    """Return the SPS and PPS of an `avcC` record, in order. Raises ValueError where it is none."""
    if len(extradata) < 7 or extradata[0] != 1:
        raise ValueError(f"not an avcC record: {extradata[:8].hex()}")
    units: list[bytes] = []
    position = 5
    try:
        for mask in (0x1F, 0xFF):
            count = extradata[position] & mask
            position += 1
            for _ in range(count):
                size = int.from_bytes(extradata[position : position + 2], "big")
                position += 2 + size
                units.append(extradata[position - size : position])
    except IndexError:
        position = len(extradata) + 1
    if position > len(extradata):
        raise ValueError(f"the avcC record is cut short: {extradata.hex()}")
    return tuple(units)


def parameter_sets_sha256(extradata: bytes) -> str:
    """Hash SPS and PPS: streams join without re-encoding only where this is equal. 64 hex digits."""
    digest = hashlib.sha256()
    for unit in parameter_sets(extradata):
        digest.update(len(unit).to_bytes(2, "big") + unit)
    return digest.hexdigest()


def unit_types(packet: bytes | memoryview) -> Iterator[int]:
    """Yield the types of a packet's NAL units, each prefixed with its length in four bytes."""
    position = 0
    while position + 4 < len(packet):
        size = int.from_bytes(packet[position : position + 4], "big")
        yield packet[position + 4] & 0x1F
        position += 4 + size


def is_idr(packet: bytes | memoryview) -> bool:
    """Tell whether the packet's picture is an IDR: decoding can start at it, and nothing reaches back."""
    first_slice = next((kind for kind in unit_types(packet) if kind in (NAL_SLICE, NAL_IDR)), None)
    return first_slice == NAL_IDR
