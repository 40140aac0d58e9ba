"""The adapter of Compute Engine: faults, limits and refusals, over real HTTP."""

import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.compute import FOR_EVER, Autoscaler, ComputeServer, Group, compute_server
from tests.cloud.compute.group import Scope
from tests.ports import free_port
from trivia_render.errors import BadInputError, FleetError, FleetUnavailableError
from trivia_render.fleet.compute import ComputeGroup, make_compute_group
from trivia_render.fleet.compute_place import Limits
from trivia_render.fleet.observation import is_stocked_out

#: Long enough for a busy machine to answer, short enough to wait for.
QUICK = Limits(first_delay_seconds=0.01, longest_delay_seconds=0.05, operation_seconds=10)
IMPATIENT = QUICK._replace(deadline_seconds=0.8, request_seconds=0.3, operation_seconds=0.3)
#: Far above what `IMPATIENT` allows, for a machine that is busy with other things.
SOON_SECONDS = 6

Reach = Callable[..., ComputeGroup]


@pytest.fixture
def compute() -> Iterator[ComputeServer]:
    with compute_server() as running:
        yield running


@pytest.fixture
def reach(compute: ComputeServer) -> Iterator[Reach]:
    """Make adapters onto a group of that server."""
    made: list[ComputeGroup] = []

    def reach(group: Group, limits: Limits = QUICK) -> ComputeGroup:
        where = {group.scope: group.location}
        made.append(
            ComputeGroup(project=group.project, name=group.name, endpoint=compute.url, limits=limits, **where)
        )
        return made[-1]

    yield reach
    for adapter in made:
        adapter.close()


def new_id() -> str:
    return str(uuid.uuid4())


def states(group: ComputeGroup) -> dict[str, str]:
    return {item.name: item.state for item in group.read().instances}


# What passes is waited out.


@pytest.mark.parametrize("method", ["Managers.get", "listManagedInstances"])
@pytest.mark.parametrize(
    "fault", ["500", "502", "503", "504", "429", "408", "reset", "garble", "lose_answer"]
)
def test_reading_outlasts_a_fault_that_passes(
    compute: ComputeServer, reach: Reach, fault: str, method: str
) -> None:
    group = reach(compute.add_group("render", size=2))
    if fault.isdigit():
        compute.inject("status", method, value=int(fault), times=2)
    else:
        compute.inject(fault, method, times=2)  # type: ignore[arg-type]
    assert group.read().target == 2
    assert compute.calls(method) == 3


@pytest.mark.parametrize(("status", "reason"), [(403, "rateLimitExceeded"), (400, "resourceNotReady")])
def test_a_limit_on_requests_and_a_group_that_is_just_being_changed_are_waited_out(
    compute: ComputeServer, reach: Reach, status: int, reason: str
) -> None:
    group = reach(compute.add_group("render", size=2))
    compute.inject("status", "resize", value=status, reason=reason)
    group.grow(3, request_id=new_id())
    assert group.read().target == 3


@pytest.mark.parametrize(("kind", "value"), [("status", 503), ("reset", 0), ("stall", 30), ("garble", 0)])
def test_a_service_that_stays_away_is_given_up_in_time_and_may_be_tried_later(
    compute: ComputeServer, reach: Reach, kind: str, value: float
) -> None:
    group = reach(compute.add_group("render", size=2), IMPATIENT)
    compute.inject(kind, "get", value=value, times=FOR_EVER)  # type: ignore[arg-type]
    begun = time.monotonic()
    with pytest.raises(FleetUnavailableError, match="render in us-central1 of quiz") as caught:
        group.read()
    assert time.monotonic() - begun < SOON_SECONDS
    assert caught.value.retryable
    assert compute.calls("get") > 1


def test_an_address_where_nobody_answers_is_a_service_that_stays_away() -> None:
    group = ComputeGroup(
        project="quiz",
        region="us-central1",
        name="render",
        endpoint=f"http://127.0.0.1:{free_port()}",
        limits=IMPATIENT,
    )
    with pytest.raises(FleetUnavailableError):
        group.read()
    group.close()


def test_pages_without_an_end_are_given_up_in_time(compute: ComputeServer, reach: Reach) -> None:
    group = reach(compute.add_group("render", size=2, paginated=True, page_size=0), IMPATIENT)
    begun = time.monotonic()
    with pytest.raises(FleetUnavailableError):
        group.read()
    assert time.monotonic() - begun < SOON_SECONDS


def test_all_pages_of_a_large_group_are_read(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=11, paginated=True, page_size=3)
    group = reach(made)
    assert sorted(states(group)) == sorted(made.vms)
    assert compute.calls("listManagedInstances") == 4
    last = max(made.vms)
    group.delete([last], request_id=new_id())
    assert (made.target, made.is_going(last)) == (10, True)


# What was asked for is done once.


@pytest.mark.parametrize("scope", ["region", "zone"])
@pytest.mark.parametrize("fault", ["lose_answer", "reset", "garble", "503"])
def test_a_deletion_that_is_sent_again_neither_deletes_nor_counts_twice(
    compute: ComputeServer, reach: Reach, fault: str, scope: Scope
) -> None:
    made = compute.add_group("render", size=4, scope=scope)
    doomed = sorted(made.vms)[:2]
    if fault.isdigit():
        compute.inject("status", "deleteInstances", value=int(fault), times=2)
    else:
        compute.inject(fault, "deleteInstances", times=2)  # type: ignore[arg-type]
    reach(made).delete(doomed, request_id=new_id())
    assert made.target == 2
    assert [name for name in sorted(made.vms) if made.is_going(name)] == doomed
    sent = [(query, body) for method, query, body in compute.log if "deleteInstances" in method]
    assert sent[0] == sent[1] == sent[2]


def test_a_deletion_whose_caller_never_heard_of_it_counts_once_when_it_is_ordered_again(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=3)
    doomed, request_id = [min(made.vms)], new_id()
    compute.inject("lose_answer", "deleteInstances", times=FOR_EVER)
    with pytest.raises(FleetUnavailableError):
        reach(made, QUICK._replace(deadline_seconds=2)).delete(doomed, request_id=request_id)
    # As another process does it that has no memory of the first.
    reach(made).delete(doomed, request_id=request_id)
    compute.clock.advance(100)
    reach(made).delete(doomed, request_id=request_id)
    assert (made.target, len(reach(made).read().instances)) == (2, 2)


def test_a_list_that_does_not_know_yet_of_a_deletion_makes_it_count_no_second_time(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=3)
    first = min(made.vms)
    made.delete([first])
    # The list is read before the group has written down what it does; so another's deletion looks undone.
    made.vms[first].action, going = "NONE", made.is_going
    made.is_going = lambda name: name == first or going(name)  # type: ignore[method-assign]
    reach(made).delete([first], request_id=new_id())
    assert compute.calls("deleteInstances") == 1
    assert made.target == 2


def test_growth_whose_answer_is_lost_takes_effect_once(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=1)
    compute.inject("lose_answer", "resize")
    reach(made).grow(4, request_id=new_id())
    assert (made.target, len(made.vms), compute.calls("resize")) == (4, 4, 2)
    sent = {query["requestId"] for method, query, _ in compute.log if "resize" in method}
    assert len(sent) == 1


def test_nothing_is_sent_where_there_is_nothing_to_do(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=2)
    group = reach(made)
    group.grow(2, request_id=new_id())
    group.delete([], request_id=new_id())
    group.delete(["nobody"], request_id=new_id())
    assert compute.calls("resize|deleteInstances") == 0


def test_growing_to_fewer_than_the_group_aims_at_by_now_is_refused_before_it_is_asked(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=2)
    group = reach(made)
    assert group.read().target == 2
    # By another hand, meanwhile.
    made.resize(5)
    with pytest.raises(FleetError, match="aims at 5 machines: it does not grow to 3"):
        group.grow(3, request_id=new_id())
    assert (compute.calls("resize"), made.victims) == (0, [])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fails_only_named_machines_go_and_each_counts_once(
    compute: ComputeServer, reach: Reach, seed: int
) -> None:
    """A walk of growth, deletions and preemptions, with a fault at every turn."""
    chance = random.Random(seed)
    made = compute.add_group("render", size=3, paginated=True, page_size=2)
    group, target, doomed = reach(made), 3, set[str]()
    for _ in range(20):
        kind = chance.choice(["status", "reset", "lose_answer", "garble"])
        pattern = chance.choice(["get", "list", "resize", "deleteInstances", "Operations"])
        compute.inject(kind, pattern, value=503)  # type: ignore[arg-type]
        step = chance.choice(["grow", "delete", "again", "preempt"])
        staying = [name for name, state in states(group).items() if state != "leaving"]
        if step == "grow" or not staying:
            target = min(12, target + chance.randint(1, 3))
            group.grow(target, request_id=new_id())
        elif step == "preempt":
            made.preempt(chance.choice(staying))
        else:
            names = chance.sample(staying, k=chance.randint(1, min(2, len(staying))))
            request_id = new_id()
            for _ in range(1 if step == "delete" else 2):
                group.delete(names, request_id=request_id)
            target -= len(names)
            doomed |= set(names)
        compute.clock.advance(chance.choice([0, 20, 45]))
        seen = group.read()
        assert seen.target == target
        assert sum(item.state != "leaving" for item in seen.instances) == target
        assert {item.name for item in seen.instances if item.state == "leaving"} <= doomed
    assert made.victims == []


# Machines come and go.


def test_a_stockout_in_one_zone_is_told_of_the_machine_that_waits_there(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", stockout_zones={"us-central1-b"})
    group = reach(made)
    group.grow(3, request_id=new_id())
    compute.clock.advance(200)
    seen = group.read()
    assert is_stocked_out(seen)
    assert sorted((item.state, item.problem or "") for item in seen.instances) == [
        ("running", ""),
        ("running", ""),
        ("starting", "ZONE_RESOURCE_POOL_EXHAUSTED"),
    ]
    made.stockout_zones.clear()
    compute.clock.advance(200)
    seen = group.read()
    assert not is_stocked_out(seen)
    assert {(item.state, item.problem) for item in seen.instances} == {("running", None)}


def test_a_preempted_machine_is_made_anew_under_its_name_and_the_target_stays(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=2, boot_seconds=60, preemption_seconds=30)
    group, lost = reach(made), min(made.vms)
    first = made.vms[lost].id
    made.preempt(lost)
    made.stockout_zones = {made.vms[lost].zone}
    compute.clock.advance(40)
    assert states(group)[lost] == "starting"
    assert is_stocked_out(group.read())
    made.stockout_zones = set()
    compute.clock.advance(60)
    assert (group.read().target, set(states(group).values())) == (2, {"running"})
    assert made.vms[lost].id not in {None, first}


def test_a_machine_that_waits_to_be_made_anew_can_be_deleted(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=2)
    group, lost = reach(made), min(made.vms)
    made.vanish(lost)
    group.delete([lost], request_id=new_id())
    compute.clock.advance(100)
    assert (made.target, list(states(group))) == (1, [max(made.vms)])


# Google's own autoscaler.


@pytest.mark.parametrize("scope", ["region", "zone"])
@pytest.mark.parametrize("mode", ["ON", "ONLY_SCALE_OUT", "ONLY_UP"])
def test_a_group_that_another_autoscaler_drives_is_read_but_not_grown(
    compute: ComputeServer, reach: Reach, mode: str, scope: Scope
) -> None:
    made = compute.add_group("render", size=1, scope=scope)
    made.autoscaler = Autoscaler("by-cpu", mode)  # type: ignore[arg-type]
    group = reach(made)
    assert group.read().foreign_autoscaler == "by-cpu"
    with pytest.raises(FleetError, match="Google's autoscaler by-cpu drives") as caught:
        group.grow(3, request_id=new_id())
    assert f"update-autoscaling render --{scope}={made.location}" in caught.value.remedy
    assert "--mode=off" in caught.value.remedy
    assert (made.target, compute.calls("resize")) == (1, 0)


def test_an_autoscaler_that_is_off_or_gone_drives_nothing(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=1)
    made.autoscaler = Autoscaler("by-cpu", "OFF")
    group = reach(made)
    assert group.read().foreign_autoscaler is None
    group.grow(2, request_id=new_id())
    made.autoscaler = Autoscaler("by-cpu")
    compute.inject("status", r"utoscalers\.get", value=404)
    assert group.read() == group.read()._replace(foreign_autoscaler=None)
    assert made.target == 2


def test_an_autoscaler_that_may_not_be_looked_at_is_a_missing_permission(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=1)
    made.autoscaler = Autoscaler("by-cpu")
    compute.inject("status", r"utoscalers\.get", value=403)
    with pytest.raises(FleetError, match=r"compute\.autoscalers\.get"):
        reach(made).read()


# Operations.


def test_an_operation_that_fails_is_an_error_with_its_message(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=1)
    compute.fail_next_operation("RESOURCE_IN_USE", "The template is in use.")
    with pytest.raises(FleetError, match="RESOURCE_IN_USE: The template is in use") as caught:
        reach(made).grow(2, request_id=new_id())
    assert not caught.value.retryable
    assert "list-errors render --region=us-central1 --project=quiz" in caught.value.remedy


def test_an_operation_that_fails_for_now_may_be_tried_later(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=1)
    compute.fail_next_operation("INTERNAL_ERROR", "Try again.", status=503)
    with pytest.raises(FleetUnavailableError, match="INTERNAL_ERROR"):
        reach(made).delete(list(made.vms), request_id=new_id())


def test_what_has_failed_is_tried_again_when_it_is_ordered_again(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=3)
    group, doomed, request_id = reach(made), [min(made.vms)], new_id()
    for _ in range(2):
        compute.fail_next_operation("INTERNAL_ERROR", "No.")
        with pytest.raises(FleetError, match="INTERNAL_ERROR"):
            group.delete(doomed, request_id=request_id)
    group.delete(doomed, request_id=request_id)
    assert (made.target, made.is_going(doomed[0])) == (2, True)


def test_a_request_of_which_a_part_has_gone_by_itself_is_done_for_the_rest(
    compute: ComputeServer, reach: Reach
) -> None:
    made = compute.add_group("render", size=3)
    first, second, third = sorted(made.vms)
    request_id = new_id()
    compute.fail_next_operation("INTERNAL_ERROR", "No.")
    with pytest.raises(FleetError):
        reach(made).delete([first, second], request_id=request_id)
    made.delete([first])
    compute.clock.advance(100)
    reach(made).delete([first, second], request_id=request_id)
    compute.clock.advance(100)
    assert (made.target, list(states(reach(made)))) == (1, [third])


def test_an_operation_that_takes_long_goes_on_by_itself(compute: ComputeServer, reach: Reach) -> None:
    made = compute.add_group("render", size=1)
    compute.hold_operations = True
    begun = time.monotonic()
    reach(made, QUICK._replace(operation_seconds=0.3)).grow(3, request_id=new_id())
    assert 0.2 < time.monotonic() - begun < SOON_SECONDS
    assert made.target == 3


@pytest.mark.parametrize("kind", ["status", "reset", "stall"])
def test_an_operation_that_cannot_be_looked_at_just_now_is_no_error(
    compute: ComputeServer, reach: Reach, kind: str
) -> None:
    made = compute.add_group("render", size=2)
    compute.inject(kind, "Operations", value=503, times=FOR_EVER)  # type: ignore[arg-type]
    begun = time.monotonic()
    reach(made, QUICK._replace(operation_seconds=0.3)).delete([min(made.vms)], request_id=new_id())
    assert time.monotonic() - begun < SOON_SECONDS
    assert made.target == 1


# Refusals say what to do.


@pytest.mark.parametrize("method", ["Managers.get", "listManagedInstances", "resize", "Operations.wait"])
def test_a_missing_permission_names_the_role_and_the_setting(
    compute: ComputeServer, reach: Reach, method: str
) -> None:
    group = reach(compute.add_group("render", size=1))
    needed = "Required 'compute.instanceGroupManagers.update' permission for 'render'"
    compute.inject("status", method, value=403, message=needed, times=FOR_EVER)
    grow_and_read = [lambda: group.grow(2, request_id=new_id()), group.read]
    with pytest.raises(FleetError) as caught:
        [call() for call in grow_and_read]
    assert needed in caught.value.evidence
    assert "compute.instanceGroupManagers.get, .list and .update" in caught.value.remedy
    assert ", on the project that PROJECT_ID names" in caught.value.remedy
    assert not caught.value.retryable
    assert compute.calls(method) == 1


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ({"region": "us-east1"}, "REGION. For a group of a single zone, unset REGION and set ZONE"),
        ({"zone": "us-central1-a"}, "ZONE. For a group of a region, set REGION"),
    ],
)
def test_a_group_that_is_not_there_names_the_settings_that_may_be_wrong(
    compute: ComputeServer, where: dict[str, str], hint: str
) -> None:
    compute.add_group("render", size=1)
    group = ComputeGroup(project="quiz", name="render", endpoint=compute.url, limits=QUICK, **where)
    with pytest.raises(FleetError, match="There is no machine group render in") as caught:
        group.read()
    group.close()
    assert f"Correct TRIVIA_MACHINE_GROUP, PROJECT_ID or {hint}" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "reason", "said", "remedy"),
    [
        (403, "accessNotConfigured", "API is not enabled", "gcloud services enable compute.googleapis.com"),
        (401, "authError", "does not accept these credentials", "application-default login"),
        (400, "invalid", "refuses what was asked", "TRIVIA_MACHINE_GROUP"),
        (412, "conditionNotMet", "refuses what was asked", "See its message"),
    ],
)
def test_what_stands_in_the_way_is_said_with_what_to_do(
    compute: ComputeServer, reach: Reach, status: int, reason: str, said: str, remedy: str
) -> None:
    group = reach(compute.add_group("render", size=1))
    compute.inject("status", "get", value=status, reason=reason, times=FOR_EVER)
    with pytest.raises(FleetError, match=said) as caught:
        group.read()
    assert remedy in caught.value.remedy
    assert not caught.value.retryable


def test_a_machine_without_credentials_is_told_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    group = make_compute_group(project="quiz", region="us-central1", zone=None, name="render")
    with pytest.raises(FleetError, match="no Google credentials for Compute Engine") as caught:
        group.read()
    assert "application-default login" in caught.value.remedy


# What it is told.


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "PROJECT_ID, REGION (or ZONE), TRIVIA_MACHINE_GROUP"),
        ({"project": "quiz", "name": "render"}, "REGION (or ZONE)"),
        ({"project": "quiz", "zone": "us-central1-a"}, "TRIVIA_MACHINE_GROUP"),
        ({"region": "us-central1", "name": "render"}, "PROJECT_ID"),
    ],
)
def test_all_settings_that_are_missing_are_named_at_once(given: dict[str, str], missing: str) -> None:
    with pytest.raises(BadInputError) as caught:
        make_compute_group(**{"project": None, "region": None, "zone": None, "name": None, **given})
    assert caught.value.message.endswith(f"not set: {missing}.")


@pytest.mark.parametrize("name", ["projects/quiz", "us central1", "../quiz", "US-CENTRAL1", "a?b"])
@pytest.mark.parametrize(("field", "setting"), [("project", "PROJECT_ID"), ("region", "REGION")])
def test_a_setting_that_can_be_no_name_is_refused(field: str, setting: str, name: str) -> None:
    given = {"project": "quiz", "region": "us-central1", "zone": None, "name": "render", field: name}
    with pytest.raises(BadInputError, match=f"{setting} is"):
        make_compute_group(**given)


def test_a_region_counts_for_more_than_a_zone(compute: ComputeServer) -> None:
    compute.add_group("render", size=1)
    compute.add_group("render", size=2, scope="zone")
    place = {"project": "quiz", "name": "render", "endpoint": compute.url}
    regional = make_compute_group(region="us-central1", zone="us-central1-a", **place)
    zonal = make_compute_group(region=None, zone="us-central1-a", **place)
    assert (regional.read().target, zonal.read().target) == (1, 2)
    regional.close()
    zonal.close()


def test_no_cloud_client_is_loaded_before_a_group_is_asked() -> None:
    code = (
        "import sys\n"
        "from trivia_render.fleet.compute import make_compute_group\n"
        "make_compute_group(project='quiz', region='us-central1', zone=None, name='render')\n"
        "sys.exit(sorted({'google', 'requests', 'prefect'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
