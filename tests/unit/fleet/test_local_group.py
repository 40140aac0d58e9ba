"""Worker processes of one machine as a group: real processes, which only wait."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from trivia_render.errors import FleetError, FleetUnavailableError
from trivia_render.fleet import local_group
from trivia_render.fleet.local_group import LocalGroup, worker_id_of
from trivia_render.fleet.local_processes import LocalProcesses

WAITS = (sys.executable, "-c", "import os, time; print(os.environ['WORKER_ID'], os.getcwd()); time.sleep(60)")


@pytest.fixture
def processes(tmp_path: Path) -> LocalProcesses:
    return LocalProcesses(tmp_path / "fleet-local", environment={**os.environ, "PYTHONUNBUFFERED": "1"})


@pytest.fixture
def group(processes: LocalProcesses, tmp_path: Path) -> Iterator[LocalGroup]:
    group = LocalGroup(
        processes,
        folder=tmp_path / "fleet-local",
        host="my.host",
        api_url="http://127.0.0.1/api",
        command=WAITS,
    )
    yield group
    group.stop()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.02)


def pids(processes: LocalProcesses) -> dict[str, int]:
    found = {name: processes.running(name) for name in processes.names("worker-")}
    return {name: running.pid for name, running in found.items() if running is not None}


def test_a_new_group_is_empty(group: LocalGroup) -> None:
    assert group.read() == (0, (), None)


def test_it_grows_by_processes_that_know_their_names(group: LocalGroup, processes: LocalProcesses) -> None:
    group.grow(2, request_id="a")
    state = group.read()
    assert (state.target, [item.name for item in state.instances]) == (
        2,
        ["my-host-worker-1", "my-host-worker-2"],
    )
    assert {item.state for item in state.instances} == {"running"}
    assert all(item.since is not None for item in state.instances)
    log = processes.log_file("worker-2")
    until(lambda: log.read_text() != "")
    assert log.read_text().split() == ["my-host-worker-2", str(Path.cwd())]


def test_asked_again_it_does_nothing_twice(group: LocalGroup, processes: LocalProcesses) -> None:
    group.grow(1, request_id="a")
    before = pids(processes)
    group.grow(1, request_id="a")
    assert pids(processes) == before


def test_it_does_not_grow_to_less(group: LocalGroup) -> None:
    group.grow(2, request_id="a")
    with pytest.raises(FleetError, match="aims at 2 machines: it does not grow to 1"):
        group.grow(1, request_id="b")
    assert group.read().target == 2


def test_named_machines_go_and_lower_the_target_once(group: LocalGroup, processes: LocalProcesses) -> None:
    group.grow(3, request_id="a")
    doomed = pids(processes)["worker-2"]
    for _ in range(2):
        group.delete(["my-host-worker-2", "somebody-else"], request_id="b")
    assert not psutil.pid_exists(doomed) or psutil.Process(doomed).status() == psutil.STATUS_ZOMBIE
    state = group.read()
    assert (state.target, [item.name for item in state.instances]) == (
        2,
        ["my-host-worker-1", "my-host-worker-3"],
    )


def test_a_name_is_never_used_again(group: LocalGroup) -> None:
    group.grow(1, request_id="a")
    group.delete(["my-host-worker-1"], request_id="b")
    group.grow(1, request_id="c")
    assert [item.name for item in group.read().instances] == ["my-host-worker-2"]


def test_what_has_died_is_started_again_under_its_name(group: LocalGroup, processes: LocalProcesses) -> None:
    group.grow(1, request_id="a")
    first = pids(processes)["worker-1"]
    psutil.Process(first).kill()
    until(lambda: not processes.is_running("worker-1"))
    group.read()
    assert pids(processes)["worker-1"] != first


def test_who_was_cut_off_before_it_ended_a_machine_leaves_that_to_the_next_look(
    group: LocalGroup, processes: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    group.grow(2, request_id="a")
    with monkeypatch.context() as cut:
        cut.setattr(processes, "stop", interrupted)
        with pytest.raises(KeyboardInterrupt):
            group.delete(["my-host-worker-1"], request_id="b")
    assert set(pids(processes)) == {"worker-1", "worker-2"}
    assert group.read().target == 1
    assert set(pids(processes)) == {"worker-2"}


def test_who_was_cut_off_before_it_started_a_machine_leaves_that_to_the_next_look(
    group: LocalGroup, processes: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(processes, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            group.grow(2, request_id="a")
    assert pids(processes) == {}
    assert len(group.read().instances) == 2
    assert set(pids(processes)) == {"worker-1", "worker-2"}


def test_all_are_stopped_and_the_next_start_begins_with_new_names(
    group: LocalGroup, processes: LocalProcesses
) -> None:
    group.grow(2, request_id="a")
    assert sorted(group.stop()) == ["worker-1", "worker-2"]
    assert group.stop() == []
    assert group.read() == (0, (), None)


def test_a_group_that_is_being_changed_for_long_is_unavailable(
    group: LocalGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(local_group, "_LOCK_SECONDS", 0.1)
    group.read()
    with FileLock(tmp_path / "fleet-local/group.lock"), pytest.raises(FleetUnavailableError):
        group.read()


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(group: LocalGroup, tmp_path: Path) -> None:
    group.read()
    file = tmp_path / "fleet-local/group.state"
    file.write_text("garbage")
    with pytest.raises(FleetError, match=r"group\.state cannot be read"):
        group.read()


@pytest.mark.parametrize(
    ("content", "next_name"),
    [
        pytest.param(b"", "my-host-worker-3", id="empty"),
        pytest.param(b"\xff\x00garbage", "my-host-worker-3", id="garbage"),
        pytest.param(
            b'{"target": 2, "next_number": 7, "of": "another version"}', "my-host-worker-7", id="a number"
        ),
        pytest.param(b'{"target": 2, "next_number": 1', "my-host-worker-3", id="half a number"),
    ],
)
def test_all_are_stopped_whatever_the_file_holds_and_no_name_is_used_again(
    group: LocalGroup, processes: LocalProcesses, tmp_path: Path, content: bytes, next_name: str
) -> None:
    group.grow(2, request_id="a")
    (tmp_path / "fleet-local/group.state").write_bytes(content)
    assert sorted(group.stop()) == ["worker-1", "worker-2"]
    assert pids(processes) == {}
    assert group.read() == (0, (), None)
    group.grow(1, request_id="b")
    assert [item.name for item in group.read().instances] == [next_name]


def test_the_names_of_machines_that_left_only_logs_are_not_used_again(
    group: LocalGroup, tmp_path: Path
) -> None:
    group.grow(2, request_id="a")
    group.delete(["my-host-worker-2"], request_id="b")
    (tmp_path / "fleet-local/group.state").write_text("garbage")
    group.stop()
    group.grow(1, request_id="c")
    assert [item.name for item in group.read().instances] == ["my-host-worker-3"]


def test_a_name_holds_nothing_but_letters_digits_and_dashes() -> None:
    assert worker_id_of("worker-1", host="a.b_c/ d") == "a-b-c--d-worker-1"
    assert worker_id_of("worker-1", host="") == "worker-1"


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
