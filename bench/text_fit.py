"""How much of a set of real questions the default theme can set, per format. Nothing is drawn.

    python -m bench.text_fit FILE.jsonl [--theme NAME] [--format 9:16] [--show N]

FILE holds one JSON object a line with `question`, `options` (2 to 4) and `correct_answer`. Rows that
contradict themselves (an answer that is none of the options) are set all the same: only their
text counts.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.config import ThemeChoice
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.models.timeline import Line
from trivia_render.scene.layout import check_fit
from trivia_render.scene.themes import load_theme, theme_names

#: 99 % of the whole OpenTriviaQA set (49,716 questions) are no longer: all of those must fit.
COMMON_QUESTION_CHARACTERS = 308
COMMON_OPTION_CHARACTERS = 66


class Misfit(NamedTuple):
    """A row that cannot be set: its line in the file, its lengths and why."""

    row: int
    question_characters: int
    option_characters: int
    message: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--theme", default=ThemeChoice().name, choices=theme_names())
    parser.add_argument("--show", type=int, default=3, metavar="N", help="misfits to print per format")
    parser.add_argument("--format", action="append", choices=FORMATS, help="all of them, if not given")
    arguments = parser.parse_args()
    theme = load_theme(ThemeChoice(name=arguments.theme))
    rows = list(read_rows(arguments.file))
    print(f"{len(rows)} questions of {arguments.file.name}, theme {theme.name}")
    for name in arguments.format or FORMATS:
        started = time.process_time()
        misfits = list(misfits_of(rows, name, theme))
        spent = (time.process_time() - started) / max(1, len(rows))
        common = sum(1 for misfit in misfits if is_common(misfit))
        share = 100 * (1 - len(misfits) / max(1, len(rows)))
        print(
            f"{name:>5}: {len(rows) - len(misfits)} of {len(rows)} fit ({share:.2f} %); of the misfits "
            f"{common} are of common length; {1000 * spent:.1f} ms CPU a question"
        )
        for misfit in misfits[: arguments.show]:
            print(
                f"       row {misfit.row}: question {misfit.question_characters} characters, longest option "
                f"{misfit.option_characters}: {misfit.message}"
            )


def read_rows(path: Path) -> Iterator[QuestionClip]:
    """Yield each row as a question clip numbered by its line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        row = json.loads(line)
        options = tuple(row["options"][:4])
        right = row["correct_answer"]
        yield QuestionClip(
            number=number,
            total=number,
            label="Question 10/10",
            question=row["question"],
            options=options,
            correct=options.index(right) if right in options else 0,
            explanation=None,
            category=row.get("category"),
            difficulty=None,
            image=None,
            lines=(Line(role="question", text=row["question"]),),
            countdown_frames=150,
            reveal_frames=90,
            explanation_frames=0,
            gap_frames=12,
        )


def misfits_of(rows: list[QuestionClip], name: FormatName, theme: Theme) -> Iterator[Misfit]:
    """Yield the rows that do not fit a format."""
    for row in rows:
        try:
            check_fit(row, format=name, theme=theme, language="en-US")
        except TextDoesNotFitError as error:
            longest = max(len(option) for option in row.options)
            yield Misfit(row.number, len(row.question), longest, error.message)


def is_common(misfit: Misfit) -> bool:
    """Tell whether a row is no longer than 99 % of the whole set."""
    return (
        misfit.question_characters <= COMMON_QUESTION_CHARACTERS
        and misfit.option_characters <= COMMON_OPTION_CHARACTERS
    )


if __name__ == "__main__":
    main()
