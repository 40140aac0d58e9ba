"""Arguments that Prefect passes on untouched."""

from typing import TypeVar, cast

from prefect.utilities.annotations import quote

T = TypeVar("T")


def quoted(value: T) -> T:
    """Wrap an argument of a task; the task gets the value itself.

    Without it Prefect walks through every field of every model in search of futures, and rebuilds them.
    """
    return cast("T", quote(value))
