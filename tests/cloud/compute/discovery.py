"""Compute Engine's published API: which requests there are, and what they and their answers may hold.

The document is the one that google-api-python-client ships; its schemas are made into JSON Schemas, in which
nothing is allowed that the document does not name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import googleapiclient  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

#: JSON carries 64-bit integers as text.
_TEXT_FORMATS = {"uint64": r"^[0-9]{1,20}$", "int64": r"^-?[0-9]{1,19}$"}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


class Method(NamedTuple):
    """A method of the API, such as `regionInstanceGroupManagers.resize`."""

    id: str
    http_method: str
    path: re.Pattern[str]
    parameters: Mapping[str, dict[str, Any]]
    request: str | None
    response: str


class Match(NamedTuple):
    """A method and what its path holds."""

    method: Method
    path: dict[str, str]


@cache
def document() -> dict[str, Any]:
    """Return the discovery document."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    loaded: dict[str, Any] = json.loads((folder / "compute.v1.json").read_text(encoding="utf-8"))
    return loaded


def find(http_method: str, path: str) -> Match | None:
    """Return the method that a request calls; None where the API has none."""
    for method in _methods():
        matched = method.path.fullmatch(path) if method.http_method == http_method else None
        if matched is not None:
            return Match(method, matched.groupdict())
    return None


def query_problems(method: Method, query: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield what is wrong with a request's query."""
    known = {**document()["parameters"], **method.parameters}
    for name, values in query.items():
        if name not in known or known[name].get("location") != "query":
            yield f"{method.id} has no parameter {name}"
        elif len(values) != 1 and not known[name].get("repeated"):
            yield f"{method.id}: {name} is given {len(values)} times"
        else:
            yield from (f"{method.id}: {name}: {wrong}" for wrong in _value_problems(known[name], values))
    for name, parameter in method.parameters.items():
        if parameter.get("required") and parameter["location"] == "query" and name not in query:
            yield f"{method.id} needs the parameter {name}"


def body_problems(schema: str | None, body: Any) -> Iterator[str]:
    """Yield what is wrong with a body that the schema names; None: there must be no body."""
    if schema is None:
        if body is not None:
            yield "a body where the method takes none"
        return
    for error in _validator(schema).iter_errors(body):
        yield f"{schema}: {error.json_path}: {error.message[:300]}"


def enum_of(schema: str, field: str) -> list[str]:
    """Return the values that a field may have."""
    return list(document()["schemas"][schema]["properties"][field]["enum"])


@cache
def _methods() -> tuple[Method, ...]:
    prefix = re.escape(document()["basePath"])
    found = []
    for resource in document()["resources"].values():
        for method in resource.get("methods", {}).values():
            # Of `{project}` and the like; a slash is in none of them.
            path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", method["path"])
            found.append(
                Method(
                    id=method["id"].removeprefix("compute."),
                    http_method=method["httpMethod"],
                    path=re.compile(prefix + path),
                    parameters=method.get("parameters", {}),
                    request=method.get("request", {}).get("$ref"),
                    response=method.get("response", {}).get("$ref", ""),
                )
            )
    return tuple(found)


def _value_problems(parameter: Mapping[str, Any], values: list[str]) -> Iterator[str]:
    patterns = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}
    for value in values:
        if not re.fullmatch(patterns.get(parameter["type"], r".*"), value, re.DOTALL):
            yield f"{value!r} is no {parameter['type']}"
        if "enum" in parameter and value not in parameter["enum"]:
            yield f"{value!r} is none of {parameter['enum']}"


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": _schemas()})


@cache
def _schemas() -> dict[str, Any]:
    return {name: _converted(schema) for name, schema in document()["schemas"].items()}


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type", "any")
    if kind == "any":
        return {}
    converted: dict[str, Any] = {"type": kind}
    if kind == "object":
        extra = schema.get("additionalProperties")
        converted["properties"] = {
            name: _converted(field) for name, field in schema.get("properties", {}).items()
        }
        converted["additionalProperties"] = _converted(extra) if isinstance(extra, Mapping) else False
    if kind == "array":
        converted["items"] = _converted(schema["items"])
    if "enum" in schema:
        converted["enum"] = schema["enum"]
    if "pattern" in schema:
        converted["pattern"] = f"^(?:{schema['pattern']})$"
    width = schema.get("format")
    if width in _TEXT_FORMATS:
        converted["pattern"] = _TEXT_FORMATS[width]
    if width in _RANGES:
        converted["minimum"], converted["maximum"] = _RANGES[width]
    return converted
