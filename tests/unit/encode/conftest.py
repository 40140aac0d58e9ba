"""A real FFmpeg, clips made with it, and programs that misbehave in its place."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.encode.small_frames import HEIGHT, WIDTH, MakeClip, moving_frames
from trivia_render.encode.clip import EncodedClip, encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.models.plan import EncoderSpec


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    return Ffmpeg(find_ffmpeg(None), stall_timeout_seconds=30)


@pytest.fixture(scope="session")
def libx264(ffmpeg: Ffmpeg) -> EncoderSpec:
    return EncoderSpec(name="libx264", build=ffmpeg.build)


@pytest.fixture
def make_clip(ffmpeg: Ffmpeg, libx264: EncoderSpec, tmp_path: Path) -> MakeClip:
    def make(name: str, frames: int, *, seed: int = 0) -> EncodedClip:
        return encode_clip(
            moving_frames(frames, seed=seed),
            frame_count=frames,
            width=WIDTH,
            height=HEIGHT,
            encoder=libx264,
            ffmpeg=ffmpeg,
            output=tmp_path / name,
            threads=1,
            on_progress=None,
        )

    return make


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Write a shell script to run in FFmpeg's place. `$progress` is the descriptor for progress."""

    def write(body: str) -> Path:
        path = tmp_path / "program"
        path.write_text(
            "#!/bin/sh\n"
            'while [ "$1" != -progress ]; do shift; done\n'
            'progress="/dev/fd/${2#pipe:}"\n'
            f"{body}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write
