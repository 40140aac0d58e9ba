"""What every group of machines must do. Add an adapter to `GROUPS` and the whole suite runs over it."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from tests.cloud.compute import Group, compute_server
from tests.cloud.compute.group import Scope
from trivia_render.errors import FleetError
from trivia_render.fleet.compute import ComputeGroup
from trivia_render.fleet.local_group import LocalGroup
from trivia_render.fleet.local_processes import LocalProcesses
from trivia_render.fleet.machines import GroupState, MachineGroup


class Stage(Protocol):
    """An empty group, and what the tests do to its machines behind its back."""

    @property
    def group(self) -> MachineGroup: ...

    def settle(self) -> None:
        """Wait until machines that were asked for run, and those that go are gone."""

    def lose(self, name: str) -> None:
        """End a machine that nobody asked to go."""


class ComputeStage:
    """A managed instance group of a local Compute Engine, whose clock is turned by hand."""

    def __init__(self, url: str, made: Group, *, advance: Callable[[float], None]) -> None:
        where: dict[str, Any] = {made.scope: made.location}
        self.group = ComputeGroup(project=made.project, name=made.name, endpoint=url, **where)
        self._made = made
        self._advance = advance

    def settle(self) -> None:
        for _ in range(3):
            self.group.read()
            self._advance(100)

    def lose(self, name: str) -> None:
        self._made.preempt(name)


@contextmanager
def _compute(scope: Scope) -> Iterator[Stage]:
    with compute_server() as compute:
        made = compute.add_group("render", scope=scope, paginated=True, page_size=2)
        stage = ComputeStage(compute.url, made, advance=compute.clock.advance)
        yield stage
        stage.group.close()
        # Whatever happened, the group itself never had to choose who goes.
        assert made.victims == []


class LocalStage:
    """Processes of this machine, which only wait."""

    def __init__(self, folder: Path) -> None:
        self._processes = LocalProcesses(folder, environment=os.environ)
        waits = (sys.executable, "-c", "import time; time.sleep(60)")
        api_url = "http://127.0.0.1/api"
        self.group = LocalGroup(self._processes, folder=folder, host="here", api_url=api_url, command=waits)

    def settle(self) -> None:
        self.group.read()

    def lose(self, name: str) -> None:
        running = self._processes.running(name.removeprefix("here-"))
        assert running is not None
        process = psutil.Process(running.pid)
        process.kill()
        psutil.wait_procs([process], timeout=5)


@contextmanager
def _local(folder: Path) -> Iterator[Stage]:
    stage = LocalStage(folder / "fleet-local")
    try:
        yield stage
    finally:
        stage.group.stop()


#: Each makes an empty group; the folder is the test's own.
GROUPS: dict[str, Callable[[Path], AbstractContextManager[Stage]]] = {
    "compute-region": lambda _: _compute("region"),
    "compute-zone": lambda _: _compute("zone"),
    "local": _local,
}


@pytest.fixture(params=sorted(GROUPS))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with GROUPS[request.param](tmp_path) as made:
        yield made


def new_id() -> str:
    return str(uuid.uuid4())


def grown(stage: Stage, size: int) -> list[str]:
    """Grow the group, wait for its machines and return their names."""
    stage.group.grow(size, request_id=new_id())
    stage.settle()
    return names(stage.group.read())


def names(state: GroupState) -> list[str]:
    return [item.name for item in state.instances]


def staying(state: GroupState) -> list[str]:
    return [item.name for item in state.instances if item.state != "leaving"]


def test_a_new_group_aims_at_nothing_and_has_nothing(stage: Stage) -> None:
    assert stage.group.read() == GroupState(target=0, instances=(), foreign_autoscaler=None)


def test_a_group_that_grows_gets_machines_with_names_of_their_own_that_run(stage: Stage) -> None:
    stage.group.grow(3, request_id=new_id())
    assert stage.group.read().target == 3
    stage.settle()
    state = stage.group.read()
    assert len(set(names(state))) == 3
    assert [(item.state, item.problem) for item in state.instances] == [("running", None)] * 3


def test_growing_again_keeps_the_machines_there_are(stage: Stage) -> None:
    first = grown(stage, 1)
    assert set(first) < set(grown(stage, 3))


def test_growing_to_the_present_size_changes_nothing(stage: Stage) -> None:
    before = grown(stage, 2)
    assert grown(stage, 2) == before


def test_growing_to_fewer_is_refused_and_costs_no_machine(stage: Stage) -> None:
    before = grown(stage, 3)
    with pytest.raises(FleetError, match="aims at 3") as caught:
        stage.group.grow(2, request_id=new_id())
    assert "Delete machines by their names" in caught.value.remedy
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (3, before)


def test_the_same_request_to_grow_takes_effect_once(stage: Stage) -> None:
    request_id = new_id()
    for _ in range(2):
        stage.group.grow(2, request_id=request_id)
        stage.settle()
    assert (stage.group.read().target, len(names(stage.group.read()))) == (2, 2)


def test_the_machines_that_are_named_go_and_no_other(stage: Stage) -> None:
    before = grown(stage, 4)
    stage.group.delete([before[2], before[0]], request_id=new_id())
    state = stage.group.read()
    assert (state.target, staying(state)) == (2, [before[1], before[3]])
    stage.settle()
    assert names(stage.group.read()) == [before[1], before[3]]


def test_a_machine_that_does_not_run_yet_can_be_deleted(stage: Stage) -> None:
    stage.group.grow(2, request_id=new_id())
    first, second = names(stage.group.read())
    stage.group.delete([first], request_id=new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (1, [second])


@pytest.mark.parametrize("settled", [False, True], ids=["while-it-goes", "once-it-is-gone"])
@pytest.mark.parametrize("same", [False, True], ids=["another-id", "same-id"])
def test_a_machine_is_counted_out_once_however_often_it_is_deleted(
    stage: Stage, settled: bool, same: bool
) -> None:
    before = grown(stage, 3)
    request_id = new_id()
    stage.group.delete([before[0]], request_id=request_id)
    if settled:
        stage.settle()
    stage.group.delete([before[0]], request_id=request_id if same else new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (2, before[1:])


def test_of_names_some_of_which_are_gone_the_others_go(stage: Stage) -> None:
    before = grown(stage, 3)
    stage.group.delete([before[0]], request_id=new_id())
    stage.group.delete([before[0], before[1], "nobody"], request_id=new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (1, [before[2]])


def test_a_name_that_is_given_twice_counts_once(stage: Stage) -> None:
    before = grown(stage, 2)
    stage.group.delete([before[0], before[0]], request_id=new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (1, [before[1]])


@pytest.mark.parametrize("wanted", [[], ["nobody"]], ids=["none", "unknown"])
def test_deleting_nobody_changes_nothing(stage: Stage, wanted: list[str]) -> None:
    before = grown(stage, 2)
    stage.group.delete(wanted, request_id=new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (2, before)


def test_a_group_can_shrink_to_nothing_and_grow_again(stage: Stage) -> None:
    stage.group.delete(grown(stage, 2), request_id=new_id())
    stage.settle()
    assert stage.group.read() == GroupState(target=0, instances=())
    assert len(grown(stage, 1)) == 1


def test_a_machine_that_is_lost_is_made_anew_under_its_name(stage: Stage) -> None:
    before = grown(stage, 2)
    stage.lose(before[0])
    stage.settle()
    state = stage.group.read()
    assert (state.target, names(state)) == (2, before)
    assert {item.state for item in state.instances} == {"running"}


def test_a_machine_that_was_made_anew_can_be_deleted(stage: Stage) -> None:
    before = grown(stage, 2)
    stage.lose(before[0])
    stage.settle()
    stage.group.delete([before[0]], request_id=new_id())
    stage.settle()
    assert (stage.group.read().target, names(stage.group.read())) == (1, before[1:])


def test_any_text_may_be_the_id_of_a_request(stage: Stage) -> None:
    stage.group.grow(2, request_id="grow to two")
    stage.settle()
    first, second = names(stage.group.read())
    stage.group.delete([first], request_id=f"delete {first}")
    stage.settle()
    assert names(stage.group.read()) == [second]
