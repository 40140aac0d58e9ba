"""The tables of README.md that are made from the code.

`python -m tests.readme` writes them anew; a test holds them against the models.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivia_render.models.schema import model_schema
from trivia_render.settings import Settings

README = Path(__file__).parents[1] / "README.md"

#: Defaults that depend on the machine, in words.
_MACHINE_DEFAULTS = {
    "WORKER_ID": "`worker-` and the process id",
    "TRIVIA_PARALLEL_CLIPS": "number of cores",
    "TRIVIA_SLOTS_FOLDER": "`trivia-slots-` and the user's number, in the temporary folder",
    "CLOUDSDK_CONFIG": "`~/.config/gcloud`",
    "TRIVIA_HOST": "host name; in a container with a number",
}
_KINDS = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "object": "object"}
#: What a text with a form of its own is called, by the field's name.
_FORMS = {
    "channel": "id",
    "name": "theme name",
    "theme": "theme name",
    "tts_voice": "voice name",
    "image": "image file or address",
    "background_image": "image file or address",
    "logo": "image file or address",
}


def config_table() -> str:
    """A row for each key of a job config: what it takes, its default, its meaning."""
    rows = [
        f"| `{path}` | {_takes(path, field)} | {_default(field, required=required)} | {_meaning(field)} |"
        for path, field, required in _fields(model_schema(), prefix="")
    ]
    return "\n".join(["| Key | Takes | Default | Meaning |", "|---|---|---|---|", *rows])


def settings_table() -> str:
    """A row for each environment variable."""
    rows = [
        f"| `{field.validation_alias}` | {_setting_default(str(field.validation_alias), field.default)} "
        f"| {field.description} |"
        for field in Settings.model_fields.values()
    ]
    return "\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *rows])


TABLES = {"config": config_table, "settings": settings_table}


def with_tables(text: str) -> str:
    """Return the README's text with each table between its two marks made anew."""
    for name, table in TABLES.items():
        begin, end = (
            f"<!-- {name} table: made by `python -m tests.readme` -->",
            f"<!-- end of {name} table -->",
        )
        start, stop = text.index(begin) + len(begin), text.index(end)
        text = f"{text[:start]}\n{table()}\n{text[stop:]}"
    return text


def config_keys() -> list[str]:
    """Every key of a job config by its dotted path."""
    return [path for path, _, _ in _fields(model_schema(), prefix="")]


def _fields(node: dict[str, Any], *, prefix: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, field in node["properties"].items():
        path = f"{prefix}{name}"
        yield path, field, name in node.get("required", ())
        inner = _object_in(field)
        if inner is not None:
            yield from _fields(inner, prefix=f"{path}[]." if field.get("type") == "array" else f"{path}.")


def _object_in(field: dict[str, Any]) -> dict[str, Any] | None:
    """The object that the field holds, or whose entries it lists."""
    for choice in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in choice:
            found: dict[str, Any] = model_schema()["$defs"][choice["$ref"].rpartition("/")[2]]
            return found
    return None


def _takes(path: str, field: dict[str, Any]) -> str:
    choices = [choice for choice in field.get("anyOf", [field]) if choice.get("type") != "null"]
    return " or ".join(_takes_one(path.rpartition(".")[2], choice) for choice in choices)


def _takes_one(name: str, field: dict[str, Any]) -> str:
    kind = "object" if "$ref" in field else field["type"]
    if "enum" in field:
        words = ", ".join(f"`{choice}`" for choice in field["enum"])
    elif kind == "array":
        words = "list" if "$ref" in field["items"] else f"list of {_takes_one(name, field['items'])}"
    elif kind in ("integer", "number"):
        words = f"{_KINDS[kind]}, {field['minimum']:g} to {field['maximum']:g}"
    elif name in _FORMS and kind == "string":
        words = _FORMS[name]
    elif "pattern" in field:
        words = "`#rrggbb`"
    elif kind == "string":
        words = f"text, up to {field['maxLength']:,} characters"
    else:
        words = _KINDS[kind]
    return words


def _default(field: dict[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    default = field.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _meaning(field: dict[str, Any]) -> str:
    return str(field.get("description") or (_object_in(field) or {})["description"])


def _setting_default(variable: str, default: object) -> str:
    if variable in _MACHINE_DEFAULTS:
        return _MACHINE_DEFAULTS[variable]
    return "unset" if default is None else f"`{default}`"


def commands_in(text: str) -> list[str]:
    """The command lines of the README's shell blocks, without comments and prompts."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    lines = (line.partition("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
