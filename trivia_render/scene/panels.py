"""Cards, pills and badges as RGBA images: rounded, lit, with a shadow or a glow. Cached by size."""

from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from trivia_render.scene.colours import BLACK, RGB, WHITE, mix, vivid

CardStyle = Literal["solid", "outline", "glow", "shadow"]

#: Room around a panel for its shadow or glow.
MARGIN = 32
_OVERSAMPLING = 4
_SHADOW_DROP = 8
#: Night violet: a shadow with a colour looks softer than black.
SHADOW: RGB = (10, 4, 30)


@lru_cache(maxsize=256)
def rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    """Return a rounded rectangle with smooth corners, "L". Not to be changed."""
    radius = min(radius, width // 2, height // 2)
    mask = Image.new("L", (width, height), 255)
    if radius == 0:
        return mask
    side = 2 * radius
    disc = Image.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    disc = disc.reduce(_OVERSAMPLING)
    for x, left in ((0, True), (width - radius, False)):
        for y, top in ((0, True), (height - radius, False)):
            column, row = (0 if left else radius), (0 if top else radius)
            mask.paste(disc.crop((column, row, column + radius, row + radius)), (x, y))
    return mask


@lru_cache(maxsize=64)
def _halo(width: int, height: int, radius: int, *, strength: int, drop: int) -> Image.Image:
    """Return what is around a panel, blurred, on its margin, "L"."""
    # Blurred at a quarter of the size: a blur has no detail to lose.
    full = (width + 2 * MARGIN, height + 2 * MARGIN)
    small = Image.new("L", (full[0] // 4 + 1, full[1] // 4 + 1), 0)
    shape = rounded_mask(max(2, width // 4), max(2, height // 4), radius // 4)
    small.paste(strength, (MARGIN // 4, (MARGIN + drop) // 4), shape)
    return small.filter(ImageFilter.GaussianBlur(2.8)).resize(full, Image.Resampling.BICUBIC)


def panel(
    width: int,
    height: int,
    *,
    radius: int,
    fill: RGB,
    edge: RGB,
    style: CardStyle,
    lit: bool = False,
) -> Image.Image:
    """Return a fresh RGBA panel with MARGIN pixels around it for shadow or glow.

    `edge` colours the rim of the styles "outline" and "glow". `lit` gives any style a glow of the fill.
    """
    return _panel(width, height, radius, fill, edge, style, lit=lit).copy()


@lru_cache(maxsize=128)
def _panel(
    width: int, height: int, radius: int, fill: RGB, edge: RGB, style: CardStyle, *, lit: bool
) -> Image.Image:
    radius = min(radius, width // 2, height // 2)
    size = (width + 2 * MARGIN, height + 2 * MARGIN)
    image = Image.new("RGBA", size, (*SHADOW, 0))
    if style == "shadow":
        image.putalpha(_halo(width, height, radius, strength=140, drop=_SHADOW_DROP))
    if style == "glow" or (lit and style != "outline"):
        glow = Image.new("RGBA", size, (*(vivid(fill) if lit else edge), 0))
        glow.putalpha(_halo(width, height, radius, strength=230 if lit else 110, drop=0))
        image.alpha_composite(glow)
    body = _body(
        width, height, fill, light=edge if style == "glow" and not lit else WHITE, flat=style == "outline"
    )
    body.putalpha(rounded_mask(width, height, radius))
    image.alpha_composite(body, (MARGIN, MARGIN))
    if style in {"outline", "glow"} or lit:
        rim = vivid(fill, saturation=0.55) if lit else edge
        stroke = 2 if style == "outline" and not lit else 3
        image.alpha_composite(_rim(width, height, radius, rim, stroke), (MARGIN, MARGIN))
    return image


def _body(width: int, height: int, fill: RGB, *, light: RGB, flat: bool) -> Image.Image:
    """Return the ground of a panel: a touch lighter above and darker below, as if lit from there."""
    if flat:
        return Image.new("RGBA", (width, height), (*fill, 255))
    column = Image.new("RGB", (1, height))
    # A light ground would turn grey by as much black as a dark one takes.
    top, bottom = mix(fill, light, 0.09), mix(fill, BLACK, 0.06 * (1 - max(fill) / 300))
    for y in range(height):
        column.putpixel((0, y), mix(top, bottom, y / height))
    return column.resize((width, height)).convert("RGBA")


def _rim(width: int, height: int, radius: int, colour: RGB, stroke: int) -> Image.Image:
    ring = Image.new("RGBA", (width, height), (*colour, 0))
    inner = Image.new("L", (width, height), 0)
    inner.paste(
        rounded_mask(width - 2 * stroke, height - 2 * stroke, max(0, radius - stroke)), (stroke, stroke)
    )
    ring.putalpha(ImageChops.subtract(rounded_mask(width, height, radius), inner))
    return ring


def flat_shape(mask: Image.Image, colour: RGB, *, opacity: float = 1.0) -> Image.Image:
    """Return an RGBA image of one colour through a mask."""
    image = Image.new("RGBA", mask.size, (*colour, 0))
    image.putalpha(mask if opacity >= 1 else mask.point([round(value * opacity) for value in range(256)]))
    return image
