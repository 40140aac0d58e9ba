"""Where a question's parts stand. Pure: boxes and set text, nothing drawn.

Type keeps to sizes that a viewer can read on a phone. A text that is too long for the usual arrangement
gets the next one (one column of options, a low clock, narrow margins); what does not fit then is an
error that names the question.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FormatName
from trivia_render.models.plan import QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.explanation_layout import ExplanationLayout, lay_out_explanation
from trivia_render.scene.grid import GRIDS, Grid, even, even_down, is_right_to_left
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, TextStyle, set_text
from trivia_render.scene.typography import (
    OPTION_SIZES,
    QUESTION_SIZES,
    TIGHT_LEADING,
    option_style,
    question_style,
)

CARD_OPTIONS_GAP, OPTION_GAP = 28, 20
MIN_CARD_HEIGHT, MIN_OPTION_HEIGHT, MAX_OPTION_HEIGHT = 176, 88, 148
MAX_BADGE = 96
#: From the badge to the text.
BADGE_GAP = 24
TICK_SIZE = 56
#: Steps of size between the floor and full size that are tried.
_STEPS = 8
#: Below this share of the range between floor and full size, another arrangement is tried first.
_COMFORTABLE_SHARE = 0.35


class QuestionLayout(NamedTuple):
    """A question's boxes and its set texts."""

    grid: Grid
    compact: bool
    card: Box
    question: SetText
    image: Box | None
    options: tuple[Box, ...]
    option_texts: tuple[SetText, ...]
    explanation: ExplanationLayout | None
    clock: Box
    right_to_left: bool

    @property
    def band(self) -> tuple[int, int]:
        """Rows [top, bottom) of the band."""
        return self.grid.rows(compact=self.compact)

    @property
    def column(self) -> Box:
        """What the card and the options take together."""
        left = min(self.card.x, *(box.x for box in self.options))
        right = max(self.card.right, *(box.right for box in self.options))
        return Box(left, self.card.y, right - left, self.options[-1].bottom - self.card.y)

    @property
    def body(self) -> Box:
        """What card, options and image take together."""
        column, image = self.column, self.image
        if image is None:
            return column
        left, top = min(column.x, image.x), min(column.y, image.y)
        right, bottom = max(column.right, image.right), max(column.bottom, image.bottom)
        return Box(left, top, right - left, bottom - top)

    @property
    def badge(self) -> int:
        """Side of an option's letter."""
        return badge_size(self.options[0].height, inset=self.grid.inset)


class _Arrangement(NamedTuple):
    """A way to use the grid. `image` is where it stands and its size across that direction."""

    columns: int
    compact: bool
    image: tuple[str, int]
    comfortable: bool
    words: str


@lru_cache(maxsize=256)
def lay_out_question(
    content: QuestionClip, *, name: FormatName, theme: Theme, language: str
) -> QuestionLayout:
    """Choose the most generous arrangement that takes the question. Raises TextDoesNotFitError."""
    for arrangement in _arrangements(name, with_image=content.image is not None):
        if (found := _try(content, arrangement, name, theme, language)) is not None:
            return found
    beginning = content.question if len(content.question) <= 60 else f"{content.question[:59]}…"
    raise TextDoesNotFitError(
        f"Question {content.number} does not fit a {name} frame: “{beginning}” has "
        f"{len(content.question)} characters, its longest option "
        f"{max(len(option) for option in content.options)}.",
        evidence=f"smallest sizes: question {QUESTION_SIZES[0]} px, options {OPTION_SIZES[0]} px",
        remedy="Shorten the question or its options.",
    )


def _arrangements(name: FormatName, *, with_image: bool) -> Iterator[_Arrangement]:
    """List the ways to lay a question out, the most generous first."""
    columns = (1,) if name == "9:16" else (2, 1)
    images = _image_places(name) if with_image else (("none", 0),)
    for words in ("whole", "split"):
        for comfortable in (True, False):
            for image in images:
                for count in (1,) if image[0] == "side" else columns:
                    yield _Arrangement(count, False, image, comfortable, words)  # noqa: FBT003
        for image in images:
            for count in (1,) if image[0] == "side" else columns:
                yield _Arrangement(count, True, image, False, words)  # noqa: FBT003


def _image_places(name: FormatName) -> tuple[tuple[str, int], ...]:
    if name == "16:9":
        return (("side", 760), ("card", 560), ("card", 420))
    return (("top", 420), ("top", 320), ("top", 220)) if name == "9:16" else (("top", 290), ("top", 220))


def _try(
    content: QuestionClip, arrangement: _Arrangement, name: FormatName, theme: Theme, language: str
) -> QuestionLayout | None:
    grid = GRIDS[name]
    rows = grid.rows(compact=arrangement.compact)
    top = grid.header.bottom + 8 if arrangement.compact else grid.content_top
    area = Box(grid.left, top, grid.width, rows[0] - 16 - top)
    text_area, card_width = _room_beside_image(area, arrangement.image)
    columns = min(arrangement.columns, len(content.options))
    option_width = even_down((text_area.width - OPTION_GAP * (columns - 1)) // columns)
    widths = (
        card_width - 2 * grid.card_pad,
        option_width - _beside_text(grid, compact=arrangement.compact),
    )
    for step in range(_STEPS, -1, -1):
        share = step / _STEPS
        if arrangement.comfortable and share < _COMFORTABLE_SHARE:
            return None
        texts = _set_all(content, share, widths, theme, language, arrangement)
        if texts is None:
            continue
        placed = _place(
            arrangement, grid, area, text_area, card_width, option_width, columns, texts, language
        )
        if placed is not None:
            return _with_explanation(placed, content, theme, language)
    return None


def _room_beside_image(area: Box, image: tuple[str, int]) -> tuple[Box, int]:
    """Return the area for card and options, and the card's width."""
    place, size = image
    if place == "side":
        width = area.width - size - CARD_OPTIONS_GAP
        return Box(area.x, area.y, width, area.height), width
    if place == "card":
        return area, area.width - size - OPTION_GAP
    if place == "top":
        taken = size + OPTION_GAP
        return Box(area.x, area.y + taken, area.width, area.height - taken), area.width
    return area, area.width


def _beside_text(grid: Grid, *, compact: bool) -> int:
    """Return the width in an option that its text may not take: badge, tick and their air."""
    if compact:
        # No room is kept for a tick: it takes the letter's place.
        return _tight_badge(grid) + 2 * grid.inset + 16
    inset = max(grid.inset, 26)
    return MAX_BADGE + 2 * inset + 2 * BADGE_GAP + TICK_SIZE


def _tight_badge(grid: Grid) -> int:
    return MIN_OPTION_HEIGHT - 2 * max(12, grid.inset // 2)


def badge_size(option_height: int, *, inset: int) -> int:
    """Return the side of the letter's badge in an option of this height."""
    del inset
    return even_down(min(MAX_BADGE, option_height - 2 * 12, option_height * 0.66))


def _set_all(
    content: QuestionClip,
    share: float,
    widths: tuple[int, int],
    theme: Theme,
    language: str,
    arrangement: _Arrangement,
) -> tuple[SetText, tuple[SetText, ...]] | None:
    asking, answering = question_style(theme), option_style(theme)
    if arrangement.compact:
        asking, answering = (style._replace(leading=TIGHT_LEADING) for style in (asking, answering))
    sizes = (_size(QUESTION_SIZES, share), _size(OPTION_SIZES, share))
    texts = []
    for text, style, size, width in (
        (content.question, asking, sizes[0], widths[0]),
        *((option, answering, sizes[1], widths[1]) for option in content.options),
    ):
        if arrangement.words == "whole" and _widest_word(text, style, language) * size > width * 100:
            return None
        found = set_text(text, style=style, size_px=size, max_width_px=width, language=language)
        if found.width_px > width:
            return None
        texts.append(found)
    return texts[0], tuple(texts[1:])


def _size(sizes: tuple[int, int], share: float) -> int:
    return round(sizes[0] + share * (sizes[1] - sizes[0]))


@lru_cache(maxsize=4096)
def _widest_word(text: str, style: TextStyle, language: str) -> int:
    """Return the width of the widest word at a size of 100 px."""
    return max(
        (set_text(word, style=style, size_px=100, language=language).width_px for word in text.split()),
        default=0,
    )


def _place(
    arrangement: _Arrangement,
    grid: Grid,
    area: Box,
    text_area: Box,
    card_width: int,
    option_width: int,
    columns: int,
    texts: tuple[SetText, tuple[SetText, ...]],
    language: str,
) -> QuestionLayout | None:
    """Share the height out: options grow first, then the card, then air above and below."""
    question, options = texts
    compact, mirrored = arrangement.compact, is_right_to_left(language)
    rows = -(-len(options) // columns)
    gap, option_gap = (10, 10) if compact else (CARD_OPTIONS_GAP, OPTION_GAP)
    pad, option_pad = (14, 6) if compact else (32, 12)
    card_height = max(MIN_CARD_HEIGHT // (2 if compact else 1), even(question.height_px + 2 * pad))
    if arrangement.image[0] == "card":
        card_height = max(card_height, 320 if not compact else 240)
    option_height = max(MIN_OPTION_HEIGHT, even(max(t.height_px for t in options) + 2 * option_pad))
    spare = text_area.height - card_height - gap - rows * option_height - (rows - 1) * option_gap
    if spare < 0:
        return None
    grown = min(max(0, MAX_OPTION_HEIGHT - option_height), even_down(spare * 0.6 / rows))
    option_height += even_down(grown)
    spare -= rows * even_down(grown)
    most = even_down(text_area.height * (0.62 if arrangement.image[0] == "none" else 0.8))
    taller = max(0, min(even_down(spare), most - card_height))
    card_height += taller
    spare -= taller
    top = text_area.y + even_down(spare / 2)
    card = Box(text_area.x, top, card_width, card_height)
    boxes = _option_boxes(
        len(options), columns, text_area, card.bottom + gap, option_width, option_height, option_gap
    )
    image = _image_box(arrangement.image, area, card, boxes)
    if mirrored:
        card, boxes = _mirrored(card, area), tuple(_mirrored(box, area) for box in boxes)
        image = _mirrored(image, area) if image is not None else None
    return QuestionLayout(
        grid=grid,
        compact=compact,
        card=card,
        question=question,
        image=image,
        options=boxes,
        option_texts=options,
        explanation=None,
        clock=clock_box(grid, compact=compact),
        right_to_left=mirrored,
    )


def _option_boxes(
    count: int, columns: int, area: Box, top: int, width: int, height: int, gap: int
) -> tuple[Box, ...]:
    boxes = []
    for index in range(count):
        row, column = divmod(index, columns)
        x = area.x + column * (width + OPTION_GAP)
        if index == count - 1 and column == 0 and columns == 2:
            # The odd one out stands in the middle.
            x = area.x + even_down((area.width - width) // 2)
        boxes.append(Box(x, top + row * (height + gap), width, height))
    return tuple(boxes)


def _image_box(image: tuple[str, int], area: Box, card: Box, options: tuple[Box, ...]) -> Box | None:
    place, size = image
    if place == "side":
        return Box(area.right - size, card.y, size, options[-1].bottom - card.y)
    if place == "card":
        return Box(area.right - size, card.y, size, card.height)
    if place == "top":
        return Box(area.x, card.y - OPTION_GAP - size, area.width, size)
    return None


def _mirrored(box: Box, area: Box) -> Box:
    return box._replace(x=area.x + area.right - box.right)


def _with_explanation(
    layout: QuestionLayout, content: QuestionClip, theme: Theme, language: str
) -> QuestionLayout:
    if content.explanation is None:
        return layout
    explanation = lay_out_explanation(
        content.explanation,
        number=content.number,
        card=layout.card,
        column=layout.column,
        option_height=layout.options[0].height,
        pad=layout.grid.card_pad,
        theme=theme,
        language=language,
    )
    return layout._replace(explanation=explanation)


def clock_box(grid: Grid, *, compact: bool) -> Box:
    """Return where the countdown stands, inside the band's rows: a ring, or a digit and a bar."""
    top, bottom = grid.rows(compact=compact)
    height, width = (112, min(960, grid.safe_right - grid.safe_left)) if compact else (208, 208)
    middle = (grid.safe_left + grid.safe_right) // 2
    return Box(even_down(middle - width // 2), top + even_down((bottom - top - height) // 2), width, height)
