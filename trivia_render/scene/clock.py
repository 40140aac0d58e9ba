"""The countdown: a ring with a digit, or in the compact band a digit with a bar. One tile a frame."""

import threading
from functools import lru_cache

from PIL import Image, ImageDraw

from trivia_render.models.formats import FPS
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import RGB, URGENT, mix, rgb
from trivia_render.scene.fonts import load_font
from trivia_render.scene.planes import Box, Tile, to_tile

#: Size of the digit in pixels; also the least that the format asks for.
DIGIT_PX = 124
URGENT_SECONDS = 3
_STROKE = 18
_OVERSAMPLING = 2
#: The clock grows in over so many frames, and the digit beats for so many after each second.
GROW_FRAMES = 6
_BEAT_FRAMES = 8


class Clock:
    """The tiles of one countdown, made when asked for. Depends on theme, box and length alone."""

    def __init__(self, theme: Theme, box: Box, frames: int) -> None:
        self._theme = theme
        self._box = box
        self._frames = frames
        self._tiles: dict[int, Tile] = {}
        self._lock = threading.Lock()

    def tile(self, frame: int) -> Tile:
        """Return the clock at this frame of the countdown, 0 to frames - 1."""
        with self._lock:
            tile = self._tiles.get(frame)
            if tile is None:
                image = self._ring(frame) if self._box.width == self._box.height else self._bar(frame)
                tile = self._tiles[frame] = to_tile(image, x=self._box.x, y=self._box.y)
            return tile

    def _seconds_left(self, frame: int) -> int:
        return -(-(self._frames - frame) // FPS)

    def _colour(self, frame: int) -> RGB:
        accent = rgb(self._theme.colours.accent)
        urgent_from = self._frames - URGENT_SECONDS * FPS
        # Half a second from one colour to the other: a jump would read as a flash.
        share = min(1.0, max(0.0, (frame - urgent_from) / (FPS / 2)))
        return mix(accent, _urgent(self._theme), share)

    def _beat(self, frame: int) -> float:
        since = frame % FPS
        strength = 0.16 if self._seconds_left(frame) <= URGENT_SECONDS else 0.07
        return 1.0 + strength * max(0.0, 1.0 - since / _BEAT_FRAMES)

    def _ring(self, frame: int) -> Image.Image:
        side = self._box.width * _OVERSAMPLING
        image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        pen = ImageDraw.Draw(image)
        ground, colour = _ground(self._theme), self._colour(frame)
        edge = 4 * _OVERSAMPLING
        pen.ellipse((edge, edge, side - edge, side - edge), fill=(*ground, 232))
        stroke, inset = _STROKE * _OVERSAMPLING, 14 * _OVERSAMPLING
        circle = (inset, inset, side - inset, side - inset)
        pen.arc(circle, 0, 360, fill=(*mix(ground, colour, 0.22), 255), width=stroke)
        share = 1 - frame / self._frames
        pen.arc(circle, -90, -90 + 360 * share, fill=(*colour, 255), width=stroke)
        digit = str(self._seconds_left(frame))
        _draw_digit(pen, self._theme, digit, side / 2, side / 2, self._beat(frame), ground)
        image = image.reduce(_OVERSAMPLING)
        return _grown(image, frame)

    def _bar(self, frame: int) -> Image.Image:
        width, height = self._box.width * _OVERSAMPLING, self._box.height * _OVERSAMPLING
        image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        pen = ImageDraw.Draw(image)
        ground, colour = _ground(self._theme), self._colour(frame)
        pen.rounded_rectangle((0, 0, width - 1, height - 1), height // 2, fill=(*ground, 232))
        left, right = 190 * _OVERSAMPLING, width - 56 * _OVERSAMPLING
        top, bottom = height // 2 - 14 * _OVERSAMPLING, height // 2 + 14 * _OVERSAMPLING
        pen.rounded_rectangle(
            (left, top, right, bottom), 14 * _OVERSAMPLING, fill=(*mix(ground, colour, 0.22), 255)
        )
        end = left + (right - left) * (1 - frame / self._frames)
        if end - left > 28 * _OVERSAMPLING:
            pen.rounded_rectangle((left, top, end, bottom), 14 * _OVERSAMPLING, fill=(*colour, 255))
        else:
            pen.ellipse((left, top, left + 28 * _OVERSAMPLING, bottom), fill=(*colour, 255))
        digit = str(self._seconds_left(frame))
        _draw_digit(
            pen, self._theme, digit, 100 * _OVERSAMPLING, height / 2, self._beat(frame) * 0.97, ground
        )
        return image.reduce(_OVERSAMPLING)


def _grown(image: Image.Image, frame: int) -> Image.Image:
    if frame >= GROW_FRAMES - 1:
        return image
    share = (frame + 1) / GROW_FRAMES
    side = max(2, round(image.width * (0.6 + 0.4 * share)))
    small = image.resize((side, side), Image.Resampling.BICUBIC)
    small.putalpha(small.getchannel("A").point([round(value * share) for value in range(256)]))
    canvas = Image.new("RGBA", image.size, (0, 0, 0, 0))
    canvas.paste(small, ((image.width - side) // 2, (image.height - side) // 2))
    return canvas


def _draw_digit(
    pen: ImageDraw.ImageDraw, theme: Theme, digit: str, x: float, y: float, scale: float, ground: RGB
) -> None:
    size = DIGIT_PX if len(digit) == 1 else round(DIGIT_PX * 0.82)
    font = load_font(theme.display_font, weight=800, size_px=round(size * scale * _OVERSAMPLING))
    # Centred by the ink of figures, which have no descenders.
    left, top, right, bottom = font.getbbox(digit, anchor="ls")
    pen.text(
        (x - (left + right) / 2, y - (top + bottom) / 2), digit, font=font, anchor="ls", fill=_ink(ground)
    )


def _ink(ground: RGB) -> tuple[int, int, int, int]:
    return (255, 255, 255, 255) if sum(ground) < 384 else (24, 20, 32, 255)


def _ground(theme: Theme) -> RGB:
    """Return the disc's colour: dark on dark themes, light on light ones."""
    background = rgb(theme.colours.background)
    if sum(rgb(theme.colours.text)) < 384:
        return mix(rgb(theme.colours.card), background, 0.1)
    return mix(background, (0, 0, 0), 0.55)


def _urgent(theme: Theme) -> RGB:
    return (214, 40, 40) if sum(_ground(theme)) >= 384 else URGENT


@lru_cache(maxsize=16)
def clock_for(theme: Theme, box: Box, frames: int) -> Clock:
    """Return the countdown, shared by every clip of the process that has the same."""
    return Clock(theme, box, frames)
