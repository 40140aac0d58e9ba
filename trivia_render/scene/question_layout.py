"""Where a question's parts stand. Pure: boxes and set text, nothing drawn.

Type keeps to sizes that a viewer can read on a phone. A text that is too long for the usual arrangement
gets the next one (one column of options, a low clock, narrow margins); what does not fit then is an
error that names the question.
"""

from functools import cache, lru_cache
from typing import Literal, NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FormatName
from trivia_render.models.plan import QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.arrangements import (
    CARD_OPTIONS_GAP,
    OPTION_GAP,
    Arrangement,
    arrangements,
    image_box,
    room_beside_image,
)
from trivia_render.scene.explanation_layout import ExplanationLayout, lay_out_explanation
from trivia_render.scene.grid import (
    Grid,
    even,
    even_down,
    frame_size,
    grid_of,
    is_right_to_left,
    stage_of,
    text_box,
)
from trivia_render.scene.option_parts import (
    MAX_OPTION_HEIGHT,
    MIN_OPTION_HEIGHT,
    TIGHT_BADGE,
    badge_gap,
    badge_inset,
    badge_size,
    beside_text,
    end_room,
)
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, TextStyle, set_text
from trivia_render.scene.typography import (
    OPTION_SIZES,
    QUESTION_SIZES,
    TIGHT_LEADING,
    option_style,
    question_style,
)

MIN_CARD_HEIGHT = 176
CLOCK_SIZE = 200
#: Steps of size between the floor (0) and full size that are tried.
STEPS = 8
#: From this step on no other arrangement is tried.
_GOOD_STEP = 6
#: Options stay smaller than their question by this, where they grow alone.
_OPTION_TO_QUESTION = 0.8
#: Options lose at most so many steps of size, less one, where that spares them a line.
_SHRUNK_FOR_LINES = 5


class QuestionLayout(NamedTuple):
    """A question's boxes and its set texts."""

    grid: Grid
    compact: bool
    card: Box
    question: SetText
    question_box: Box
    image: Box | None
    options: tuple[Box, ...]
    option_texts: tuple[SetText, ...]
    explanation: ExplanationLayout | None
    clock: Box
    #: From a letter to its option's text.
    badge_gap: int
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
    def tick(self) -> Literal["end", "letter"]:
        """Where the right option's tick stands."""
        return "letter" if self.compact else self.grid.tick

    def badge(self, option: Box) -> Box:
        """Return where the letter stands in an option."""
        side = TIGHT_BADGE if self.compact else badge_size(option.height)
        inset = self.grid.inset if self.compact else badge_inset(self.grid, option.height)
        x = option.right - inset - side if self.right_to_left else option.x + inset
        return Box(x, option.y + (option.height - side) // 2, side, side)

    def option_room(self, option: Box) -> tuple[int, int]:
        """Return the first column and the width of an option's text."""
        gap = self.badge_gap
        badge, room = self.badge(option), end_room(self.grid, self.tick, option.height)
        if self.right_to_left:
            return option.x + room, badge.x - gap - option.x - room
        start = badge.right + gap
        end = min(option.right - room, max(self.grid.safe_right, start))
        return start, end - start


@lru_cache(maxsize=256)
def lay_out_question(
    content: QuestionClip, *, name: FormatName, theme: Theme, language: str
) -> QuestionLayout:
    """Choose the most generous arrangement that takes the question. Raises TextDoesNotFitError."""
    for alternatives in arrangements(name, with_image=content.image is not None):
        best: tuple[int, QuestionLayout] | None = None
        for arrangement in alternatives:
            found = _try(content, arrangement, name, theme, language)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
            if best is not None and best[0] >= _GOOD_STEP:
                break
        if best is not None:
            return _with_explanation(best[1], content, name, theme, language)
    beginning = content.question if len(content.question) <= 60 else f"{content.question[:59]}…"
    raise TextDoesNotFitError(
        f"Question {content.number} does not fit a {name} frame: “{beginning}” has "
        f"{len(content.question)} characters, its longest option "
        f"{max(len(option) for option in content.options)}.",
        evidence=f"smallest sizes: question {QUESTION_SIZES[0]} px, options {OPTION_SIZES[0]} px",
        remedy="Shorten the question or its options.",
    )


def _try(
    content: QuestionClip, arrangement: Arrangement, name: FormatName, theme: Theme, language: str
) -> tuple[int, QuestionLayout] | None:
    """Return the layout and the step of size at which all fits, or None where nothing does."""
    grid = grid_of(name, mirrored=is_right_to_left(language))
    rows = grid.rows(compact=arrangement.compact)
    top = grid.header.bottom + 8 if arrangement.compact else grid.content_top
    # The band's rows end what is drawn above them: a shadow has faded by then.
    above_band = 14 if arrangement.compact else 28
    area = Box(grid.left, top, grid.width, rows[0] - above_band - top)
    text_area, card_width = room_beside_image(area, arrangement.image)
    columns = min(arrangement.columns, len(content.options))
    option_width = even_down((text_area.width - OPTION_GAP * (columns - 1)) // columns)
    widths = (
        _question_width(grid, card_width, wide=arrangement.wide),
        option_width - beside_text(grid, theme, compact=arrangement.compact),
    )

    @cache
    def question(step: int) -> SetText | None:
        style = _styled(question_style(theme), compact=arrangement.compact)
        return _set(content.question, style, _size(QUESTION_SIZES, step), widths[0], language, arrangement)

    @cache
    def options(step: int) -> tuple[SetText, ...] | None:
        style, size = _styled(option_style(theme), compact=arrangement.compact), _size(OPTION_SIZES, step)
        found = []
        for option in content.options:
            text = _set(option, style, size, widths[1], language, arrangement)
            if text is None:
                return None
            found.append(text)
        return tuple(found)

    def placed(question_step: int, option_step: int) -> QuestionLayout | None:
        asked, answers = question(question_step), options(option_step)
        if asked is None or answers is None:
            return None
        air = min(question_step, option_step) / STEPS
        return _place(
            arrangement,
            grid,
            name,
            area,
            text_area,
            card_width,
            option_width,
            columns,
            asked,
            answers,
            air,
            badge_gap(grid, theme, compact=arrangement.compact),
        )

    for step in range(STEPS, arrangement.lowest_step - 1, -1):
        found = placed(step, step)
        if found is not None:
            # What is left of the room goes to the question first, then to the options.
            larger = range(STEPS, step, -1)
            asking, found = next(((k, it) for k in larger if (it := placed(k, step))), (step, found))
            most = _OPTION_TO_QUESTION * _size(QUESTION_SIZES, asking)
            modest = [k for k in larger if _size(OPTION_SIZES, k) <= most]
            answering, found = next(((k, it) for k in modest if (it := placed(asking, k))), (step, found))
            # A little smaller is better than broken into more lines.
            fewer = [
                k
                for k in range(answering - 1, max(answering - _SHRUNK_FOR_LINES, -1), -1)
                if _most_lines(options(k)) < _most_lines(options(answering))
            ]
            return step, next((it for k in fewer if (it := placed(asking, k))), found)
    return None


def _most_lines(texts: tuple[SetText, ...] | None) -> int:
    return max(len(text.lines) for text in texts or ())


def _question_width(grid: Grid, card_width: int, *, wide: bool) -> int:
    """Return the width for a question; one in the frame's middle keeps to the narrow part of 9:16."""
    most = grid.safe_right - grid.safe_left if wide else grid.narrow
    return min(card_width - 2 * grid.card_pad, most)


def _styled(style: TextStyle, *, compact: bool) -> TextStyle:
    return style._replace(leading=TIGHT_LEADING) if compact else style


def _set(
    text: str, style: TextStyle, size_px: int, width_px: int, language: str, arrangement: Arrangement
) -> SetText | None:
    """Set a text to a width, None where a word is wider and must stay whole."""
    if arrangement.words == "whole" and _widest_word(text, style, language) * size_px > width_px * 100:
        return None
    found = set_text(text, style=style, size_px=size_px, max_width_px=width_px, language=language)
    return found if found.width_px <= width_px else None


def _size(sizes: tuple[int, int], step: int) -> int:
    return round(sizes[0] + step / STEPS * (sizes[1] - sizes[0]))


@lru_cache(maxsize=4096)
def _widest_word(text: str, style: TextStyle, language: str) -> int:
    """Return the width of the widest word at a size of 100 px."""
    return max(
        (set_text(word, style=style, size_px=100, language=language).width_px for word in text.split()),
        default=0,
    )


def _place(
    arrangement: Arrangement,
    grid: Grid,
    name: FormatName,
    area: Box,
    text_area: Box,
    card_width: int,
    option_width: int,
    columns: int,
    question: SetText,
    options: tuple[SetText, ...],
    air: float,
    badge_gap: int,
) -> QuestionLayout | None:
    """Share the height out: options grow first, then the card, then air above and below.

    `air` 0 to 1 is how generously texts are padded. None where the texts are too high.
    """
    compact, mirrored = arrangement.compact, grid.mirrored
    rows = -(-len(options) // columns)
    gap, option_gap = (10, 10) if compact else (CARD_OPTIONS_GAP, OPTION_GAP)
    pad, option_pad = (14, 6) if compact else (round(28 + 16 * air), round(12 + 10 * air))
    card_height = max(MIN_CARD_HEIGHT // (2 if compact else 1), even(question.height_px + 2 * pad))
    if arrangement.image.where == "card":
        card_height = max(card_height, 320 if not compact else 240)
    option_height = max(MIN_OPTION_HEIGHT, even(max(t.height_px for t in options) + 2 * option_pad))
    spare = text_area.height - card_height - gap - rows * option_height - (rows - 1) * option_gap
    if spare < 0:
        return None
    grown = min(max(0, MAX_OPTION_HEIGHT - option_height), even_down(spare * 0.6 / rows))
    option_height += even_down(grown)
    spare -= rows * even_down(grown)
    most = even_down(text_area.height * (0.62 if arrangement.image.where == "none" else 0.8))
    taller = max(0, min(even_down(spare), most - card_height))
    card_height += taller
    spare -= taller
    top = text_area.y + even_down(spare / 2)
    card = Box(text_area.x, top, card_width, card_height)
    boxes = _option_boxes(
        len(options), columns, text_area, card.bottom + gap, option_width, option_height, option_gap
    )
    image = image_box(arrangement.image, area, card, boxes, grid, frame_size(name)[0] // 2)
    if mirrored:
        card, boxes = _mirrored(card, area), tuple(_mirrored(box, area) for box in boxes)
        if image is not None and arrangement.image.where != "top":
            image = _mirrored(image, area)
    return QuestionLayout(
        grid=grid,
        compact=compact,
        card=card,
        question=question,
        question_box=text_box(question.width_px, question.height_px, card, name, mirrored=mirrored),
        image=image,
        options=boxes,
        option_texts=options,
        explanation=None,
        clock=clock_box(grid, name, compact=compact),
        badge_gap=badge_gap,
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


def _mirrored(box: Box, area: Box) -> Box:
    return box._replace(x=area.x + area.right - box.right)


def _with_explanation(
    layout: QuestionLayout, content: QuestionClip, name: FormatName, theme: Theme, language: str
) -> QuestionLayout:
    if content.explanation is None:
        return layout
    explanation = lay_out_explanation(
        content.explanation,
        number=content.number,
        card=layout.card,
        column=layout.column,
        option_height=layout.options[0].height,
        name=name,
        theme=theme,
        language=language,
    )
    return layout._replace(explanation=explanation)


def clock_box(grid: Grid, name: FormatName, *, compact: bool) -> Box:
    """Return where the countdown stands, inside the band's rows: a ring, or a digit and a bar."""
    middle_x, middle_y = frame_size(name)[0] // 2, stage_of(name, compact=compact).horizon
    width, height = (min(960, grid.narrow), 100) if compact else (CLOCK_SIZE, CLOCK_SIZE)
    top = max(grid.rows(compact=compact)[0], even_down(middle_y - height // 2))
    return Box(even_down(middle_x - width // 2), top, width, height)
