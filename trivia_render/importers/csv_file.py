"""Questions in a CSV file, as spreadsheets write them.

With a header the columns may stand in any order; without one they are question, two to four
options, right answer.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from trivia_render.errors import BadInputError
from trivia_render.importers.report import ImportReport, RawQuestion, check_all, reject
from trivia_render.importers.text import decode
from trivia_render.models.answers import LETTERS, OPTION_KEYS, normal_form
from trivia_render.models.problems import Problem, shown

_DELIMITERS = (",", ";", "\t", "|")
_EXTRAS = ("explanation", "category", "difficulty", "image")
_NAMES = {
    "question": ("question", "question text"),
    **{
        key: (key.replace("_", " "), f"option {letter}", letter, f"answer {number}", f"option {number}")
        for number, (letter, key) in enumerate(zip("abcd", OPTION_KEYS, strict=True), start=1)
    },
    "correct_answer": (
        "correct answer",
        "correct",
        "correct option",
        "correct answer s",
        "right answer",
        "answer",
    ),
    **{key: (key,) for key in _EXTRAS},
}
_KEY_OF = {name: key for key, names in _NAMES.items() for name in names}
_NEEDED = ("question", "answer_a", "answer_b", "correct_answer")


class _Row(NamedTuple):
    """A record and the line of the file that it starts in."""

    line: int
    cells: tuple[str, ...]


class _Table(NamedTuple):
    """A file read with one delimiter."""

    delimiter: str
    rows: tuple[_Row | Problem, ...]

    def first(self) -> tuple[str, ...]:
        """Return the first record's cells."""
        return next((row.cells for row in self.rows if isinstance(row, _Row)), ())


def import_csv(data: bytes, *, source: str) -> ImportReport:
    """Read the rows in their order.

    Raises BadInputError where no delimiter gives a table with the needed columns.
    """
    text = decode(data, source=source)
    tables = [_read(text, delimiter=delimiter, source=source) for delimiter in _DELIMITERS]
    # A real header decides; else the delimiter that gives most rows the width of a question.
    table = max(tables, key=lambda table: (len(_header(table.first())), _plausible_rows(table)))
    header = _header(table.first())
    if "question" in header.values() or len(header) > 2:
        return check_all(_rows_by_header(table, header, source=source))
    if not _plausible_rows(table):
        raise BadInputError(
            f"{source} is no table of questions.",
            remedy="Give it a header with the columns question, answer_a, answer_b, answer_c, answer_d and "
            "correct_answer, or name the --format.",
        )
    return check_all(_rows_by_order(table, source=source))


def _read(text: str, *, delimiter: str, source: str) -> _Table:
    return _Table(delimiter=delimiter, rows=tuple(_records(text, delimiter=delimiter, source=source)))


def _records(text: str, *, delimiter: str, source: str) -> Iterator[_Row | Problem]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines = f"lines {line} to {reader.line_num}" if reader.line_num > line else f"line {line}"
            yield reject(
                f"{source}:{line}",
                f"cannot be read as a row: {error} ({lines}).",
                'Close every quote, and write a quote inside a quoted text twice ("").',
            )
            continue
        if any(cell.strip() for cell in cells):
            yield _Row(line=line, cells=tuple(cells))


def _header(cells: Sequence[str]) -> dict[int, str]:
    """Map the columns that the cells name; empty where they name none."""
    found: dict[int, str] = {}
    for index, cell in enumerate(cells):
        key = _KEY_OF.get(re.sub(r"[\W_]+", " ", cell.casefold()).strip())
        if key is not None and key not in found.values():
            found[index] = key
    return found


def _plausible_rows(table: _Table) -> int:
    return sum(isinstance(row, _Row) and 4 <= len(row.cells) <= 6 for row in table.rows)


def _rows_by_header(
    table: _Table, header: Mapping[int, str], *, source: str
) -> Iterator[RawQuestion | Problem]:
    missing = [key for key in _NEEDED if key not in header.values()]
    if missing:
        raise BadInputError(
            f"{source} has no column {' and no column '.join(missing)}.",
            remedy=f"Add it; the columns are {', '.join(map(shown, table.first()))}.",
        )
    names = table.first()
    for row in table.rows:
        if isinstance(row, Problem):
            yield row
        elif row.cells is names:
            for index, name in enumerate(names):
                if index not in header and name.strip():
                    yield reject(
                        f"{source}:{row.line}",
                        f"has the column {shown(name)}, which no question has; it is not read.",
                        "Rename it where it is meant.",
                    )
        elif any(cell.strip() for cell in row.cells[len(names) :]):
            yield reject(
                f"{source}:{row.line}",
                f"has {len(row.cells)} cells, but the header has {len(names)}.",
                f"Put texts that contain {shown(table.delimiter)} in double quotes.",
            )
        else:
            # Spreadsheets leave out empty cells at the end of a row.
            cells = dict(zip(range(len(row.cells)), row.cells, strict=True))
            yield _raw(
                {key: cells.get(index, "") for index, key in header.items()}, place=f"{source}:{row.line}"
            )


def _rows_by_order(table: _Table, *, source: str) -> Iterator[RawQuestion | Problem]:
    for row in table.rows:
        if isinstance(row, Problem):
            yield row
        elif not 4 <= len(row.cells) <= 6:
            yield reject(
                f"{source}:{row.line}",
                f"has {len(row.cells)} cells; without a header a row has 4 to 6.",
                "Write question, two to four options and the right answer.",
            )
        else:
            question, *options, correct = row.cells
            cells = {
                "question": question,
                "correct_answer": correct,
                **dict(zip(OPTION_KEYS, options, strict=False)),
            }
            yield _raw(cells, place=f"{source}:{row.line}")


def _raw(cells: Mapping[str, str], *, place: str) -> RawQuestion | Problem:
    options = [cells.get(key, "").strip() for key in OPTION_KEYS]
    while options and not options[-1]:
        options.pop()
    extras = {key: cells[key].strip() for key in _EXTRAS if cells.get(key, "").strip()}
    if "difficulty" in extras:
        extras["difficulty"] = extras["difficulty"].lower()
    return RawQuestion(
        place=place,
        question=cells["question"],
        options=tuple(options),
        correct_answer=_letter_for_number(cells["correct_answer"].strip(), options),
        extras=extras,
    )


def _letter_for_number(correct: str, options: Sequence[str]) -> str:
    """Read 1 to 4 as an option's number where no option is that number."""
    if correct in ("1", "2", "3", "4") and correct not in map(normal_form, options):
        return LETTERS[int(correct) - 1]
    return correct
