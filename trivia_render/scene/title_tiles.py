"""The parts of intro and outro as tiles: emblems, heading, pill."""

from PIL import Image, ImageChops, ImageFilter

from trivia_render.models.answers import LETTERS
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import RGB, WHITE, mix, rgb
from trivia_render.scene.elements import badge_colours, ink_on, letter
from trivia_render.scene.icons import bell, heart, star, tick
from trivia_render.scene.panels import MARGIN, SHADOW, flat_shape, panel
from trivia_render.scene.planes import Box, Tile, to_tile
from trivia_render.scene.text import draw_text
from trivia_render.scene.title_layout import BELL_GAP, BELL_SIZE, EMBLEM_SIZE, TitleLayout

#: How far each emblem leans, in degrees.
_LEAN = (9, -6, 7, -9)
_OVERSAMPLING = 2


def heading_tile(layout: TitleLayout, theme: Theme) -> Tile:
    """Return the heading, straight on the background."""
    box = layout.heading_box
    ink = rgb(theme.colours.text)
    image = Image.new("RGBA", (box.width + 2 * MARGIN, box.height + 2 * MARGIN), (*ink, 0))
    draw_text(
        image,
        layout.heading,
        x=MARGIN,
        y=MARGIN,
        width_px=box.width,
        align="center",
        colour=theme.colours.text,
    )
    return to_tile(with_light(image, theme), x=box.x - MARGIN, y=box.y - MARGIN)


def with_light(text: Image.Image, theme: Theme) -> Image.Image:
    """Return large text (RGBA) with what its theme's cards have: a soft shadow, a glow, or nothing."""
    glows = theme.card_style == "glow"
    dark_text = sum(rgb(theme.colours.text)) < 384
    if not glows and (theme.card_style != "shadow" or dark_text):
        return text
    colour = rgb(theme.colours.accent) if glows else SHADOW
    small = text.getchannel("A").resize((text.width // 4, text.height // 4), Image.Resampling.BOX)
    blurred = small.filter(ImageFilter.GaussianBlur(4.0 if glows else 2.2))
    soft = blurred.resize(text.size, Image.Resampling.BICUBIC)
    under = flat_shape(ImageChops.offset(soft, 0, 0 if glows else 6), colour, opacity=0.9 if glows else 0.6)
    under.alpha_composite(text)
    return under


def below_tile(layout: TitleLayout, theme: Theme, *, outro: bool) -> Tile:
    """Return the pill below the heading; in an outro it is a button with a bell."""
    box = layout.below_box
    fill = rgb(theme.colours.accent)
    ink = ink_on(fill, preferred=rgb(theme.colours.badge_text))
    image = panel(
        box.width,
        box.height,
        radius=min(theme.corner_radius * 2, box.height // 2),
        fill=fill,
        edge=mix(fill, WHITE, 0.4),
        style=theme.card_style,
    )
    extra = BELL_SIZE + BELL_GAP if outro else 0
    content = extra + layout.below.width_px
    start = (box.width - content) // 2
    text_x = start if layout.right_to_left else start + extra
    if outro:
        bell_x = start + layout.below.width_px + BELL_GAP if layout.right_to_left else start
        image.alpha_composite(
            flat_shape(bell(BELL_SIZE), ink), (MARGIN + bell_x, MARGIN + (box.height - BELL_SIZE) // 2)
        )
    draw_text(
        image,
        layout.below,
        x=MARGIN + text_x,
        y=MARGIN + (box.height - layout.below.height_px) // 2,
        width_px=layout.below.width_px,
        align="center",
        colour=ink,
    )
    return to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)


def emblem_tiles(layout: TitleLayout, theme: Theme, *, outro: bool) -> tuple[Tile, ...]:
    """Return four leaning emblems: the letters before the game, signs of thanks after it."""
    return tuple(
        to_tile(image, x=box.x - MARGIN, y=box.y - MARGIN)
        for box, image in zip(layout.emblems, emblem_images(theme, EMBLEM_SIZE, outro=outro), strict=True)
    )


def emblem_images(theme: Theme, side: int, *, outro: bool) -> tuple[Image.Image, ...]:
    """Return the four emblems, RGBA, each with MARGIN pixels around it."""
    return tuple(_emblem(theme, index, side, outro=outro) for index in range(len(LETTERS)))


def _emblem(theme: Theme, index: int, side: int, *, outro: bool) -> Image.Image:
    fill, ink = badge_colours(theme, index)
    # Drawn large and turned there, so that edges stay smooth.
    big = side * _OVERSAMPLING
    radius = (
        big // 2 if theme.badge_style in {"disc", "ring"} else min(theme.corner_radius * 2, big * 3 // 10)
    )
    image = panel(big, big, radius=radius, fill=fill, edge=_rim(fill), style=theme.card_style)
    face = _sign(index, big, ink) if outro else letter(theme, LETTERS[index], big, ink=ink, share=0.60)
    image.alpha_composite(face, (MARGIN, MARGIN))
    room = big + 2 * MARGIN * _OVERSAMPLING
    wide = Image.new("RGBA", (room, room), (*fill, 0))
    wide.alpha_composite(image, ((room - image.width) // 2, (room - image.height) // 2))
    turned = wide.convert("RGBa").rotate(_LEAN[index], Image.Resampling.BICUBIC)
    return turned.reduce(_OVERSAMPLING).convert("RGBA")


def _rim(fill: RGB) -> RGB:
    return mix(fill, WHITE, 0.5)


def _sign(index: int, side: int, ink: RGB) -> Image.Image:
    size = round(side * 0.58)
    mask = (heart, star, tick, bell)[index](size)
    image = Image.new("RGBA", (side, side), (*ink, 0))
    image.alpha_composite(flat_shape(mask, ink), ((side - size) // 2, (side - size) // 2))
    return image


def tile_box(tile: Tile) -> Box:
    """Return where a tile stands."""
    return tile.box
