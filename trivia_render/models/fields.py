"""The job config's fields by their place: what they mean, what they take, which names are near."""

import difflib
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trivia_render.models.config import JobConfig
from trivia_render.models.problems import Location

#: A word nearer than this to a known one is taken for a slip of the pen (difflib's ratio).
NEAR = 0.6
#: Longer words are no slips, and comparing them costs time.
_LONGEST_SLIP = 64


def fields_at(location: Location) -> Mapping[str, FieldInfo]:
    """Return the fields of the model at this place of a job config; none where there is no model."""
    model: type[BaseModel] | None = JobConfig
    for part in location:
        if isinstance(part, int):
            continue  # an entry of a list is of the type that the list's field names
        if model is None or part not in model.model_fields:
            return {}
        model = _model_in(model.model_fields[part].annotation)
    return {} if model is None else model.model_fields


def field_at(location: Location) -> FieldInfo | None:
    """Return the field at this place, or of the list that this place is an entry of."""
    while location and isinstance(location[-1], int):
        location = location[:-1]
    return fields_at(location[:-1]).get(str(location[-1])) if location else None


def meaning(location: Location) -> str:
    """Return the first sentence of the field's description."""
    field = field_at(location)
    return f"{(field.description or '').split('. ')[0].rstrip('.')}." if field else ""


def choices(location: Location) -> tuple[str, ...]:
    """Return the words that the field takes; none where it takes any."""
    field = field_at(location)
    return tuple(_literals(field.annotation)) if field else ()


def bounds(location: Location) -> tuple[float, float]:
    """Return the smallest and the largest number that the field takes, infinite where it has none."""
    field = field_at(location)
    low, high = float("-inf"), float("inf")
    for piece in (*field.metadata, *_metadata(field.annotation)) if field else ():
        low, high = getattr(piece, "ge", low), getattr(piece, "le", high)
    return low, high


def nearest(word: str, known: Collection[str], *, least: float = NEAR) -> str | None:
    """Return the known word that is nearest in spelling, or None where none is near."""
    if len(word) > _LONGEST_SLIP:
        return None
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=least)
    return by_folded[found[0]] if found else None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model is not None), None)


def _literals(annotation: Any) -> Iterator[str]:
    if typing.get_origin(annotation) is typing.Literal:
        yield from typing.get_args(annotation)
    else:
        for argument in typing.get_args(annotation):
            yield from _literals(argument)


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield the constraints inside an annotation such as `Annotated[int, Field(ge=3)] | None`."""
    for piece in getattr(annotation, "__metadata__", ()):
        yield from getattr(piece, "metadata", (piece,))
    for argument in typing.get_args(annotation):
        yield from _metadata(argument)
