"""Where everything stands, per format. Pure: boxes and set text, nothing drawn.

Type keeps to the sizes that a viewer on a phone can read, in pixels for a short side of 1080:
questions 48 to 84, options 40 to 60. A text that is too long for the usual arrangement gets the
long-text one (a smaller clock, one column of options); what does not fit then is an error.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import ClipContent, IntroClip, QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.bidi import language_direction
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, TextStyle, fit_text, set_text

QUESTION_SIZES = (48, 84)
OPTION_SIZES = (40, 60)
EXPLANATION_SIZES = (40, 64)

CARD_PAD_X, CARD_PAD_Y = 48, 26
OPTION_PAD_Y, BADGE_MARGIN, OPTION_GAP = 10, 14, 16
#: Room for the tick that the right option gets at the reveal.
TICK_WIDTH = 64
MIN_CARD_HEIGHT, MIN_OPTION_HEIGHT, MAX_OPTION_HEIGHT = 176, 84, 148
BADGE_MAX = 84


class Grid(NamedTuple):
    """A format's fixed lines. `band` and `compact_band` are rows of whole macroblocks (16 px)."""

    left: int
    right: int
    top: int
    progress_height: int
    content_top: int
    band: tuple[int, int]
    compact_band: tuple[int, int]
    image_height: int


#: 9:16 keeps clear of what players draw over it: 200 px at the top, 480 below, 64 left, 160 right.
GRIDS: dict[FormatName, Grid] = {
    "16:9": Grid(96, 1824, 36, 60, 116, (848, 1080), (944, 1080), 0),
    "9:16": Grid(64, 920, 208, 56, 280, (1216, 1440), (1328, 1440), 340),
    "1:1": Grid(56, 1024, 32, 56, 104, (864, 1080), (960, 1080), 260),
}


class Arrangement(NamedTuple):
    """A way to use the grid."""

    columns: int
    compact: bool
    #: Smallest share of the range between floor and full size at which this way still looks right.
    min_share: float
    split_words: bool


class QuestionLayout(NamedTuple):
    """A question's boxes and its set texts."""

    grid: Grid
    compact: bool
    progress: Box
    card: Box
    question: SetText
    image: Box | None
    options: tuple[Box, ...]
    option_texts: tuple[SetText, ...]
    explanation: SetText | None
    clock: Box

    @property
    def band(self) -> tuple[int, int]:
        """Rows [top, bottom) of the band."""
        return self.grid.compact_band if self.compact else self.grid.band

    @property
    def body(self) -> Box:
        """The rows that the card and the options move in, over the whole width between the margins."""
        top = min(self.card.y, self.image.y if self.image else self.card.y)
        return Box(self.grid.left, top, self.grid.right - self.grid.left, self.options[-1].bottom - top)


class TitleLayout(NamedTuple):
    """Intro and outro: a large text, a smaller one below it."""

    grid: Grid
    heading: SetText
    heading_at: tuple[int, int]
    below: SetText
    below_box: Box
    right_to_left: bool


def check_fit(content: ClipContent, *, format: FormatName, theme: Theme, language: str) -> None:
    """Raise TextDoesNotFitError, naming the question, if the clip's texts cannot be set. Draws nothing."""
    if isinstance(content, QuestionClip):
        lay_out_question(content, format=format, theme=theme, language=language)
    else:
        lay_out_title(content, format=format, theme=theme, language=language)


@lru_cache(maxsize=256)
def lay_out_question(
    content: QuestionClip,
    *,
    format: FormatName,
    theme: Theme,
    language: str,
) -> QuestionLayout:
    """Choose the most generous arrangement that takes the question. Raises TextDoesNotFitError."""
    for arrangement in _arrangements(format, content):
        if (found := _try(content, arrangement, format, theme, language)) is not None:
            return found
    raise TextDoesNotFitError(
        f"Question {content.number} does not fit a {format} frame: “{_beginning(content.question)}” has "
        f"{len(content.question)} characters, its longest option "
        f"{max(len(option) for option in content.options)}.",
        evidence=f"smallest sizes: question {QUESTION_SIZES[0]} px, options {OPTION_SIZES[0]} px",
        remedy="Shorten the question or its options.",
    )


def _arrangements(format: FormatName, content: QuestionClip) -> Iterator[Arrangement]:
    usual = 1 if format == "9:16" else 2
    for split_words in (False, True):
        yield Arrangement(usual, compact=False, min_share=0.35, split_words=split_words)
        if usual == 2:
            yield Arrangement(1, compact=False, min_share=0.35, split_words=split_words)
        yield Arrangement(usual, compact=False, min_share=0.0, split_words=split_words)
        if usual == 2:
            yield Arrangement(1, compact=False, min_share=0.0, split_words=split_words)
        yield Arrangement(usual, compact=True, min_share=0.0, split_words=split_words)
        if usual == 2 and len(content.options) > 1:
            yield Arrangement(1, compact=True, min_share=0.0, split_words=split_words)


def _try(
    content: QuestionClip,
    arrangement: Arrangement,
    format: FormatName,
    theme: Theme,
    language: str,
) -> QuestionLayout | None:
    grid = GRIDS[format]
    band = grid.compact_band if arrangement.compact else grid.band
    area = Box(grid.left, grid.content_top, grid.right - grid.left, band[0] - 16 - grid.content_top)
    image, text_area, card_width = _place_image(content, area, format, compact=arrangement.compact)
    rows = -(-len(content.options) // arrangement.columns)
    option_width = _even((area.width - OPTION_GAP * (arrangement.columns - 1)) // arrangement.columns)
    widths = (card_width - 2 * CARD_PAD_X, option_width - _badge_room(MIN_OPTION_HEIGHT) - TICK_WIDTH)
    steps = 8
    for step in range(steps, -1, -1):
        share = step / steps
        if share < arrangement.min_share:
            return None
        texts = _set_all(content, share, widths, theme, language, split_words=arrangement.split_words)
        if texts is None:
            continue
        question, options = texts
        option_height = max(
            MIN_OPTION_HEIGHT, _even(max(text.height_px for text in options) + 2 * OPTION_PAD_Y)
        )
        card_height = max(MIN_CARD_HEIGHT, _even(question.height_px + 2 * CARD_PAD_Y))
        if image is not None and image.y == text_area.y:
            card_height = max(card_height, MIN_CARD_HEIGHT * 2)
        needed = card_height + rows * (option_height + OPTION_GAP)
        if needed > text_area.height:
            continue
        return _place(
            content, arrangement, format, theme, language, grid, image, text_area, card_width,
            card_height, option_width, option_height, rows, question, options,
        )  # fmt: skip
    return None


def _place_image(
    content: QuestionClip,
    area: Box,
    format: FormatName,
    *,
    compact: bool,
) -> tuple[Box | None, Box, int]:
    """Return the image's box, the area that is left for card and options, and the card's width."""
    if content.image is None:
        return None, area, area.width
    if format == "16:9":
        width = 560
        return Box(area.right - width, area.y, width, 0), area, area.width - width - OPTION_GAP
    height = GRIDS[format].image_height // 2 if compact else GRIDS[format].image_height
    taken = _even(height) + OPTION_GAP
    rest = Box(area.x, area.y + taken, area.width, area.height - taken)
    return Box(area.x, area.y, area.width, _even(height)), rest, area.width


def _set_all(
    content: QuestionClip,
    share: float,
    widths: tuple[int, int],
    theme: Theme,
    language: str,
    *,
    split_words: bool,
) -> tuple[SetText, tuple[SetText, ...]] | None:
    question_size = round(QUESTION_SIZES[0] + share * (QUESTION_SIZES[1] - QUESTION_SIZES[0]))
    option_size = round(OPTION_SIZES[0] + share * (OPTION_SIZES[1] - OPTION_SIZES[0]))
    question_style, option_style = text_styles(theme)
    texts = []
    for text, style, size, width in (
        (content.question, question_style, question_size, widths[0]),
        *((option, option_style, option_size, widths[1]) for option in content.options),
    ):
        if not split_words and _widest_word(text, style, language) * size > width * 100:
            return None
        found = set_text(text, style=style, size_px=size, max_width_px=width, language=language)
        if found.width_px > width:
            return None
        texts.append(found)
    return texts[0], tuple(texts[1:])


@lru_cache(maxsize=4096)
def _widest_word(text: str, style: TextStyle, language: str) -> int:
    """Return the width of the widest word at a size of 100 px."""
    return max(
        (set_text(word, style=style, size_px=100, language=language).width_px for word in text.split()),
        default=0,
    )


def text_styles(theme: Theme) -> tuple[TextStyle, TextStyle]:
    """Return how questions and options are set."""
    serif = theme.font == "playfair"
    return (
        TextStyle(theme.font, 700 if serif else 600, leading=1.16),
        TextStyle(theme.font, 600 if serif else 500, leading=1.14),
    )


def _place(
    content: QuestionClip,
    arrangement: Arrangement,
    format: FormatName,
    theme: Theme,
    language: str,
    grid: Grid,
    image: Box | None,
    area: Box,
    card_width: int,
    card_height: int,
    option_width: int,
    option_height: int,
    rows: int,
    question: SetText,
    options: tuple[SetText, ...],
) -> QuestionLayout:
    spare = area.height - card_height - rows * (option_height + OPTION_GAP)
    # Spare room first makes the options comfortable, then the card, then air above and below.
    grown = (
        min(MAX_OPTION_HEIGHT - option_height, spare // (rows + 1))
        if option_height < MAX_OPTION_HEIGHT
        else 0
    )
    option_height += _even_down(max(0, grown))
    spare = area.height - card_height - rows * (option_height + OPTION_GAP)
    gap = OPTION_GAP + _even_down(min(16, spare // 4))
    card_height += _even_down(min(spare - (gap - OPTION_GAP), max(0, spare * 2 // 3)))
    spare = area.height - card_height - gap - rows * option_height - (rows - 1) * OPTION_GAP
    top = area.y + _even_down(spare // 3)
    right_to_left = is_right_to_left(language)
    card_x = area.x
    if image is not None and image.height == 0:
        image = Box(image.x, top, image.width, card_height)
        if right_to_left:
            image, card_x = Box(area.x, top, image.width, card_height), area.right - card_width
    card = Box(card_x, top, card_width, card_height)
    boxes = _option_boxes(
        len(content.options), arrangement.columns, area, card.bottom + gap, option_width, option_height,
        right_to_left=right_to_left,
    )  # fmt: skip
    explanation = None
    if content.explanation is not None:
        explanation = _set_explanation(content, card, theme, language)
    return QuestionLayout(
        grid=grid,
        compact=arrangement.compact,
        progress=Box(grid.left, grid.top, grid.right - grid.left, grid.progress_height),
        card=card,
        question=question,
        image=image,
        options=boxes,
        option_texts=options,
        explanation=explanation,
        clock=_clock_box(grid, format, compact=arrangement.compact),
    )


def _option_boxes(
    count: int, columns: int, area: Box, top: int, width: int, height: int, *, right_to_left: bool
) -> tuple[Box, ...]:
    boxes = []
    for index in range(count):
        row, column = divmod(index, columns)
        x = area.x + column * (width + OPTION_GAP)
        if index == count - 1 and column == 0 and columns == 2:
            # The odd one out stands in the middle.
            x = area.x + _even_down((area.width - width) // 2)
        elif right_to_left:
            x = area.right - width - column * (width + OPTION_GAP)
        boxes.append(Box(x, top + row * (height + OPTION_GAP), width, height))
    return tuple(boxes)


def _set_explanation(content: QuestionClip, card: Box, theme: Theme, language: str) -> SetText:
    style, _ = text_styles(theme)
    try:
        return fit_text(
            content.explanation or "",
            style=TextStyle(style.font, 500, leading=1.2),
            width_px=card.width - 2 * CARD_PAD_X,
            height_px=card.height - 2 * CARD_PAD_Y,
            max_size_px=EXPLANATION_SIZES[1],
            min_size_px=EXPLANATION_SIZES[0],
            language=language,
        )
    except TextDoesNotFitError as error:
        raise TextDoesNotFitError(
            f"The explanation of question {content.number} does not fit its card: {error.message}",
            evidence=error.evidence,
            remedy="Shorten the explanation.",
        ) from error


def _clock_box(grid: Grid, format: FormatName, *, compact: bool) -> Box:
    """Return where the countdown stands, inside the band's rows: a ring, or a digit and a bar."""
    top, bottom = grid.compact_band if compact else grid.band
    middle = (grid.left + grid.right) // 2
    if compact:
        height = min(112, bottom - top)
        width = min(960, grid.right - grid.left)
    else:
        height = width = 208
    y = top + _even_down((bottom - top - height) // 2)
    if format != "9:16" and not compact:
        y = top + 10
    return Box(_even_down(middle - width // 2), y, width, height)


@lru_cache(maxsize=64)
def lay_out_title(
    content: ClipContent,
    *,
    format: FormatName,
    theme: Theme,
    language: str,
) -> TitleLayout:
    """Lay out an intro or an outro. Raises TextDoesNotFitError."""
    if isinstance(content, QuestionClip):
        raise TypeError("a question has no title layout")
    grid = GRIDS[format]
    heading, below = (
        (content.title, content.subtitle)
        if isinstance(content, IntroClip)
        else (content.heading, content.call_to_action)
    )
    width = grid.right - grid.left
    weight = 700 if theme.display_font in {"playfair", "fredoka"} else 800
    room = grid.band[0] - grid.content_top
    set_heading = fit_text(
        heading,
        style=TextStyle(theme.display_font, weight, leading=1.08),
        width_px=width,
        height_px=room - 260,
        max_size_px=148,
        min_size_px=64,
        language=language,
    )
    set_below = fit_text(
        below,
        style=TextStyle(theme.font, 600, leading=1.15),
        width_px=width - 160,
        height_px=132,
        max_size_px=56,
        min_size_px=40,
        language=language,
    )
    pill = Box(0, 0, _even(set_below.width_px + 2 * 56), _even(set_below.height_px + 2 * 20))
    total = set_heading.height_px + 56 + pill.height
    top = grid.content_top + _even_down(max(0, room - total) // 2)
    middle = (grid.left + grid.right) // 2
    return TitleLayout(
        grid=grid,
        heading=set_heading,
        heading_at=(grid.left, top),
        below=set_below,
        below_box=pill._replace(
            x=_even_down(middle - pill.width // 2), y=_even(top + set_heading.height_px + 56)
        ),
        right_to_left=is_right_to_left(language),
    )


def is_right_to_left(language: str) -> bool:
    """Tell whether the language's layout is mirrored."""
    return language_direction(language) == "rtl"


def badge_size(option: Box) -> int:
    """Return the side of the letter's badge in an option of this height."""
    return _even_down(min(BADGE_MAX, option.height - 2 * BADGE_MARGIN))


def _badge_room(option_height: int) -> int:
    # Sized for the largest badge, so that a grown option never squeezes its text.
    del option_height
    return BADGE_MAX + 2 * BADGE_MARGIN + 4


def frame_size(format: FormatName) -> tuple[int, int]:
    """Return width and height in pixels."""
    return FORMATS[format].width, FORMATS[format].height


def all_texts(layout: QuestionLayout) -> Sequence[SetText]:
    """Return every set text of a question, for checks."""
    extra = () if layout.explanation is None else (layout.explanation,)
    return (layout.question, *layout.option_texts, *extra)


def _beginning(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _even(number: int) -> int:
    return number + number % 2


def _even_down(number: int) -> int:
    return number - number % 2
