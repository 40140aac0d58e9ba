"""What Compute Engine does about groups: its answers, the ids of requests, operations. One call at a time."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.cloud.compute import discovery
from tests.cloud.compute.group import Group, Scope

_STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
_REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 429: "rateLimitExceeded", 503: "backendError"}


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the server's
    """An answer in Google's form of an error."""

    def __init__(self, status: int, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        reason = reason or _REASONS.get(status, "backendError")
        self.status = status
        self.body = {
            "error": {
                "code": status,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
                "status": _STATUSES.get(status, "UNAVAILABLE"),
            }
        }


class Remembered(NamedTuple):
    """What a request's id stands for."""

    what: str
    operation: str


class Service:
    """The groups of all projects, and what was asked of them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.groups: list[Group] = []
        #: While it is set, operations stay at RUNNING.
        self.hold_operations = False
        self._operations: dict[str, dict[str, Any]] = {}
        self._requests: dict[tuple[str, str], Remembered] = {}
        self._failures: list[tuple[str, str, int]] = []

    def add_group(
        self, name: str, *, size: int = 0, scope: Scope = "region", project: str = "quiz", **fields: Any
    ) -> Group:
        """Make a group whose machines run already. `fields`: see `Group`."""
        location = "us-central1" if scope == "region" else "us-central1-a"
        zones = tuple(f"us-central1-{letter}" for letter in "abf") if scope == "region" else (location,)
        group = Group(name, project, scope, location, zones, self._now, **fields)
        boot, group.boot_seconds = group.boot_seconds, 0
        group.resize(size)
        group.boot_seconds = boot
        self.groups.append(group)
        return group

    def fail_next_operation(self, code: str, message: str, *, status: int = 400) -> None:
        """Let the next operation end with an error, and change nothing."""
        self._failures.append((code, message, status))

    def perform(self, match: discovery.Match, query: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Do what a request asks for and return its answer. Raises Refusal."""
        _, _, verb = match.method.id.rpartition(".")
        if "perations." in match.method.id:
            return self._operation(match.path["operation"])
        if "utoscalers." in match.method.id:
            return self._autoscaler_group(match.path).autoscaler_as_json()
        group = self._group(match.path)
        group.pass_time()
        match verb:
            case "get":
                return group.as_json()
            case "listManagedInstances":
                return _page(group, query)
            case "resize":
                size = int(query["size"])
                if not 0 <= size <= 1000:
                    raise Refusal(400, f"Invalid value for field 'size': '{size}'.")
                return self._once(match, query, f"resize {size}", group, lambda: group.resize(size))
            case "deleteInstances":
                names = _members(group, body)
                what = f"deleteInstances {json.dumps(body, sort_keys=True)}"
                return self._once(match, query, what, group, lambda: group.delete(names))
        raise AssertionError(f"This stand-in has no {match.method.id}.")

    def _once(
        self,
        match: discovery.Match,
        query: Mapping[str, str],
        what: str,
        group: Group,
        do: Callable[[], None],
    ) -> dict[str, Any]:
        """Do something unless the request's id was seen before; return its operation either way."""
        given = query.get("requestId")
        key = (match.method.id, given or str(uuid.uuid4()))
        if given is not None:
            if not _is_uuid(given):
                raise Refusal(400, f"Invalid value for field 'requestId': '{given}'. Must be a valid UUID.")
            known = self._requests.get(key)
            if known is not None:
                if known.what != what:
                    raise Refusal(400, f"The request ID '{given}' was used for another request.")
                return self._operation(known.operation)
        number = str(7_000_000_000_000_000_000 + len(self._operations))
        operation: dict[str, Any] = {
            "kind": "compute#operation",
            "id": number,
            "name": f"operation-{number}",
            "operationType": f"compute.{match.method.id}",
            "status": "RUNNING",
            "progress": 0,
            "targetLink": group.url,
            group.scope: f"{group.base}/{group.scope}s/{group.location}",
            **({"clientOperationId": given} if given else {}),
        }
        if self._failures:
            code, message, status = self._failures.pop(0)
            operation["error"] = {"errors": [{"code": code, "message": message}]}
            operation["httpErrorStatusCode"], operation["httpErrorMessage"] = status, message
        else:
            do()
        self._operations[operation["name"]] = operation
        self._requests[key] = Remembered(what, operation["name"])
        # As it is when the request comes in; whoever asks for it again finds it done.
        return {name: value for name, value in operation.items() if "rror" not in name}

    def _operation(self, name: str) -> dict[str, Any]:
        found = self._operations.get(name)
        if found is None:
            raise Refusal(404, f"The resource '{name}' was not found")
        if self.hold_operations:
            return {key: value for key, value in found.items() if "rror" not in key}
        return {**found, "status": "DONE", "progress": 100}

    def _group(self, path: Mapping[str, str]) -> Group:
        for group in self.groups:
            if group.name == path["instanceGroupManager"] and _is_in(group, path):
                return group
        place = f"zones/{path['zone']}" if "zone" in path else f"regions/{path['region']}"
        wanted = f"projects/{path['project']}/{place}/instanceGroupManagers/{path['instanceGroupManager']}"
        raise Refusal(404, f"The resource '{wanted}' was not found")

    def _autoscaler_group(self, path: Mapping[str, str]) -> Group:
        for group in self.groups:
            if group.autoscaler and group.autoscaler.name == path["autoscaler"] and _is_in(group, path):
                return group
        raise Refusal(404, f"The resource '{path['autoscaler']}' was not found")


def _is_in(group: Group, path: Mapping[str, str]) -> bool:
    return group.project == path["project"] and path.get(group.scope) == group.location


def _is_uuid(text: str) -> bool:
    try:
        return uuid.UUID(text).int != 0
    except ValueError:
        return False


def _page(group: Group, query: Mapping[str, str]) -> dict[str, Any]:
    vms = sorted(group.vms.values(), key=lambda vm: vm.name)
    answer: dict[str, Any] = {}
    if group.paginated:
        size = min(int(query.get("maxResults", 500)) or 500, group.page_size)
        vms = [vm for vm in vms if vm.name >= query.get("pageToken", "")]
        if len(vms) > size:
            answer["nextPageToken"] = vms[size].name
        vms = vms[:size]
    if vms:
        answer["managedInstances"] = [group.vm_as_json(vm) for vm in vms]
    return answer


def _members(group: Group, body: Mapping[str, Any]) -> list[str]:
    """Return the names of the machines that a request deletes. Raises Refusal."""
    urls = body.get("instances", [])
    if not urls or len(urls) > 1000:
        raise Refusal(400, f"Invalid value for field 'instances': {len(urls)} of them.")
    names = []
    for url in urls:
        found = re.search(r"(?:^|/)zones/(?P<zone>[^/]+)/instances/(?P<name>[^/]+)$", url)
        if found is None or found["zone"] not in group.zones:
            raise Refusal(400, f"Invalid value for field 'instances': '{url}'.")
        vm = group.vms.get(found["name"])
        if vm is None or vm.zone != found["zone"] or group.is_going(vm.name):
            if not body.get("skipInstancesOnValidationError"):
                raise Refusal(400, f"The instance '{url}' is not a member of the group, or is being deleted.")
        elif vm.name not in names:
            names.append(vm.name)
    return names
