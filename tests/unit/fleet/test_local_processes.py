"""The background processes of a fleet on one machine: started once, told apart, stopped whole."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from trivia_render.errors import FleetError, WorkflowServerError
from trivia_render.fleet import local_processes
from trivia_render.fleet.local_processes import LocalProcesses, Part, Running, environment_for_processes
from trivia_render.workpool.local_fleet import parts
from trivia_render.workpool.names import CONTROL_POOL

API = "http://127.0.0.1:4200/api"

WAITS = "import time; print('ready', flush=True); time.sleep(60)"
WITH_A_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}])
print(f"child {{child.pid}}", flush=True)
child.wait()
"""
LISTENS = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def python(code: str, *, name: str = "worker") -> Part:
    return Part(name, (sys.executable, "-c", code))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fleet-local"


@pytest.fixture
def fleet(folder: Path) -> Iterator[LocalProcesses]:
    fleet = LocalProcesses(folder, environment=environment_for_processes(os.environ))
    yield fleet
    for name in ("worker", "control", "server"):
        fleet.stop(name)


def start(fleet: LocalProcesses, part: Part, **extra: str) -> int:
    """Start a process, wait for its first line, and return its number."""
    assert fleet.start(part, api_url=API, extra=extra)
    until(lambda: fleet.log_file(part.name).read_text().strip() != "")
    return recorded(fleet, part.name).pid


def recorded(fleet: LocalProcesses, name: str) -> Running:
    return Running.model_validate_json(fleet.log_file(name).with_suffix(".json").read_text())


def until(true: Callable[[], bool], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_runs_in_the_background_until_it_is_stopped(fleet: LocalProcesses, folder: Path) -> None:
    assert not fleet.is_running("worker")
    pid = start(fleet, python(WAITS))
    assert fleet.is_running("worker")
    assert os.getsid(pid) == pid != os.getsid(0), "the end of this terminal does not reach it"
    assert fleet.stop("worker")
    assert not is_alive(pid)
    assert not fleet.is_running("worker")
    assert not (folder / "worker.json").exists()
    assert not fleet.stop("worker"), "once is enough"


def test_another_command_finds_what_an_earlier_one_started(fleet: LocalProcesses, folder: Path) -> None:
    pid = start(fleet, python(WAITS))
    later = LocalProcesses(folder, environment={})
    assert later.is_running("worker")
    assert later.stop("worker")
    assert not is_alive(pid)
    assert not fleet.is_running("worker")


def test_what_runs_already_is_left_alone(fleet: LocalProcesses) -> None:
    pid = start(fleet, python(WAITS))
    assert not fleet.start(python("print('second')"), api_url=API, extra={})
    assert recorded(fleet, "worker").pid == pid
    assert is_alive(pid)


def test_what_has_died_is_started_anew(fleet: LocalProcesses) -> None:
    first = start(fleet, python(WAITS))
    psutil.Process(first).kill()
    until(lambda: not fleet.is_running("worker"))
    assert start(fleet, python(WAITS)) != first


def test_a_process_that_has_got_the_number_of_a_dead_one_is_no_part_of_the_fleet(
    fleet: LocalProcesses, folder: Path
) -> None:
    pid = start(fleet, python(WAITS))
    ours = recorded(fleet, "worker")
    reused = ours.model_copy(update={"created": ours.created - 60})
    (folder / "worker.json").write_text(reused.model_dump_json())
    assert not fleet.is_running("worker")
    assert not fleet.stop("worker")
    assert is_alive(pid), "it is somebody else's"
    (folder / "worker.json").write_text(ours.model_dump_json())


@pytest.mark.parametrize("content", ["", "{}", "garbage", '{"pid": "x"}', '{"pid": 1}'])
def test_a_file_that_cannot_be_read_names_no_process(
    fleet: LocalProcesses, folder: Path, content: str
) -> None:
    folder.mkdir()
    (folder / "worker.json").write_text(content)
    assert not fleet.is_running("worker")
    assert not fleet.stop("worker")
    start(fleet, python(WAITS))


def test_its_children_end_with_it(fleet: LocalProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_processes, "_STOP_SECONDS", 0.2)
    pid = start(fleet, python(WITH_A_CHILD))
    (child,) = psutil.Process(pid).children()
    assert fleet.stop("worker")
    assert not is_alive(pid)
    assert not is_alive(child.pid)


def orphan(fleet: LocalProcesses) -> psutil.Process:
    """Start a process with a child, kill it alone, and return the child."""
    pid = start(fleet, python(WITH_A_CHILD))
    (child,) = psutil.Process(pid).children()
    until(lambda: "ready" in fleet.log_file("worker").read_text())
    psutil.Process(pid).kill()
    until(lambda: not fleet.is_running("worker"))
    assert is_alive(child.pid)
    return child


def test_the_child_of_a_killed_process_ends_before_that_is_started_anew(fleet: LocalProcesses) -> None:
    child = orphan(fleet)
    start(fleet, python(WAITS))
    assert not is_alive(child.pid)
    assert fleet.is_running("worker")


def test_the_child_of_a_killed_process_is_stopped_in_its_place(fleet: LocalProcesses) -> None:
    child = orphan(fleet)
    assert fleet.stop("control", "worker") == ["worker"]
    assert not is_alive(child.pid)
    assert fleet.stop("worker") == []


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"created": time.time() + 3600}, id="began before it"),
        pytest.param({"api_url": "http://127.0.0.1:1/api"}, id="of no fleet, or of another one"),
    ],
)
def test_a_session_that_has_got_the_number_of_a_dead_one_is_left_alone(
    fleet: LocalProcesses, folder: Path, changed: dict[str, object]
) -> None:
    child = orphan(fleet)
    ours = recorded(fleet, "worker")
    (folder / "worker.json").write_text(ours.model_copy(update=changed).model_dump_json())
    assert fleet.stop("worker") == []
    assert is_alive(child.pid), "it is somebody else's"
    (folder / "worker.json").write_text(ours.model_dump_json())


def test_the_session_of_a_process_that_has_got_the_number_is_left_alone(
    fleet: LocalProcesses, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_processes, "_STOP_SECONDS", 0.2)
    pid = start(fleet, python(WITH_A_CHILD))
    (child,) = psutil.Process(pid).children()
    ours = recorded(fleet, "worker")
    (folder / "worker.json").write_text(
        ours.model_copy(update={"created": ours.created - 60}).model_dump_json()
    )
    assert fleet.stop("worker") == []
    assert is_alive(pid)
    assert is_alive(child.pid)
    (folder / "worker.json").write_text(ours.model_dump_json())
    assert fleet.stop("worker") == ["worker"]


def test_where_a_process_listens_is_known_while_it_does(fleet: LocalProcesses) -> None:
    assert fleet.listens_at("server") is None
    start(fleet, python(LISTENS, name="server"))
    assert fleet.listens_at("server") == ("127.0.0.1", int(fleet.log_file("server").read_text()))
    start(fleet, python(WAITS))
    assert fleet.listens_at("worker") is None


def test_a_start_that_takes_too_long_is_an_error_with_the_last_lines(
    fleet: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(fleet, python(WAITS))
    fleet.stop("worker")
    monkeypatch.setattr(local_processes, "_DETACH_SECONDS", 0.001)
    with pytest.raises(FleetError, match=r"The worker process has not started within 0\.001 s") as caught:
        fleet.start(python(WAITS), api_url=API, extra={})
    assert caught.value.evidence == "  ready"


def test_what_does_not_end_when_it_is_asked_is_killed(
    fleet: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_processes, "_STOP_SECONDS", 0.2)
    pid = start(fleet, python(IGNORES_SIGTERM))
    assert fleet.stop("worker")
    assert not is_alive(pid)


def test_a_process_has_the_fleets_environment_what_it_needs_and_the_servers_address(folder: Path) -> None:
    fleet = LocalProcesses(folder, environment={"A": "fleet", "B": "fleet", "PREFECT_API_URL": "other"})
    code = "import os; print(os.environ['A'], os.environ['B'], os.environ['PREFECT_API_URL'], flush=True)"
    start(fleet, python(code), B="extra")
    assert fleet.log_file("worker").read_text().split() == ["fleet", "extra", API]


def test_the_address_that_a_process_was_started_for_is_known_while_it_runs(fleet: LocalProcesses) -> None:
    assert fleet.running("server") is None
    start(fleet, python(WAITS, name="server"))
    running = fleet.running("server")
    assert running is not None
    assert running.api_url == API
    fleet.stop("server")
    assert fleet.running("server") is None


def test_waiting_ends_when_it_is_ready(fleet: LocalProcesses) -> None:
    start(fleet, python(WAITS))
    answers = iter([False, True])
    fleet.wait_for("worker", lambda: next(answers))


def test_a_process_that_ends_instead_is_an_error_with_its_last_lines(fleet: LocalProcesses) -> None:
    code = "import sys; [print(f'line {n}') for n in range(40)]; sys.exit('cannot bind')"
    fleet.start(python(code), api_url=API, extra={})
    with pytest.raises(WorkflowServerError, match="The worker process has ended") as caught:
        fleet.wait_for("worker", lambda: False)
    lines = caught.value.evidence.splitlines()
    assert lines[-1] == "  cannot bind"
    assert len(lines) == 15
    assert str(fleet.log_file("worker")) in caught.value.remedy


def test_a_process_that_is_never_ready_is_an_error_too(
    fleet: LocalProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_processes, "_START_SECONDS", 0.1)
    start(fleet, python(WAITS))
    with pytest.raises(WorkflowServerError, match="not ready after") as caught:
        fleet.wait_for("worker", lambda: False)
    assert caught.value.evidence == "  ready"


def test_a_log_goes_on_over_several_starts(fleet: LocalProcesses) -> None:
    for _ in range(2):
        start(fleet, python(WAITS))
        fleet.stop("worker")
    until(lambda: fleet.log_file("worker").read_text().count("ready") >= 1)


def test_several_are_stopped_side_by_side(fleet: LocalProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_processes, "_STOP_SECONDS", 1.0)
    for name in ("worker", "control", "server"):
        start(fleet, python(IGNORES_SIGTERM, name=name))
    began = time.monotonic()
    assert fleet.stop("worker", "control", "server", "absent") == ["worker", "control", "server"]
    assert time.monotonic() - began < 2.5


def test_a_process_is_nobodys_child(fleet: LocalProcesses) -> None:
    pid = start(fleet, python(WAITS))
    assert pid not in {child.pid for child in psutil.Process().children(recursive=True)}


def test_what_cannot_be_started_is_an_error_with_the_reason(fleet: LocalProcesses) -> None:
    fleet.start(Part("worker", ("/nowhere/at-all",)), api_url=API, extra={})
    with pytest.raises(WorkflowServerError, match="has ended") as caught:
        fleet.wait_for("worker", lambda: False)
    assert "/nowhere/at-all" in caught.value.evidence


def test_what_a_worker_gives_its_runs_is_not_given_on() -> None:
    inherited = {
        "PREFECT__FLOW_RUN_ID": "x",
        "TRIVIA_WORKER_NAME": "x",
        "TRIVIA_WORKER_BOARD": "x",
        "WORKER_ID": "x",
        "PREFECT_HOME": "kept",
        "TRIVIA_ENCODER": "kept",
    }
    assert set(environment_for_processes(inherited).values()) == {"kept"}


def test_the_server_starts_first_and_listens_where_the_others_look_for_it() -> None:
    port = free_port()
    server, control, dashboard = parts(api_url=f"http://127.0.0.2:{port}/api")
    assert [part.name for part in (server, control, dashboard)] == ["server", "control", "dashboard"]
    assert server.command[-4:] == ("--host", "127.0.0.2", "--port", str(port))
    assert control.command[-1] == CONTROL_POOL
    assert dashboard.command[-2:] == ("fleet", "serve")
    assert {part.command[0] for part in (server, control, dashboard)} == {sys.executable}
    assert parts(api_url="http://localhost/api")[0].command[-1] == "4200"
