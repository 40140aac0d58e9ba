"""Frames small enough to encode in a blink."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from trivia_render.encode.clip import EncodedClip
from trivia_render.models.ports import Planes

WIDTH, HEIGHT = 192, 160


class MakeClip(Protocol):
    """Encode so many moving frames to a file of this name in the test's folder."""

    def __call__(self, name: str, frames: int, *, seed: int = 0) -> EncodedClip: ...


def moving_frames(count: int, *, seed: int = 0) -> Iterator[Planes]:
    """Yield one plane, changed for each frame: a moving block, and a hard cut every 25 frames."""
    random = np.random.default_rng(seed)
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    for number in range(count):
        if number % 25 == 0:
            planes[:HEIGHT] = random.integers(30, 220, (HEIGHT, 1), np.uint8)
        left = number * 3 % (WIDTH - 32)
        planes[64:80] = 60
        planes[64:80, left : left + 32] = 200
        yield planes
