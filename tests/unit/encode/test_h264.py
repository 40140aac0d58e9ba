"""The bytes of H.264 that decide whether clips may be joined: read exactly, or refused."""

import av
import pytest

from tests.unit.encode.small_frames import MakeClip
from trivia_render.encode.h264 import is_idr, parameter_sets, parameter_sets_sha256, unit_types
from trivia_render.encode.packets import open_video, read_video_packets
from trivia_render.errors import VideoOutOfSpecError

SPS, PPS = b"\x67\x64\x00\x28abc", b"\x68\xeb\xe3"


def avcc(
    sps: tuple[bytes, ...] = (SPS,),
    pps: tuple[bytes, ...] = (PPS,),
    *,
    length_bytes: int = 4,
    rest: bytes = b"",
) -> bytes:
    def listed(units: tuple[bytes, ...]) -> bytes:
        return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)

    head = b"\x01\x64\x00\x28" + bytes([0xFC | (length_bytes - 1), 0xE0 | len(sps)])
    return head + listed(sps) + bytes([len(pps)]) + listed(pps) + rest


def packet(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_parameter_sets_are_read_in_order_and_what_follows_them_is_not() -> None:
    record = avcc((SPS, SPS + b"2"), (PPS, PPS + b"2"), rest=b"\xfd\xf8\xf8\x00")
    assert parameter_sets(record) == (SPS, SPS + b"2", PPS, PPS + b"2")


def test_the_hash_tells_apart_what_differs_and_where_one_unit_ends() -> None:
    records = [avcc(), avcc((SPS + b"x",)), avcc((SPS,), (PPS + b"x",)), avcc((SPS, SPS))]
    assert len({parameter_sets_sha256(record) for record in records}) == 4
    assert parameter_sets_sha256(avcc()) == parameter_sets_sha256(avcc(rest=b"\xfd\xf8\xf8\x00"))


@pytest.mark.parametrize("length", range(len(avcc())))
def test_a_record_that_is_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="avcC"):
        parameter_sets(avcc()[:length])


@pytest.mark.parametrize(
    "record",
    [
        b"\x00" + avcc()[1:],
        avcc(length_bytes=2),
        avcc(()),
        avcc((SPS,), ()),
        avcc((b"",)),
        avcc((PPS,), (SPS,)),
        avcc((b"\xe7abc",)),
        b"\x00\x00\x00\x01" + SPS + b"\x00\x00\x00\x01" + PPS,
    ],
    ids=["version", "short lengths", "no SPS", "no PPS", "empty", "swapped", "forbidden bit", "Annex B"],
)
def test_a_record_of_another_form_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"avcC|lengths"):
        parameter_sets(record)


def test_a_packets_units_are_told_and_its_picture_is_an_idr_or_not() -> None:
    assert list(unit_types(packet(b"\x09\xf0", b"\x06\x05", b"\x65\x88", b"\x65\x89"))) == [9, 6, 5, 5]
    assert is_idr(packet(b"\x06\x05", b"\x65\x88"))
    assert not is_idr(packet(b"\x06\x05", b"\x41\x9a"))
    assert not is_idr(packet(b"\x06\x05"))
    assert not is_idr(b"")
    assert is_idr(memoryview(packet(b"\x65")))


@pytest.mark.parametrize(
    "data",
    [
        packet(b"\x65\x88")[:-1],
        packet(b"\x65\x88") + b"\x00",
        packet(b"\x65\x88") + b"\x00\x00\x00\x00",
        packet(b"\x06\x05", b""),
        b"\xff\xff\xff\xff\x65",
        packet(b"\xe5\x88"),
        packet(b"\x65\x88", b"\x41\x9a"),
        b"\x00\x00\x00\x01\x65\x88\x84\x00",
    ],
    ids=[
        "cut",
        "a byte over",
        "empty last",
        "empty unit",
        "length past the end",
        "forbidden",
        "mixed",
        "Annex B",
    ],
)
def test_a_packet_of_another_form_is_refused_and_never_guessed_at(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"unit|picture"):
        is_idr(data)


def test_a_real_streams_packets_are_read_and_a_damaged_one_is_out_of_specification(
    make_clip: MakeClip,
) -> None:
    path = make_clip("clip.mp4", 70).path
    found = read_video_packets(path)
    assert (found.frames, found.idr_frames) == (70, (0, 60))
    with av.open(path) as container:
        places = [(item.pos, item.size) for item in container.demux(video=0) if item.size]
    data = bytearray(path.read_bytes())
    start, size = max(places)
    data[start : start + 4] = (size + 1).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(VideoOutOfSpecError, match="does not end in its packet"):
        read_video_packets(path)


@pytest.mark.parametrize("ours", [ValueError("a bug"), AttributeError("a bug")])
def test_a_fault_of_ours_is_not_taken_for_the_videos(make_clip: MakeClip, ours: Exception) -> None:
    with pytest.raises(type(ours), match="a bug"), open_video(make_clip("clip.mp4", 3).path):
        raise ours
