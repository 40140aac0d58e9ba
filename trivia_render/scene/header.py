"""What is drawn straight on the background: progress, category, difficulty, logo."""

from PIL import Image

from trivia_render.models.plan import QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import mix, rgb
from trivia_render.scene.icons import level_bars
from trivia_render.scene.panels import flat_shape, rounded_mask
from trivia_render.scene.pictures import contain
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, draw_text, fit_text
from trivia_render.scene.typography import label_style

_GAP = 28
_LOGO_WIDTH = 220
_LEVELS = {"easy": 1, "medium": 2, "hard": 3}
#: More questions than this are shown as one bar: segments would be dots.
_MOST_SEGMENTS = 20
#: A category is not cut shorter than this.
_LEAST_CHARACTERS = 8


def draw_header(
    image: Image.Image,
    content: QuestionClip,
    box: Box,
    theme: Theme,
    *,
    language: str,
    mirrored: bool,
    logo: Image.Image | None,
) -> None:
    """Draw the header's row onto an RGBA image."""
    row = _Row(image, box, mirrored=mirrored)
    if logo is not None:
        row.put_at_end(contain(logo, _LOGO_WIDTH, box.height))
    label = _fitted(content.label, theme, language, width=box.width // 2, height=box.height, size=40)
    track = min(420, max(160, (box.width - label.width_px) // 3), box.width - label.width_px - _GAP)
    if track >= 100:
        row.put_at_end(_track(content, theme, track, mirrored=mirrored))
    row.put_text(label, theme.colours.text)
    chip = _chip(content, theme, language, room=row.room - _GAP, height=box.height - 8, mirrored=mirrored)
    if chip is not None:
        row.put_at_start(chip)


class _Row:
    """Fills a row from its start and its end; a mirrored row starts at the right."""

    def __init__(self, image: Image.Image, box: Box, *, mirrored: bool) -> None:
        self._image, self._box, self._mirrored = image, box, mirrored
        self._start = self._end = 0

    @property
    def room(self) -> int:
        return self._box.width - self._start - self._end

    def _x(self, offset: int, width: int) -> int:
        return self._box.right - offset - width if self._mirrored else self._box.x + offset

    def _y(self, height: int) -> int:
        return self._box.y + (self._box.height - height) // 2

    def put_at_start(self, part: Image.Image) -> None:
        self._image.alpha_composite(part, (self._x(self._start, part.width), self._y(part.height)))
        self._start += part.width + _GAP

    def put_at_end(self, part: Image.Image) -> None:
        offset = self._box.width - self._end - part.width
        self._image.alpha_composite(part, (self._x(offset, part.width), self._y(part.height)))
        self._end += part.width + _GAP

    def put_text(self, text: SetText, colour: str) -> None:
        x, y = self._x(self._start, text.width_px), self._y(text.height_px)
        draw_text(self._image, text, x=x, y=y, width_px=text.width_px, colour=colour)
        self._start += text.width_px + _GAP


def _fitted(text: str, theme: Theme, language: str, *, width: int, height: int, size: int) -> SetText:
    return fit_text(
        text,
        style=label_style(theme),
        width_px=width,
        height_px=height,
        max_size_px=size,
        min_size_px=12,
        max_lines=1,
        language=language,
    )


def _track(content: QuestionClip, theme: Theme, width: int, *, mirrored: bool) -> Image.Image:
    """Return the progress bar: a segment a question, or one bar for many."""
    height = 14
    pieces = content.total if content.total <= _MOST_SEGMENTS else 1
    gap = 6 if pieces > 1 else 0
    open_colour = mix(rgb(theme.colours.background), rgb(theme.colours.text), 0.28)
    image = Image.new("RGBA", (width, height), (*open_colour, 0))
    each = (width - gap * (pieces - 1)) / pieces
    for piece in range(pieces):
        share = content.number / content.total if pieces == 1 else float(piece < content.number)
        start = round(piece * (each + gap))
        full = max(4, round(each))
        for colour, length in ((open_colour, full), (rgb(theme.colours.accent), round(full * share))):
            if length >= 4:
                bar = flat_shape(rounded_mask(length, height, min(height, length) // 2), colour)
                image.alpha_composite(bar, (min(start, width - length), 0))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image


def _chip(
    content: QuestionClip, theme: Theme, language: str, *, room: int, height: int, mirrored: bool
) -> Image.Image | None:
    """Return category and difficulty as one pill; None where neither is given or there is no room."""
    ink = rgb(theme.colours.text)
    pad, icon = 24, 34
    level = _LEVELS.get(content.difficulty or "", 0)
    beside = 2 * pad + (icon + 14 if level else 0)
    text = None
    if content.category is not None and room - beside >= 60:
        text = _category(content.category, theme, language, width=room - beside, height=height)
    if text is None and not level:
        return None
    width = beside + (text.width_px if text else -14)
    pill = flat_shape(rounded_mask(width, height, min(theme.corner_radius, height // 2)), ink, opacity=0.14)
    x = pad
    if text is not None:
        at = width - pad - text.width_px if mirrored else pad
        y = (height - text.height_px) // 2
        draw_text(pill, text, x=at, y=y, width_px=text.width_px, colour=theme.colours.text)
        x += text.width_px + 14
    if level:
        lit, unlit = level_bars(icon, lit=level)
        at = width - x - icon if mirrored else x
        for mask, opacity in ((lit, 1.0), (unlit, 0.35)):
            mark = flat_shape(mask, ink, opacity=opacity)
            if mirrored:
                mark = mark.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pill.alpha_composite(mark, (at, (height - icon) // 2 - 1))
    return pill


def _category(text: str, theme: Theme, language: str, *, width: int, height: int) -> SetText | None:
    """Set a category at a readable size; one that is too long for its place ends in an ellipsis.

    None where hardly a word of it would be left.
    """
    for length in range(len(text), 0, -1):
        if length < min(len(text), _LEAST_CHARACTERS):
            break
        shown = text if length == len(text) else f"{text[:length].rstrip()}…"
        found = _fitted(shown, theme, language, width=10_000, height=height, size=32)
        if found.width_px <= width:
            return found
    return None
