"""Where an explanation stands: in the question's card, or, if long, over the options as well."""

from typing import NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FormatName
from trivia_render.models.theme import Theme
from trivia_render.scene.grid import grid_of, is_right_to_left, text_box
from trivia_render.scene.planes import Box
from trivia_render.scene.text import SetText, fit_text
from trivia_render.scene.typography import EXPLANATION_SIZES, explanation_style

_GAP = 24
_PAD_Y = 32
#: Below this, an explanation gets the options' room too.
_COMFORTABLE_PX = 48


class ExplanationLayout(NamedTuple):
    """The card of the explanation. `answer` is where the right option moves, None where all stay."""

    card: Box
    text: SetText
    text_box: Box
    answer: Box | None


def lay_out_explanation(
    text: str,
    *,
    number: int,
    card: Box,
    column: Box,
    option_height: int,
    name: FormatName,
    theme: Theme,
    language: str,
) -> ExplanationLayout:
    """Set an explanation as large as it can be. Raises TextDoesNotFitError naming the question."""

    mirrored = is_right_to_left(language)
    grid = grid_of(name, mirrored=mirrored)

    def fitted(box: Box, smallest_px: int) -> tuple[SetText, Box]:
        found = fit_text(
            text,
            style=explanation_style(theme),
            width_px=min(box.width - 2 * grid.card_pad, grid.safe_right - grid.safe_left),
            height_px=box.height - 2 * _PAD_Y,
            max_size_px=EXPLANATION_SIZES[1],
            min_size_px=smallest_px,
            language=language,
        )
        return found, text_box(found.width_px, found.height_px, box, name, mirrored=mirrored)

    try:
        return ExplanationLayout(card, *fitted(card, _COMFORTABLE_PX), None)
    except TextDoesNotFitError:
        # Too long for the card alone: the wrong options make room.
        tall = Box(column.x, column.y, column.width, column.height - option_height - _GAP)
    answer = Box(column.x, tall.bottom + _GAP, column.width, option_height)
    try:
        return ExplanationLayout(tall, *fitted(tall, EXPLANATION_SIZES[0]), answer)
    except TextDoesNotFitError as error:
        raise TextDoesNotFitError(
            f"The explanation of question {number} does not fit: {error.message}",
            evidence=error.evidence,
            remedy="Shorten the explanation.",
        ) from error
