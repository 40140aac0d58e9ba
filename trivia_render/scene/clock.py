"""The clock: waiting, counting down, done. A ring around a digit, or in a low band a digit and a bar.

Its pictures depend on theme, place and length alone, so that all clips of a process share them.
"""

import math
import threading
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trivia_render.models.formats import FPS
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import BLACK, RGB, URGENT, WHITE, contrast, mix, rgb, vivid
from trivia_render.scene.fonts import load_font
from trivia_render.scene.icons import tick
from trivia_render.scene.planes import Box, Tile, to_tile
from trivia_render.scene.typography import DIGIT_PX, display_weight

URGENT_SECONDS = 3
#: The digit beats for so many frames after each second.
_BEAT_FRAMES = 9
_OVERSAMPLING = 2
#: Two figures may not touch the ring.
_DIGITS_WIDTH = 106
_LINING = ["lnum"]
_MARGIN = 10
#: Width of the ring; on printed pages, where nothing glows, it is finer.
_STROKE, _FINE_STROKE = 16, 9
#: How brightly what is left shines on its surroundings.
_LIGHT = 0.32
#: WCAG 2.2, 1.4.11: what is not text needs 3:1.
_MARK_CONTRAST = 3.0

#: In double precision, for processors differ in a sine's last bits.
Floats = npt.NDArray[np.float64]


class Clock:
    """The tiles of one clock; each is made when it is first asked for."""

    def __init__(self, theme: Theme, box: Box, frames: int) -> None:
        self._box = box
        self._frames = frames
        self._face = _Face(theme, box)
        self._tiles: dict[int, Tile] = {}
        self._lock = threading.Lock()

    @property
    def waiting(self) -> Tile:
        """Before the countdown: a full ring and the number of seconds."""
        return self._tile(-1)

    @property
    def done(self) -> Tile:
        """After the countdown: a tick in the right answer's colour."""
        return self._tile(self._frames)

    def counting(self, frame: int) -> Tile:
        """Return the clock at this frame of the countdown, 0 to frames - 1."""
        if not 0 <= frame < self._frames:
            raise ValueError(f"frame {frame} of a countdown of {self._frames}")
        return self._tile(frame)

    def _tile(self, frame: int) -> Tile:
        with self._lock:
            tile = self._tiles.get(frame)
            if tile is None:
                tile = self._tiles[frame] = to_tile(self._picture(frame), x=self._box.x, y=self._box.y)
            return tile

    def _picture(self, frame: int) -> Image.Image:
        if frame == self._frames:
            return self._face.finished()
        left = -(-(self._frames - max(0, frame)) // FPS)
        if frame < 0:
            return self._face.draw(share=1.0, digit=str(left), beat=1.0, urgency=0.0)
        since = frame % FPS
        strength = 0.18 if left <= URGENT_SECONDS else 0.08
        beat = 1.0 + strength * max(0.0, 1.0 - since / _BEAT_FRAMES) ** 2
        # Half a second from one colour to the other: a jump would read as a flash.
        urgency = (frame - (self._frames - URGENT_SECONDS * FPS)) / (FPS / 2)
        share = 1 - (frame + 1) / self._frames
        return self._face.draw(share=share, digit=str(left), beat=beat, urgency=min(1.0, max(0.0, urgency)))


class _Face:
    """How a theme's clock looks."""

    def __init__(self, theme: Theme, box: Box) -> None:
        self._theme = theme
        self._size = (box.width, box.height)
        self._ground = clock_ground(theme)
        accents = (rgb(theme.colours.accent), rgb(theme.colours.background))
        seen = [colour for colour in accents if contrast(colour, self._ground) >= _MARK_CONTRAST]
        self._accent = seen[0] if seen else _seen_on(accents[0], self._ground)
        printed = theme.card_style == "outline"
        self._urgent = _seen_on(mix(URGENT, BLACK, 0.25) if printed else URGENT, self._ground)
        self._shape: _RingShape | _BarShape = (
            _RingShape(box.width, stroke=_FINE_STROKE if printed else _STROKE, light=0 if printed else _LIGHT)
            if box.width == box.height
            else _BarShape(box.width, box.height, light=0 if printed else _LIGHT)
        )

    def draw(self, *, share: float, digit: str, beat: float, urgency: float) -> Image.Image:
        """Return the clock with this share of its time left. `urgency` 1 is the warning colour."""
        colour = mix(self._accent, self._urgent, urgency)
        image = self._body(share, colour)
        middle = self._shape.digit_at
        mask = _digit_mask(self._theme, digit, self._size, middle, scale=beat * self._shape.digit_scale)
        image.paste(_ink_on(self._ground), (0, 0), mask)
        image.putalpha(self._alpha())
        return image

    def finished(self) -> Image.Image:
        """Return the clock after the countdown."""
        correct = rgb(self._theme.colours.correct)
        dark = contrast(self._ground, WHITE) > contrast(self._ground, BLACK)
        colour = _seen_on(vivid(correct, saturation=0.7, value=0.92) if dark else correct, self._ground)
        image = self._body(1.0, colour)
        side = round(96 * self._shape.digit_scale)
        x, y = self._shape.digit_at
        image.paste(colour, (round(x) - side // 2, round(y) - side // 2), tick(side))
        image.putalpha(self._alpha())
        return image

    def _body(self, share: float, colour: RGB) -> Image.Image:
        """Return ground, track and what is left of the time, RGB."""
        image = Image.new("RGB", self._size, self._ground)
        image.paste(mix(self._ground, colour, 0.22), (0, 0), self._shape.track)
        glow, line = self._shape.remaining(share)
        image.paste(colour, (0, 0), glow)
        image.paste(colour, (0, 0), line)
        return image

    def _alpha(self) -> Image.Image:
        return self._shape.outline


class _RingShape:
    """Masks of a ring that runs off clockwise, its ends round."""

    digit_scale = 1.0

    def __init__(self, side: int, *, stroke: int, light: float) -> None:
        self._stroke, self._strength = stroke, light
        rows, columns = np.mgrid[0.0:side, 0.0:side]
        x, y = columns - side / 2 + 0.5, rows - side / 2 + 0.5
        distance = np.hypot(x, y)
        self._middle = side / 2
        self._radius = side / 2 - _MARGIN - stroke / 2 - 6
        off = np.abs(distance - self._radius) - stroke / 2
        self._line, self._light = np.clip(0.5 - off, 0, 1), _glow(off, light)
        # Where along the ring, in pixels clockwise from the top.
        self._along = ((np.arctan2(x, -y) / (2 * np.pi)) % 1.0) * 2 * np.pi * self._radius
        self.outline = _mask(np.asarray(side / 2 - 4 - distance + 0.5, np.float64))
        self.track = _mask(self._line)
        self.digit_at = (side / 2, side / 2)

    def remaining(self, share: float) -> tuple[Image.Image, Image.Image]:
        """Return the glow around what is left, and what is left."""
        if share >= 1:
            return _mask(self._light), self.track
        length = 2 * np.pi * self._radius
        kept = np.clip(self._along - (1 - share) * length + 0.5, 0, 1)
        line, light = self._line * kept, self._light * kept
        # The last bit of time shrinks to nothing where the ring ends.
        least = min(1.0, share * length / self._stroke)
        for turn in (1 - share, 1.0):
            self._add_cap(line, light, turn, least)
        return _mask(light), _mask(line)

    def _add_cap(self, line: Floats, light: Floats, turn: float, size: float) -> None:
        """Round an end of the ring off."""
        angle = 2 * np.pi * turn
        x = self._middle + self._radius * np.sin(angle) - 0.5
        y = self._middle - self._radius * np.cos(angle) - 0.5
        reach = self._stroke // 2 + 30
        columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
        rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
        height, width = line.shape
        across = np.arange(columns.start, min(columns.stop, width), dtype=np.float64) - x
        down = np.arange(rows.start, min(rows.stop, height), dtype=np.float64) - y
        off = np.asarray(np.hypot(across[None, :], down[:, None]) - self._stroke / 2 * size, np.float64)
        np.maximum(line[rows, columns], np.clip(0.5 - off, 0, 1), out=line[rows, columns])
        np.maximum(light[rows, columns], _glow(off, self._strength), out=light[rows, columns])


class _BarShape:
    """Masks of a bar that runs off towards the digit at its start."""

    digit_scale = 0.86

    def __init__(self, width: int, height: int, *, light: float) -> None:
        self._strength = light
        self._rows, self._columns = np.mgrid[0.5:height, 0.5:width]
        middle = height / 2
        self._middle = middle
        self._start, self._end = height + 60.0, width - 64.0
        self.outline = _mask(
            0.5 - _capsule(self._columns, self._rows, middle, width - middle, middle, middle)
        )
        self.track = _mask(0.5 - self._bar(self._end))
        self.digit_at = (height * 0.5 + 30, middle)

    def _bar(self, end: float) -> Floats:
        return _capsule(self._columns, self._rows, self._start, max(self._start, end), self._middle, 14.0)

    def remaining(self, share: float) -> tuple[Image.Image, Image.Image]:
        """Return the glow around what is left, and what is left."""
        off = self._bar(self._start + (self._end - self._start) * share)
        return _mask(_glow(off, self._strength)), _mask(0.5 - off)


def _capsule(x: Floats, y: Floats, start: float, end: float, middle: float, radius: float) -> Floats:
    """Return the distance from a thick line with round ends; negative is inside."""
    nearest = np.clip(x, start, end)
    return np.asarray(np.hypot(x - nearest, y - middle) - radius, np.float64)


def _glow(off: Floats, strength: float) -> Floats:
    """Return the light around a line, by the distance from it."""
    return np.asarray(strength * np.exp(-np.maximum(off, 0) / 7), np.float64)


def _mask(values: Floats) -> Image.Image:
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


@lru_cache(maxsize=64)
def _digit_mask(
    theme: Theme, digit: str, size: tuple[int, int], middle: tuple[float, float], *, scale: float
) -> Image.Image:
    size_px = round(DIGIT_PX * scale * _OVERSAMPLING)
    font = load_font(theme.display_font, weight=display_weight(theme), size_px=size_px)
    # Lining figures stand on one line and are equally high: they are centred by a zero, so that none hops.
    left, _, right, _ = font.getbbox(digit, anchor="ls", features=_LINING)
    _, top, _, _ = font.getbbox("0", anchor="ls", features=_LINING)
    width, height = math.ceil(right - left) + 2, math.ceil(-top) + 8
    ink = Image.new("L", (width, height), 0)
    ImageDraw.Draw(ink).text(
        (1 - left, height - 4), digit, font=font, anchor="ls", fill=255, features=_LINING
    )
    # Two figures are set as large as one, but narrower.
    most = round(_DIGITS_WIDTH * _OVERSAMPLING * scale)
    if width > most:
        ink = ink.resize((most, height), Image.Resampling.LANCZOS)
    mask = Image.new("L", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING), 0)
    x = round(middle[0] * _OVERSAMPLING - ink.width / 2)
    mask.paste(ink, (x, round(middle[1] * _OVERSAMPLING - height / 2)))
    return mask.reduce(_OVERSAMPLING)


def clock_ground(theme: Theme) -> RGB:
    """Return the disc's colour: a deep one, but on printed cards their own."""
    if theme.card_style == "outline":
        return rgb(theme.colours.card)
    if sum(rgb(theme.colours.text)) < 384:
        return rgb(theme.colours.text)
    return mix(rgb(theme.colours.background), BLACK, 0.62)


def _ink_on(ground: RGB) -> RGB:
    return max((WHITE, (28, 20, 40)), key=lambda ink: contrast(ink, ground))


def _seen_on(colour: RGB, ground: RGB) -> RGB:
    """Return the colour, made lighter or darker until it stands out from the ground by 3:1."""
    towards = _ink_on(ground)
    for step in range(11):
        found = mix(colour, towards, step / 10)
        if contrast(found, ground) >= _MARK_CONTRAST:
            return found
    return towards


# A countdown of five seconds takes some 20 MB.
@lru_cache(maxsize=3)
def clock_for(theme: Theme, box: Box, frames: int) -> Clock:
    """Return the clock, shared by every clip of the process that has the same."""
    return Clock(theme, box, frames)
