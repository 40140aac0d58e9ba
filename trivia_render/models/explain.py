"""What pydantic found in a job config, in plain words, with a remedy for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from trivia_render.models.fields import bounds, choices, field_at, fields_at, meaning, nearest
from trivia_render.models.problems import Location, Problem, error, shown
from trivia_render.models.theme import THEME_NAMES

_Words = tuple[str, str]

_COLOUR = ("is no colour", "Write a colour as #rrggbb, such as #1a2b3c.")
_PATTERNS = {
    "channel": (
        "is no id: letters, digits, - and _ only, starting with a letter or digit, 1 to 63 of them",
        "Choose an id such as my-channel.",
    ),
    "tts_voice": ("is no voice name", "Name a voice such as en-US-Neural2-F."),
}
_KINDS = {
    "string_type": "a text in double quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_NUMERIC = frozenset({"int_type", "int_from_float", "float_type"})


def explain(details: Sequence[ErrorDetails], *, config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for each finding about the config, but not for what follows from another one.

    Contradictions between a question's answers and repeated entries of a list are left to `parse.py`, which
    finds them also where something else is wrong there.
    """
    renamed = _likely_renames(details)
    for detail in details:
        kind, location = detail["type"], detail["loc"]
        if kind in {"answers", "repeated"} or (kind == "missing" and location in renamed.values()):
            continue  # of a misspelt key, the unknown one is reported and the missing one is not
        if kind == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # the list is long enough, but its entries have problems of their own
        if kind == "extra_forbidden":
            message, remedy = _unknown_key(location, renamed)
        else:
            message, remedy = _WORDS.get(kind, _other)(detail)
        if location == ("theme", "name") and isinstance(config["theme"], str):
            location = ("theme",)
        yield error(location, message, remedy)


def _missing(detail: ErrorDetails) -> _Words:
    return "is missing.", f"Add it: {meaning(detail['loc'])}"


def _wrong_type(detail: ErrorDetails) -> _Words:
    kind, value = detail["type"], detail["input"]
    wanted = "a theme's name or an object" if detail["loc"] == ("theme",) else _KINDS[kind]
    remedy = f"Write {wanted}."
    if value is None:
        remedy = f"Write {wanted}, or leave the key out where it is optional."
    elif kind in _NUMERIC and isinstance(value, str) and _is_number(value):
        remedy = f"Write {value.strip()} without quotes."
    elif kind in _NUMERIC and isinstance(value, float) and value.is_integer():
        remedy = f"Write {value:.0f}."
    elif kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        remedy = f'Write "{shown(value)}".'
    elif kind == "tuple_type" and isinstance(value, str):
        remedy = f"Write [{shown(value)}]."
    return f"must be {wanted}, not {_named(value)}.", remedy


def _named(value: object) -> str:
    if value is None or isinstance(value, bool):
        return shown(value)
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float):
        return f"the number {shown(value)}"
    return "a list" if isinstance(value, list) else "an object"


def _too_small(detail: ErrorDetails) -> _Words:
    message = f"is {shown(detail['input'])}, under the smallest allowed value {detail['ctx']['ge']:g}."
    return message, _range(detail["loc"])


def _too_large(detail: ErrorDetails) -> _Words:
    message = f"is {shown(detail['input'])}, over the largest allowed value {detail['ctx']['le']:g}."
    return message, _range(detail["loc"])


def _range(location: Location) -> str:
    low, high = bounds(location)
    return f"Choose a number from {low:g} to {high:g}."


def _not_a_choice(detail: ErrorDetails) -> _Words:
    value, known = detail["input"], choices(detail["loc"])
    # Choices are short: at a lower limit, "1:1" would be guessed for "16:10".
    near = nearest(value, known, least=0.8) if isinstance(value, str) else None
    message = f"must be one of {', '.join(map(shown, known))}, not {shown(value)}."
    return message, f"Did you mean {shown(near)}?" if near else "Choose one of them."


def _wrong_form(detail: ErrorDetails) -> _Words:
    finding, remedy = _PATTERNS.get(str(detail["loc"][-1]), _COLOUR)
    return f"{shown(detail['input'])} {finding}.", remedy


def _nothing_written(detail: ErrorDetails) -> _Words:
    field = field_at(detail["loc"])
    optional = field is not None and not field.is_required()
    message = "is empty." if detail["type"] == "string_too_short" else "has no visible character."
    return message, "Write a text, or leave the key out." if optional else "Write a text."


def _too_much_text(detail: ErrorDetails) -> _Words:
    length, most = len(detail["input"].strip()), detail["ctx"]["max_length"]
    return f"has {length:,} characters; at most {most:,} are allowed.", "Shorten it."


def _too_few(detail: ErrorDetails) -> _Words:
    return "is an empty list.", f"Give at least {detail['ctx']['min_length']}."


def _too_many(detail: ErrorDetails) -> _Words:
    length, most = len(detail["input"]), detail["ctx"]["max_length"]
    return f"has {length} entries; at most {most} are allowed.", "Remove some."


def _no_theme(detail: ErrorDetails) -> _Words:
    near = nearest(detail["input"], THEME_NAMES)
    hint = f"Did you mean {shown(near)}? " if near else ""
    known = ", ".join(map(shown, THEME_NAMES))
    return f"{shown(detail['input'])} is no theme name.", f"{hint}`trivia themes` lists them: {known}."


def _no_reference(detail: ErrorDetails) -> _Words:
    # The reference itself is not shown: it may hold a password.
    return f"cannot be fetched: {detail['ctx']['reason']}.", "Correct it, or give a file beside the config."


def _other(detail: ErrorDetails) -> _Words:
    return f"cannot be used: {detail['msg']}.", meaning(detail["loc"])


_WORDS: Mapping[str, Callable[[ErrorDetails], _Words]] = {
    "missing": _missing,
    **dict.fromkeys(_KINDS, _wrong_type),
    "greater_than_equal": _too_small,
    "less_than_equal": _too_large,
    "literal_error": _not_a_choice,
    "string_pattern_mismatch": _wrong_form,
    "string_too_short": _nothing_written,
    "invisible": _nothing_written,
    "string_too_long": _too_much_text,
    "too_short": _too_few,
    "too_long": _too_many,
    "theme_unknown": _no_theme,
    "asset_reference": _no_reference,
}


def _unknown_key(location: Location, renamed: Mapping[Location, Location]) -> _Words:
    known = fields_at(location[:-1])
    if location in renamed:
        return "is an unknown key.", f"Rename it to {renamed[location][-1]}."
    near = nearest(str(location[-1]), known)
    if near is not None:
        return "is an unknown key.", f"The nearest known key is {near}; rename or remove this one."
    return "is an unknown key.", f"Remove it; the known keys here are {', '.join(known)}."


def _likely_renames(details: Sequence[ErrorDetails]) -> dict[Location, Location]:
    """Map each unknown key to the missing one that it most likely is."""
    missing = {detail["loc"] for detail in details if detail["type"] == "missing"}
    renamed: dict[Location, Location] = {}
    for detail in details:
        location = detail["loc"]
        if detail["type"] != "extra_forbidden":
            continue
        near = nearest(str(location[-1]), fields_at(location[:-1]))
        target = (*location[:-1], near or "")
        if target in missing and target not in renamed.values():
            renamed[location] = target
    return renamed


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
