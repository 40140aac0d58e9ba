"""Whether the installed typefaces can write a clip's texts at all."""

from collections.abc import Iterator

from trivia_render.errors import TextNotDrawableError
from trivia_render.models.plan import ClipContent, IntroClip, QuestionClip
from trivia_render.models.theme import FontName, Theme
from trivia_render.scene.text import TextStyle, set_text


def check_coverage(content: ClipContent, *, theme: Theme, language: str) -> None:
    """Raise TextNotDrawableError, naming text and characters, for what would show as empty boxes."""
    for name, text, font in _texts(content, theme):
        missing = set_text(text, style=TextStyle(font, 500), size_px=48, language=language).missing
        if missing:
            shown = " ".join(f"{character} (U+{ord(character):04X})" for character in missing[:8])
            more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
            raise TextNotDrawableError(
                f"{name[0].upper()}{name[1:]} has characters that no installed typeface has: {shown}{more}.",
                remedy="Write it with other characters.",
            )


def _texts(content: ClipContent, theme: Theme) -> Iterator[tuple[str, str, FontName]]:
    if isinstance(content, QuestionClip):
        where = f"question {content.number}"
        yield f"the text of {where}", content.question, theme.font
        for letter, option in zip("ABCD", content.options, strict=False):
            yield f"option {letter} of {where}", option, theme.font
        if content.explanation is not None:
            yield f"the explanation of {where}", content.explanation, theme.font
        if content.category is not None:
            yield f"the category of {where}", content.category, theme.font
    elif isinstance(content, IntroClip):
        yield "the title", content.title, theme.display_font
