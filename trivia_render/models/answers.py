"""A question's options and which of them is right."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trivia_render.models.config import Question

LETTERS = ("A", "B", "C", "D")
OPTION_KEYS = ("answer_a", "answer_b", "answer_c", "answer_d")


class AnswerProblem(NamedTuple):
    """What is wrong with a question's answers, at which of its keys, and what to do."""

    key: str
    message: str
    remedy: str


def normal_form(text: str) -> str:
    """Return the text as options are compared: NFC, without blanks around it, case folded."""
    return unicodedata.normalize("NFC", text).strip().casefold()


def options_of(question: "Question") -> tuple[str, ...]:
    """Return the two to four options in their order."""
    options = (question.answer_a, question.answer_b, question.answer_c, question.answer_d)
    return tuple(option for option in options if option is not None)


def correct_index(question: "Question") -> int:
    """Return the right option's index into `options_of`. A Question always has exactly one."""
    options = [normal_form(option) for option in options_of(question)]
    wanted = normal_form(question.correct_answer)
    return options.index(wanted) if wanted in options else LETTERS.index(wanted.upper())


def answer_problems(question: Mapping[str, object]) -> Iterator[AnswerProblem]:
    """Yield what contradicts itself in a question as it was handed over.

    Values of the wrong type and missing keys are left to the caller; what can be judged without
    them is judged.
    """
    texts = {key: value for key in OPTION_KEYS if isinstance(value := question.get(key), str)}
    if question.get("answer_d") is not None and question.get("answer_c") is None:
        yield AnswerProblem(
            "answer_d", "is given, but answer_c is not.", "Move the text of answer_d to answer_c."
        )
    first_with: dict[str, str] = {}
    for key, text in texts.items():
        twin = first_with.setdefault(normal_form(text), key)
        if twin != key and text.strip():
            yield AnswerProblem(
                key,
                f"is the same option as {twin} (letter case and blanks around a text do not count).",
                "Give each option a text of its own, or leave the last ones out.",
            )
    yield from _correct_answer_problems(question, texts, set(first_with))


def _correct_answer_problems(
    question: Mapping[str, object], texts: Mapping[str, str], options: set[str]
) -> Iterator[AnswerProblem]:
    correct = question.get("correct_answer")
    if not isinstance(correct, str) or not correct.strip() or normal_form(correct) in options:
        return
    unread = [key for key in OPTION_KEYS if key not in texts and question.get(key) is not None]
    letter = normal_form(correct).upper()
    if letter in LETTERS:
        key = OPTION_KEYS[LETTERS.index(letter)]
        if question.get(key) is None and key not in ("answer_a", "answer_b"):
            yield AnswerProblem(
                "correct_answer",
                f"is {letter}, but there is no {key}.",
                f"Add {key}, or name another option.",
            )
    elif not unread and {"answer_a", "answer_b"} <= texts.keys():
        shown = ", ".join(f'"{_shortened(text)}"' for text in texts.values())
        yield AnswerProblem(
            "correct_answer",
            f'"{_shortened(correct)}" is none of the options ({shown}).',
            "Write the right option's text, or its letter.",
        )


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
