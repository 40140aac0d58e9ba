"""Bytes that say they are H.264: an exact answer or an error, whatever they are."""

import io
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import examples, mutated, rounds
from trivia_render.encode.h264 import (
    NAL_IDR,
    NAL_SLICE,
    is_idr,
    parameter_sets,
    parameter_sets_sha256,
    unit_types,
)
from trivia_render.encode.packets import read_video_packets
from trivia_render.encode.verify import inspect_video
from trivia_render.errors import VideoOutOfSpecError


class Stream(NamedTuple):
    """A short real stream: the file, its avcC record and its packets."""

    file: bytes
    record: bytes
    packets: tuple[bytes, ...]


@pytest.fixture(scope="module")
def stream() -> Stream:
    buffer = io.BytesIO()
    random = np.random.default_rng(1)
    with av.open(buffer, "w", format="mp4") as output:
        video = output.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        video.options = {"threads": "1", "g": "4", "bf": "0", "sc_threshold": "0"}
        for _ in range(8):
            # One colour: the smaller the file, the more of its changes hit what is read.
            picture = np.full((64, 64, 3), random.integers(0, 255, 3), np.uint8)
            output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(video.encode(None))
    data = buffer.getvalue()
    with av.open(io.BytesIO(data)) as container:
        record = container.streams.video[0].codec_context.extradata
        packets = tuple(bytes(packet) for packet in container.demux(video=0) if packet.size)
    assert record is not None
    return Stream(data, record, packets)


def test_the_real_stream_is_read(stream: Stream) -> None:
    assert [is_idr(packet) for packet in stream.packets] == [True, False, False, False] * 2
    assert len(parameter_sets(stream.record)) == 2


def check_record(record: bytes) -> None:
    """What is told of a record is in it, byte by byte, and nothing else."""
    try:
        units = parameter_sets(record)
    except ValueError:
        return
    sps = [unit for unit in units if unit[0] & 0x1F == 7]
    pps = [unit for unit in units if unit[0] & 0x1F == 8]
    assert (*sps, *pps) == units
    lists = [
        bytes([count]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in part)
        for count, part in ((record[5], sps), (len(pps), pps))
    ]
    assert record[5] & 0x1F == len(sps)
    assert record[5:].startswith(b"".join(lists))
    assert len(parameter_sets_sha256(record)) == 64


def check_packet(packet: bytes) -> None:
    """A packet is told from its units alone, all of them, to its last byte."""
    try:
        kinds = list(unit_types(packet))
        idr = is_idr(memoryview(packet))
    except ValueError:
        return
    position, seen = 0, []
    while position < len(packet):
        size = int.from_bytes(packet[position : position + 4], "big")
        assert 0 < size <= len(packet) - position - 4
        seen.append(packet[position + 4] & 0x1F)
        position += 4 + size
    assert position == len(packet)
    assert seen == kinds
    assert idr == (NAL_IDR in kinds and NAL_SLICE not in kinds)


def test_records_that_are_almost_right(stream: Stream) -> None:
    @examples(300)
    @given(mutated([stream.record, stream.record[:12]]) | st.binary(max_size=64))
    def target(record: bytes) -> None:
        check_record(record)

    rounds(target)


def test_records_that_begin_right_and_go_on_anyhow() -> None:
    @examples(300)
    @given(st.binary(max_size=40), st.integers(0, 255), st.integers(0, 255))
    def target(rest: bytes, lengths: int, count: int) -> None:
        check_record(b"\x01\x64\x00\x28" + bytes([lengths, count]) + rest)

    rounds(target)


def test_packets_that_are_almost_right(stream: Stream) -> None:
    # The beginnings: what lies inside of a unit is not looked at.
    short = [packet[:4] + packet[4:40] for packet in stream.packets[:3]]
    whole = [(len(packet) - 4).to_bytes(4, "big") + packet[4:] for packet in short]

    @examples(300)
    @given(mutated([*whole, *stream.packets[:2], whole[0] + whole[1]]) | st.binary(max_size=64))
    def target(packet: bytes) -> None:
        check_packet(packet)

    rounds(target)


def test_packets_of_any_units_are_told_by_them() -> None:
    @examples(100)
    @given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
    def target(units: list[bytes]) -> None:
        units = [bytes([unit[0] & 0x7F]) + unit[1:] for unit in units]
        packet = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
        assert list(unit_types(packet)) == [unit[0] & 0x1F for unit in units]
        check_packet(packet)

    rounds(target)


def test_files_that_are_almost_right(stream: Stream, tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"

    @examples(60)
    @given(mutated([stream.file]))
    def target(data: bytes) -> None:
        file.write_bytes(data)
        try:
            found = read_video_packets(file)
        except VideoOutOfSpecError:
            return
        assert found.frames == len(found.dts) <= 1000
        assert len(found.parameter_sets_sha256) == 64
        with suppress(VideoOutOfSpecError):
            inspect_video(file)

    rounds(target)
