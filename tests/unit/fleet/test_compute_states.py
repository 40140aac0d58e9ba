"""Every value that Compute Engine may tell of a machine has a state that was chosen for it."""

from typing import Any

import pytest
from google.cloud import compute_v1

from tests.cloud.compute.discovery import enum_of
from trivia_render.fleet.compute_states import BY_ACTION, BY_STATUS, BY_TARGET, problem_of, state_of


def client_enum(kind: Any) -> set[str]:
    return {value.name for value in kind if value.value}


def test_every_action_of_the_published_api_has_a_state_and_there_is_no_other() -> None:
    assert set(BY_ACTION) == set(enum_of("ManagedInstance", "currentAction"))
    assert set(BY_ACTION) >= client_enum(compute_v1.ManagedInstance.CurrentAction)


def test_every_status_of_the_published_api_has_a_state_and_so_has_none_at_all() -> None:
    assert set(BY_STATUS) - {""} == set(enum_of("ManagedInstance", "instanceStatus"))
    assert set(BY_STATUS) >= client_enum(compute_v1.ManagedInstance.InstanceStatus)


def test_every_target_status_of_the_published_api_was_thought_of() -> None:
    assert set(BY_TARGET) == set(enum_of("ManagedInstance", "targetStatus"))
    assert set(BY_TARGET) >= client_enum(compute_v1.ManagedInstance.TargetStatus)


@pytest.mark.parametrize("action", [action for action, state in BY_ACTION.items() if state is not None])
@pytest.mark.parametrize("status", list(BY_STATUS))
def test_what_the_group_does_with_a_machine_counts_for_more_than_its_status(action: str, status: str) -> None:
    assert state_of(action=action, status=status, target="RUNNING") == BY_ACTION[action]


@pytest.mark.parametrize("target", [target for target, state in BY_TARGET.items() if state is not None])
def test_a_machine_that_is_to_go_or_to_stand_by_is_leaving_whatever_it_does(target: str) -> None:
    assert state_of(action="NONE", status="RUNNING", target=target) == "leaving"
    assert state_of(action="CREATING", status="", target=target) == "leaving"


@pytest.mark.parametrize(
    ("action", "status", "state"),
    [
        ("NONE", "RUNNING", "running"),
        ("REFRESHING", "RUNNING", "running"),
        ("NONE", "PROVISIONING", "starting"),
        ("NONE", "REPAIRING", "starting"),
        # Preempted just now, or stopped in a group that repairs nothing: to be judged by whether it serves.
        ("NONE", "TERMINATED", "running"),
        ("RECREATING", "TERMINATED", "starting"),
        ("VERIFYING", "RUNNING", "starting"),
        ("DELETING", "RUNNING", "leaving"),
        ("ABANDONING", "RUNNING", "leaving"),
        # Words that did not exist when this was written.
        ("POLISHING", "RUNNING", "running"),
        ("POLISHING", "MARINATING", "running"),
        ("", "", "starting"),
    ],
)
def test_a_machine_is_starting_running_or_leaving(action: str, status: str, state: str) -> None:
    assert state_of(action=action, status=status, target="") == state


def test_a_stockout_is_told_before_other_errors_of_the_same_attempt() -> None:
    codes = ["CONDITION_NOT_MET", "ZONE_RESOURCE_POOL_EXHAUSTED"]
    assert problem_of("starting", codes) == "ZONE_RESOURCE_POOL_EXHAUSTED"
    assert problem_of("starting", codes[:1]) == "CONDITION_NOT_MET"
    assert problem_of("starting", []) is None


def test_errors_of_a_machine_that_runs_or_leaves_are_no_reason_why_it_was_not_made() -> None:
    assert problem_of("running", ["QUOTA_EXCEEDED"]) is None
    assert problem_of("leaving", ["QUOTA_EXCEEDED"]) is None
