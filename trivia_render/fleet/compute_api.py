"""Compute Engine's requests on one managed instance group. Importing this loads Google's client (2 s)."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import google.auth
from google.api_core.exceptions import NotFound
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import compute_v1

from trivia_render.errors import FleetError
from trivia_render.fleet.compute_errors import (
    FAULTS,
    fleet_error,
    is_passing,
    no_credentials,
    operation_error,
    too_late,
)
from trivia_render.fleet.compute_place import Deadline, Limits, Place

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_DONE = compute_v1.Operation.Status.DONE


class ComputeApi:
    """Requests on a group. A region's and a zone's have clients of their own, with the same methods.

    A request is tried again while its fault may pass and the deadline allows it. Those that change something
    carry an id, by which Compute Engine knows them again. All raise FleetError or FleetUnavailableError.
    """

    def __init__(self, place: Place, *, endpoint: str | None, limits: Limits) -> None:
        self._place = place
        self._limits = limits
        options = _options(endpoint)
        self._around = {"project": place.project, place.scope: place.location}
        self._group = {**self._around, "instance_group_manager": place.group}
        self._groups: Any
        self._autoscalers: Any
        self._operations: Any
        if place.scope == "region":
            self._groups = compute_v1.RegionInstanceGroupManagersClient(**options)
            self._autoscalers = compute_v1.RegionAutoscalersClient(**options)
            self._operations = compute_v1.RegionOperationsClient(**options)
            self._deletion = "region_instance_group_managers_delete_instances_request_resource"
        else:
            self._groups = compute_v1.InstanceGroupManagersClient(**options)
            self._autoscalers = compute_v1.AutoscalersClient(**options)
            self._operations = compute_v1.ZoneOperationsClient(**options)
            self._deletion = "instance_group_managers_delete_instances_request_resource"

    def close(self) -> None:
        """Close the connections."""
        for client in (self._groups, self._autoscalers, self._operations):
            client.transport.close()

    def manager(self, deadline: Deadline) -> compute_v1.InstanceGroupManager:
        """Return the group itself: its target, its status."""
        found: compute_v1.InstanceGroupManager = self._tried(self._groups.get, self._group, deadline)
        return found

    def autoscaler(self, name: str, deadline: Deadline) -> compute_v1.Autoscaler | None:
        """Return an autoscaler of the group's region or zone; None for one that is gone."""
        found: compute_v1.Autoscaler
        try:
            found = self._tried(self._autoscalers.get, {**self._around, "autoscaler": name}, deadline)
        except FleetError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise
        return found

    def instances(self, deadline: Deadline) -> Iterator[compute_v1.ManagedInstance]:
        """Yield the group's machines, page by page: a group may be set to answer in pages."""
        token = ""
        while True:
            request = {**self._group, **({"page_token": token} if token else {})}
            # The first page alone: a pager's later requests know no deadline of ours.
            page = next(self._tried(self._groups.list_managed_instances, request, deadline).pages)
            yield from page.managed_instances
            token = page.next_page_token
            if not token:
                return

    def resize(self, size: int, *, request_id: str, deadline: Deadline) -> compute_v1.Operation:
        """Set the group's target."""
        request = {**self._group, "size": size, "request_id": request_id}
        return self._started(self._groups.resize_unary, request, deadline)

    def delete_instances(
        self, urls: Sequence[str], *, request_id: str, deadline: Deadline
    ) -> compute_v1.Operation:
        """Delete machines and lower the target by their number; those that go already are skipped by it."""
        body = {"instances": list(urls), "skip_instances_on_validation_error": True}
        request = {**self._group, self._deletion: body, "request_id": request_id}
        return self._started(self._groups.delete_instances_unary, request, deadline)

    def finish(self, operation: compute_v1.Operation, deadline: Deadline) -> None:
        """Wait until the operation is done, which means: until the group has written down what it shall do.

        What has not ended after `Limits.operation_seconds` goes on by itself. Raises for one that has failed.
        """
        request = {**self._around, "operation": operation.name}
        until = Deadline(deadline.left(at_most=self._limits.operation_seconds))
        while operation.status != _DONE:
            if not until.left():
                return
            try:
                operation = self._operations.wait(request, retry=None, timeout=max(until.left(), 0.01))
            except FAULTS as error:
                if not is_passing(error):
                    raise fleet_error(error, self._place) from error
            if operation.status != _DONE:
                # Compute Engine itself waits before it answers, but promises nothing.
                time.sleep(until.left(at_most=self._limits.first_delay_seconds))
        failed = operation_error(operation, self._place)
        if failed is not None:
            raise failed

    def _started(
        self, call: Callable[..., Any], request: dict[str, Any], deadline: Deadline
    ) -> compute_v1.Operation:
        started: compute_v1.Operation = self._tried(call, request, deadline)
        if started.status == _DONE and operation_error(started, self._place) is not None:
            # An earlier order's with this id, which has failed: nothing would ever be tried again under it.
            request = {**request, "request_id": str(uuid.uuid4())}
            started = self._tried(call, request, deadline)
        return started

    def _tried(self, call: Callable[..., Any], request: dict[str, Any], deadline: Deadline) -> Any:
        if not deadline.left():
            raise too_late(self._place, self._limits)

        def attempt() -> Any:
            seconds = deadline.left(at_most=self._limits.request_seconds)
            return call(request, retry=None, timeout=max(seconds, 0.01))

        retry = Retry(
            predicate=is_passing,
            initial=self._limits.first_delay_seconds,
            maximum=self._limits.longest_delay_seconds,
            timeout=deadline.left(),
        )
        try:
            return retry(attempt)()
        except FAULTS as error:
            raise fleet_error(error, self._place) from error


def _options(endpoint: str | None) -> dict[str, Any]:
    """Return what each client is made with. Raises FleetError where there are no credentials."""
    where = {} if endpoint is None else {"client_options": {"api_endpoint": endpoint}}
    if endpoint is not None and endpoint.startswith("http://"):
        return {**where, "credentials": AnonymousCredentials(), "transport": "rest"}  # type: ignore[no-untyped-call]
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError as error:
        raise no_credentials(error) from error
    return {**where, "credentials": credentials, "transport": "rest"}
