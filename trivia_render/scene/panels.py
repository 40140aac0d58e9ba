"""Cards, pills and badges as RGBA images: rounded, shaded, cached by size."""

from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from trivia_render.scene.colours import RGB, WHITE, mix

CardStyle = Literal["solid", "outline", "shadow"]

#: Room around a panel for its shadow or glow.
MARGIN = 24
_OVERSAMPLING = 4


@lru_cache(maxsize=128)
def rounded_mask(width: int, height: int, radius: int) -> Image.Image:
    """Return a rounded rectangle with smooth corners, "L"."""
    radius = min(radius, width // 2, height // 2)
    mask = Image.new("L", (width, height), 255)
    if radius == 0:
        return mask
    side = 2 * radius
    disc = Image.new("L", (side * _OVERSAMPLING, side * _OVERSAMPLING), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    disc = disc.reduce(_OVERSAMPLING)
    for left in (True, False):
        for top in (True, False):
            corner = disc.crop(
                (
                    0 if left else radius,
                    0 if top else radius,
                    radius if left else side,
                    radius if top else side,
                )
            )
            mask.paste(corner, (0 if left else width - radius, 0 if top else height - radius))
    return mask


@lru_cache(maxsize=64)
def _shadow(width: int, height: int, radius: int, strength: int) -> Image.Image:
    """Return the soft shadow of a panel on its margin, "L"."""
    # Blurred at a quarter of the size: a blur has no detail to lose.
    full = (width + 2 * MARGIN, height + 2 * MARGIN)
    small = Image.new("L", (full[0] // 4 + 1, full[1] // 4 + 1), 0)
    shape = rounded_mask(max(2, width // 4), max(2, height // 4), radius // 4)
    small.paste(strength, (MARGIN // 4, MARGIN // 4 + 2), shape)
    return small.filter(ImageFilter.GaussianBlur(2.6)).resize(full, Image.Resampling.BICUBIC)


@lru_cache(maxsize=128)
def _panel(
    width: int, height: int, radius: int, fill: RGB, edge: RGB, style: CardStyle, opacity: int
) -> Image.Image:
    size = (width + 2 * MARGIN, height + 2 * MARGIN)
    image = Image.new("RGBA", size, (*mix(fill, (0, 0, 0), 0.6), 0))
    mask = rounded_mask(width, height, radius)
    if style == "shadow":
        image = Image.new("RGBA", size, (8, 4, 24, 0))
        image.putalpha(_shadow(width, height, radius, 120))
    elif style == "outline":
        glow = Image.new("RGBA", size, (*edge, 0))
        glow.putalpha(_shadow(width, height, radius, 70))
        image.alpha_composite(glow)
    body = Image.new("RGBA", (width, height), (*_shaded(fill), 255))
    body.paste(_sheen(width, height, fill), (0, 0))
    body.putalpha(mask if opacity == 255 else mask.point(lambda value: value * opacity // 255))
    image.alpha_composite(body, (MARGIN, MARGIN))
    if style == "outline":
        ring = Image.new("RGBA", (width, height), (*edge, 0))
        inner = Image.new("L", (width, height), 0)
        inner.paste(rounded_mask(width - 6, height - 6, max(0, radius - 3)), (3, 3))
        ring.putalpha(ImageChops.subtract(mask, inner))
        image.alpha_composite(ring, (MARGIN, MARGIN))
    return image


def _shaded(fill: RGB) -> RGB:
    return fill


def _sheen(width: int, height: int, fill: RGB) -> Image.Image:
    """Return the panel's ground: a touch lighter at the top, so that it looks lit."""
    light = mix(fill, WHITE, 0.07)
    column = Image.new("RGB", (1, height))
    for y in range(height):
        column.putpixel((0, y), mix(light, fill, min(1.0, 2 * y / height)))
    return column.resize((width, height))


def panel(
    width: int,
    height: int,
    *,
    radius: int,
    fill: RGB,
    edge: RGB,
    style: CardStyle,
    opacity: int = 255,
) -> Image.Image:
    """Return a fresh RGBA panel with MARGIN pixels around it for shadow or glow."""
    return _panel(width, height, radius, fill, edge, style, opacity).copy()


@lru_cache(maxsize=32)
def tick(size: int, ink: RGB) -> Image.Image:
    """Return a tick, RGBA: shape says what colour says."""
    big = size * _OVERSAMPLING
    mask = Image.new("L", (big, big), 0)
    points = [(0.14 * big, 0.54 * big), (0.40 * big, 0.80 * big), (0.88 * big, 0.22 * big)]
    pen = ImageDraw.Draw(mask)
    stroke = round(big * 0.15)
    pen.line(points, fill=255, width=stroke, joint="curve")
    for x, y in points:
        pen.ellipse((x - stroke / 2, y - stroke / 2, x + stroke / 2, y + stroke / 2), fill=255)
    image = Image.new("RGBA", (size, size), (*ink, 0))
    image.putalpha(mask.reduce(_OVERSAMPLING))
    return image


@lru_cache(maxsize=8)
def bell(size: int, ink: RGB) -> Image.Image:
    """Return a bell, RGBA, for the call to action."""
    big = size * _OVERSAMPLING
    mask = Image.new("L", (big, big), 0)
    pen = ImageDraw.Draw(mask)
    pen.ellipse((0.26 * big, 0.12 * big, 0.74 * big, 0.66 * big), fill=255)
    pen.rectangle((0.26 * big, 0.38 * big, 0.74 * big, 0.68 * big), fill=255)
    pen.polygon(
        [
            (0.26 * big, 0.6 * big),
            (0.74 * big, 0.6 * big),
            (0.88 * big, 0.78 * big),
            (0.12 * big, 0.78 * big),
        ],
        fill=255,
    )
    pen.ellipse((0.44 * big, 0.04 * big, 0.56 * big, 0.18 * big), fill=255)
    pen.pieslice((0.38 * big, 0.72 * big, 0.62 * big, 0.96 * big), 0, 180, fill=255)
    image = Image.new("RGBA", (size, size), (*ink, 0))
    image.putalpha(mask.reduce(_OVERSAMPLING))
    return image
