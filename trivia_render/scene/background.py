"""The still ground of a theme: its backdrop, or the config's own picture under a scrim."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from trivia_render.models.theme import Theme
from trivia_render.scene.backdrops import BACKDROPS, Field, Stage, gradient
from trivia_render.scene.colours import RGB, WHITE, contrast, mix, rgb
from trivia_render.scene.pictures import cover

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
#: Text over pictures: WCAG's AAA, for a picture has many grounds.
PICTURE_CONTRAST = 7.0


def draw_background(theme: Theme, stage: Stage, *, picture: Image.Image | None) -> Image.Image:
    """Return an RGB image of the theme's ground. `picture` replaces gradient and backdrop."""
    if picture is not None:
        return _scrimmed(picture, theme, stage.width, stage.height)
    field = gradient(theme, stage)
    layers = list(BACKDROPS[theme.backdrop](field, theme, stage))
    image = _dithered(field, stage)
    for layer in layers:
        image.paste(layer.colour, (0, 0), layer.mask)
    return image


def _dithered(field: Field, stage: Stage) -> Image.Image:
    """Enlarge the soft field to the frame and round it to 8 bits by an ordered dither."""
    height, width = stage.height, stage.width
    pattern = np.tile(_BAYER, (height // 8 + 1, width // 8 + 1))[:height, :width] / 64
    canvas: npt.NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        soft = Image.fromarray(field[..., channel].astype(np.float32))
        full = np.asarray(soft.resize((width, height), Image.Resampling.BILINEAR))
        canvas[..., channel] = np.clip(full + pattern, 0, 255)
    return Image.fromarray(canvas)


def _scrimmed(picture: Image.Image, theme: Theme, width: int, height: int) -> Image.Image:
    """Lay the theme's ground over a picture until text stands out by 7:1 against its brightest part."""
    filled = cover(picture, width, height).convert("RGB")
    ink, ground = rgb(theme.colours.text), rgb(theme.colours.background)
    extremes = [_extreme(filled, 0.99), _extreme(filled, 0.01)]
    share = 0.35
    while (
        share < 0.95 and min(contrast(ink, mix(part, ground, share)) for part in extremes) < PICTURE_CONTRAST
    ):
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
