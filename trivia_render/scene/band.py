"""The moving band: a strip of 120 frames that repeats, drawn once per theme, format and process.

Everything in it is periodic in 120 frames and depends on the theme alone, never on a question.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trivia_render.models.theme import Theme
from trivia_render.scene.colours import RGB, WHITE, mix, rgb
from trivia_render.scene.planes import Box, Views, colour_to_yuv, copy_box, views

#: Frames after which the band repeats: two GOPs.
PERIOD = 120


class _Layer(NamedTuple):
    """A wave: its shape is drawn once, wider than the frame, and slides by whole pixels."""

    pixels_per_frame: int
    colour: RGB
    opacity: float
    height: float
    amplitude: float
    harmonics: tuple[int, int]


class Band:
    """The band's pictures over one still background, made when asked for; `paint` writes a phase."""

    def __init__(self, theme: Theme, background: npt.NDArray[np.uint8], rows: tuple[int, int]) -> None:
        height, width = views(background).y.shape
        self.rows = rows
        self._theme = theme
        self._box = Box(0, rows[0], width, rows[1] - rows[0])
        self._ground = background
        self._pictures: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()
        self._draw = _STYLES[theme.band_style](theme, self._box, height) if self.moves else None

    @property
    def moves(self) -> bool:
        """Whether the band changes from frame to frame."""
        return self._theme.motion != "none" and self._theme.band_style != "none"

    def paint(self, target: Views, frame: int) -> None:
        """Write the band's rows as they are at a frame of a clip."""
        phase = frame % PERIOD if self.moves else 0
        with self._lock:
            picture = self._pictures.get(phase)
            if picture is None:
                picture = self._pictures[phase] = self._render(phase)
        source = views(picture)
        top, bottom = self.rows
        target.y[top:bottom] = source.y
        target.u[top // 2 : bottom // 2] = source.u
        target.v[top // 2 : bottom // 2] = source.v

    def _render(self, phase: int) -> npt.NDArray[np.uint8]:
        top, bottom = self.rows
        ground = views(self._ground)
        picture = np.empty(((bottom - top) * 3 // 2, self._box.width), np.uint8)
        strip = views(picture)
        strip.y[:] = ground.y[top:bottom]
        strip.u[:] = ground.u[top // 2 : bottom // 2]
        strip.v[:] = ground.v[top // 2 : bottom // 2]
        if self._draw is not None:
            self._draw(strip, phase)
        return picture


Draw = Callable[[Views, int], None]


def sea_below(theme: Theme, background: npt.NDArray[np.uint8], rows: tuple[int, int]) -> None:
    """Continue the waves' water from the band's lower edge to the bottom of the frame, still."""
    target = views(background)
    height, width = target.y.shape
    if theme.band_style != "waves" or theme.motion == "none" or rows[1] >= height:
        return
    for layer in _layers(theme):
        _fill(target, Box(0, rows[1], width, height - rows[1]), layer.colour, layer.opacity)


def _layers(theme: Theme) -> tuple[_Layer, ...]:
    accent, end = rgb(theme.colours.accent), rgb(theme.colours.background_end)
    return (
        _Layer(2, mix(end, WHITE, 0.30), 0.30, 0.64, 0.17, (1, 3)),
        _Layer(-4, mix(end, accent, 0.30), 0.34, 0.46, 0.14, (1, 2)),
        _Layer(6, mix(end, (0, 0, 0), 0.35), 0.55, 0.27, 0.11, (1, 2)),
    )


def _waves(theme: Theme, box: Box, frame_height: int) -> Draw:
    del frame_height
    shapes: list[tuple[_Layer, Image.Image, Image.Image]] = []
    for layer in _layers(theme):
        travel = abs(layer.pixels_per_frame) * PERIOD
        x = np.arange(box.width + travel, dtype=np.float32)
        first, second = layer.harmonics
        # Periodic in `travel` pixels, so that the last frame leads into the first.
        curve = np.sin(2 * np.pi * first * x / travel) + 0.35 * np.sin(2 * np.pi * second * x / travel + 1.3)
        edge = box.height * (1 - layer.height - layer.amplitude * curve)
        y = np.arange(box.height, dtype=np.float32)[:, None]
        mask = (np.clip(y - edge[None, :] + 0.5, 0, 1) * 255 * layer.opacity).astype(np.uint8)
        image = Image.fromarray(mask)
        shapes.append((layer, image, image.reduce(2)))

    def draw(strip: Views, phase: int) -> None:
        for layer, mask, mask_half in shapes:
            shift = (layer.pixels_per_frame * phase) % (abs(layer.pixels_per_frame) * PERIOD)
            window = mask.crop((shift, 0, shift + box.width, box.height))
            window_half = mask_half.crop((shift // 2, 0, (shift + box.width) // 2, box.height // 2))
            _tint(strip, layer.colour, window, window_half)

    return draw


def _bars(theme: Theme, box: Box, frame_height: int) -> Draw:
    del frame_height
    pitch, bar = 40, 26
    count = box.width // pitch
    left = (box.width - count * pitch + pitch - bar) // 2 // 2 * 2
    random = np.random.default_rng(5)
    cycles = random.integers(1, 5, (count, 2))
    phases = random.uniform(0, 2 * np.pi, (count, 2))
    colours = [
        colour_to_yuv(mix(rgb(theme.colours.badge), rgb(theme.colours.accent), index / max(1, count - 1)))
        for index in range(count)
    ]
    # Lower in the middle, where the clock stands.
    middle = np.abs(np.arange(count) / max(1, count - 1) - 0.5) * 2

    def draw(strip: Views, phase: int) -> None:
        angle = 2 * np.pi * phase / PERIOD
        swing = np.sin(cycles[:, 0] * angle + phases[:, 0]) + 0.6 * np.sin(
            cycles[:, 1] * angle + phases[:, 1]
        )
        heights = box.height * (0.14 + (0.14 + 0.20 * middle) * (swing / 3.2 + 0.5))
        for index in range(count):
            x, tall = left + index * pitch, int(heights[index]) // 2 * 2
            for plane, value, step in zip(strip, colours[index], (1, 2, 2), strict=True):
                rows = slice((box.height - tall) // step, box.height // step)
                part = plane[rows, x // step : (x + bar) // step]
                part[:] = (part.astype(np.uint16) * 115 + value * 140) // 255

    return draw


def _sparks(theme: Theme, box: Box, frame_height: int) -> Draw:
    del frame_height
    random = np.random.default_rng(11)
    palette = [rgb(theme.colours.accent), rgb(theme.colours.badge), WHITE, rgb(theme.colours.correct)]
    sparks = [
        (
            int(random.integers(0, box.width // 2)) * 2,
            float(random.uniform(0, 1)),
            int(random.integers(3, 10)) * 4,
            palette[index % len(palette)],
            float(random.uniform(0.35, 0.85)),
        )
        for index in range(max(14, box.width // 44))
    ]
    discs = {size: _disc(size) for size in {spark[2] for spark in sparks}}

    def draw(strip: Views, phase: int) -> None:
        for x, start, size, colour, strength in sparks:
            share = (start + phase / PERIOD) % 1.0
            y = round((1.0 - share) * (box.height + size) / 2) * 2 - size
            # Faded in and out, so that none appears or goes from one frame to the next.
            glow = strength * min(1.0, 4 * share, 4 * (1 - share))
            swing = round(6 * np.sin(2 * np.pi * (share * 2 + start))) * 2
            _stamp(strip, discs[size], colour, x + swing, y, glow)

    return draw


_STYLES: dict[str, Callable[[Theme, Box, int], Draw]] = {"waves": _waves, "bars": _bars, "sparks": _sparks}


def _disc(size: int) -> Image.Image:
    mask = Image.new("L", (size * 4, size * 4), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, size * 4 - 1, size * 4 - 1), fill=255)
    return mask.reduce(4)


def _stamp(strip: Views, mask: Image.Image, colour: RGB, x: int, y: int, glow: float) -> None:
    height, width = strip.y.shape
    seen = Box(x, y, mask.width, mask.height).within(width, height)
    if seen.width <= 0 or seen.height <= 0:
        return
    cut = mask.crop((seen.x - x, seen.y - y, seen.right - x, seen.bottom - y))
    cut = cut.point([round(value * glow) for value in range(256)])
    for plane, value, step in zip(strip, colour_to_yuv(colour), (1, 2, 2), strict=True):
        alpha = np.asarray(cut if step == 1 else cut.reduce(2), np.uint16)
        part = plane[seen.y // step : seen.bottom // step, seen.x // step : seen.right // step]
        part[:] = (part * (255 - alpha) + value * alpha + 127) // 255


def _tint(strip: Views, colour: RGB, mask: Image.Image, mask_half: Image.Image) -> None:
    for plane, value, part in zip(strip, colour_to_yuv(colour), (mask, mask_half, mask_half), strict=True):
        image = Image.fromarray(plane)
        image.paste(value, (0, 0), part)
        plane[:] = np.asarray(image)


def _fill(target: Views, box: Box, colour: RGB, opacity: float) -> None:
    mask = Image.new("L", (box.width, box.height), int(255 * opacity))
    strip = Views(
        *(
            plane[box.y // step : box.bottom // step, box.x // step : box.right // step]
            for plane, step in zip(target, (1, 2, 2), strict=True)
        )
    )
    copied = Views(*(np.ascontiguousarray(plane) for plane in strip))
    _tint(copied, colour, mask, mask.reduce(2))
    for plane, changed in zip(strip, copied, strict=True):
        plane[:] = changed


__all__ = ["PERIOD", "Band", "copy_box", "sea_below"]
