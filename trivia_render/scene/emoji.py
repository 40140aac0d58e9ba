"""Drawing an emoji in its skin tones: the font has outlines alone, so that its inside is filled."""

from collections.abc import Sequence

from PIL import Image, ImageChops, ImageDraw

from trivia_render.scene.shaping import Colour


def tone_layer(mask: Image.Image, tones: Sequence[Colour]) -> Image.Image:
    """Return an RGBA image of the outlines' inside in the tones, side by side, left to right.

    `mask` is the outline drawing, mode L. Lines drawn over it in the text's colour keep the emoji
    readable on any ground.
    """
    width, height = mask.size
    outside = Image.new("L", (width + 2, height + 2), 0)
    outside.paste(mask.point(lambda value: 255 if value >= 96 else 0), (1, 1))
    ImageDraw.floodfill(outside, (0, 0), 128)
    inside = outside.point(lambda value: 0 if value == 128 else 255).crop((1, 1, width + 1, height + 1))
    left, _, right, _ = mask.getbbox() or (0, 0, width, height)
    layer = Image.new("RGBA", mask.size, (*tones[0], 0))
    draw = ImageDraw.Draw(layer)
    for index, tone in enumerate(tones):
        start = left + (right - left) * index // len(tones) if index else 0
        draw.rectangle((start, 0, width, height), fill=(*tone, 255))
    layer.putalpha(ImageChops.darker(inside, Image.new("L", mask.size, 255)))
    return layer
