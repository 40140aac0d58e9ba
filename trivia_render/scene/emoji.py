"""Painting an emoji in its skin tones: the emoji font is drawn in lines, without colours."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter, ImageStat

from trivia_render.scene.shaping import Colour

#: From this coverage on, of 255, a pixel belongs to a line.
_LINE = 96


class ToneLayer(NamedTuple):
    """Colours (RGB) to put through a mask (L), before the emoji's lines are drawn or after."""

    colours: Image.Image
    mask: Image.Image
    under_ink: bool


def tone_layer(lines: Image.Image, tones: Sequence[Colour], *, size_px: int) -> ToneLayer:
    """Return the skin tones of an emoji, side by side where it has several.

    `lines` is the emoji's drawing, mode L. Its inside is painted, so that the lines around it, in the
    text's colour, keep it readable on any ground. A drawing without inside (a silhouette, an open
    line) is painted itself, but for a rim in the text's colour.
    """
    mask = _inside(lines)
    under_ink = 2 * _area(mask) >= _area(lines)
    if not under_ink:
        mask = _core(lines, widest_rim_px=max(1, size_px // 40))
    left, _, right, _ = lines.getbbox() or (0, 0, *lines.size)
    colours = Image.new("RGB", lines.size, tones[0])
    draw = ImageDraw.Draw(colours)
    for index, tone in enumerate(tones[1:], start=1):
        draw.rectangle((left + (right - left) * index // len(tones), 0, *lines.size), fill=tone)
    return ToneLayer(colours, mask, under_ink)


def _core(lines: Image.Image, *, widest_rim_px: int) -> Image.Image:
    """Return the lines without their rim, which is thinner, or none, where little would be left."""
    for rim_px in range(widest_rim_px, 0, -1):
        core = lines.filter(ImageFilter.MinFilter(2 * rim_px + 1))
        if 4 * _area(core) >= _area(lines):
            return core
    return lines


def _inside(lines: Image.Image) -> Image.Image:
    """Return what the lines enclose, with the lines, as a mask; empty where they enclose nothing."""
    width, height = lines.size
    ground = Image.new("L", (width + 2, height + 2), 0)
    ground.paste(lines.point(lambda value: 255 if value >= _LINE else 0), (1, 1))
    ImageDraw.floodfill(ground, (0, 0), 128)
    enclosed = ground.crop((1, 1, width + 1, height + 1)).point(lambda value: 255 if value == 0 else 0)
    # Grown by a pixel, the paint reaches under the lines' soft edges.
    grown = enclosed.filter(ImageFilter.MaxFilter(3))
    return Image.composite(grown, enclosed, lines.point(lambda value: 255 if value else 0))


def _area(mask: Image.Image) -> float:
    return ImageStat.Stat(mask).sum[0]
