from pathlib import Path
from typing import Any

import pytest

from tests.unit.encode.small_frames import HEIGHT, WIDTH, MakeClip
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.verify import (
    AudioFacts,
    VideoFacts,
    check_video,
    expected_keyframes,
    inspect_video,
)
from trivia_render.errors import VideoOutOfSpecError

SOUND = AudioFacts(
    codec="aac", profile="LC", sample_rate=48_000, channels=2, start_seconds=0.0, duration_seconds=5.0
)
GOOD = VideoFacts(
    codec="h264",
    profile="High",
    pixel_format="yuv420p",
    width=1920,
    height=1080,
    frame_rate=30,
    frames=150,
    start_seconds=0.0,
    duration_seconds=5.0,
    constant_rate=True,
    decoding_times_rise=True,
    keyframes=(0, 60, 100),
    idr_frames=(0, 60, 100),
    colour=(1, 1, 1, 1),
    header_first=True,
    audio=SOUND,
)


def check(facts: VideoFacts, *, sound: bool = True) -> None:
    check_video(facts, width=1920, height=1080, clip_frames=(100, 50), sound=sound)


def test_a_video_as_it_must_be_passes() -> None:
    check(GOOD)
    check(GOOD.model_copy(update={"audio": None}), sound=False)
    check(GOOD.model_copy(update={"audio": SOUND.model_copy(update={"duration_seconds": 5.049})}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codec": "hevc"}, "codec: hevc, not h264"),
        ({"profile": "Main"}, "profile: Main, not High"),
        ({"pixel_format": "yuv444p"}, "pixel format: yuv444p, not yuv420p"),
        ({"width": 1280}, "size: (1280, 1080), not (1920, 1080)"),
        ({"frame_rate": 25}, "frame rate: 25, not 30"),
        ({"frames": 149}, "frames: 149, not 150"),
        ({"start_seconds": 0.033}, "start: 0.033, not 0.0"),
        ({"duration_seconds": 5.0333}, "duration: 5.0333, not 5.0"),
        ({"constant_rate": False}, "constant frame rate"),
        ({"decoding_times_rise": False}, "rising decoding times"),
        ({"keyframes": (0, 60, 100, 130)}, "keyframes: 4, not 3; the first that differs is at 130, not none"),
        ({"idr_frames": (0, 60)}, "IDR pictures: 2, not 3; the first that differs is at none, not 100"),
        ({"colour": (1, 1, 5, 1)}, "colour"),
        ({"colour": (1, 1, 1, 2)}, "colour"),
        ({"header_first": False}, "header before the frames"),
        ({"audio": None}, "sound: False, not True"),
    ],
)
def test_each_deviation_of_the_picture_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(VideoOutOfSpecError) as caught:
        check(GOOD.model_copy(update=change))
    assert said in caught.value.evidence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codec": "mp3"}, "sound codec"),
        ({"profile": "HE-AAC"}, "sound codec: ('aac', 'HE-AAC'), not ('aac', 'LC')"),
        ({"sample_rate": 44_100}, "sample rate: 44100, not 48000"),
        ({"channels": 1}, "sound channels: 1, not 2"),
        ({"start_seconds": 0.021}, "start of the sound"),
        ({"duration_seconds": 4.94}, "within 50 ms (they differ by 60.0 ms)"),
        ({"duration_seconds": 5.051}, "within 50 ms (they differ by 51.0 ms)"),
    ],
)
def test_each_deviation_of_the_sound_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(VideoOutOfSpecError) as caught:
        check(GOOD.model_copy(update={"audio": SOUND.model_copy(update=change)}))
    assert said in caught.value.evidence


def test_all_deviations_are_named_at_once() -> None:
    with pytest.raises(VideoOutOfSpecError) as caught:
        check(GOOD.model_copy(update={"codec": "hevc", "width": 1, "header_first": False}))
    assert len(caught.value.evidence.splitlines()) == 3


def test_each_clip_has_its_own_keyframe_grid() -> None:
    assert expected_keyframes((100, 60, 61, 1)) == (0, 60, 100, 160, 220, 221)
    assert expected_keyframes(()) == ()


def test_a_long_list_of_keyframes_makes_a_short_message() -> None:
    wrong = tuple(range(0, 300_000, 30))
    with pytest.raises(VideoOutOfSpecError) as caught:
        check_video(
            GOOD.model_copy(update={"keyframes": wrong}), width=1920, height=1080, clip_frames=(300_000,)
        )
    assert max(map(len, caught.value.evidence.splitlines())) < 100


def test_a_header_behind_the_frames_is_noticed(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", 30).path
    ffmpeg(["-i", str(clip), "-c", "copy", str(tmp_path / "late.mp4")], "moving the header")
    assert inspect_video(clip).header_first
    assert not inspect_video(tmp_path / "late.mp4").header_first


def test_colours_tagged_otherwise_are_noticed(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", 30).path
    ffmpeg(["-i", str(clip), "-colorspace", "smpte170m", str(tmp_path / "sd.mp4")], "encoding otherwise")
    facts = inspect_video(tmp_path / "sd.mp4")
    assert facts.colour[2] == 6
    assert facts.audio is None
    assert (facts.width, facts.height) == (WIDTH, HEIGHT)


def test_frames_off_the_grid_are_refused(make_clip: MakeClip, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", 30).path
    ffmpeg(["-i", str(clip), "-r", "60", str(tmp_path / "fast.mp4")], "encoding otherwise")
    with pytest.raises(VideoOutOfSpecError, match="grid of 30 frames"):
        inspect_video(tmp_path / "fast.mp4")


def test_a_file_without_video_is_named(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    ffmpeg(["-f", "lavfi", "-i", "sine=d=0.1", str(tmp_path / "sound.m4a")], "making")
    with pytest.raises(VideoOutOfSpecError, match="no video stream"):
        inspect_video(tmp_path / "sound.m4a")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoOutOfSpecError, match=r"text\.mp4"):
        inspect_video(tmp_path / "text.mp4")
