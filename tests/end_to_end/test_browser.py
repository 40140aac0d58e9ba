"""The browser that checks finished videos is itself checked with a video whose pictures are known."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from tests.browser import play


@pytest.fixture(scope="module")
def red_then_blue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of red, two of blue, with a tone, 30 frames a second."""
    path = tmp_path_factory.mktemp("browser") / "red_then_blue.mp4"
    sources = ["color=red:s=320x240:r=30:d=2", "color=blue:s=320x240:r=30:d=2", "sine=d=4:r=48000"]
    inputs = [argument for source in sources for argument in ("-f", "lavfi", "-i", source)]
    joined = ["-filter_complex", "[0][1]concat=n=2"]
    encoding = [
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "30",
        "-c:a",
        "aac",
        "-movflags",
        "+faststart",
    ]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    subprocess.run([*ffmpeg, *inputs, *joined, *encoding, str(path)], check=True, timeout=60)
    return path


def test_a_video_plays_and_each_seek_shows_its_own_picture(red_then_blue: Path) -> None:
    playback = play(red_then_blue, seek_seconds=[3.0, 0.5, 59.5 / 30, 60.5 / 30])
    assert playback.duration_seconds == pytest.approx(4, abs=0.05)
    assert (playback.width, playback.height) == (320, 240)
    assert playback.played_seconds >= 0.5
    assert playback.audio_bytes > 0
    assert playback.range_requests > 0
    colours = [picture.mean(axis=(0, 1)) for picture in playback.pictures]
    # Limited-range colour through 8 bits and back is off by a little.
    red, blue = np.array([254, 0, 0]), np.array([0, 0, 254])
    for colour, expected in zip(colours, [blue, red, red, blue], strict=True):
        assert np.abs(colour - expected).max() < 6, colours


def test_a_file_that_is_no_video_fails_with_the_browsers_message(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 2000)
    with pytest.raises(AssertionError, match=r"Chromium cannot load broken\.mp4: \S"):
        play(broken)
