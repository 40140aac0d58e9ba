"""A managed instance group of Compute Engine as a `MachineGroup`. Google's client is loaded at first use."""

import uuid
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from trivia_render.errors import FleetError
from trivia_render.fleet.compute_place import DEFAULT_LIMITS, Deadline, Limits, Place, place_of
from trivia_render.fleet.compute_states import State, problem_of, state_of
from trivia_render.fleet.machines import GroupState, Instance

if TYPE_CHECKING:
    from google.cloud import compute_v1

    from trivia_render.fleet.compute_api import ComputeApi


class ComputeGroup:
    """A managed instance group: of a region where one is given, else of a zone.

    It never lets the group choose which machines go: the target is raised by resizing, and only ever lowered
    together with the deletion of machines by name. Each call ends within `Limits.deadline_seconds`.

    `endpoint`: Compute Engine at another address; `http://host:port` goes without credentials.
    """

    def __init__(
        self,
        *,
        project: str | None,
        name: str | None,
        region: str | None = None,
        zone: str | None = None,
        endpoint: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Check what was given, and reach out to nobody. Raises BadInputError that names the setting."""
        self._place = place_of(project=project, region=region, zone=zone, name=name)
        self._endpoint = endpoint
        self._limits = limits

    def read(self) -> GroupState:
        """Return the group as it is now.

        A machine's `since` is None: a group tells no times, and asking for each machine's own would take
        another call and still not say when it was started again. Whoever judges a machine by its age counts
        from when it was first seen.
        """
        api, deadline = self._begin()
        manager = api.manager(deadline)
        return GroupState(
            target=manager.target_size,
            instances=tuple(_instance(item) for item in api.instances(deadline)),
            foreign_autoscaler=self._driver(manager, deadline),
        )

    def grow(self, size: int, *, request_id: str) -> None:
        """Make the group aim at so many machines; that it does already is all right.

        Raises FleetError for fewer than it aims at right before, and while Google's own autoscaler drives it.
        Compute Engine has no resizing on a condition: nothing else may change the target at the same time.
        """
        api, deadline = self._begin()
        manager = api.manager(deadline)
        driver = self._driver(manager, deadline)
        if driver is not None:
            raise _driven(self._place, driver)
        if size < manager.target_size:
            raise FleetError(
                f"The machine group {self._place} aims at {manager.target_size} machines: "
                f"it does not grow to {size}.",
                remedy="Delete machines by their names; else the group would choose which ones go.",
            )
        if size > manager.target_size:
            started = api.resize(size, request_id=_uuid(request_id, str(size)), deadline=deadline)
            api.finish(started, deadline)

    def delete(self, names: Sequence[str], *, request_id: str) -> None:
        """Delete these machines and lower the group's target by their number.

        Those that are gone or going already are passed over, here and, where they go just now, by the group.
        """
        api, deadline = self._begin()
        urls = [
            item.instance or item.name
            for item in api.instances(deadline)
            if item.name in names and _state(item) != "leaving"
        ]
        if urls:
            started = api.delete_instances(urls, request_id=_uuid(request_id, *urls), deadline=deadline)
            api.finish(started, deadline)

    def close(self) -> None:
        """Close the connections; another call opens new ones."""
        api = self.__dict__.pop("_api", None)
        if api is not None:
            api.close()

    def _begin(self) -> "tuple[ComputeApi, Deadline]":
        # Loading the client is no time of Compute Engine's.
        return self._api, Deadline(self._limits.deadline_seconds)

    @cached_property
    def _api(self) -> "ComputeApi":
        from trivia_render.fleet.compute_api import ComputeApi  # noqa: PLC0415 - takes two seconds

        return ComputeApi(self._place, endpoint=self._endpoint, limits=self._limits)

    def _driver(self, manager: "compute_v1.InstanceGroupManager", deadline: Deadline) -> str | None:
        """Return the name of Google's autoscaler, if one is attached and not off.

        Also one that may only add machines would work against this one: it would add again what was deleted.
        """
        name = manager.status.autoscaler.rpartition("/")[2]
        found = self._api.autoscaler(name, deadline) if name else None
        return None if found is None or found.autoscaling_policy.mode == "OFF" else name


def make_compute_group(
    *,
    project: str | None,
    region: str | None,
    zone: str | None,
    name: str | None,
    endpoint: str | None = None,
) -> ComputeGroup:
    """Return the group that the settings name. Raises BadInputError that names those that are missing."""
    return ComputeGroup(project=project, region=region, zone=zone, name=name, endpoint=endpoint)


def _instance(item: "compute_v1.ManagedInstance") -> Instance:
    state = _state(item)
    codes = [error.code for error in item.last_attempt.errors.errors]
    return Instance(name=item.name, state=state, problem=problem_of(state, codes))


def _state(item: "compute_v1.ManagedInstance") -> State:
    return state_of(action=item.current_action, status=item.instance_status, target=item.target_status)


def _uuid(request_id: str, *what: str) -> str:
    """Return the id of what is asked for, as Compute Engine takes it: a UUID.

    It is another where the same request comes to mean something else, since some machines have gone
    meanwhile: an id stands for one thing.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join((request_id, *what))))


def _driven(place: Place, name: str) -> FleetError:
    return FleetError(
        f"Google's autoscaler {name} drives the machine group {place}: two would work against each other.",
        remedy="Switch it off: `gcloud compute instance-groups managed update-autoscaling "
        f"{place.flags} --mode=off`, or unset TRIVIA_FLEET.",
    )
