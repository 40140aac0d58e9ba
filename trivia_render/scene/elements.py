"""The parts of a picture as tiles: card, options before and after the reveal, progress, title."""

from typing import Literal

from PIL import Image, ImageDraw

from trivia_render.models.plan import OutroClip, QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import BLACK, RGB, WHITE, mix, readable_on, rgb
from trivia_render.scene.fonts import load_font
from trivia_render.scene.layout import (
    BADGE_MARGIN,
    CARD_PAD_X,
    TICK_WIDTH,
    QuestionLayout,
    TitleLayout,
    badge_size,
    is_right_to_left,
)
from trivia_render.scene.panels import MARGIN, bell, panel, rounded_mask, tick
from trivia_render.scene.pictures import contain, cover
from trivia_render.scene.planes import Box, Tile, to_tile
from trivia_render.scene.text import SetText, TextStyle, draw_text, fit_text

OptionState = Literal["open", "correct", "dimmed"]
LETTERS = "ABCD"
#: How much of a wrong option stays to be seen after the reveal.
DIMMED = 0.36


def card_tile(layout: QuestionLayout, theme: Theme, text: SetText, *, accented: bool) -> Tile:
    """Return the card with a text in its middle; `accented` marks the explanation."""
    box = layout.card
    image = panel(
        box.width,
        box.height,
        radius=theme.corner_radius,
        fill=rgb(theme.colours.card),
        edge=rgb(theme.colours.badge if theme.backdrop == "grid" else theme.colours.accent),
        style=theme.card_style,
    )
    if accented:
        bar = Image.new(
            "RGBA", (12, box.height - 2 * theme.corner_radius // 2 - 40), _rgba(theme.colours.correct)
        )
        image.alpha_composite(bar, (MARGIN + 16, MARGIN + (box.height - bar.height) // 2))
    draw_text(
        image,
        text,
        x=MARGIN + CARD_PAD_X,
        y=MARGIN + (box.height - text.height_px) // 2,
        width_px=box.width - 2 * CARD_PAD_X,
        align="center",
        colour=theme.colours.card_text,
    )
    return to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)


def option_tile(
    layout: QuestionLayout, theme: Theme, index: int, *, state: OptionState, right_to_left: bool
) -> Tile:
    """Return one option: letter, text, and at the reveal a tick on the right one."""
    box, text = layout.options[index], layout.option_texts[index]
    right = state == "correct"
    fill = rgb(theme.colours.correct if right else theme.colours.option)
    radius = min(theme.corner_radius, box.height // 2)
    edge = (
        mix(fill, WHITE, 0.5)
        if right
        else rgb(theme.colours.accent if theme.backdrop == "grid" else theme.colours.badge)
    )
    image = panel(box.width, box.height, radius=radius, fill=fill, edge=edge, style=theme.card_style)
    side = badge_size(box)
    badge_fill = mix(fill, WHITE, 0.86) if right else rgb(theme.colours.badge)
    badge_ink = fill if right else rgb(theme.colours.badge_text)
    at = box.width - BADGE_MARGIN - side if right_to_left else BADGE_MARGIN
    top = (box.height - side) // 2
    image.alpha_composite(
        _badge(theme, LETTERS[index], side, fill=badge_fill, ink=badge_ink), (MARGIN + at, MARGIN + top)
    )
    room = box.width - side - 2 * BADGE_MARGIN - 10 - TICK_WIDTH
    text_x = TICK_WIDTH if right_to_left else side + 2 * BADGE_MARGIN + 10
    draw_text(
        image,
        text,
        x=MARGIN + text_x,
        y=MARGIN + (box.height - text.height_px) // 2,
        width_px=room,
        align="start",
        colour=theme.colours.correct_text if right else theme.colours.option_text,
    )
    if right:
        size = 44
        mark_x = 12 if right_to_left else box.width - size - 12
        mark = tick(size, rgb(theme.colours.correct_text))
        image.alpha_composite(mark, (MARGIN + mark_x, MARGIN + (box.height - size) // 2))
    if state == "dimmed":
        image.putalpha(image.getchannel("A").point([round(value * DIMMED) for value in range(256)]))
    return to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)


def _badge(theme: Theme, letter: str, side: int, *, fill: RGB, ink: RGB) -> Image.Image:
    radius = side // 2 if theme.corner_radius >= 40 else min(theme.corner_radius * 2 // 3, side // 2)
    image = Image.new("RGBA", (side, side), (*fill, 0))
    image.putalpha(rounded_mask(side, side, radius))
    font = load_font(theme.display_font, weight=700, size_px=round(side * 0.58))
    left, top, right, bottom = font.getbbox(letter, anchor="ls")
    pen = ImageDraw.Draw(image)
    pen.text(
        ((side - left - right) / 2, (side - top - bottom) / 2),
        letter,
        font=font,
        anchor="ls",
        fill=(*ink, 255),
    )
    return image


def image_tile(layout: QuestionLayout, theme: Theme, picture: Image.Image) -> Tile:
    """Return the question's image in its rounded frame."""
    box = layout.image
    if box is None:
        raise ValueError("the layout has no image")
    frame = panel(
        box.width,
        box.height,
        radius=theme.corner_radius,
        fill=rgb(theme.colours.card),
        edge=rgb(theme.colours.accent),
        style=theme.card_style,
    )
    inset = 8
    width, height = box.width - 2 * inset, box.height - 2 * inset
    filled = cover(picture, width, height)
    ground = Image.new("RGBA", filled.size, (*rgb(theme.colours.card), 255))
    ground.alpha_composite(filled)
    ground.putalpha(rounded_mask(width, height, max(0, theme.corner_radius - inset)))
    frame.alpha_composite(ground, (MARGIN + inset, MARGIN + inset))
    return to_tile(frame, x=box.x - MARGIN, y=box.y - MARGIN)


def draw_progress(
    image: Image.Image, content: QuestionClip, layout: QuestionLayout, theme: Theme, language: str
) -> None:
    """Draw label, category and progress straight on the background (RGBA)."""
    box, mirrored = layout.progress, is_right_to_left(language)
    label = fit_text(
        content.label,
        style=TextStyle(theme.font, 700, leading=1.1),
        width_px=box.width // 2,
        height_px=box.height,
        max_size_px=40,
        min_size_px=24,
        language=language,
    )
    track_width = min(420, box.width // 3)
    track_x = box.x if mirrored else box.right - track_width
    label_x = box.right - label.width_px if mirrored else box.x
    draw_text(
        image,
        label,
        x=label_x,
        y=box.y + (box.height - label.height_px) // 2,
        width_px=label.width_px,
        colour=theme.colours.text,
    )
    _draw_track(
        image, content, Box(track_x, box.y + box.height // 2 - 7, track_width, 14), theme, mirrored=mirrored
    )
    if content.category is not None:
        start = box.x + label.width_px + 28
        room = box.width - label.width_px - track_width - 2 * 28
        _draw_chip(
            image, content.category, theme, language, start=start, room=room, box=box, mirrored=mirrored
        )


def _draw_track(image: Image.Image, content: QuestionClip, box: Box, theme: Theme, *, mirrored: bool) -> None:
    ground = mix(rgb(theme.colours.background), rgb(theme.colours.text), 0.25)
    done = rgb(theme.colours.accent)
    pieces = content.total if content.total <= 20 else 1
    gap = 8 if pieces > 1 else 0
    width = (box.width - gap * (pieces - 1)) / pieces
    for piece in range(pieces):
        share = 1.0 if piece < content.number else 0.0
        if pieces == 1:
            share = content.number / content.total
        place = pieces - 1 - piece if mirrored else piece
        x = round(box.x + place * (width + gap))
        w = max(4, round(width))
        for fill, part in ((ground, 1.0), (done, share)):
            size = round(w * part)
            if size < 4:
                continue
            bar = Image.new("RGBA", (size, box.height), (*fill, 0))
            bar.putalpha(rounded_mask(size, box.height, min(box.height, size) // 2))
            image.alpha_composite(bar, (x + (w - size if mirrored else 0), box.y))


def _draw_chip(
    image: Image.Image,
    text: str,
    theme: Theme,
    language: str,
    *,
    start: int,
    room: int,
    box: Box,
    mirrored: bool,
) -> None:
    fitted = fit_text(
        text,
        style=TextStyle(theme.font, 600, leading=1.1),
        width_px=room - 56,
        height_px=box.height - 12,
        max_size_px=30,
        min_size_px=18,
        language=language,
    )
    width = fitted.width_px + 48
    x = 2 * box.x + box.width - start - width if mirrored else start
    y = box.y + 4
    pill = Image.new("RGBA", (width, box.height - 8), (*rgb(theme.colours.text), 0))
    mask = rounded_mask(width, box.height - 8, min(theme.corner_radius, (box.height - 8) // 2))
    pill.putalpha(mask.point([round(value * 0.14) for value in range(256)]))
    image.alpha_composite(pill, (x, y))
    draw_text(
        image,
        fitted,
        x=x + 24,
        y=y + (pill.height - fitted.height_px) // 2,
        width_px=fitted.width_px,
        colour=theme.colours.text,
    )


def draw_logo(image: Image.Image, logo: Image.Image, *, right: int, top: int) -> None:
    """Draw the channel's logo into the corner."""
    small = contain(logo, 200, 72)
    image.alpha_composite(small, (right - small.width, top))


def title_tiles(layout: TitleLayout, theme: Theme, *, outro: bool) -> tuple[Tile, Tile]:
    """Return the heading, and the pill below it (in an outro a button with a bell)."""
    heading_x, heading_y = layout.heading_at
    width = layout.grid.right - layout.grid.left
    head = Image.new(
        "RGBA", (_even(width), _even(layout.heading.height_px + 24)), (*rgb(theme.colours.text), 0)
    )
    draw_text(head, layout.heading, x=0, y=12, width_px=width, align="center", colour=theme.colours.text)
    box = layout.below_box
    extra = 76 if outro else 0
    fill = rgb(theme.colours.accent)
    ink = readable_on(fill)
    full = Box(box.x - extra // 2, box.y, box.width + extra, box.height)
    image = panel(
        full.width,
        full.height,
        radius=min(theme.corner_radius * 2, full.height // 2),
        fill=fill,
        edge=mix(fill, WHITE, 0.4),
        style=theme.card_style,
    )
    text_x = MARGIN + (full.width - extra - layout.below.width_px) // 2
    if outro:
        size = 52
        bell_x = full.width - size - 40 if layout.right_to_left else 40
        image.alpha_composite(bell(size, ink), (MARGIN + bell_x, MARGIN + (full.height - size) // 2))
        text_x += 0 if layout.right_to_left else extra
    draw_text(
        image,
        layout.below,
        x=text_x,
        y=MARGIN + (full.height - layout.below.height_px) // 2,
        width_px=layout.below.width_px,
        align="center",
        colour=ink if ink in {BLACK, WHITE} else WHITE,
    )
    return (
        to_tile(head, x=heading_x, y=_even(heading_y - 12)),
        to_tile(image, x=full.x - MARGIN, y=full.y - MARGIN),
    )


def draw_question_marks(image: Image.Image, theme: Theme, band_top: int) -> None:
    """Scatter large faint question marks behind a title."""
    width = image.width
    ink = mix(rgb(theme.colours.background), rgb(theme.colours.text), 0.5)
    layer = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(layer)
    for x, y, size, strength in (
        (0.10, 0.34, 0.46, 26), (0.90, 0.46, 0.58, 26), (0.30, 0.84, 0.24, 18), (0.72, 0.16, 0.22, 18),
    ):  # fmt: skip
        font = load_font(theme.display_font, weight=800, size_px=round(size * band_top))
        pen.text((x * width, y * band_top), "?", font=font, anchor="mm", fill=strength)
    image.paste(Image.new("RGB", image.size, ink), (0, 0), layer)


def is_outro(content: object) -> bool:
    """Tell an outro from an intro."""
    return isinstance(content, OutroClip)


def _rgba(colour: str) -> tuple[int, int, int, int]:
    return (*rgb(colour), 255)


def _even(number: int) -> int:
    return number + number % 2
