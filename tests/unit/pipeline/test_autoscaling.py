"""One pass of the autoscaler over a store and a group: what it does, writes down, and does only once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipeline.scaling_world import World
from trivia_render.errors import FleetError, FleetUnavailableError
from trivia_render.fleet.machines import GroupState, Instance
from trivia_render.models.fleet import (
    Decision,
    DrainRequest,
    Machine,
    Override,
    Pause,
)
from trivia_render.pipeline.autoscaling import plan_steps
from trivia_render.pipeline.fleet_records import (
    ask_to_drain,
    read_decision,
    read_drains,
    write_model,
)
from trivia_render.storage.keys import FLEET_OVERRIDE_KEY, FLEET_PAUSE_KEY


class Group:
    """A group whose machines a test names; it remembers what it was asked."""

    def __init__(self, *names: str) -> None:
        self.target = len(names)
        self.instances = [Instance(name, "running", datetime.now(UTC)) for name in names]
        self.grown: list[int] = []
        self.deleted: list[tuple[tuple[str, ...], str]] = []
        self.foreign: str | None = None
        self.fails: BaseException | None = None
        self.able = {"delete", "grow"}

    def read(self) -> GroupState:
        return GroupState(self.target, tuple(self.instances), self.foreign)

    @contextmanager
    def only(self, what: str) -> Iterator[None]:
        """Let only one kind of change succeed."""
        self.able = {what}
        yield
        self.able = {"delete", "grow"}

    def grow(self, size: int, *, request_id: str) -> None:
        if "grow" not in self.able:
            raise FleetUnavailableError("Compute Engine does not answer.", remedy="Wait.")
        if self.fails is not None:
            raise self.fails
        assert size >= self.target
        self.grown.append(size)
        self.target = size

    def delete(self, names: Sequence[str], *, request_id: str) -> None:
        if self.fails is not None:
            raise self.fails
        self.deleted.append((tuple(names), request_id))
        self.target -= len(names)
        self.instances = [item for item in self.instances if item.name not in names]


def test_it_grows_by_the_formula_and_writes_down_why(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    world.worker("a", runs=1)
    record = world.step(pending=250, running=1)
    assert isinstance(world.group, Group)
    assert world.group.grown == [3]
    assert (record.grown_to, record.deleted, record.error) == (3, (), None)
    kept = read_decision(world.store)
    assert kept == record
    assert kept is not None
    assert kept.finished_at is not None
    (past,) = world.history()
    assert (past.machines_before, past.target_machines, past.trigger, past.acted) == (1, 3, "pending", True)
    assert (past.pending_jobs, past.running_jobs, past.workers) == (250, 1, 1)


def test_an_idle_machine_is_drained_first_and_deleted_once_it_is_drained(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a", "b"))
    assert isinstance(world.group, Group)
    world.worker("a", idle_seconds=700)
    world.worker("b", idle_seconds=900)
    record = world.step()
    assert record.asked_to_drain == ("b",)
    assert world.group.deleted == []
    assert {name: drain.by for name, drain in read_drains(world.store).items()} == {"b": "autoscaler"}

    assert world.step().deleted == (), "it has not said that it is drained"
    world.worker("b", state="drained")
    record = world.step()
    assert record.deleted == ("b",)
    assert [names for names, _ in world.group.deleted] == [("b",)]
    assert world.group.target == 1
    assert set(read_drains(world.store)) == {"b"}, "it still runs for a while, and must not take a job"
    world.worker("b", state="stopping")
    world.now += timedelta(seconds=60)
    assert world.step().deleted == ()
    assert read_drains(world.store) == {}


def test_a_drain_is_taken_back_when_work_comes(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a", "b"))
    world.worker("a")
    world.worker("b")
    (drained,) = world.step().asked_to_drain
    record = world.step(pending=50)
    assert record.taken_back == (drained,)
    assert read_drains(world.store) == {}
    assert isinstance(world.group, Group)
    assert (world.group.deleted, world.group.target) == ([], 2)


def test_a_machine_that_an_operator_drained_is_deleted_and_replaced(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    assert isinstance(world.group, Group)
    ask_to_drain(world.store, DrainRequest(worker_id="a", by="operator", at=world.now))
    world.worker("a", state="draining", runs=1)
    assert world.step(pending=50).deleted == (), "it still renders"
    world.worker("a", state="drained")
    record = world.step(pending=50)
    assert (record.deleted, record.grown_to) == (("a",), 1)
    assert world.group.target == 1


def test_the_same_deletion_has_the_same_request_id_and_the_machines_next_life_another(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a", "b"))
    assert isinstance(world.group, Group)
    for state in ("ready", "drained"):
        world.worker("a", runs=1)
        world.worker("b", state=state)
        world.group.fails = FleetUnavailableError("lost", remedy="") if state == "drained" else None
        if state == "ready":
            world.step()
    with pytest.raises(FleetUnavailableError):
        world.step()
    world.group.fails = None
    world.step()
    ((_, first),) = world.group.deleted
    # As if the acknowledgement had been lost: it is still there, drained, and asked for again.
    world.group.target, world.group.instances = 2, [Instance("a", "running"), Instance("b", "running")]
    ask_to_drain(world.store, DrainRequest(worker_id="b", by="autoscaler", at=world.now))
    world.step()
    assert world.group.deleted[-1] == (("b",), first)


def test_paused_it_decides_and_does_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    write_model(world.store, FLEET_PAUSE_KEY, Pause(at=world.now))
    record = world.step(pending=500)
    assert isinstance(world.group, Group)
    assert (record.paused, record.decision.target_machines, world.group.grown) == (True, 5, [])
    assert [past.acted for past in world.history()] == [False]


def test_an_override_counts_until_it_ends(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    until = world.now + timedelta(hours=2)
    write_model(world.store, FLEET_OVERRIDE_KEY, Override(machines=4, at=world.now, until=until))
    assert world.step().grown_to == 4
    world.now = until
    world.worker("a")
    assert world.step().decision.trigger != "manual"


def test_it_refuses_to_act_beside_another_autoscaler(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    assert isinstance(world.group, Group)
    world.group.foreign = "render-autoscaler"
    with pytest.raises(FleetError, match="Another autoscaler drives this group: render-autoscaler"):
        world.step(pending=500)
    assert world.group.grown == []
    kept = read_decision(world.store)
    assert kept is not None
    assert "render-autoscaler" in str(kept.error)
    assert [(past.acted, past.error is None) for past in world.history()] == [(False, False)]


def test_what_the_group_refuses_is_raised_and_written_down(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    assert isinstance(world.group, Group)
    world.group.fails = FleetUnavailableError("Compute Engine does not answer.", remedy="Wait.")
    with pytest.raises(FleetUnavailableError):
        world.step(pending=500)
    world.group.fails = None
    assert world.step(pending=500).grown_to == 5, "the next pass does it"


def test_a_pass_that_was_cut_off_before_it_acted_is_done_by_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    assert isinstance(world.group, Group)
    world.group.fails = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.step(pending=500)
    kept = read_decision(world.store)
    assert kept is not None
    assert kept.finished_at is None
    world.group.fails = None
    world.step(pending=500)
    world.step(pending=500)
    assert world.group.grown == [5], "and only once"


def test_drains_of_machines_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    ask_to_drain(world.store, DrainRequest(worker_id="gone", by="operator", at=world.now))
    world.worker("a", runs=1)
    world.step()
    assert read_drains(world.store) == {}


def test_a_worker_beside_the_group_stays_drained(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    world.worker("a", runs=1)
    world.worker("by-hand", state="drained")
    ask_to_drain(world.store, DrainRequest(worker_id="by-hand", by="operator", at=world.now))
    world.step()
    assert set(read_drains(world.store)) == {"by-hand"}


def test_a_silent_worker_may_be_at_work_and_is_not_deleted_by_hand_or_bounds(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a", "b", "c"), max_machines=2)
    assert isinstance(world.group, Group)
    write_model(world.store, FLEET_OVERRIDE_KEY, Override(machines=1, at=world.now))
    world.worker("c", runs=1)
    world.now += timedelta(seconds=36)
    world.worker("a", runs=1)
    world.worker("b", runs=1)
    assert world.step(running=3).decision.remove == ()
    world.now += timedelta(seconds=601)
    world.worker("a", runs=1)
    world.worker("b", runs=1)
    assert world.step(running=2).deleted == ("c",), "it has failed by now"


def test_a_pass_that_has_lost_its_turn_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a"))
    assert isinstance(world.group, Group)
    world.turn_is_lost = True
    with pytest.raises(FleetError, match="taken over"):
        world.step(pending=500)
    assert (world.group.grown, read_decision(world.store)) == ([], None)


def test_a_machine_that_was_deleted_and_could_not_be_replaced_is_still_owed(tmp_path: Path) -> None:
    world = World(tmp_path, Group("a", "b"))
    assert isinstance(world.group, Group)
    ask_to_drain(world.store, DrainRequest(worker_id="a", by="operator", at=world.now))
    world.worker("a", state="drained")
    world.worker("b", runs=1)
    with world.group.only("delete"), pytest.raises(FleetUnavailableError):
        world.step(pending=50)
    assert world.group.target == 1
    kept = read_decision(world.store)
    assert kept is not None
    assert (kept.deleted, kept.grown_to) == (("a",), None)
    assert [(past.acted, past.removed) for past in world.history()] == [(True, ("a",))]
    assert world.step(pending=50).grown_to == 2
    assert world.step(pending=50).grown_to is None


def test_without_a_group_it_decides_over_the_workers_that_serve(tmp_path: Path) -> None:
    world = World(tmp_path, None)
    world.worker("a", runs=1)
    record = world.step(pending=150)
    assert (record.fleet, record.decision.machines_before, record.decision.target_machines) == ("none", 1, 2)
    assert record.grown_to is None
    assert [past.acted for past in world.history()] == [False]


@pytest.mark.parametrize("state", ["idle", "busy", "draining", "leaving"])
def test_nothing_but_what_has_nothing_to_do_is_deleted(state: Any) -> None:
    machine = Machine(name="a", state=state, worker="a-1")
    decision = Decision(
        at=datetime.now(UTC),
        policy="operator",
        trigger="idle",
        machines_before=2,
        target_machines=1,
        remove=("a",),
        pending_jobs=0,
        utilisation_percent=0,
        reason="",
    )
    steps = plan_steps(decision, [machine])
    assert steps.delete == ()
    assert steps.drain == (("a",) if state == "idle" else ())
