"""What is wrong with an input, said so that its author can mend it."""

import json
import re
from typing import Literal

from trivia_render.models.base import Model

#: Where something is in a JSON value: keys and indices from the root.
Location = tuple[str | int, ...]

#: More findings than anyone reads: a report of more is cut off, and says so.
MAX_PROBLEMS = 1000

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_CHARACTERS = 60


class Problem(Model):
    """One finding: where (a JSON path such as `$.questions[3].answer_c`), what, and what to do."""

    severity: Literal["error", "warning"]
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message} {self.remedy}"


def error(location: Location, message: str, remedy: str) -> Problem:
    """Return a finding that keeps the input from being used."""
    return Problem(severity="error", path=json_path(location), message=message, remedy=remedy)


def warning(location: Location, message: str, remedy: str) -> Problem:
    """Return a finding that its author should know of."""
    return Problem(severity="warning", path=json_path(location), message=message, remedy=remedy)


def json_path(location: Location) -> str:
    """Return the JSON path, such as `$.questions[3].answer_c` or `$["an odd key"]`."""
    return "$" + "".join(_step(part) for part in location)


def shown(value: object) -> str:
    """Return the value as JSON would write it, shortened to one short line."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    # Half a surrogate pair cannot be printed.
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) and len(part) <= _SHOWN_CHARACTERS else f"[{shown(part)}]"
