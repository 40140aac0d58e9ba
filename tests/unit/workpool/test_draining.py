"""A drain ends once no process is left and the server's books say so too."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from prefect.client.schemas.objects import StateType

from trivia_render.errors import WorkflowServerError
from trivia_render.workpool import draining
from trivia_render.workpool.books import Books
from trivia_render.workpool.draining import Drain


class Server:
    """The server's books of one worker, and what is handed back to it."""

    def __init__(self) -> None:
        self.away = False
        self.store_is_away = False
        self.asked = 0
        self.states: dict[str, StateType] = {}
        self.handed_back: list[tuple[str, bool]] = []
        self.cancelled_runs: list[str] = []

    def runs(self, states: Sequence[StateType]) -> list[Any]:
        self.asked += 1
        if self.away:
            raise WorkflowServerError("Prefect's server did not say what runs here.", remedy="Wait.")
        return [SimpleNamespace(id=run) for run, state in list(self.states.items()) if state in states]

    def __call__(self, flow_run_id: str, *, reason: str, counted: bool) -> bool:
        if self.store_is_away or self.away:
            return False
        self.handed_back.append((flow_run_id, counted))
        self.states[flow_run_id] = StateType.SCHEDULED
        return True

    def cancelled(self, run: Any) -> None:
        self.cancelled_runs.append(run.id)
        self.states[run.id] = StateType.CANCELLED


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(Books, "runs", lambda _books, states: server.runs(states))
    for name, seconds in (("_TICK_SECONDS", 0.01), ("_CONFIRM_SECONDS", 0.05), ("_SETTLE_SECONDS", 0.0)):
        monkeypatch.setattr(draining, name, seconds)
    return server


class Watched:
    """A drain in its thread."""

    def __init__(self, name: str, server: Server) -> None:
        self.crashes = 0
        self.ended = threading.Event()
        self.drain = Drain(
            name,
            pool="gpu-t4",
            hand_back=server,  # type: ignore[arg-type]
            look_seconds=0.1,
            on_crash=self.count,
        )
        self.thread = threading.Thread(target=self.drain.run, args=(self.ended,))
        self.thread.start()

    def count(self) -> None:
        self.crashes += 1

    def is_done(self) -> bool:
        return self.drain.done.is_set()


@pytest.fixture
def watch(name: str, server: Server) -> Iterator[Callable[[], Watched]]:
    begun: list[Watched] = []

    def begin() -> Watched:
        begun.append(Watched(name, server))
        return begun[-1]

    yield begin
    for watched in begun:
        watched.ended.set()
        watched.thread.join(10)
        assert not watched.thread.is_alive()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def some_looks(server: Server, count: int = 6) -> None:
    before = server.asked
    until(lambda: server.asked >= before + count)


Start = Callable[[str], subprocess.Popen[bytes]]
Watch = Callable[[], Watched]


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_a_worker_without_runs_is_drained_at_once(watch: Watch) -> None:
    until(watch().is_done)


def test_a_run_goes_on_to_its_own_end(server: Server, start: Start, watch: Watch) -> None:
    process = start("run-1")
    server.states["run-1"] = StateType.RUNNING
    watched = watch()
    some_looks(server)
    assert not watched.is_done()
    server.states["run-1"] = StateType.COMPLETED
    end(process)
    until(watched.is_done)
    assert (server.handed_back, watched.crashes) == ([], 0)


def test_what_was_handed_over_and_has_no_process_goes_back_and_counts_nothing(
    server: Server, start: Start, watch: Watch
) -> None:
    process = start("run-1")
    server.states |= {"run-1": StateType.PENDING, "run-2": StateType.PENDING}
    watched = watch()
    until(lambda: server.handed_back)
    some_looks(server)
    assert server.handed_back == [("run-2", False)], "the first one has a process that is only starting"
    server.states["run-1"] = StateType.COMPLETED
    end(process)
    until(watched.is_done)


def test_a_process_that_dies_is_a_crash_of_its_run(server: Server, start: Start, watch: Watch) -> None:
    process = start("run-1")
    server.states["run-1"] = StateType.RUNNING
    watched = watch()
    some_looks(server)
    end(process)
    until(watched.is_done)
    assert (server.handed_back, watched.crashes) == ([("run-1", True)], 1)


def test_nothing_is_drained_before_the_server_says_so(server: Server, start: Start, watch: Watch) -> None:
    process = start("run-1")
    server.states["run-1"] = StateType.RUNNING
    server.away = True
    watched = watch()
    end(process)
    some_looks(server)
    assert not watched.is_done(), "the run died while the server was away, and stands in its books"
    server.away = False
    until(watched.is_done)
    assert server.handed_back == [("run-1", True)]


def test_what_was_handed_over_while_the_server_is_away_goes_back_later(server: Server, watch: Watch) -> None:
    server.states["run-1"] = StateType.PENDING
    server.away = True
    watched = watch()
    some_looks(server)
    server.away = False
    until(watched.is_done)
    assert server.handed_back == [("run-1", False)]


def test_a_run_that_cannot_be_handed_back_is_tried_again(server: Server, watch: Watch) -> None:
    server.states["run-1"] = StateType.RUNNING
    server.store_is_away = True
    watched = watch()
    some_looks(server, 12)
    assert not watched.is_done()
    server.store_is_away = False
    until(watched.is_done)
    assert (server.handed_back, watched.crashes) == ([("run-1", True)], 1)


def test_a_run_that_is_cancelled_meanwhile_is_ended_for_its_worker(
    server: Server, start: Start, watch: Watch
) -> None:
    process, other = start("run-1"), start("run-2")
    server.states |= {"run-1": StateType.RUNNING, "run-2": StateType.RUNNING}
    watched = watch()
    some_looks(server)
    server.states["run-1"] = StateType.CANCELLING
    until(lambda: server.cancelled_runs == ["run-1"])
    assert not psutil.pid_exists(process.pid)
    assert other.poll() is None
    assert not watched.is_done()


def test_an_answer_that_nobody_foresaw_is_logged_and_asked_for_again(
    server: Server, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([ValueError("a proxy's page")])

    def runs(_books: Books, states: Sequence[StateType]) -> list[Any]:
        for error in answers:
            raise error
        return server.runs(states)

    monkeypatch.setattr(Books, "runs", runs)
    until(watch().is_done)
    assert "a proxy's page" in caplog.text


def test_a_drain_that_is_ended_says_nothing(server: Server, start: Start, watch: Watch) -> None:
    start("run-1")
    server.states["run-1"] = StateType.RUNNING
    watched = watch()
    some_looks(server)
    watched.ended.set()
    watched.thread.join(10)
    assert not watched.is_done()
    assert server.handed_back == []
