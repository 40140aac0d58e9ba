from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tests.unit.encode.small_frames import HEIGHT, WIDTH, MakeClip, moving_frames
from trivia_render.encode.clip import check_clip, encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.h264 import parameter_sets
from trivia_render.encode.packets import VideoPackets, read_video_packets
from trivia_render.encode.verify import inspect_video
from trivia_render.errors import EncodeError, VideoOutOfSpecError
from trivia_render.models.plan import EncoderSpec
from trivia_render.models.ports import Planes


def test_keyframes_lie_on_the_grid_and_not_at_cuts(make_clip: MakeClip) -> None:
    clip = make_clip("clip.mp4", 130)  # has a hard cut at every 25th frame
    assert clip.frames == 130
    assert clip.keyframes == (0, 60, 120)
    assert clip.path.stat().st_size == clip.size_bytes


def test_a_clip_is_what_the_operator_asked_for(make_clip: MakeClip) -> None:
    facts = inspect_video(make_clip("clip.mp4", 61).path)
    assert (facts.codec, facts.profile, facts.pixel_format) == ("h264", "High", "yuv420p")
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)
    assert facts.frame_rate == 30
    assert facts.colour == (1, 1, 1, 1)
    assert facts.constant_rate
    assert facts.decoding_times_rise
    assert facts.idr_frames == facts.keyframes == (0, 60)
    assert facts.header_first


def test_b_frames_are_used_but_none_reaches_over_a_keyframe(make_clip: MakeClip) -> None:
    packets = read_video_packets(make_clip("clip.mp4", 130).path)
    assert packets.pts != tuple(sorted(packets.pts))
    for keyframe in packets.keyframes:
        place = packets.pts.index(keyframe)
        assert max(packets.pts[:place], default=-1) < keyframe
        assert min(packets.pts[place:]) == keyframe


def test_the_picture_is_neither_converted_nor_shifted(make_clip: MakeClip) -> None:
    clip = make_clip("clip.mp4", 30)
    with av.open(clip.path) as container:
        decoded = [frame.to_ndarray() for frame in container.decode(video=0)]
    for given, seen in zip(moving_frames(30), decoded, strict=True):
        assert np.abs(given.astype(int) - seen).mean() < 2


def test_the_same_frames_give_the_same_file(make_clip: MakeClip) -> None:
    first, second = make_clip("first.mp4", 70), make_clip("second.mp4", 70)
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("frames", [3, 59, 60, 61])
def test_parameter_sets_and_lead_do_not_depend_on_length_or_content(make_clip: MakeClip, frames: int) -> None:
    usual = make_clip("usual.mp4", 100)
    other = make_clip("other.mp4", frames, seed=9)
    assert other.parameter_sets_sha256 == usual.parameter_sets_sha256
    assert read_video_packets(other.path).dts[0] == read_video_packets(usual.path).dts[0]


def test_a_still_clip_has_the_usual_parameter_sets_and_lead(
    make_clip: MakeClip, ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path
) -> None:
    still = [np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8)] * 90
    clip = encode(still, ffmpeg=ffmpeg, encoder=libx264, output=tmp_path / "still.mp4", frame_count=90)
    usual = make_clip("usual.mp4", 90)
    assert clip.parameter_sets_sha256 == usual.parameter_sets_sha256
    assert read_video_packets(clip.path).dts[0] == read_video_packets(usual.path).dts[0]


def encode(frames, *, ffmpeg, encoder, output, frame_count, on_progress=None):  # type: ignore[no-untyped-def]
    return encode_clip(
        frames,
        frame_count=frame_count,
        width=WIDTH,
        height=HEIGHT,
        encoder=encoder,
        ffmpeg=ffmpeg,
        output=output,
        threads=1,
        on_progress=on_progress,
    )


def test_progress_counts_each_frame_once(ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path) -> None:
    heard: list[int] = []
    encode(
        moving_frames(5),
        ffmpeg=ffmpeg,
        encoder=libx264,
        output=tmp_path / "clip.mp4",
        frame_count=5,
        on_progress=heard.append,
    )
    assert heard == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("given", [9, 11])
def test_a_wrong_number_of_frames_leaves_no_file(
    ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path, given: int
) -> None:
    with pytest.raises(VideoOutOfSpecError, match=f"{given} frames instead of 10"):
        encode(
            moving_frames(given), ffmpeg=ffmpeg, encoder=libx264, output=tmp_path / "clip.mp4", frame_count=10
        )
    assert list(tmp_path.iterdir()) == []


def test_frames_that_fail_leave_no_file_and_an_earlier_one_in_place(
    ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path
) -> None:
    def frames() -> Iterator[Planes]:
        yield from moving_frames(40)
        raise LookupError("the font is gone")

    output = tmp_path / "clip.mp4"
    output.write_bytes(b"earlier")
    with pytest.raises(LookupError):
        encode(frames(), ffmpeg=ffmpeg, encoder=libx264, output=output, frame_count=50)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert output.read_bytes() == b"earlier"


def test_an_ffmpeg_that_fails_leaves_no_file(ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match=r"encoding clip\.mp4"):
        encode(
            moving_frames(9), ffmpeg=ffmpeg, encoder=libx264, output=tmp_path / "no/clip.mp4", frame_count=9
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "planes",
    [
        np.zeros((HEIGHT, WIDTH), np.uint8),
        np.zeros((HEIGHT * 3 // 2, WIDTH), np.float32),
        np.zeros((HEIGHT * 3 // 2, WIDTH * 2), np.uint8)[:, ::2],
    ],
)
def test_planes_of_another_shape_are_refused(
    ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path, planes: Planes
) -> None:
    with pytest.raises(ValueError, match="frame 0 is"):
        encode([planes], ffmpeg=ffmpeg, encoder=libx264, output=tmp_path / "clip.mp4", frame_count=3)


def test_a_clip_too_short_to_join_is_refused(ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="under 3"):
        encode(moving_frames(2), ffmpeg=ffmpeg, encoder=libx264, output=tmp_path / "clip.mp4", frame_count=2)


GOOD = VideoPackets((0, 2, 1, 3), (-1, 0, 1, 2), (0,), (0,), "0" * 64)


@pytest.mark.parametrize(
    ("packets", "said"),
    [
        (GOOD._replace(pts=(0, 2, 1, 4)), "do not follow one another"),
        (GOOD._replace(dts=(-1, 0, 0, 2)), "decoding times do not rise"),
        (GOOD._replace(keyframes=(0, 2)), "keyframes: 2, not 1; the first that differs is at 2, not none"),
        (GOOD._replace(idr_frames=()), "IDR pictures: 0, not 1; the first that differs is at none, not 0"),
    ],
)
def test_a_clip_that_cannot_be_joined_is_refused(packets: VideoPackets, said: str) -> None:
    check_clip(GOOD, name="clip.mp4", frame_count=4)
    with pytest.raises(VideoOutOfSpecError) as caught:
        check_clip(packets, name="clip.mp4", frame_count=4)
    assert said in str(caught.value)


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoOutOfSpecError, match=r"text\.mp4"):
        read_video_packets(tmp_path / "text.mp4")
    with pytest.raises(VideoOutOfSpecError, match=r"none\.mp4"):
        read_video_packets(tmp_path / "none.mp4")


@pytest.mark.parametrize("record", [b"", b"\x00\x00\x00\x01gd", bytes.fromhex("01640028ffe1001d6764")])
def test_a_damaged_avcc_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match="avcC"):
        parameter_sets(record)
