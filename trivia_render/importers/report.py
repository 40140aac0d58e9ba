"""What came out of an import: the usable questions, and each one that was left out, with its reason."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from trivia_render.errors import ConfigInvalidError
from trivia_render.models.answers import OPTION_KEYS, normal_form, options_of
from trivia_render.models.config import Question
from trivia_render.models.parse import parse_job_config
from trivia_render.models.problems import Problem


class RawQuestion(NamedTuple):
    """A question as read, before it is checked. `place` is where it stands, such as `file.csv:12`."""

    place: str
    question: str
    options: tuple[str, ...]
    correct_answer: str
    extras: Mapping[str, str] = {}


class ImportReport(NamedTuple):
    """Questions in the source's order, and what was left out. Nothing is lost without a word."""

    questions: tuple[Question, ...]
    rejected: tuple[Problem, ...]


def check_all(found: Iterable[RawQuestion | Problem]) -> ImportReport:
    """Check each question as a job config's would be, and keep out the bad ones and the repeated ones."""
    questions: list[Question] = []
    rejected: list[Problem] = []
    first_at: dict[tuple[str, frozenset[str]], str] = {}
    for item in found:
        if isinstance(item, Problem):
            rejected.append(item)
            continue
        checked = _check(item)
        if isinstance(checked, Problem):
            rejected.append(checked)
            continue
        identity = (normal_form(checked.question), frozenset(map(normal_form, options_of(checked))))
        first = first_at.setdefault(identity, item.place)
        if first != item.place:
            rejected.append(reject(item.place, f"is the same question as {first}.", "Remove one of them."))
        else:
            questions.append(checked)
    return ImportReport(questions=tuple(questions), rejected=tuple(rejected))


def reject(place: str, message: str, remedy: str) -> Problem:
    """Return the reason why something was left out."""
    return Problem(severity="error", path=place, message=message, remedy=remedy)


def _check(raw: RawQuestion) -> Question | Problem:
    if not 2 <= len(raw.options) <= 4:
        count = "1 option" if len(raw.options) == 1 else f"{len(raw.options)} options"
        return reject(raw.place, f"has {count}.", "A question has two to four.")
    value = {
        "question": raw.question,
        **dict(zip(OPTION_KEYS, raw.options, strict=False)),
        "correct_answer": raw.correct_answer,
        **raw.extras,
    }
    try:
        config, _ = parse_job_config({"channel": "import", "total_questions": 1, "questions": [value]})
    except ConfigInvalidError as error:
        prefix = "$.questions[0]."
        findings = " ".join(f"{p.path.removeprefix(prefix)} {p.message}" for p in error.problems)
        return reject(raw.place, findings, error.problems[0].remedy)
    return config.questions[0]
