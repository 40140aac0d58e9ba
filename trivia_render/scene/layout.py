"""Layout of clips: whether their texts fit. Nothing is drawn."""

from trivia_render.models.formats import FormatName
from trivia_render.models.plan import ClipContent, QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.question_layout import lay_out_question
from trivia_render.scene.title_layout import lay_out_title


def check_fit(content: ClipContent, *, format: FormatName, theme: Theme, language: str) -> None:
    """Raise TextDoesNotFitError, naming the question, if the clip's texts cannot be set in a format."""
    if isinstance(content, QuestionClip):
        lay_out_question(content, name=format, theme=theme, language=language)
    else:
        lay_out_title(content, name=format, theme=theme, language=language)
