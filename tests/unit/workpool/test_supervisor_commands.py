"""How the supervisor starts Prefect's worker, and that no silent server holds it up."""

import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from trivia_render.workpool import supervisor
from trivia_render.workpool.names import CONTROL_POOL, RENDER_POOL
from trivia_render.workpool.processes import WORKER_MARK
from trivia_render.workpool.worker_process import default_limit, worker_command, worker_environment


def environment(inherited: dict[str, str]) -> dict[str, str]:
    return worker_environment(
        inherited,
        name="worker-1-ab12",
        worker_id="worker-1",
        home=Path("/srv/trivia"),
        board=Path("/srv/trivia/tmp/board"),
        heartbeat_seconds=10.0,
    )


def test_the_worker_is_a_process_worker_of_this_python_under_its_own_name() -> None:
    command = worker_command(pool="gpu-t4", name="worker-1-ab12", limit=2)
    assert command[:5] == [sys.executable, "-m", "prefect", "worker", "start"]
    options = dict(zip(command[5::2], command[6::2], strict=True))
    assert options == {"--type": "process", "--pool": "gpu-t4", "--name": "worker-1-ab12", "--limit": "2"}


@pytest.mark.parametrize("name", ["$(reboot)", "a b", "-x", "; rm"])
def test_every_name_is_one_argument_and_no_shell_reads_it(name: str) -> None:
    assert worker_command(pool=name, name="n", limit=1).count(name) == 1


def test_flow_runs_inherit_what_marks_them_and_where_the_store_is() -> None:
    found = environment({"LANG": "C.UTF-8", "PATH": "/usr/bin"})
    assert found[WORKER_MARK] == "worker-1-ab12"
    assert found["WORKER_ID"] == "worker-1"
    assert found["TRIVIA_HOME"] == "/srv/trivia"
    assert found["TRIVIA_WORKER_BOARD"] == "/srv/trivia/tmp/board"
    assert found["PREFECT_WORKER_HEARTBEAT_SECONDS"] == "10"
    assert found["LANG"] == "C.UTF-8"


def test_the_python_of_the_flow_runs_is_this_one() -> None:
    # `python -m prefect.engine` is looked up there.
    path = environment({"PATH": "/usr/bin"})["PATH"].split(os.pathsep)
    assert path == [str(Path(sys.executable).parent), "/usr/bin"]
    assert environment({})["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_what_an_outer_worker_set_is_replaced() -> None:
    found = environment({WORKER_MARK: "outer", "WORKER_ID": "outer", "TRIVIA_HOME": "elsewhere"})
    assert "outer" not in found.values()
    assert found["TRIVIA_HOME"] == "/srv/trivia"


def test_the_inherited_environment_is_not_changed() -> None:
    inherited = {"PATH": "/usr/bin"}
    environment(inherited)
    assert inherited == {"PATH": "/usr/bin"}


def test_renders_run_one_at_a_time_and_scheduled_flows_side_by_side() -> None:
    assert default_limit(RENDER_POOL, render_pool=RENDER_POOL) == 1
    assert default_limit(CONTROL_POOL, render_pool=RENDER_POOL) >= max(2, psutil.cpu_count() or 1)


@pytest.mark.parametrize("answers", [True, False])
def test_what_the_server_says_is_told(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "server_answers", lambda: answers)
    assert supervisor._server_answers_soon() is answers


def test_a_server_that_takes_a_request_and_is_silent_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(supervisor, "_SERVER_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "server_answers", lambda: go_on.wait(20))
    assert not supervisor._server_answers_soon()
    go_on.set()
