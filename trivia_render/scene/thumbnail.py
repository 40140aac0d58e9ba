"""The thumbnail: the title, large, and a question mark. It never shows an answer."""

import io
from collections.abc import Mapping

from PIL import Image, ImageDraw

from trivia_render.models.phrases import phrases_for
from trivia_render.models.theme import Theme
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.background import draw_background
from trivia_render.scene.colours import WHITE, mix, readable_on, rgb
from trivia_render.scene.fonts import load_font
from trivia_render.scene.grid import is_right_to_left
from trivia_render.scene.panels import MARGIN, panel
from trivia_render.scene.pictures import open_picture
from trivia_render.scene.text import TextStyle, draw_text, fit_text

#: YouTube's recommended size.
WIDTH, HEIGHT = 1280, 720
_QUALITY = 90


def draw_thumbnail(
    title: str,
    *,
    first_question: str | None,
    total: int,
    theme: Theme,
    assets: Mapping[str, bytes],
    language: str,
) -> bytes:
    """Return a JPEG of 1280x720. `first_question` is shown small below the title where there is room.

    Raises TextDoesNotFitError, AssetInvalidError.
    """
    picture = None
    if theme.background_image is not None:
        picture = open_picture(assets[theme.background_image.sha256], name="theme.background_image")
    image = draw_background(theme, Stage(WIDTH, HEIGHT, 576, HEIGHT), picture=picture).convert("RGBA")
    mirrored = is_right_to_left(language)
    _draw_mark(image, theme, x=250 if mirrored else WIDTH - 250)
    text_x = 460 if mirrored else 72
    width = 748
    heading = fit_text(
        title,
        style=TextStyle(theme.display_font, 800, leading=1.05),
        width_px=width,
        height_px=330,
        max_size_px=132,
        min_size_px=40,
        language=language,
    )
    count = phrases_for(language).count_label(total)
    top = 96 if first_question is not None else 160
    draw_text(image, heading, x=text_x, y=top, width_px=width, colour=theme.colours.text)
    below = top + heading.height_px + 32
    below += _draw_count(image, count, theme, language, x=text_x, y=below, width=width) + 28
    room = HEIGHT - 56 - below
    if first_question is not None and room >= 56:
        _draw_question(image, first_question, theme, language, x=text_x, y=below, width=width, height=room)
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=_QUALITY, optimize=True)
    return output.getvalue()


def _draw_mark(image: Image.Image, theme: Theme, *, x: int) -> None:
    accent = rgb(theme.colours.accent)
    side = 400
    disc = panel(
        side, side, radius=side // 2, fill=accent, edge=mix(accent, WHITE, 0.4), style=theme.card_style
    )
    font = load_font(theme.display_font, weight=800, size_px=330)
    ImageDraw.Draw(disc).text(
        (disc.width / 2, disc.height / 2), "?", font=font, anchor="mm", fill=(*readable_on(accent), 255)
    )
    disc = disc.rotate(-8, Image.Resampling.BICUBIC)
    image.alpha_composite(disc, (x - disc.width // 2, (HEIGHT - disc.height) // 2))


def _draw_count(
    image: Image.Image, text: str, theme: Theme, language: str, *, x: int, y: int, width: int
) -> int:
    label = fit_text(
        text,
        style=TextStyle(theme.font, 700, leading=1.1),
        width_px=width - 80,
        height_px=64,
        max_size_px=46,
        min_size_px=24,
        language=language,
    )
    box_width, box_height = label.width_px + 64, label.height_px + 24
    pill = panel(
        box_width,
        box_height,
        radius=min(theme.corner_radius, box_height // 2),
        fill=rgb(theme.colours.badge),
        edge=rgb(theme.colours.accent),
        style=theme.card_style,
    )
    draw_text(
        pill, label, x=MARGIN + 32, y=MARGIN + 12, width_px=label.width_px, colour=theme.colours.badge_text
    )
    left = x + width - box_width if is_right_to_left(language) else x
    image.alpha_composite(pill, (left - MARGIN, y - MARGIN))
    return box_height


def _draw_question(
    image: Image.Image, text: str, theme: Theme, language: str, *, x: int, y: int, width: int, height: int
) -> None:
    words = text.split()
    style = TextStyle(theme.font, 600, leading=1.2)
    # As many words as three lines take: a teaser, so an ellipsis is meant here.
    for count in range(len(words), 0, -1):
        teaser = " ".join(words[:count]) + ("" if count == len(words) else " …")
        if len(teaser) > 110:
            continue
        question = fit_text(
            teaser,
            style=style,
            width_px=width,
            height_px=max(height, 56),
            max_size_px=40,
            min_size_px=8,
            language=language,
        )
        if question.size_px >= 30:
            draw_text(image, question, x=x, y=y, width_px=width, colour=theme.colours.text)
            return
