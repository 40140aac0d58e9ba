"""Which format a set of questions has, and the importer for it."""

import re
from collections.abc import Callable
from typing import Literal

from trivia_render.errors import BadInputError
from trivia_render.importers.csv_file import import_csv
from trivia_render.importers.opentdb import import_opentdb
from trivia_render.importers.opentriviaqa import import_opentriviaqa
from trivia_render.importers.report import ImportReport

KnownFormat = Literal["opentriviaqa", "opentdb", "csv"]
SourceFormat = Literal["auto"] | KnownFormat

_IMPORTERS: dict[KnownFormat, Callable[..., ImportReport]] = {
    "opentriviaqa": import_opentriviaqa,
    "opentdb": import_opentdb,
    "csv": import_csv,
}


def import_questions(data: bytes, *, format: SourceFormat = "auto", source: str) -> ImportReport:
    """Read questions of any known format; what cannot be used is told in `rejected`.

    Raises BadInputError where the whole is not of the format. `source` names it in messages.
    """
    if not data.strip():
        raise BadInputError(f"{source} is empty.", remedy="Name a file with questions.")
    return _IMPORTERS[detect_format(data) if format == "auto" else format](data, source=source)


def detect_format(data: bytes) -> KnownFormat:
    """Tell the format by its first characters: JSON, a line with `#Q`, else a table."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"{", b"[")):
        return "opentdb"
    return "opentriviaqa" if re.search(rb"^#Q", start, re.MULTILINE) else "csv"
