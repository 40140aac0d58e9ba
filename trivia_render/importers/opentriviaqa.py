"""The OpenTriviaQA text format.

A question starts with `#Q`, its right answer with `^`, its options with the letters A to D and a
blank; a text may go on over several lines:

    #Q Which planet is the
    largest one?
    ^ Jupiter
    A Mars
    B Jupiter
"""

import re
from collections.abc import Iterator

from trivia_render.importers.report import ImportReport, RawQuestion, check_all, reject
from trivia_render.importers.text import decode
from trivia_render.models.problems import Problem

_OPTION = re.compile(r"([A-D])(?:[ \t]+(.*))?")


def import_opentriviaqa(data: bytes, *, source: str) -> ImportReport:
    """Read the questions in their order. Raises BadInputError for text that cannot be decoded."""
    return check_all(_entries(decode(data, source=source), source=source))


def _entries(text: str, *, source: str) -> Iterator[RawQuestion | Problem]:
    entry: list[str] = []
    start = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("#Q"):
            yield from _entry(entry, place=f"{source}:{start}")
            entry, start = [], number
        if entry or line.strip():
            if not entry:
                start = number
            entry.append(line.strip())
    yield from _entry(entry, place=f"{source}:{start}")


def _entry(lines: list[str], *, place: str) -> Iterator[RawQuestion | Problem]:
    """Yield what the lines from one `#Q` to the next one hold."""
    if not lines:
        return
    if not lines[0].startswith("#Q"):
        yield reject(place, "is text outside of a question.", "Start the question with #Q.")
        return
    question, answer, options = [lines[0].removeprefix("#Q")], list[str](), list[list[str]]()
    letter = ""
    for line in lines[1:]:
        option = _OPTION.fullmatch(line) if answer else None
        if line.startswith("^") and not answer:
            answer.append(line.removeprefix("^"))
        elif option is not None and option[1] > letter:
            letter = option[1]
            options.append([option[2] or ""])
        else:
            # The rest of whatever came last: the question, the right answer or an option.
            (options[-1] if options else answer or question).append(line)
    if not answer:
        yield reject(place, "names no right answer.", "Add a line that starts with ^.")
        return
    yield RawQuestion(
        place=place,
        question=_joined(question),
        options=tuple(_joined(option) for option in options),
        correct_answer=_joined(answer),
    )


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines if line.strip())
