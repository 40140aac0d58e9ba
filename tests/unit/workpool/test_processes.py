"""The processes of a worker's start: found by the mark in their environment, killed with all they started."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import psutil
import pytest

from trivia_render.workpool.processes import WORKER_MARK, find_engines, kill_trees

#: Starts a child that starts a child, says their numbers, and waits.
GRANDCHILD = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {GRANDCHILD!r}]); {GRANDCHILD}"
FAMILY = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); time.sleep(60)"
ALONE = "print(0, flush=True); import time; time.sleep(60)"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python code as a process of its own; it has said its first line by then."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str = ALONE, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        kill_trees([psutil.Process(process.pid)] if process.poll() is None else [])
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def first_lines(process: subprocess.Popen[str], count: int = 1) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.fixture
def name() -> str:
    return f"worker-{uuid4().hex}"


def found(name: str) -> dict[int, str]:
    return {engine.process.pid: engine.flow_run_id for engine in find_engines(name)}


def test_the_flow_runs_of_a_worker_are_found_by_its_mark(start: Start, name: str) -> None:
    engines = [start(**{WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": f"run-{number}"}) for number in range(2)]
    worker = start(**{WORKER_MARK: name})
    other = start(**{WORKER_MARK: f"{name}-2", "PREFECT__FLOW_RUN_ID": "run-9"})
    for process in (*engines, worker, other):
        first_lines(process)
    assert found(name) == {engine.pid: f"run-{number}" for number, engine in enumerate(engines)}
    assert found(f"{name}-2") == {other.pid: "run-9"}


def test_a_worker_that_runs_nothing_has_no_engines(name: str) -> None:
    assert find_engines(name) == []


def test_a_dead_process_that_nobody_has_reaped_yet_is_no_engine(start: Start, name: str) -> None:
    process = start("", **{WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"})
    first_lines(process)
    assert wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert found(name) == {}


def test_killing_an_engine_kills_its_children_and_grandchildren(start: Start, name: str) -> None:
    engine = start(FAMILY, **{WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"})
    descendants = [int(pid) for pid in first_lines(engine, 2)]
    bystander = start()
    first_lines(bystander)
    kill_trees([psutil.Process(engine.pid)])
    assert not any(is_alive(pid) for pid in (engine.pid, *descendants))
    assert find_engines(name) == []
    assert bystander.poll() is None


def test_a_child_of_an_engine_bears_the_mark_too_and_goes_with_it(start: Start, name: str) -> None:
    engine = start(FAMILY, **{WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"})
    first_lines(engine, 2)
    assert len(find_engines(name)) == 3
    kill_trees(each.process for each in find_engines(name))
    assert find_engines(name) == []


def test_a_stopped_process_is_killed_too(start: Start, name: str) -> None:
    process = start(**{WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"})
    first_lines(process)
    psutil.Process(process.pid).suspend()
    kill_trees(each.process for each in find_engines(name))
    assert not is_alive(process.pid)


def test_processes_that_are_gone_already_hold_nothing_up(start: Start) -> None:
    process = start()
    first_lines(process)
    known = psutil.Process(process.pid)
    alive = start()
    first_lines(alive)
    process.kill()
    process.wait()
    begun = time.monotonic()
    kill_trees([known, psutil.Process(alive.pid)])
    kill_trees([])
    assert not is_alive(alive.pid)
    assert time.monotonic() - begun < 2


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], bool], *, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
