"""The art behind everything, one function a backdrop. Drawn once per theme and format.

A backdrop gets the soft ground, an RGB field of a quarter of the frame's size, and may return
sharp layers, each a colour with a mask of the whole frame.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trivia_render.models.theme import Theme
from trivia_render.scene.colours import BLACK, RGB, WHITE, mix, rgb, vivid

#: Sines and exponentials differ between processors in the last bits: in double precision too little to show.
Field = npt.NDArray[np.float64]
#: Soft light has no detail to lose at a quarter of the size, and costs a sixteenth.
SOFT_SCALE = 4
_OVERSAMPLING = 2


class Stage(NamedTuple):
    """The frame's size, and the rows [band_top, band_bottom) where the clock stands."""

    width: int
    height: int
    band_top: int
    band_bottom: int

    @property
    def horizon(self) -> int:
        """The row of the clock's middle: a little above the band's, where the frame ends below it."""
        return (self.band_top + self.band_bottom) // 2 - 8


class Layer(NamedTuple):
    """A flat colour with a mask ("L", the frame's size)."""

    colour: RGB
    mask: Image.Image


Backdrop = Callable[[Field, Theme, Stage], Iterator[Layer]]


def ground_colours(theme: Theme) -> tuple[RGB, RGB]:
    """Return where the background's gradient starts and ends."""
    return rgb(theme.colours.background), rgb(theme.colours.background_end)


def gradient(theme: Theme, stage: Stage) -> Field:
    """Return the soft ground: a diagonal gradient of the theme's two colours."""
    start, end = ground_colours(theme)
    across, down = _axes(stage)
    share = np.clip(across * 0.25 + down * 0.75, 0, 1)
    share = share * share * (3 - 2 * share)
    field = np.empty((*share.shape, 3), np.float64)
    for channel in range(3):
        field[..., channel] = start[channel] + (end[channel] - start[channel]) * share
    return field


def _axes(stage: Stage) -> tuple[Field, Field]:
    """Return x and y from 0 to 1 over the soft field."""
    height, width = stage.height // SOFT_SCALE, stage.width // SOFT_SCALE
    down, across = np.mgrid[0.0:height, 0.0:width]
    return across / width, down / height


def _lighten(field: Field, light: Field, colour: RGB) -> None:
    """Add light (0 to 1) of a colour to the field as a screen does: never past white."""
    for channel in range(3):
        field[..., channel] = 255 - (255 - field[..., channel]) * (1 - light * colour[channel] / 255)


def _darken(field: Field, shade: Field) -> None:
    field *= (1 - shade)[..., None]


def _spot(across: Field, down: Field, x: float, y: float, radius: float, aspect: float) -> Field:
    distance = ((across - x) * aspect) ** 2 + (down - y) ** 2
    spot: Field = np.exp(-distance / (radius * radius))
    return spot


def _aurora(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    """Northern lights over a violet night, a few stars, hills far off."""
    across, down = _axes(stage)
    start, end = ground_colours(theme)
    aspect = stage.width / stage.height
    _darken(field, 0.42 * np.clip(1 - down * 1.7, 0, 1))
    x = across[0] * aspect
    low, high = vivid(end, saturation=0.72), vivid(start, saturation=0.62)
    # Each curtain hangs from a winding lower edge, bright there and fading upwards in rays.
    for base, wave, length, strength, turn in (
        (0.34, 0.16, 0.30, 0.42, 0.0),
        (0.62, 0.12, 0.34, 0.36, 2.1),
        (0.20, 0.08, 0.20, 0.30, 4.0),
    ):
        edge = base + wave * np.sin(1.9 * x + turn) + 0.35 * wave * np.sin(4.7 * x + 1.7 * turn)
        rays = 0.62 + 0.22 * np.sin(23 * x + 3 * np.sin(5 * x + turn)) + 0.16 * np.sin(61 * x + 2 * turn)
        swell = 0.5 + 0.5 * np.sin(1.3 * x + 1.1 * turn + 0.6)
        above = edge[None, :] - down
        veil = np.where(above > 0, np.exp(-above / length), np.exp(above / 0.035))
        light = strength * veil * (rays * swell)[None, :]
        height = np.clip(above / length, 0, 1)
        _lighten(field, light * (1 - height), low)
        _lighten(field, light * height * 0.9, high)
    _lighten(field, 0.30 * _spot(across, down, 0.5, stage.horizon / stage.height, 0.34, aspect), low)
    yield _stars(stage)
    for colour, mask in _hills(stage, mix(end, BLACK, 0.45)):
        yield Layer(colour, mask)


def _stars(stage: Stage) -> Layer:
    random = np.random.default_rng(17)
    mask = Image.new("L", (stage.width, stage.height), 0)
    for _ in range(stage.width * stage.height // 14000):
        x, y = random.uniform(0, stage.width), stage.height * random.uniform(0, 0.9) ** 1.5
        size = 2 if random.uniform() < 0.8 else 3
        mask.paste(round(random.uniform(30, 120)), (int(x), int(y), int(x) + size, int(y) + size))
    return Layer(WHITE, mask)


def _hills(stage: Stage, colour: RGB) -> Iterator[tuple[RGB, Image.Image]]:
    """Ridges, one before the other, behind whatever moves in the band and down to the frame's end."""
    x = np.arange(stage.width, dtype=np.float64) / min(stage.width, stage.height)
    rows = np.arange(stage.height, dtype=np.float64)[:, None]
    low = stage.height - stage.band_bottom
    count = 2 if low == 0 else 4
    for index in range(count):
        turn, size = 0.4 + 1.9 * index, 44 + (22 if low else 0) * index / count
        ridge = np.sin(3.1 * x + turn) + 0.5 * np.sin(7.3 * x + 2 * turn) + 0.22 * np.sin(17 * x + 3 * turn)
        first, last = stage.band_bottom - 64, stage.band_bottom - 10 + 0.62 * low
        middle = first + (last - first) * index / (count - 1)
        mask = np.clip(rows - (middle - size * ridge)[None, :] + 0.5, 0, 1) * (150 + 90 * index / count)
        yield mix(colour, BLACK, 0.62 * index / count), Image.fromarray(mask.astype(np.uint8))


def _sunburst(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    """Rays from behind the clock over a warm sky, clouds below."""
    del theme
    across, down = _axes(stage)
    aspect = stage.width / stage.height
    _lighten(field, 0.55 * _spot(across, down, 0.5, stage.horizon / stage.height, 0.5, aspect), WHITE)
    _lighten(field, 0.25 * _spot(across, down, 0.06, 0.0, 0.5, aspect), WHITE)
    yield Layer(WHITE, _rays(stage, count=18, strength=44))
    yield from _cloud_ground(stage)


def _cloud_ground(stage: Stage) -> Iterator[Layer]:
    """What the band's clouds stand on, where the frame goes on below them."""
    if stage.band_bottom >= stage.height:
        return
    below = Image.new("L", (stage.width, stage.height), 0)
    below.paste(255, (0, stage.band_bottom, stage.width, stage.height))
    yield Layer(WHITE, below)
    random = np.random.default_rng(3)
    for bank, colour in enumerate(((255, 246, 224), (255, 236, 199))):
        mask = Image.new("L", (stage.width * _OVERSAMPLING, stage.height * _OVERSAMPLING), 0)
        pen = ImageDraw.Draw(mask)
        top = stage.band_bottom + (stage.height - stage.band_bottom) * (0.34 + 0.36 * bank)
        x = -30.0
        while x < stage.width + 60:
            radius = random.uniform(50, 100)
            y = top + radius * random.uniform(0.2, 0.6)
            for shape in (
                (x - radius, y - radius, x + radius, y + radius),
                (x - radius, y, x + radius, stage.height),
            ):
                box = [part * _OVERSAMPLING for part in shape]
                if shape[3] == stage.height:
                    pen.rectangle(box, fill=255)
                else:
                    pen.ellipse(box, fill=255)
            x += radius * random.uniform(1.0, 1.4)
        yield Layer(colour, mask.reduce(_OVERSAMPLING))


def _rays(stage: Stage, *, count: int, strength: int) -> Image.Image:
    """Return wedges from the clock's middle, fading outwards."""
    height, width = stage.height, stage.width
    rows, columns = np.ogrid[0.0:height, 0.0:width]
    dx, dy = columns - width / 2 + 0.5, rows - stage.horizon + 0.5
    angle = np.arctan2(dy, dx) * (count / (2 * np.pi))
    offset = np.abs(angle - np.floor(angle) - 0.5) - 0.25
    distance = np.hypot(dx, dy)
    # Half a pixel of softness on both sides, wherever on the ray.
    edge = np.clip(offset * distance * (2 * np.pi / count) + 0.5, 0, 1)
    fade = np.clip(1.15 - distance / (0.95 * np.hypot(width, height)), 0.35, 1)
    return Image.fromarray((edge * fade * strength).astype(np.uint8))


def _horizon(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    """A night city's glow over the edge of a world of lines."""
    across, down = _axes(stage)
    aspect = stage.width / stage.height
    accent, second = rgb(theme.colours.accent), rgb(theme.colours.badge)
    line = stage.horizon / stage.height
    above = np.clip(line - down, 0, 1)
    _darken(field, 0.35 * np.clip((down - line) / 0.3, 0, 1))
    wide = np.exp(-(((across - 0.5) / 0.55) ** 2)) * np.where(down < line, np.exp(-above / 0.16), 0)
    _lighten(field, (0.50 * wide), accent)
    _lighten(field, 0.16 * _spot(across, down, 0.0, 0.05, 0.55, aspect), second)
    _lighten(field, 0.16 * _spot(across, down, 1.0, 0.12, 0.55, aspect), accent)
    yield _stars(stage)


def _stripes(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    """A stadium under floodlights: slanted lanes, beams from the corners, a field of dots."""
    across, down = _axes(stage)
    aspect = stage.width / stage.height
    _darken(field, 0.30 * np.clip((down - 0.55) * 1.6, 0, 1))
    light = vivid(rgb(theme.colours.background), saturation=0.55)
    for x in (0.0, 1.0):
        _lighten(field, 0.24 * _spot(across, down, x, -0.05, 0.42, aspect), light)
    yield Layer(light, _lanes(stage))
    yield Layer(WHITE, _halftone(stage))


def _lanes(stage: Stage) -> Image.Image:
    rows, columns = np.ogrid[0.0 : stage.height, 0.0 : stage.width]
    slant = (columns + rows * 0.5) / 320
    place = slant - np.floor(slant)
    edge = np.clip((0.5 - np.abs(place - 0.5)) * 320 - 78, 0, 1) * (
        26 * np.clip(1.1 - rows / stage.height, 0, 1)
    )
    return Image.fromarray(edge.astype(np.uint8))


def _halftone(stage: Stage) -> Image.Image:
    """Return dots that grow towards the top right and the bottom left."""
    pitch = 30
    rows, columns = np.ogrid[0.0 : stage.height, 0.0 : stage.width]
    line = np.floor(rows / pitch)
    x = (columns + (line % 2) * pitch / 2) % pitch - pitch / 2
    y = rows % pitch - pitch / 2
    reach = columns / stage.width - rows / stage.height
    radius = np.clip(np.abs(reach) - 0.42, 0, 1) * 20
    dots = np.clip(radius - np.hypot(x, y) + 0.5, 0, 1) * 34
    return Image.fromarray(np.where(radius > 0.4, dots, 0).astype(np.uint8))


def _paper(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    """A page: light from the left, a frame of two rules, the clock between two lines."""
    across, down = _axes(stage)
    aspect = stage.width / stage.height
    _lighten(field, 0.5 * _spot(across, down, 0.25, 0.15, 0.7, aspect), WHITE)
    ink = mix(rgb(theme.colours.background_end), rgb(theme.colours.accent), 0.6)
    mask = Image.new("L", (stage.width, stage.height), 0)
    pen = ImageDraw.Draw(mask)
    pen.rectangle((8, 8, stage.width - 9, stage.height - 9), outline=255, width=3)
    pen.rectangle((15, 15, stage.width - 16, stage.height - 16), outline=255, width=1)
    yield Layer(ink, mask)


def _plain(field: Field, theme: Theme, stage: Stage) -> Iterator[Layer]:
    del field, theme, stage
    yield from ()


BACKDROPS: dict[str, Backdrop] = {
    "aurora": _aurora,
    "sunburst": _sunburst,
    "horizon": _horizon,
    "stripes": _stripes,
    "paper": _paper,
    "plain": _plain,
}
