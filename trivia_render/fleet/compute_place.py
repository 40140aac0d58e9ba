"""Where a managed instance group is, and how long Compute Engine may take. Loads nothing of Google's."""

import re
import time
from typing import Literal, NamedTuple

from trivia_render.errors import BadInputError

#: Names of projects (those of an organisation's domain have a colon), regions, zones and groups.
_NAME = re.compile(r"[a-z0-9][a-z0-9.:-]{0,127}")


class Place(NamedTuple):
    """A managed instance group of a project, in a region or in a single zone."""

    project: str
    scope: Literal["region", "zone"]
    location: str
    group: str

    def __str__(self) -> str:
        return f"{self.group} in {self.location} of {self.project}"

    @property
    def flags(self) -> str:
        """The group as gcloud's commands name it."""
        return f"{self.group} --{self.scope}={self.location} --project={self.project}"


class Limits(NamedTuple):
    """How long a call of the port may take, with all its requests, further tries and waits."""

    deadline_seconds: float = 45.0
    #: One request's, for the connection and for the answer each.
    request_seconds: float = 10.0
    #: How long what was asked for is waited upon. That it takes longer is no error.
    operation_seconds: float = 20.0
    #: The wait before the n-th further try is random, up to `first * 2**n` and at most `longest`.
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 8.0


DEFAULT_LIMITS = Limits()


class Deadline:
    """A moment, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, *, at_most: float = float("inf")) -> float:
        """Return the seconds until then, not below 0."""
        return max(0.0, min(self._at - time.monotonic(), at_most))


def place_of(*, project: str | None, region: str | None, zone: str | None, name: str | None) -> Place:
    """Return where the group is: in the region, or in the zone where no region is given. Pure.

    Raises BadInputError that names every setting that is missing or cannot be a name.
    """
    location = "ZONE" if region is None and zone is not None else "REGION"
    given = {"PROJECT_ID": project, location: region or zone, "TRIVIA_MACHINE_GROUP": name}
    missing = [
        f"{setting} (or ZONE)" if setting == "REGION" else setting
        for setting, value in given.items()
        if not value
    ]
    if missing:
        raise BadInputError(
            f"A fleet on Compute Engine needs a managed instance group; not set: {', '.join(missing)}.",
            remedy="Set them: the group TRIVIA_MACHINE_GROUP of PROJECT_ID, in REGION or, "
            "where that is unset, in ZONE.",
        )
    for setting, value in given.items():
        if value and not _NAME.fullmatch(value):
            raise BadInputError(
                f"{setting} is {value[:200]!r}, which is no name on Compute Engine.",
                remedy="Use the bare name of a-z 0-9 - and no URL, such as us-central1 for a region.",
            )
    return Place(
        project=project or "",
        scope="zone" if location == "ZONE" else "region",
        location=region or zone or "",
        group=name or "",
    )
