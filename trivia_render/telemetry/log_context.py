"""What all log lines of a block have in common: the job, the clip, the run they belong to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

FieldValue = str | int


class _Entry(NamedTuple):
    fields: Mapping[str, FieldValue]
    #: Makes an entry unlike every other one with the same fields.
    mark: object


_entries: ContextVar[tuple[_Entry, ...]] = ContextVar("trivia_render_log_context", default=())


@contextmanager
def log_context(
    *,
    channel: str | None = None,
    job_id: str | None = None,
    attempt: int | None = None,
    clip: str | None = None,
    flow_run_id: str | None = None,
    worker_id: str | None = None,
) -> Iterator[None]:
    """Add fields to every line logged in this block. None leaves a field as it is outside; inner blocks win.

    A thread starts with nothing unless it runs in a copy of the context (`contextvars.copy_context`). The
    block may be inside a generator: wherever and in whatever order blocks end, each takes away its own
    fields and no others. Tokens of `ContextVar.set` would raise there, or bring ended blocks back.
    """
    given: dict[str, FieldValue | None] = {
        "channel": channel,
        "job_id": job_id,
        "attempt": attempt,
        "clip": clip,
        "flow_run_id": flow_run_id,
        "worker_id": worker_id,
    }
    mine = _Entry({name: value for name, value in given.items() if value is not None}, object())
    _entries.set((*_entries.get(), mine))
    try:
        yield
    finally:
        _entries.set(tuple(entry for entry in _entries.get() if entry.mark is not mine.mark))


def context_fields() -> dict[str, FieldValue]:
    """Return the fields of all blocks around the caller."""
    return {name: value for entry in _entries.get() for name, value in entry.fields.items()}
