"""The port of a group of machines: what a fleet's size is changed through."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol


class Instance(NamedTuple):
    """A machine as its group knows it. `since`: when it came into being, where that is known.

    `problem`: why the group has not been able to make it, in the vendor's code.
    """

    name: str
    state: Literal["starting", "running", "leaving"]
    since: datetime | None = None
    problem: str | None = None


class GroupState(NamedTuple):
    """A group at a moment. `foreign_autoscaler`: the name of another autoscaler that drives it."""

    target: int
    instances: tuple[Instance, ...]
    foreign_autoscaler: str | None = None


class MachineGroup(Protocol):
    """A group that keeps as many machines as it is told to, and makes lost ones anew.

    Each method raises FleetError where the group refuses, FleetUnavailableError where it cannot be reached.
    A request that is sent again with the same `request_id` takes effect once.
    """

    def read(self) -> GroupState:
        """Return the group as it is now."""
        ...

    def grow(self, size: int, *, request_id: str) -> None:
        """Make the group aim at so many machines. Raises FleetError for fewer than it aims at now."""
        ...

    def delete(self, names: Sequence[str], *, request_id: str) -> None:
        """Delete these machines and lower the group's target by their number.

        A machine that is gone or going already is passed over, and not counted again.
        """
        ...


#: Problems that mean: the cloud has no such machine to give now. Compute Engine's error codes, and its quota.
STOCKOUT_PROBLEMS = frozenset(
    {
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        "RESOURCE_POOL_EXHAUSTED",
        "RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        "QUOTA_EXCEEDED",
    }
)
