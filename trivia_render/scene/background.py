"""The still ground of a theme: gradient, backdrop, picture. Drawn once per theme and format."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from trivia_render.models.theme import Theme
from trivia_render.scene.colours import RGB, WHITE, contrast, mix, rgb
from trivia_render.scene.pictures import cover

Field = npt.NDArray[np.float32]

#: 8x8 Bayer matrix: breaks the steps of a gradient up in a pattern that costs an encoder nothing.
_BAYER = np.array(
    [
        [0, 32, 8, 40, 2, 34, 10, 42], [48, 16, 56, 24, 50, 18, 58, 26],
        [12, 44, 4, 36, 14, 46, 6, 38], [60, 28, 52, 20, 62, 30, 54, 22],
        [3, 35, 11, 43, 1, 33, 9, 41], [51, 19, 59, 27, 49, 17, 57, 25],
        [15, 47, 7, 39, 13, 45, 5, 37], [63, 31, 55, 23, 61, 29, 53, 21],
    ],
    np.float32,
)  # fmt: skip


def draw_background(theme: Theme, width: int, height: int, *, picture: Image.Image | None) -> Image.Image:
    """Return an RGB image of the theme's ground. `picture` replaces gradient and backdrop."""
    if picture is not None:
        return _scrimmed(picture, theme, width, height)
    start, end = rgb(theme.colours.background), rgb(theme.colours.background_end)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x / width, y / height
    share = np.clip(across * 0.45 + down * 0.55, 0, 1)
    light = _BACKDROPS[theme.backdrop](across, down, width / height)
    glow = mix(rgb(theme.colours.accent), WHITE, 0.35)
    tint = mix(end, WHITE, 0.55)
    canvas = np.empty((height, width, 3), np.float32)
    dither = np.tile(_BAYER, (height // 8 + 1, width // 8 + 1))[:height, :width] / 64 - 0.5
    for channel in range(3):
        ground = start[channel] + (end[channel] - start[channel]) * share
        ground += (tint[channel] - ground) * light[0]
        ground += (glow[channel] - ground) * light[1]
        canvas[..., channel] = ground + dither
    image = Image.fromarray(canvas.round().clip(0, 255).astype(np.uint8))
    _draw_lines(image, theme)
    return image


def _gradient(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    """Northern lights: wide soft veils, and a warm glow from below."""
    veil = np.zeros_like(across)
    for middle, slope, spread, strength in (
        (0.24, 0.26, 0.10, 0.26),
        (0.46, -0.18, 0.13, 0.18),
        (0.12, 0.05, 0.07, 0.14),
    ):
        distance = down - middle - slope * (across - 0.5) - 0.05 * np.sin(across * 5.0 + middle * 9)
        veil += (
            strength * np.exp(-((distance / spread) ** 2)) * (0.55 + 0.45 * np.sin(across * 3.1 + slope * 7))
        )
    warm = 0.10 * _spot(across, down, 0.88, 0.06, 0.42, aspect)
    return np.clip(veil, 0, 0.5), warm


def _rays(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    """Floodlight beams from above."""
    angle = np.arctan2((across - 0.5) * aspect, down + 0.25)
    beams = np.clip(np.sin(angle * 14.0) * 2.2 + 0.2, 0, 1) * 0.10 * np.exp(-down * 0.8)
    return beams + 0.22 * _spot(across, down, 0.5, -0.1, 0.6, aspect), np.zeros_like(across)


def _dots(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    """A playful field of discs that grow towards a corner."""
    pitch = 0.055
    row = np.floor(down / pitch)
    column_place = across * aspect / pitch + 0.5 * (row % 2)
    dx = (column_place - np.floor(column_place) - 0.5) * pitch
    dy = (down / pitch - row - 0.5) * pitch
    size = 0.012 * np.clip(1.15 - (across * 0.6 + down * 0.6), 0.0, 1.0)
    edge = np.clip((size - np.sqrt(dx * dx + dy * dy)) * 900, 0, 1)
    return 0.20 * edge + 0.18 * _spot(across, down, 0.1, 0.0, 0.5, aspect), np.zeros_like(across)


def _paper(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    """Light from the left, as on a page."""
    return 0.5 * _spot(across, down, 0.25, 0.2, 0.7, aspect), np.zeros_like(across)


def _grid(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    """A horizon's glow; the lines are drawn over it."""
    horizon = 0.16 * np.exp(-(((down - 0.78) / 0.10) ** 2)) * np.exp(-(((across - 0.5) / 0.5) ** 2))
    return 0.06 * _spot(across, down, 0.15, 0.1, 0.5, aspect), horizon


def _plain(across: Field, down: Field, aspect: float) -> tuple[Field, Field]:
    del down, aspect
    return np.zeros_like(across), np.zeros_like(across)


_BACKDROPS = {
    "gradient": _gradient,
    "rays": _rays,
    "dots": _dots,
    "paper": _paper,
    "grid": _grid,
    "plain": _plain,
}


def _spot(across: Field, down: Field, x: float, y: float, radius: float, aspect: float) -> Field:
    distance = ((across - x) * aspect) ** 2 + (down - y) ** 2
    spot: Field = np.exp(-distance / (radius * radius))
    return spot


def _draw_lines(image: Image.Image, theme: Theme) -> None:
    width, height = image.size
    if theme.backdrop == "grid":
        layer = Image.new("L", image.size, 0)
        pen = ImageDraw.Draw(layer)
        for x in range(width // 2 % 80, width, 80):
            pen.line((x, 0, x, height), fill=22)
        for y in range(40, height, 80):
            pen.line((0, y, width, y), fill=22)
        image.paste(Image.new("RGB", image.size, rgb(theme.colours.badge)), (0, 0), layer)
    elif theme.backdrop == "paper":
        ink = mix(rgb(theme.colours.background_end), rgb(theme.colours.accent), 0.55)
        pen = ImageDraw.Draw(image)
        pen.rectangle((20, 20, width - 21, height - 21), outline=ink, width=2)
        pen.rectangle((28, 28, width - 29, height - 29), outline=ink, width=1)


def _scrimmed(picture: Image.Image, theme: Theme, width: int, height: int) -> Image.Image:
    """Lay the theme's ground over a picture until text stands out by 7:1 against its brightest part."""
    filled = cover(picture, width, height).convert("RGB")
    ink, ground = rgb(theme.colours.text), rgb(theme.colours.background)
    extremes = [_extreme(filled, 0.99), _extreme(filled, 0.01)]
    share = 0.35
    while share < 0.95 and min(contrast(ink, mix(part, ground, share)) for part in extremes) < 7.0:
        share += 0.05
    return Image.blend(filled, Image.new("RGB", filled.size, ground), share)


def _extreme(picture: Image.Image, share: float) -> RGB:
    """Return the grey below which so much of the picture lies."""
    histogram = picture.convert("L").histogram()
    wanted, seen = share * sum(histogram), 0
    for value, count in enumerate(histogram):
        seen += count
        if seen >= wanted:
            return value, value, value
    return WHITE
