"""JSON text to plain values, with every syntax trap found and said in plain words.

Stricter than `json.loads`: NaN, Infinity, a key written twice, half surrogate pairs and nesting
without end are findings instead of surprises later on.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from trivia_render.models.problems import MAX_PROBLEMS, Location, Problem, error, shown

#: A config of 500 questions at every text's limit stays below.
MAX_BYTES = 5_000_000
#: Levels of objects and lists inside each other; a config needs 4, `metadata` may hold more.
MAX_DEPTH = 32
#: Longer whole numbers are of no use to anything that reads the manifest.
MAX_DIGITS = 300

_MEND_JSON = "Correct the JSON text and submit it again."


class _Unusable(NamedTuple):
    """Stands for a number that JSON text can spell and JSON does not have."""

    text: str


class _Object(dict[str, Any]):
    """An object that remembers the keys written more than once."""

    repeated: tuple[str, ...] = ()


def read_json(data: bytes | str, *, source: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value, as `plain` does, and what is wrong with it; None where it cannot be read at all."""
    text, problems = _decode(data)
    if problems:
        return None, problems
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_Unusable,
            parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else _Unusable(digits),
        )
    except json.JSONDecodeError as failure:
        return None, (_syntax_problem(failure, source=source),)
    except RecursionError:
        return None, (_too_deep(()),)
    return plain(value)


def plain(value: object) -> tuple[Any, tuple[Problem, ...]]:
    """Copy a value into plain dicts, lists and scalars, as JSON would hold it.

    Return the copy and what JSON could not hold, each with its path. In the copy something harmless
    stands in each of these places, so that the rest can still be checked.
    """
    problems: list[Problem] = []
    return _copy(value, (), problems), tuple(problems)


def _copy(value: object, location: Location, problems: list[Problem]) -> Any:
    if len(location) > MAX_DEPTH:
        problems.append(_too_deep(location))
        return None
    if isinstance(value, Mapping):
        return _copy_object(value, location, problems)
    if isinstance(value, list | tuple) and not isinstance(value, _Unusable):
        return [
            item if _is_harmless(item) else _copy(item, (*location, index), problems)
            for index, item in enumerate(value)
        ]
    found = tuple(_scalar_problems(value, location))
    if not found:
        return value
    if len(problems) <= MAX_PROBLEMS:
        problems.extend(found)
    return "?" if isinstance(value, str) else 0


def _is_harmless(value: object) -> bool:
    """Tell nearly all scalars from those that need a closer look, at a tenth of its cost."""
    if type(value) is str:
        return value.isprintable()
    return value is None or type(value) is bool or (type(value) is int and -(2**63) < value < 2**63)


def _copy_object(value: Mapping[Any, Any], location: Location, problems: list[Problem]) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for key in getattr(value, "repeated", ()):
        problems.append(
            error((*location, key), "is written more than once in this object.", "Keep one of them.")
        )
    for key, item in value.items():
        if not isinstance(key, str):
            problems.append(
                error(location, f"has the key {shown(key)}, which is not text.", "Use text keys.")
            )
        elif not _is_unicode(key):
            problems.append(error(location, "has a key with half of a surrogate pair.", _MEND_JSON))
        else:
            copy[key] = item if _is_harmless(item) else _copy(item, (*location, key), problems)
    return copy


def _scalar_problems(value: object, location: Location) -> Iterator[Problem]:
    if isinstance(value, str):
        if not _is_unicode(value):
            yield error(
                location,
                "holds half of a surrogate pair (an escape such as \\ud83d alone), which is no character.",
                "Write the character itself, or both halves of its escape.",
            )
        control = next((c for c in value if (c < " " and c not in "\t\n\r") or "\x7f" <= c <= "\x9f"), None)
        if control is not None:
            yield error(
                location, f"holds the control character U+{ord(control):04X}.", "Remove that character."
            )
    elif isinstance(value, _Unusable):
        if value.text.lstrip("-").isdigit():
            yield error(location, f"is a number of more than {MAX_DIGITS} digits.", "Write a smaller number.")
        else:
            yield error(
                location, f"is {value.text}, which is not a number in JSON.", "Write a finite number."
            )
    elif isinstance(value, float) and not math.isfinite(value):
        yield error(location, "is not a finite number.", "Write a finite number.")
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**MAX_DIGITS:
        yield error(location, f"is a number of more than {MAX_DIGITS} digits.", "Write a smaller number.")
    elif not isinstance(value, int | float | None):
        yield error(
            location,
            f"is of the Python type {type(value).__name__}, which JSON does not have.",
            "Use text, numbers, true, false, null, lists and objects.",
        )


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        found.repeated = tuple(key for key, count in counts.items() if count > 1)
    return found


def _decode(data: bytes | str) -> tuple[str, tuple[Problem, ...]]:
    size_bytes = len(data) if isinstance(data, bytes) else len(data.encode(errors="surrogatepass"))
    if size_bytes > MAX_BYTES:
        message = f"is {size_bytes:,} bytes long; a job config has at most {MAX_BYTES:,}."
        return "", (error((), message, "Split it into several jobs."),)
    if isinstance(data, str):
        return data.removeprefix("\ufeff"), ()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "", (error((), "is UTF-16 text, not UTF-8.", "Save the file as UTF-8."),)
    try:
        # Editors on Windows put a byte order mark in front of UTF-8; it means nothing and does no harm.
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as failure:
        before = data[: failure.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        byte = data[failure.start]
        message = f"is not UTF-8 text: line {line}, column {column} has the byte 0x{byte:02X}."
        return "", (error((), message, "Save the file as UTF-8."),)


def _syntax_problem(failure: json.JSONDecodeError, *, source: str) -> Problem:
    text = failure.doc
    if not text.strip():
        return error((), "is empty.", f"Hand over a JSON object; {source} holds nothing.")
    line = text.split("\n")[failure.lineno - 1]
    excerpt = line[max(0, failure.colno - 31) : failure.colno + 29].strip()
    place = f"line {failure.lineno}, column {failure.colno}"
    near = f" near {shown(excerpt)}" if excerpt else ""
    message = f"is not JSON: {failure.msg} at {place}{near}."
    return error((), message, _syntax_remedy(failure))


def _syntax_remedy(failure: json.JSONDecodeError) -> str:
    text, position = failure.doc, failure.pos
    rest, before = text[position:].lstrip(), text[:position].rstrip()
    if not rest:
        return "The text ends too early: close every string, list and object."
    if rest[0] in "}]" and before.endswith(","):
        return "Remove the comma after the last entry."
    if rest[0] in "'“”‘’":
        return 'Put keys and texts in straight double quotes ("…").'
    if rest.startswith(("//", "/*", "#")):
        return "Remove the comment; JSON has none."
    if failure.msg.startswith("Expecting ',' delimiter") and rest[0] == '"':
        return 'Put a comma between the two entries, or write a quote inside a text as \\".'
    return _MEND_JSON


def _too_deep(location: Location) -> Problem:
    return error(location[:3], f"has more than {MAX_DEPTH} levels inside each other.", "Flatten it.")


def _is_unicode(text: str) -> bool:
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)
