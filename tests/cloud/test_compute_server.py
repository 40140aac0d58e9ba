"""The local Compute Engine of the tests: as strict as the real one where it matters."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from tests.cloud.compute import ComputeServer, compute_server

GROUP = "/compute/v1/projects/quiz/regions/us-central1/instanceGroupManagers/render"


@pytest.fixture
def compute() -> Iterator[ComputeServer]:
    with compute_server() as running:
        yield running


def call(compute: ComputeServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310
        compute.url + path, None if body is None else json.dumps(body).encode(), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def status_of(method: str, path: str, body: Any, *, action: str = "NONE") -> int:
    """Make one call, as a test would, and end; return the answer's status."""
    with compute_server() as compute:
        group = compute.add_group("render", size=1)
        group.vms["render-0000"].action = action
        status, _ = call(compute, method, path, body)
        assert group.target == 1
    return status


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("GET", "/compute/v1/projects/quiz/groups/render", None, "there is no GET"),
        ("PATCH", f"{GROUP}/resize?size=3", None, "there is no PATCH"),
        ("POST", f"{GROUP}/resize?size=3&force=true", None, "no parameter force"),
        ("POST", f"{GROUP}/resize?size=many", None, "'many' is no integer"),
        ("POST", f"{GROUP}/resize?size=3&size=4", None, "size is given 2 times"),
        ("POST", f"{GROUP}/resize", None, "needs the parameter size"),
        ("POST", f"{GROUP}/resize?size=3", {}, "a body where the method takes none"),
        ("POST", f"{GROUP}/deleteInstances", None, "is not of type 'object'"),
        ("POST", f"{GROUP}/deleteInstances", {"names": []}, "'names' was unexpected"),
        ("POST", f"{GROUP}/deleteInstances", {"instances": [3]}, "3 is not of type 'string'"),
    ],
)
def test_what_the_published_api_does_not_know_is_refused_and_fails_the_test(
    method: str, path: str, body: Any, problem: str
) -> None:
    with pytest.raises(AssertionError, match=problem):
        status_of(method, path, body)


@pytest.mark.parametrize("action", ["NONE", "POLISHING"])
def test_an_answer_is_held_to_the_published_api_too(action: str) -> None:
    known = action == "NONE"
    with nullcontext() if known else pytest.raises(AssertionError, match="'POLISHING' is not one of"):
        assert status_of("POST", f"{GROUP}/listManagedInstances", None, action=action) == 200


def test_the_same_id_is_the_same_operation_and_takes_effect_once(compute: ComputeServer) -> None:
    group = compute.add_group("render", size=1)
    path = f"{GROUP}/resize?size=3&requestId={uuid.uuid4()}"
    first = call(compute, "POST", path)[1]
    group.resize(5)
    again = call(compute, "POST", path)[1]
    assert (first["name"], group.target) == (again["name"], 5)
    assert (first["status"], again["status"]) == ("RUNNING", "DONE")


def test_an_id_that_was_used_for_something_else_is_refused(compute: ComputeServer) -> None:
    compute.add_group("render", size=1)
    request_id = uuid.uuid4()
    assert call(compute, "POST", f"{GROUP}/resize?size=3&requestId={request_id}")[0] == 200
    status, answer = call(compute, "POST", f"{GROUP}/resize?size=4&requestId={request_id}")
    assert (status, "used for another request" in answer["error"]["message"]) == (400, True)


@pytest.mark.parametrize("request_id", ["grow", str(uuid.UUID(int=0))])
def test_an_id_that_is_no_uuid_is_refused(compute: ComputeServer, request_id: str) -> None:
    compute.add_group("render", size=1)
    assert call(compute, "POST", f"{GROUP}/resize?size=3&requestId={request_id}")[0] == 400


def test_a_machine_that_goes_already_is_refused_or_skipped_and_never_counted_again(
    compute: ComputeServer,
) -> None:
    group = compute.add_group("render", size=3)
    body: dict[str, Any] = {"instances": [group.vm_url(group.vms["render-0000"])]}
    for expected, skips in [(200, False), (400, False), (200, True)]:
        asked = {**body, "skipInstancesOnValidationError": skips}
        assert call(compute, "POST", f"{GROUP}/deleteInstances", asked)[0] == expected
        assert group.target == 2


def test_a_machine_of_another_zone_is_refused_in_any_case(compute: ComputeServer) -> None:
    compute.add_group("render", size=1)
    body = {"instances": ["zones/mars-a/instances/render-0000"], "skipInstancesOnValidationError": True}
    assert call(compute, "POST", f"{GROUP}/deleteInstances", body)[0] == 400


def test_a_group_that_is_resized_to_fewer_chooses_who_goes(compute: ComputeServer) -> None:
    group = compute.add_group("render", size=3)
    assert call(compute, "POST", f"{GROUP}/resize?size=1")[0] == 200
    assert (group.target, len(group.victims)) == (1, 2)


def test_pages_come_only_where_the_group_is_set_to_them(compute: ComputeServer) -> None:
    group = compute.add_group("render", size=3)
    path = f"{GROUP}/listManagedInstances?maxResults=2"
    assert len(call(compute, "POST", path)[1]["managedInstances"]) == 3
    group.paginated = True
    first = call(compute, "POST", path)[1]
    second = call(compute, "POST", f"{path}&pageToken={first['nextPageToken']}")[1]
    assert (len(first["managedInstances"]), len(second["managedInstances"])) == (2, 1)
    assert "nextPageToken" not in second
