"""What the product itself says and shows, in twelve languages; the texts are in `phrases.json`."""

import json
import re
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field

from trivia_render.models.base import Model

PluralCategory = Literal["one", "two", "few", "many", "other"]

#: Spoken and shown where a language has no phrases of its own.
FALLBACK_LANGUAGE = "en"

_FIELD = re.compile(r"\{(\w+)\}")
#: A final mark that a text brings along makes the template's own one superfluous: `Who?` + `.`.
#: A final full stop in the text gives way to the template's mark: `U.S.` + `.`, `U.S.` + `!`.
_MARKS_MEET = re.compile(r"(?:(?<=[?!…؟])[\s]?[.!।]|(?<=[.।])[.।])$")


class Phrases(Model):
    """The phrases of one language. The operator's texts are put in as they are, never interpreted."""

    language: str = Field(description="Primary subtag, such as `en`.")
    progress: str
    title: str = Field(description="Of a video whose config gives none.")
    greeting: str
    challenge: dict[PluralCategory, str]
    questions: dict[PluralCategory, str]
    seconds_each: dict[PluralCategory, str]
    answers: Annotated[tuple[str, ...], Field(min_length=1)]
    option: str
    blank: str = Field(description="How a gap to fill in, written `____`, is spoken.")
    outro_heading: str
    call_to_action: str
    outro: str

    def progress_label(self, *, number: int, total: int) -> str:
        """Return such as `Question 3/10`."""
        return _fill(self.progress, number=str(number), total=str(total))

    def intro_subtitle(self, *, questions: int, countdown_seconds: int) -> str:
        """Return such as `10 questions · 5 seconds each`."""
        seconds = self._counted(self.seconds_each, countdown_seconds)
        return f"{self._counted(self.questions, questions)} · {seconds}"

    def count_label(self, questions: int) -> str:
        """Return such as `10 questions`."""
        return self._counted(self.questions, questions)

    def intro_line(self, *, title: str, questions: int) -> str:
        """Return what is said over the title card."""
        return f"{self.greeting} {_sentence(title)} {self._counted(self.challenge, questions)}"

    def option_line(self, *, option: int, text: str) -> str:
        """Return what is said of an option (0 to 3), such as `A: Paris.`."""
        return _fill(self.option, letter="ABCD"[option], text=text)

    def answer_line(self, *, answer: str, number: int) -> str:
        """Return what is said at the reveal of question `number`; the wording goes in rotation."""
        return _fill(self.answers[(number - 1) % len(self.answers)], answer=answer)

    def outro_line(self) -> str:
        """Return what is said over the last card."""
        return f"{self.outro_heading} {self.outro}"

    def _counted(self, forms: dict[PluralCategory, str], count: int) -> str:
        template = forms.get(plural_category(self.language, count), forms["other"])
        return _fill(template, count=str(count))


def phrases_for(language: str) -> Phrases:
    """Return the phrases of a BCP 47 language such as `pt-BR`; English where there are none."""
    known = _load()
    return known.get(_primary(language), known[FALLBACK_LANGUAGE])


def phrase_languages() -> tuple[str, ...]:
    """List the primary subtags that have phrases of their own."""
    return tuple(_load())


def plural_category(language: str, count: int) -> PluralCategory:
    """Return the plural category of a whole number, after the Unicode CLDR plural rules."""
    primary = _primary(language)
    last, last_two = count % 10, count % 100
    if primary == "ar" and count == 2:
        return "two"
    if primary == "ar" and 3 <= last_two <= 10:
        return "few"
    if primary == "ar" and last_two >= 11:
        return "many"
    if primary == "pl" and count != 1:
        return "few" if 2 <= last <= 4 and not 12 <= last_two <= 14 else "many"
    zero_is_one = primary in {"fr", "pt", "hi"}
    return "one" if count == 1 or (count == 0 and zero_is_one) else "other"


def _primary(language: str) -> str:
    return re.split(r"[-_]", language, maxsplit=1)[0].lower()


@cache
def _load() -> dict[str, Phrases]:
    text = resources.files("trivia_render.models").joinpath("phrases.json").read_text(encoding="utf-8")
    return {language: Phrases(language=language, **fields) for language, fields in json.loads(text).items()}


def _fill(template: str, **values: str) -> str:
    """Put values into a template in one pass, so that braces inside a value stay what they are."""
    filled = _FIELD.sub(lambda match: values[match[1]].strip(), template)
    return _MARKS_MEET.sub("", filled)


def _sentence(text: str) -> str:
    """End a text with a full stop where it ends with no mark of its own."""
    return text if re.search(r"[.!?…؟।。！？][\"'”’»)]*$", text) else f"{text}."
