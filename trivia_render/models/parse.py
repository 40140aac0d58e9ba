"""Read and check job configs: every problem at once, each with its place and its remedy."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from trivia_render.errors import ConfigInvalidError
from trivia_render.models.answers import answer_problems, correct_index, normal_form, options_of
from trivia_render.models.config import MAX_QUESTIONS, JobConfig
from trivia_render.models.explain import explain
from trivia_render.models.jsontext import plain, read_json
from trivia_render.models.problems import MAX_PROBLEMS, Location, Problem, error, shown, warning

__all__ = ["ParsedConfig", "correct_index", "options_of", "parse_job_config", "parse_jsonl"]

#: A config and the warnings about it.
ParsedConfig = tuple[JobConfig, tuple[Problem, ...]]


def parse_job_config(data: bytes | str | Mapping[str, Any], *, source: str = "job config") -> ParsedConfig:
    """Return the checked config and the warnings. `data`: JSON text, or its value.

    `questions` of the result has at most `total_questions` entries: of a longer list the first ones
    are used and the rest is left out unchecked, since nothing of it reaches the video.

    Raises ConfigInvalidError with every problem found; `source` names the config in its message.
    """
    value, problems = read_json(data, source=source) if isinstance(data, bytes | str) else plain(data)
    if not isinstance(value, dict):
        message = f"must be an object ({{…}}), not {_kind(value)}."
        raise _invalid(problems or (error((), message, "Hand over one job config."),), source=source)
    used, surplus = _first_questions(value)
    contradictions = tuple(_contradictions(used))
    try:
        # JSON mode is strict about types, yet takes a JSON list for a tuple and 1 for 1.0.
        config = JobConfig.model_validate_json(json.dumps(used), strict=True)
    except ValidationError as failure:
        details = failure.errors(include_url=False)[: MAX_PROBLEMS + 1]
        unreadable = {problem.path for problem in problems}
        further = (*explain(details, config=used), *contradictions)
        problems = (*problems, *(problem for problem in further if problem.path not in unreadable))
        raise _invalid(problems, source=source) from None
    if problems:
        raise _invalid(problems, source=source)
    return config, tuple(_warnings(config, surplus=surplus))


def parse_jsonl(lines: Iterable[bytes | str]) -> Iterator[tuple[int, ParsedConfig | ConfigInvalidError]]:
    """Yield each line's number, from 1, and its config with warnings or the error that refuses it.

    One job config a line; blank lines are passed over.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, parse_job_config(line, source=f"line {number}")
        except ConfigInvalidError as refusal:
            yield number, refusal


def _first_questions(value: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the value without the questions that its video does not use, and their number."""
    total, questions = value.get("total_questions"), value.get("questions")
    if not isinstance(questions, list):
        return value, 0
    if type(total) is not int or not 1 <= total <= MAX_QUESTIONS:
        # Refused in any case. A million of them would take minutes to find fault with.
        return {**value, "questions": questions[:MAX_QUESTIONS]}, 0
    surplus = max(0, len(questions) - total)
    return {**value, "questions": questions[:total]}, surplus


def _contradictions(value: Mapping[str, Any]) -> Iterator[Problem]:
    questions = value.get("questions")
    for index, question in enumerate(questions if isinstance(questions, list) else ()):
        if isinstance(question, dict):
            for key, message, remedy in answer_problems(question):
                yield error(("questions", index, key), message, remedy)
    captions = value.get("captions")
    yield from _repeats(value.get("formats"), ("formats",))
    yield from _repeats(
        captions.get("formats") if isinstance(captions, dict) else None, ("captions", "formats")
    )


def _repeats(entries: object, location: Location) -> Iterator[Problem]:
    words = [entry for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []
    if len(set(words)) < len(words):
        yield error(location, f"names one entry more than once: {shown(entries)}.", "Name each once.")


def _warnings(config: JobConfig, *, surplus: int) -> Iterator[Problem]:
    given = len(config.questions)
    if given < config.total_questions:
        yield warning(
            ("total_questions",),
            f"is {config.total_questions}, but there {'is' if given == 1 else 'are'} only {given} "
            f"question{'' if given == 1 else 's'}; the video will have {given}.",
            "Add questions, or lower total_questions.",
        )
    if surplus:
        yield warning(
            ("total_questions",),
            f"is {config.total_questions}, but there are {given + surplus} questions; "
            f"the last {surplus} will not be used.",
            "Raise total_questions, or remove them.",
        )
    first_with: dict[str, int] = {}
    for index, question in enumerate(config.questions):
        twin = first_with.setdefault(normal_form(question.question), index)
        if twin != index:
            message = f"is the same question as questions[{twin}]."
            yield warning(("questions", index, "question"), message, "Replace one of them.")


def _invalid(problems: Sequence[Problem], *, source: str) -> ConfigInvalidError:
    """Order the findings by their place and join them into one error."""
    ordered = sorted(problems, key=lambda problem: _natural(problem.path))
    if len(ordered) > MAX_PROBLEMS:
        message = f"has more than {MAX_PROBLEMS:,} problems; the rest is not listed."
        ordered = [*ordered[:MAX_PROBLEMS], error((), message, "Correct these first.")]
    return ConfigInvalidError(ordered, source=source)


def _natural(path: str) -> list[tuple[int, str]]:
    """Order `[10]` after `[9]`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d{1,9})", path)]


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list; hand over its entries one by one"
    return "null" if value is None else f"just {shown(value)}"
