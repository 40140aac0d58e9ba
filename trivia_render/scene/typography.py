"""Type: sizes that can be read on a phone, and the weights that suit each typeface.

Sizes are in pixels for a short side of 1080, the same in all formats.
"""

from trivia_render.models.theme import FontName, Theme
from trivia_render.scene.text import TextStyle

#: Smallest and largest size of each kind of text.
QUESTION_SIZES = (48, 84)
OPTION_SIZES = (40, 60)
EXPLANATION_SIZES = (40, 68)
TITLE_SIZES = (64, 148)
SUBTITLE_SIZES = (40, 56)
#: Distance of lines where a long text needs the room.
TIGHT_LEADING = 1.08
#: The countdown's digit.
DIGIT_PX = 124

_TITLE_WEIGHTS: dict[FontName, int] = {
    "inter": 850,
    "poppins": 800,
    "fredoka": 700,
    "playfair": 800,
    "space-grotesk": 700,
}
_QUESTION_WEIGHTS: dict[FontName, int] = {
    "inter": 700,
    "poppins": 600,
    "fredoka": 600,
    "playfair": 700,
    "space-grotesk": 600,
}
#: Tall x-heights need more air between lines, and display faces stand closer.
_LEADING: dict[FontName, float] = {
    "inter": 1.18,
    "poppins": 1.18,
    "fredoka": 1.14,
    "playfair": 1.20,
    "space-grotesk": 1.16,
}


def display_weight(theme: Theme) -> int:
    """Return the weight of titles, digits and letters."""
    return _TITLE_WEIGHTS[theme.display_font]


def title_style(theme: Theme) -> TextStyle:
    """Return how a title is set."""
    return TextStyle(theme.display_font, display_weight(theme), leading=1.08)


def question_style(theme: Theme) -> TextStyle:
    """Return how a question is set."""
    return TextStyle(theme.font, _QUESTION_WEIGHTS[theme.font], leading=_LEADING[theme.font])


def option_style(theme: Theme) -> TextStyle:
    """Return how an option is set."""
    return TextStyle(theme.font, _QUESTION_WEIGHTS[theme.font] - 100, leading=_LEADING[theme.font] - 0.02)


def explanation_style(theme: Theme) -> TextStyle:
    """Return how an explanation is set."""
    return TextStyle(theme.font, 500, leading=_LEADING[theme.font] + 0.06)


def label_style(theme: Theme) -> TextStyle:
    """Return how labels are set: progress, category, subtitle."""
    return TextStyle(theme.font, _QUESTION_WEIGHTS[theme.font], leading=1.15)
