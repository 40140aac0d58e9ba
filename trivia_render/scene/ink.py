"""Putting a shaped line onto an image."""

from PIL import Image, ImageDraw

from trivia_render.scene.emoji import ToneLayer, tone_layer
from trivia_render.scene.fonts import open_face
from trivia_render.scene.shaping import Colour, Run, ShapedLine


def draw_line(
    image: Image.Image,
    line: ShapedLine,
    *,
    left: int,
    baseline: int,
    size_px: int,
    language: str | None,
    colour: Colour,
    opacity: int,
) -> None:
    """Draw a line onto an RGB or RGBA image, `opacity` 0 to 255. What falls outside is cut off."""
    size = (line.width_px, line.rise_px + line.drop_px)
    if not all(size):
        return
    top = baseline - line.rise_px
    mask = Image.new("L", size, 0)
    layers = []
    for run in line.runs:
        _draw_run(mask, run, line.rise_px, size_px, language)
        if run.tones:
            alone = Image.new("L", size, 0)
            _draw_run(alone, run, line.rise_px, size_px, language)
            layers.append(tone_layer(alone, run.tones, size_px=size_px))
    letters = ToneLayer(Image.new("RGB", size, colour), mask, under_ink=False)
    for layer in (*filter(_is_under, layers), letters, *(x for x in layers if not _is_under(x))):
        _put(image, layer, left=left, top=top, opacity=opacity)


def _is_under(layer: ToneLayer) -> bool:
    return layer.under_ink


def _draw_run(mask: Image.Image, run: Run, baseline: int, size_px: int, language: str | None) -> None:
    ImageDraw.Draw(mask).text(
        (run.x_px, baseline),
        run.text,
        fill=255,
        font=open_face(run.face, size_px=size_px),
        anchor="ls",
        direction=run.direction,
        features=list(run.features),
        language=language,
    )


def _put(image: Image.Image, layer: ToneLayer, *, left: int, top: int, opacity: int) -> None:
    mask = layer.mask if opacity == 255 else layer.mask.point(lambda value: value * opacity // 255)
    if image.mode == "RGB":
        image.paste(layer.colours, (left, top), mask)
        return
    # Pasting would mix the alpha of what is there; compositing keeps soft edges clean.
    source = layer.colours.convert("RGBA")
    source.putalpha(mask)
    inside = (max(0, -left), max(0, -top))
    if inside[0] < source.width and inside[1] < source.height:
        image.alpha_composite(source, (max(0, left), max(0, top)), inside)
