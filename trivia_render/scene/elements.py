"""The parts of a question as tiles: card, options before and after the reveal, image, tick."""

from typing import Literal

from PIL import Image, ImageChops, ImageDraw

from trivia_render.models.answers import LETTERS
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import RGB, WHITE, contrast, mix, rgb
from trivia_render.scene.fonts import load_font
from trivia_render.scene.icons import tick
from trivia_render.scene.option_parts import TICK_SIZE
from trivia_render.scene.panels import MARGIN, flat_shape, panel, rounded_mask
from trivia_render.scene.pictures import cover
from trivia_render.scene.planes import Box, Tile, to_tile
from trivia_render.scene.question_layout import QuestionLayout
from trivia_render.scene.text import SetText, draw_text
from trivia_render.scene.typography import display_weight

OptionState = Literal["open", "correct", "dimmed"]
#: How much of a wrong option stays to be seen after the reveal.
DIMMED = 0.34


def rim_colours(theme: Theme) -> tuple[RGB, RGB]:
    """Return the rims of the card and of the options, for the styles that have any."""
    badge, accent = rgb(theme.colours.badge), rgb(theme.colours.accent)
    if theme.card_style == "outline":
        return (mix(rgb(theme.colours.card), rgb(theme.colours.card_text), 0.55),) * 2
    return badge, accent


def card_tile(box: Box, text: SetText, text_box: Box, theme: Theme, *, marked: bool = False) -> Tile:
    """Return a card with a text centred in a box of it; `marked`: with a seam of the answer's colour."""
    image = panel(
        box.width,
        box.height,
        radius=theme.corner_radius,
        fill=rgb(theme.colours.card),
        edge=rim_colours(theme)[0],
        style=theme.card_style,
    )
    if marked:
        _draw_seam(image, box, theme)
    draw_text(
        image,
        text,
        x=MARGIN + text_box.x - box.x,
        y=MARGIN + text_box.y - box.y,
        width_px=text_box.width,
        align="center",
        colour=theme.colours.card_text,
    )
    return to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)


def _draw_seam(image: Image.Image, box: Box, theme: Theme) -> None:
    """Colour the card's upper edge, inside its rounded shape."""
    seam = Image.new("L", (box.width, box.height), 0)
    seam.paste(255, (0, 0, box.width, 12))
    shape = rounded_mask(box.width, box.height, theme.corner_radius)
    seam = ImageChops.multiply(seam, shape)
    image.alpha_composite(flat_shape(seam, rgb(theme.colours.correct)), (MARGIN, MARGIN))


def option_tile(
    layout: QuestionLayout, theme: Theme, index: int, *, state: OptionState, box: Box | None = None
) -> Tile:
    """Return one option: letter and text. At the reveal the right one is lit, the others step back.

    `box` places it elsewhere than the layout does. The tick comes as a tile of its own.
    """
    box = box or layout.options[index]
    text = layout.option_texts[index]
    right = state == "correct"
    fill = rgb(theme.colours.correct if right else theme.colours.option)
    image = panel(
        box.width,
        box.height,
        radius=min(theme.corner_radius, box.height // 2),
        fill=fill,
        edge=mix(fill, WHITE, 0.5) if right else rim_colours(theme)[1],
        style=theme.card_style,
        lit=right,
    )
    _draw_badge(image, box, layout.badge(box), theme, index, right=right)
    text_x, text_width = layout.option_room(box)
    draw_text(
        image,
        text,
        x=MARGIN + text_x - box.x,
        y=MARGIN + (box.height - text.height_px) // 2,
        width_px=text_width,
        align="start",
        colour=theme.colours.correct_text if right else theme.colours.option_text,
    )
    if state == "dimmed":
        image.putalpha(image.getchannel("A").point([round(value * DIMMED) for value in range(256)]))
    return to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)


def _draw_badge(
    image: Image.Image, option: Box, place: Box, theme: Theme, index: int, *, right: bool
) -> None:
    """Draw the option's letter in the theme's shape."""
    fill, ink = badge_colours(theme, index)
    if right:
        correct = rgb(theme.colours.correct)
        fill, ink = mix(correct, rgb(theme.colours.correct_text), 0.9), correct
    x, y, side = MARGIN + place.x - option.x, MARGIN + place.y - option.y, place.width
    if theme.badge_style == "block":
        # From the option's end to as far behind the letter as it stands from that end.
        inset = min(place.x - option.x, option.right - place.right)
        at_left = place.x - option.x == inset
        start = 0 if at_left else option.width - 2 * inset - side
        block = Image.new("L", (option.width, option.height), 0)
        block.paste(255, (start, 0, start + 2 * inset + side, option.height))
        shape = rounded_mask(option.width, option.height, min(theme.corner_radius, option.height // 2))
        image.alpha_composite(flat_shape(ImageChops.multiply(block, shape), fill), (MARGIN, MARGIN))
        image.alpha_composite(letter(theme, LETTERS[index], side, ink=ink, share=0.66), (x, y))
        return
    image.alpha_composite(badge(theme, LETTERS[index], side, fill=fill, ink=ink), (x, y))


def badge_colours(theme: Theme, index: int) -> tuple[RGB, RGB]:
    """Return ground and ink of a letter."""
    fill = rgb(theme.badge_colours[index] if theme.badge_colours else theme.colours.badge)
    return fill, rgb(theme.colours.badge_text)


def badge(theme: Theme, text: str, side: int, *, fill: RGB, ink: RGB) -> Image.Image:
    """Return a letter on its ground, RGBA."""
    if theme.badge_style == "ring":
        rim = rounded_mask(side, side, side // 2).copy()
        stroke = max(2, side // 28)
        inner = rounded_mask(side - 2 * stroke, side - 2 * stroke, side // 2)
        rim.paste(0, (stroke, stroke), inner)
        image = flat_shape(rim, fill)
        ink = fill
    else:
        round_one = theme.badge_style == "disc"
        radius = side // 2 if round_one else min(theme.corner_radius * 3 // 4, side * 3 // 10)
        image = flat_shape(rounded_mask(side, side, radius), fill)
    image.alpha_composite(letter(theme, text, side, ink=ink))
    return image


def letter(theme: Theme, text: str, side: int, *, ink: RGB, share: float = 0.56) -> Image.Image:
    """Return a letter in the middle of a square, RGBA."""
    image = Image.new("RGBA", (side, side), (*ink, 0))
    font = load_font(theme.display_font, weight=display_weight(theme), size_px=round(side * share))
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    mask = Image.new("L", (side, side), 0)
    ImageDraw.Draw(mask).text(
        ((side - left - right) / 2, (side - top - bottom) / 2), text, font=font, anchor="ls", fill=255
    )
    image.putalpha(mask)
    return image


def tick_tiles(layout: QuestionLayout, theme: Theme, index: int, *, frames: int) -> tuple[Tile, ...]:
    """Return the tick of the right option, growing in over some frames; the last one stays."""
    return tuple(
        _tick_tile(layout, theme, layout.options[index], scale=_pop((frame + 1) / frames))
        for frame in range(frames)
    )


def still_tick(layout: QuestionLayout, theme: Theme, box: Box) -> Tile:
    """Return the tick at full size on an option that stands in `box`."""
    return _tick_tile(layout, theme, box, scale=1.0)


def _pop(share: float) -> float:
    """Grow past full size and settle (ease-out-back)."""
    return 1 + 2.7 * (share - 1) ** 3 + 1.7 * (share - 1) ** 2


def _tick_tile(layout: QuestionLayout, theme: Theme, box: Box, *, scale: float) -> Tile:
    """Draw a tick on a disc at the option's end, or over its letter."""
    letter_box = layout.badge(box)
    if layout.tick == "letter":
        side, middle = letter_box.width, letter_box.x + letter_box.width // 2
    else:
        # As far from its end of the option as the letter is from the other.
        side = TICK_SIZE
        inset = min(letter_box.x - box.x, box.right - letter_box.right)
        middle = box.x + inset + side // 2 if layout.right_to_left else box.right - inset - side // 2
    room = (side * 5 // 4) // 2 * 2
    drawn = max(2, round(side * scale))
    correct, ink = rgb(theme.colours.correct), rgb(theme.colours.correct_text)
    disc = flat_shape(rounded_mask(drawn, drawn, drawn // 2), ink)
    mark = round(drawn * 0.62)
    if mark >= 2:
        disc.alpha_composite(flat_shape(tick(mark), correct), ((drawn - mark) // 2, (drawn - mark) // 2))
    image = Image.new("RGBA", (room, room), (*ink, 0))
    image.alpha_composite(disc, ((room - drawn) // 2, (room - drawn) // 2))
    x, y = middle - room // 2, box.y + (box.height - room) // 2
    return to_tile(image, x=x - x % 2, y=y - y % 2)


def image_tile(box: Box, theme: Theme, picture: Image.Image) -> Tile:
    """Return the question's image in its rounded frame."""
    frame_colour = rgb(theme.colours.card)
    frame = panel(
        box.width,
        box.height,
        radius=theme.corner_radius,
        fill=frame_colour,
        edge=rim_colours(theme)[0],
        style=theme.card_style,
    )
    inset = 8
    width, height = box.width - 2 * inset, box.height - 2 * inset
    ground = Image.new("RGBA", (width, height), (*frame_colour, 255))
    ground.alpha_composite(cover(picture, width, height))
    ground.putalpha(rounded_mask(width, height, max(0, theme.corner_radius - inset)))
    frame.alpha_composite(ground, (MARGIN + inset, MARGIN + inset))
    return to_tile(frame, x=box.x - MARGIN, y=box.y - MARGIN)


def ink_on(ground: RGB, *, preferred: RGB) -> RGB:
    """Return the preferred colour where it can be read on the ground, else black or white."""
    if contrast(preferred, ground) >= 4.5:
        return preferred
    return max(((255, 255, 255), (16, 12, 24)), key=lambda ink: contrast(ink, ground))
