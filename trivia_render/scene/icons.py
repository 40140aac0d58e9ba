"""Small pictures drawn by code: tick, bell, star, heart, level bars. Each is a smooth mask, "L"."""

import math
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

_OVERSAMPLING = 4


def _drawn(size: int, draw: Callable[[ImageDraw.ImageDraw, float], None]) -> Image.Image:
    big = size * _OVERSAMPLING
    mask = Image.new("L", (big, big), 0)
    draw(ImageDraw.Draw(mask), float(big))
    return mask.reduce(_OVERSAMPLING)


@lru_cache(maxsize=64)
def tick(size: int) -> Image.Image:
    """Return a tick: shape says what colour says."""

    def draw(pen: ImageDraw.ImageDraw, side: float) -> None:
        points = [(0.16 * side, 0.53 * side), (0.41 * side, 0.76 * side), (0.85 * side, 0.25 * side)]
        stroke = round(side * 0.155)
        pen.line(points, fill=255, width=stroke, joint="curve")
        for x, y in points:
            pen.ellipse((x - stroke / 2, y - stroke / 2, x + stroke / 2, y + stroke / 2), fill=255)

    return _drawn(size, draw)


@lru_cache(maxsize=16)
def bell(size: int) -> Image.Image:
    """Return a bell, for the call to action."""

    def draw(pen: ImageDraw.ImageDraw, side: float) -> None:
        pen.ellipse((0.24 * side, 0.12 * side, 0.76 * side, 0.68 * side), fill=255)
        pen.rectangle((0.24 * side, 0.40 * side, 0.76 * side, 0.62 * side), fill=255)
        pen.polygon(
            [
                (0.24 * side, 0.58 * side), (0.76 * side, 0.58 * side),
                (0.90 * side, 0.78 * side), (0.10 * side, 0.78 * side),
            ],
            fill=255,
        )  # fmt: skip
        pen.ellipse((0.43 * side, 0.03 * side, 0.57 * side, 0.20 * side), fill=255)
        pen.pieslice((0.37 * side, 0.72 * side, 0.63 * side, 0.98 * side), 0, 180, fill=255)

    return _drawn(size, draw)


@lru_cache(maxsize=16)
def star(size: int) -> Image.Image:
    """Return a five-pointed star with soft points."""

    def draw(pen: ImageDraw.ImageDraw, side: float) -> None:
        middle = 0.53 * side
        points = []
        for index in range(10):
            radius = side * (0.46 if index % 2 == 0 else 0.21)
            angle = -math.pi / 2 + index * math.pi / 5
            points.append((0.5 * side + radius * math.cos(angle), middle + radius * math.sin(angle)))
        pen.polygon(points, fill=255)
        pen.line([*points, points[0], points[1]], fill=255, width=round(0.07 * side), joint="curve")

    return _drawn(size, draw)


@lru_cache(maxsize=16)
def heart(size: int) -> Image.Image:
    """Return a heart."""

    def draw(pen: ImageDraw.ImageDraw, side: float) -> None:
        points = []
        for step in range(200):
            t = 2 * math.pi * step / 200
            x = 16 * math.sin(t) ** 3
            y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
            points.append((0.5 * side + 0.0285 * side * x, 0.47 * side - 0.0285 * side * y))
        pen.polygon(points, fill=255)

    return _drawn(size, draw)


@lru_cache(maxsize=16)
def level_bars(size: int, *, lit: int) -> tuple[Image.Image, Image.Image]:
    """Return three rising bars, the first `lit` of them in one mask, the others in a second."""

    def draw(pen: ImageDraw.ImageDraw, side: float, bars: range) -> None:
        width = 0.24 * side
        for index in bars:
            x = 0.06 * side + index * 0.32 * side
            top = side * (0.60 - 0.24 * index)
            pen.rounded_rectangle((x, top, x + width, 0.88 * side), radius=0.06 * side, fill=255)

    return (
        _drawn(size, lambda pen, side: draw(pen, side, range(lit))),
        _drawn(size, lambda pen, side: draw(pen, side, range(lit, 3))),
    )
