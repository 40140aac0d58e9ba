"""A real FFmpeg, small moving frames, clips made of them, and programs that misbehave in its place."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from trivia_render.encode.clip import EncodedClip, encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.models.plan import EncoderSpec
from trivia_render.models.ports import Planes

WIDTH, HEIGHT = 192, 160


class MakeFrames(Protocol):
    def __call__(self, count: int, *, seed: int = 0) -> Iterator[Planes]: ...


class MakeClip(Protocol):
    def __call__(self, name: str, frames: int, *, seed: int = 0) -> EncodedClip: ...


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    return Ffmpeg(find_ffmpeg(None), stall_timeout_seconds=30)


@pytest.fixture(scope="session")
def libx264(ffmpeg: Ffmpeg) -> EncoderSpec:
    return EncoderSpec(name="libx264", build=ffmpeg.build)


@pytest.fixture(scope="session")
def moving_frames() -> MakeFrames:
    """Yield one plane, changed for each frame: a moving block, and a hard cut every 25 frames."""

    def make(count: int, *, seed: int = 0) -> Iterator[Planes]:
        random = np.random.default_rng(seed)
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        for number in range(count):
            if number % 25 == 0:
                planes[:HEIGHT] = np.repeat(random.integers(30, 220, (HEIGHT, 1), np.uint8), WIDTH, axis=1)
            left = number * 3 % (WIDTH - 32)
            planes[64:80] = 60
            planes[64:80, left : left + 32] = 200
            yield planes

    return make


@pytest.fixture
def make_clip(ffmpeg: Ffmpeg, libx264: EncoderSpec, moving_frames: MakeFrames, tmp_path: Path) -> MakeClip:
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
