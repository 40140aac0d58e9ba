"""The thumbnail: the title, large, the letters, and the first question as a hook. Never an answer."""

import io
from collections.abc import Mapping

from PIL import Image

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.phrases import phrases_for
from trivia_render.models.theme import Theme
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.background import draw_background
from trivia_render.scene.colours import mix, rgb
from trivia_render.scene.elements import ink_on, rim_colours
from trivia_render.scene.grid import is_right_to_left
from trivia_render.scene.ground import asset_picture
from trivia_render.scene.panels import MARGIN, panel
from trivia_render.scene.pictures import contain
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, draw_text, fit_text
from trivia_render.scene.title_tiles import emblem_images, with_light
from trivia_render.scene.typography import label_style, question_style, title_style

#: YouTube's recommended size.
WIDTH, HEIGHT = 1280, 720
_QUALITY = 90
_EDGE = 56
#: The letters' side, and how far apart they stand.
_EMBLEM, _PITCH = 176, 192
_LETTERS_WIDTH = 400
#: A longer question is no hook: it is left out.
_HOOK_CHARACTERS = 110
_HOOK_SIZES = (40, 58)
_LOGO = (200, 72)


def draw_thumbnail(
    title: str,
    *,
    first_question: str | None,
    total: int,
    theme: Theme,
    assets: Mapping[str, bytes],
    language: str,
) -> bytes:
    """Return a JPEG of 1280x720. `first_question` is shown where it is short enough to be read.

    Raises TextDoesNotFitError, AssetInvalidError.
    """
    picture = asset_picture(theme.background_image, assets, what="background image")
    image = draw_background(theme, Stage(WIDTH, HEIGHT, 560, HEIGHT), picture=picture).convert("RGBA")
    mirrored = is_right_to_left(language)
    hook = _hook(first_question, theme, language)
    bottom = HEIGHT - _EDGE
    if hook is not None:
        bottom = _draw_hook(image, hook, theme) - 28
    height, title_width = bottom - _EDGE, WIDTH - 2 * _EDGE - _LETTERS_WIDTH - 16
    letters_x = _EDGE if mirrored else WIDTH - _EDGE - _LETTERS_WIDTH
    title_x = WIDTH - _EDGE - title_width if mirrored else _EDGE
    _draw_letters(image, theme, Box(letters_x, _EDGE, _LETTERS_WIDTH, height))
    _draw_title(image, title, total, theme, language, Box(title_x, _EDGE, title_width, height))
    logo = asset_picture(theme.logo, assets, what="logo")
    if logo is not None:
        mark = contain(logo, *_LOGO)
        image.alpha_composite(mark, (24 if mirrored else WIDTH - mark.width - 24, 20))
    output = io.BytesIO()
    image.convert("RGB").save(output, "JPEG", quality=_QUALITY, optimize=True)
    return output.getvalue()


def _draw_title(image: Image.Image, title: str, total: int, theme: Theme, language: str, column: Box) -> None:
    """Draw title and number of questions, together in the middle of the column's height."""
    count = fit_text(
        phrases_for(language).count_label(total),
        style=label_style(theme),
        width_px=column.width - 80,
        height_px=90,
        max_size_px=50,
        min_size_px=24,
        max_lines=1,
        language=language,
    )
    pill_height, gap = count.height_px + 32, 32
    heading = fit_text(
        title,
        style=title_style(theme),
        width_px=column.width,
        height_px=column.height - pill_height - gap,
        max_size_px=150,
        min_size_px=36,
        language=language,
    )
    top = column.y + (column.height - heading.height_px - gap - pill_height) // 2
    layer = Image.new("RGBA", image.size, (*rgb(theme.colours.text), 0))
    draw_text(layer, heading, x=column.x, y=top, width_px=column.width, colour=theme.colours.text)
    image.alpha_composite(with_light(layer, theme))
    fill = rgb(theme.colours.accent)
    width = count.width_px + 72
    pill = panel(
        width,
        pill_height,
        radius=min(theme.corner_radius * 2, pill_height // 2),
        fill=fill,
        edge=mix(fill, (255, 255, 255), 0.4),
        style=theme.card_style,
    )
    ink = ink_on(fill, preferred=rgb(theme.colours.badge_text))
    draw_text(pill, count, x=MARGIN + 36, y=MARGIN + 16, width_px=count.width_px, colour=ink)
    x = column.right - width if is_right_to_left(language) else column.x
    image.alpha_composite(pill, (x - MARGIN, top + heading.height_px + gap - MARGIN))


def _draw_letters(image: Image.Image, theme: Theme, box: Box) -> None:
    """Draw the four letters, two by two, each leaning its own way."""
    left = box.x + (box.width - _PITCH - _EMBLEM) // 2
    top = box.y + (box.height - _PITCH - _EMBLEM) // 2
    for index, emblem in enumerate(emblem_images(theme, _EMBLEM, outro=False)):
        row, column = divmod(index, 2)
        middle_x = left + column * _PITCH + _EMBLEM // 2
        middle_y = top + row * _PITCH + _EMBLEM // 2
        image.alpha_composite(emblem, (middle_x - emblem.width // 2, middle_y - emblem.height // 2))


def _hook(question: str | None, theme: Theme, language: str) -> SetText | None:
    """Set the first question, None where it is too long to be read in a small picture."""
    if question is None or len(question) > _HOOK_CHARACTERS:
        return None
    try:
        return fit_text(
            question,
            style=question_style(theme),
            width_px=WIDTH - 2 * _EDGE - 2 * 44,
            height_px=150,
            max_size_px=_HOOK_SIZES[1],
            min_size_px=_HOOK_SIZES[0],
            max_lines=2,
            language=language,
        )
    except TextDoesNotFitError:
        # Wide letters: as good as too long.
        return None


def _draw_hook(image: Image.Image, hook: SetText, theme: Theme) -> int:
    """Draw the question's card at the bottom; return the row where it begins."""
    height = hook.height_px + 52
    top = HEIGHT - 44 - height
    card = panel(
        WIDTH - 2 * _EDGE,
        height,
        radius=min(theme.corner_radius, height // 2),
        fill=rgb(theme.colours.card),
        edge=rim_colours(theme)[0],
        style=theme.card_style,
    )
    draw_text(
        card,
        hook,
        x=MARGIN + 44,
        y=MARGIN + 26,
        width_px=WIDTH - 2 * _EDGE - 88,
        align="center",
        colour=theme.colours.card_text,
    )
    image.alpha_composite(card, (_EDGE - MARGIN, top - MARGIN))
    return top
