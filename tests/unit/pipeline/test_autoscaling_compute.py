"""The autoscaler over a managed instance group: the real client over HTTP, a local Compute Engine."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.compute import Autoscaler, ComputeServer, Group, compute_server
from tests.unit.pipeline.scaling_world import World
from trivia_render.errors import FleetError
from trivia_render.fleet.compute import ComputeGroup
from trivia_render.pipeline.fleet_records import read_decision, read_drains


class Cloud:
    """A managed instance group with an autoscaler, and a clock that both look at."""

    def __init__(self, compute: ComputeServer, group: Group, world: World) -> None:
        self.compute = compute
        self.group = group
        self.world = world

    def wait(self, seconds: float) -> None:
        self.compute.clock.advance(seconds)
        self.world.now += timedelta(seconds=seconds)

    def running(self) -> list[str]:
        self.group.pass_time()
        return sorted(name for name, vm in self.group.vms.items() if vm.status == "RUNNING")

    def tick(self, *, pending: int = 0, busy: int = 0, dead: tuple[str, ...] = ()) -> Any:
        """Let a minute pass in which each running machine's worker speaks, and decide."""
        self.wait(60)
        drained = set(read_drains(self.world.store))
        for number, name in enumerate(self.running()):
            if name not in dead:
                at_work = number < busy
                state = "drained" if name in drained and not at_work else "ready"
                self.world.worker(name, state=state, runs=int(at_work), idle_seconds=3600)
        return self.world.step(pending=pending, running=busy)


@pytest.fixture(params=["region", "zone"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    with compute_server() as compute:
        made = compute.add_group("render", scope=request.param, size=1)
        where: dict[str, Any] = {made.scope: made.location}
        group = ComputeGroup(project=made.project, name=made.name, endpoint=compute.url, **where)
        yield Cloud(compute, made, World(tmp_path, group))
        group.close()
        assert made.victims == [], "the group itself chose a machine to go"


def until(step: Callable[[], Any], done: Callable[[], bool], *, ticks: int = 30) -> None:
    for _ in range(ticks):
        if done():
            return
        step()
    pytest.fail("in vain")


def test_a_day_in_small_one_machine_to_five_and_back(cloud: Cloud) -> None:
    cloud.tick()
    cloud.tick(pending=450, busy=1)
    assert cloud.group.target == 5
    until(lambda: cloud.tick(pending=450, busy=1), lambda: len(cloud.running()) == 5)
    until(cloud.tick, lambda: cloud.group.target == 1)
    until(cloud.tick, lambda: len(cloud.running()) == 1)
    until(cloud.tick, lambda: read_drains(cloud.world.store) == {})
    deleted = [name for past in cloud.world.history() for name in past.removed]
    assert len(deleted) == len(set(deleted)) == 4


def test_machines_at_work_stay_while_the_idle_ones_go(cloud: Cloud) -> None:
    cloud.tick()
    cloud.tick(pending=450, busy=1)
    until(lambda: cloud.tick(pending=450, busy=5), lambda: len(cloud.running()) == 5)
    at_work = cloud.running()[:2]
    for _ in range(30):
        cloud.tick(busy=2)
        assert set(at_work) <= set(cloud.running())
    assert cloud.group.target >= 2


def test_a_lost_acknowledgement_of_a_deletion_deletes_once(cloud: Cloud) -> None:
    cloud.tick()
    cloud.tick(pending=250, busy=1)
    until(lambda: cloud.tick(pending=250, busy=1), lambda: len(cloud.running()) == 3)
    cloud.compute.inject("lose_answer", "deleteInstances")
    until(cloud.tick, lambda: cloud.group.target == 1)
    for _ in range(5):
        cloud.tick()
    assert (cloud.group.target, len(cloud.running())) == (1, 1)


def test_a_cloud_without_machines_is_not_asked_for_more_and_gives_them_later(cloud: Cloud) -> None:
    cloud.tick()
    cloud.group.stockout_zones = set(cloud.group.zones)
    cloud.tick(pending=250, busy=1)
    record = cloud.tick(pending=900, busy=1)
    assert record.snapshot.stocked_out
    assert cloud.group.target == 3
    cloud.group.stockout_zones = set()
    until(lambda: cloud.tick(pending=900, busy=1), lambda: cloud.group.target == 9)


def test_a_preempted_machine_is_the_groups_to_replace(cloud: Cloud) -> None:
    cloud.tick()
    (name,) = cloud.running()
    cloud.group.preempt(name)
    until(lambda: cloud.tick(pending=10), lambda: cloud.running() == [name])
    assert cloud.group.target == 1


def test_a_machine_that_never_serves_is_replaced(cloud: Cloud) -> None:
    cloud.tick()
    (name,) = cloud.running()
    until(lambda: cloud.tick(pending=10, dead=(name,)), lambda: name not in cloud.group.vms)
    until(lambda: cloud.tick(pending=10), lambda: len(cloud.running()) == 1)
    assert cloud.group.target == 1
    assert "replace" in {past.trigger for past in cloud.world.history()}


def test_a_cloud_that_answers_late_is_asked_again(cloud: Cloud) -> None:
    cloud.compute.inject("status", "resize", value=503)
    cloud.tick(pending=250)
    assert cloud.group.target == 3


def test_googles_own_autoscaler_is_left_alone(cloud: Cloud) -> None:
    cloud.group.autoscaler = Autoscaler("theirs")
    with pytest.raises(FleetError, match="theirs"):
        cloud.tick(pending=450)
    assert cloud.group.target == 1
    record = read_decision(cloud.world.store)
    assert record is not None
    assert record.error is not None
