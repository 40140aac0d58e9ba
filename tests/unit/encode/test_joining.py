"""Joined clips: every frame where it belongs, sound in step, titles as typed, odd clips refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.unit.encode.small_frames import HEIGHT, WIDTH, MakeClip, moving_frames
from trivia_render.encode import arguments
from trivia_render.encode.assembly import check_joinable, join_clips
from trivia_render.encode.clip import encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.metadata import escape, shorten
from trivia_render.encode.packets import VideoPackets, read_video_packets
from trivia_render.encode.sound import encode_aac
from trivia_render.encode.verify import check_video, inspect_video
from trivia_render.errors import ClipMismatchError, VideoOutOfSpecError
from trivia_render.models.plan import EncoderSpec
from trivia_render.models.results import Chapter

LENGTHS = (97, 130, 61, 3, 59)


@pytest.fixture
def joined(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> Path:
    clips = [make_clip(f"{place}.mp4", frames, seed=place).path for place, frames in enumerate(LENGTHS)]
    samples = np.zeros((2, sum(LENGTHS) * 1600), np.float32)
    audio = encode_aac(samples, output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    output = tmp_path / "joined.mp4"
    join_clips(clips, audio=audio, chapters=[], output=output, ffmpeg=ffmpeg, title="A quiz")
    return output


def test_the_joined_video_meets_its_own_specification(joined: Path) -> None:
    facts = inspect_video(joined)
    check_video(facts, width=WIDTH, height=HEIGHT, clip_frames=LENGTHS)
    assert facts.keyframes == (0, 60, 97, 157, 217, 227, 287, 288, 291)
    assert facts.audio is not None
    assert facts.audio.duration_seconds == facts.duration_seconds


def test_every_frame_shows_what_its_clip_shows(joined: Path, tmp_path: Path) -> None:
    def pictures(path: Path) -> list[bytes]:
        with av.open(path) as container:
            return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]

    apart = [picture for place in range(len(LENGTHS)) for picture in pictures(tmp_path / f"{place}.mp4")]
    assert pictures(joined) == apart


def test_times_are_exact_frames_and_decoding_never_goes_back(joined: Path) -> None:
    packets = read_video_packets(joined)
    frames = sum(LENGTHS)
    assert sorted(packets.pts) == list(range(frames))
    assert packets.dts == tuple(range(packets.dts[0], packets.dts[0] + frames))


def test_only_the_video_is_left_in_the_folder(joined: Path) -> None:
    left = {path.name for path in joined.parent.iterdir()}
    assert left == {"joined.mp4", "sound.m4a", *(f"{place}.mp4" for place in range(len(LENGTHS)))}


def test_sound_and_picture_keep_step_over_the_joins(
    ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path
) -> None:
    """A flash and a click at the same moment of each clip are still one moment in the joined video."""
    lengths, flash_at = (95, 121, 73), 40
    black, white = (np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8) for _ in range(2))
    black[:HEIGHT], white[:HEIGHT] = 16, 235
    clips: list[Path] = []
    samples = np.zeros((2, sum(lengths) * 1600), np.float32)
    for place, frames in enumerate(lengths):
        clips.append(tmp_path / f"{place}.mp4")
        encode_clip(
            (white if number == flash_at else black for number in range(frames)),
            frame_count=frames,
            width=WIDTH,
            height=HEIGHT,
            encoder=libx264,
            ffmpeg=ffmpeg,
            output=clips[-1],
            threads=1,
            on_progress=None,
        )
        start = (sum(lengths[:place]) + flash_at) * 1600
        samples[:, start : start + 48] = 0.8
    audio = encode_aac(samples, output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    output = tmp_path / "joined.mp4"
    join_clips(clips, audio=audio, chapters=[], output=output, ffmpeg=ffmpeg, title="")

    with av.open(output) as container:
        flashes = [
            frame.time for frame in container.decode(video=0) if frame.to_ndarray()[:HEIGHT].mean() > 128
        ]
    with av.open(output) as container:
        blocks = [(frame.time, np.abs(frame.to_ndarray()[0])) for frame in container.decode(audio=0)]
    loud = [start + np.flatnonzero(block > 0.3) / 48_000 for start, block in blocks if start is not None]
    clicks = np.concatenate(loud)
    starts = [clicks[0], *(clicks[1:][np.diff(clicks) > 0.5])]
    assert np.abs(np.array(flashes) - np.array(starts)).max() < 0.005


TITLES = (
    'Who said "I\'ll be back"?',
    "a=b; c # d \\ e",
    "[CHAPTER]\nSTART=0\nEND=1\ntitle=forged",
    "line\r\nfeed\ttab",
    "👩🏽‍🚀 🇫🇷 é",
    "كم عدد الكواكب؟",
    "%s {x} <b>",
    "ends with =",
    "\\",
    "two at the end \\\\",
    ";FFMETADATA1",
)


def test_titles_arrive_as_they_were_typed(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", 30 * len(TITLES))
    chapters = [
        Chapter(title=title, start_seconds=place, end_seconds=place + 1) for place, title in enumerate(TITLES)
    ]
    output = tmp_path / "it's a [strange];folder # ü"
    output.mkdir()
    output /= "video.mp4"
    title = "=;#\\ 'quoted'\n[CHAPTER] 🏆"
    join_clips([clip.path], audio=None, chapters=chapters, output=output, ffmpeg=ffmpeg, title=title)
    with av.open(output) as container:
        found: list[Any] = container.chapters()
        assert container.metadata["title"] == title
    assert [chapter["metadata"]["title"].removesuffix(" ") for chapter in found] == list(TITLES)
    assert [
        (chapter["start"] * chapter["time_base"], chapter["end"] * chapter["time_base"]) for chapter in found
    ] == [(place, place + 1) for place in range(len(TITLES))]


@pytest.mark.parametrize(
    ("text", "written"),
    [("a\0b", "ab"), ("a=b", "a\\=b"), ("\n", "\\\n"), ("x\\", "x\\\\ "), ("[CHAPTER]", "[CHAPTER]")],
)
def test_titles_are_escaped(text: str, written: str) -> None:
    assert escape(text) == written


def test_a_long_title_is_cut_between_letters() -> None:
    assert shorten("x" * 255, max_bytes=255) == "x" * 255
    cut = shorten("é" * 200, max_bytes=255)
    assert cut == "é" * 126 + "…"
    assert len(cut.encode()) == 255


def encode_otherwise(ffmpeg: Ffmpeg, output: Path, changes: dict[str, str]) -> Path:
    """Encode a clip with other options than the profile's."""
    words = arguments.encode_clip(width=WIDTH, height=HEIGHT, encoder="libx264", threads=1, output=output)
    for option, value in changes.items():
        if option in words:
            words[words.index(option) + 1] = value
        else:
            words[-1:-1] = [option, value]
    if changes.get("-c:v") == "libopenh264":
        for option in ("-preset", "-crf"):
            place = words.index(option)
            del words[place : place + 2]
    ffmpeg.feed(
        words,
        "encoding otherwise",
        chunks=[planes.data.cast("B") for planes in map(np.copy, moving_frames(60))],
    )
    return output


@pytest.mark.parametrize(
    "changes",
    [
        {"-profile:v": "main"},
        {"-preset": "ultrafast"},
        {"-bf": "0"},
        {"-colorspace": "bt470bg"},
        {"-c:v": "libopenh264"},
    ],
    ids=lambda changes: " ".join(changes.values()),
)
def test_clips_encoded_in_different_ways_are_not_joined(
    make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path, changes: dict[str, str]
) -> None:
    ours = make_clip("ours.mp4", 60).path
    odd = encode_otherwise(ffmpeg, tmp_path / "odd.mp4", changes)
    output = tmp_path / "joined.mp4"
    with pytest.raises(ClipMismatchError) as caught:
        join_clips([ours, odd, ours], audio=None, chapters=[], output=output, ffmpeg=ffmpeg, title="")
    assert "odd.mp4" in caught.value.evidence
    assert caught.value.retryable
    assert not output.exists()


def packets(*, sha256: str = "aa", dts: Sequence[int] = (-2, -1, 0)) -> VideoPackets:
    return VideoPackets((0, 2, 1), tuple(dts), (0,), (0,), sha256 * 32)


def test_clips_alike_may_be_joined_and_others_are_named() -> None:
    check_joinable({})
    check_joinable({"a": packets(), "b": packets()})
    with pytest.raises(ClipMismatchError) as caught:
        check_joinable({"a": packets(), "b": packets(sha256="bb"), "c": packets()})
    assert caught.value.evidence.splitlines() == [
        "  SPS and PPS aaaaaaaaaaaa, lead 2: a, c",
        "  SPS and PPS bbbbbbbbbbbb, lead 2: b",
    ]


def test_clips_that_are_decoded_with_another_lead_are_not_joined() -> None:
    with pytest.raises(ClipMismatchError, match="2 different ways"):
        check_joinable({"a": packets(), "b": packets(dts=(-1, 0, 1))})


def test_something_that_is_no_clip_is_not_joined(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no clip")
    clips = [make_clip("clip.mp4", 9).path, tmp_path / "text.mp4"]
    with pytest.raises(VideoOutOfSpecError, match=r"text\.mp4"):
        join_clips(clips, audio=None, chapters=[], output=tmp_path / "o.mp4", ffmpeg=ffmpeg, title="")
