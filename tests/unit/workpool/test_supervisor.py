"""The main process of a worker's machine, with a process that only waits in the place of Prefect's worker."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from trivia_render.models.fleet import DrainRequest, WorkerRecord
from trivia_render.models.gpu import Preflight, Refusal
from trivia_render.pipeline.board import BoardEntry
from trivia_render.pipeline.fleet_records import ask_to_drain, take_drain_back
from trivia_render.pipeline.workers import read_worker
from trivia_render.storage.local import LocalStore
from trivia_render.workpool import admission, draining, readings, supervisor
from trivia_render.workpool.books import Books
from trivia_render.workpool.heartbeat import WorkerBeat, WorkerFacts
from trivia_render.workpool.processes import WORKER_MARK
from trivia_render.workpool.settling import Policy
from trivia_render.workpool.supervisor import Listen, Supervisor

DRAIN = DrainRequest(worker_id="vm-1", by="operator", at=datetime(2026, 5, 1, tzinfo=UTC))


class Machine:
    """A supervisor in a thread, and what it does."""

    def __init__(
        self, folder: Path, store: LocalStore, preflight: Callable[[], Preflight] | None = None
    ) -> None:
        self.scratch = folder / "scratch"
        self.beats: list[WorkerBeat] = []
        self.store = store
        self.main = Supervisor(
            facts=WorkerFacts("vm-1", "gpu-t4", "cpu", {}),
            limit=1,
            store=store,
            home=folder,
            scratch=self.scratch,
            policy=Policy(lost_seconds=35, max_crashes=3, requeue_seconds=30),
            heartbeat_seconds=0.05,
            environment=os.environ,
            listen=Listen("127.0.0.1", 0, "elsewhere"),
            on_heartbeat=self.beats.append,
            preflight=preflight,
        )
        self.thread = threading.Thread(target=self.main.run)
        self.thread.start()
        until(lambda: self.main._heartbeat.status_url and self.status().name != "vm-1")

    def status(self) -> WorkerRecord:
        url = self.main._heartbeat.status_url
        assert url is not None
        return WorkerRecord.model_validate_json(httpx.get(url, trust_env=False).content)

    def health(self) -> int:
        url = self.main._heartbeat.status_url
        assert url is not None
        return httpx.get(url.replace("/status", "/healthz"), trust_env=False).status_code

    def workers(self) -> list[psutil.Process]:
        """The stand-ins for Prefect's worker, of all starts."""
        found = []
        for child in psutil.Process().children():
            try:
                environment = child.environ()
            except psutil.Error:
                continue
            if environment.get("TRIVIA_HOME") == str(self.scratch.parent) and "PREFECT__FLOW_RUN_ID" not in (
                environment
            ):
                found.append(child)
        return found

    def stop(self) -> None:
        self.main.stop("The test is over.")
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def start(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Machine]]:
    monkeypatch.setattr(supervisor, "worker_command", lambda **_: ["sleep", "60"])
    monkeypatch.setattr(supervisor, "server_answers", lambda: True)
    monkeypatch.setattr(supervisor, "_RESTART_SECONDS", (0.05,))
    monkeypatch.setattr(supervisor, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(draining, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(draining, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(Books, "runs", lambda _books, _states: [])
    machines: list[Machine] = []

    def begin(preflight: Callable[[], Preflight] | None = None) -> Machine:
        machines.append(Machine(tmp_path, store, preflight))
        return machines[-1]

    yield begin
    for machine in machines:
        machine.stop()
        assert machine.workers() == []


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


Start = Callable[..., Machine]


def test_it_serves_until_it_is_told_to_stop_and_says_so_at_last(start: Start, store: LocalStore) -> None:
    machine = start()
    until(lambda: len(machine.workers()) == 1)
    assert (machine.health(), machine.status().state) == (200, "ready")
    name = machine.status().name
    machine.stop()
    found = read_worker(store, name)
    assert found is not None
    assert (found[0].state, found[0].reason) == ("stopping", "The test is over.")
    assert [beat.ended for beat in machine.beats].count(True) == 1
    assert machine.beats[-1].ended
    assert list(machine.scratch.glob("board-*")) == []


def test_a_worker_that_dies_is_started_anew_under_another_name(start: Start) -> None:
    machine = start()
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    machine.workers()[0].kill()
    until(lambda: machine.status().name != name)
    until(lambda: len(machine.workers()) == 1)
    assert "ended by itself" in (machine.status().last_error or "")
    assert machine.health() == 200


def test_a_drain_ends_the_worker_and_not_its_runs(start: Start, store: LocalStore) -> None:
    machine = start()
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    marks = {WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}) as run:
        until(lambda: machine.status().runs == 1)
        ask_to_drain(store, DRAIN)
        until(lambda: machine.status().state == "draining")
        until(lambda: machine.workers() == [])
        time.sleep(0.3)
        assert (machine.status().state, machine.health(), run.poll()) == ("draining", 200, None)
        run.kill()
    until(lambda: machine.status().state == "drained")
    assert (machine.status().name, machine.health()) == (name, 200)
    take_drain_back(store, "vm-1")
    until(lambda: machine.status().state == "ready")
    assert machine.status().name != name
    until(lambda: len(machine.workers()) == 1)


def test_a_record_that_says_drained_names_no_run_any_more(
    start: Start, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = start()
    marks = {WORKER_MARK: machine.status().name, "PREFECT__FLOW_RUN_ID": "run-1"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}) as run:
        until(lambda: machine.status().runs == 1)
        ask_to_drain(store, DRAIN)
        until(lambda: machine.status().state == "draining")
        with monkeypatch.context() as patch:
            # The next look at its processes is still to come when the run ends.
            seen = readings.find_engines(machine.status().name)
            patch.setattr(readings, "find_engines", lambda _: seen)
            run.kill()
            run.wait()
            time.sleep(0.5)
            assert (machine.status().state, machine.status().runs) == ("draining", 1)
    until(lambda: machine.status().state == "drained")
    assert not any(beat.record.state == "drained" and beat.record.runs for beat in machine.beats)


def test_a_drain_that_is_taken_back_early_waits_for_the_runs_under_way(
    start: Start, store: LocalStore
) -> None:
    machine = start()
    name = machine.status().name
    marks = {WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}) as run:
        until(lambda: machine.status().runs == 1)
        ask_to_drain(store, DRAIN)
        until(lambda: machine.status().state == "draining")
        take_drain_back(store, "vm-1")
        until(lambda: machine.status().state == "ready")
        assert (machine.status().name, machine.workers()) == (name, [])
        run.kill()
    until(lambda: machine.status().name != name)
    until(lambda: len(machine.workers()) == 1)


def test_a_machine_that_comes_back_while_it_is_drained_starts_no_worker(
    start: Start, store: LocalStore
) -> None:
    ask_to_drain(store, DRAIN)
    machine = start()
    until(lambda: machine.status().state == "drained")
    assert machine.workers() == []
    found = read_worker(store, machine.status().name)
    until(lambda: read_worker(store, machine.status().name) is not None)
    assert found is None or found[0].state == "drained", "it never said that it serves"


def test_a_preemption_in_a_drain_ends_what_is_left(
    start: Start, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_back = []
    monkeypatch.setattr(
        supervisor.HandBack, "__call__", lambda _, run, *, reason, counted: handed_back.append((run, counted))
    )
    machine = start()
    name = machine.status().name
    marks = {WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}) as run:
        until(lambda: machine.status().runs == 1)
        ask_to_drain(store, DRAIN)
        until(lambda: machine.status().state == "draining")
        machine.main.stop_preempted()
        machine.thread.join(20)
        assert run.wait(5) is not None
    assert handed_back == [("run-1", False)]
    assert machine.beats[-1].preemptions == 1
    found = read_worker(store, name)
    assert found is not None
    assert found[0].state == "stopping"


def test_a_start_without_room_for_its_board_is_tried_again(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = start()
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    away = tmp_path / "away"
    machine.scratch.rename(away)
    machine.scratch.write_text("a file where the folder was")
    machine.workers()[0].kill()
    until(lambda: "cannot start without its board" in caplog.text)
    assert machine.health() == 200
    machine.scratch.unlink()
    until(lambda: machine.status().name != name)
    until(lambda: len(machine.workers()) == 1)


class Gpu:
    """A preflight that finds what it is told to find."""

    def __init__(self, code: str | None = None) -> None:
        self.refusal = None if code is None else refusal(code)
        self.looks = 0

    def __call__(self) -> Preflight:
        self.looks += 1
        return Preflight(refusal=self.refusal)


def refusal(code: str) -> Refusal:
    return Refusal(code=code, message=f"It says {code}.", evidence="  its words", remedy="Replace it.")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused machine looks again soon, and is unhealthy soon."""
    monkeypatch.setattr(admission, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(admission, "UNHEALTHY_SECONDS", 0.3)


def metric(machine: Machine, name: str, **labels: str) -> float:
    url = machine.main._heartbeat.status_url
    assert url is not None
    text = httpx.get(url.replace("/status", "/metrics"), trust_env=False).text
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if (sample.name, sample.labels) == (name, labels)
    )


@pytest.mark.usefixtures("soon")
def test_a_machine_whose_gpu_does_not_encode_takes_no_work_until_it_does(
    start: Start, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trivia_render.worker")
    gpu = Gpu("driver_too_old")
    machine = start(gpu)
    until(lambda: machine.status().refusal)
    name = machine.status().name
    assert machine.status().state == "refused"
    assert machine.status().refusal == gpu.refusal
    assert machine.status().reason == "driver_too_old: It says driver_too_old."
    assert metric(machine, "trivia_worker_refused", code="driver_too_old") == 1
    assert metric(machine, "trivia_worker_refused", code="gpu_lost") == 0
    assert metric(machine, "trivia_worker_state", state="refused") == 1
    until(lambda: machine.health() == 503)
    until(lambda: gpu.looks > 2)
    assert machine.workers() == []
    found = read_worker(store, name)
    assert found is not None
    assert (found[0].state, found[0].refusal) == ("refused", gpu.refusal)
    # For alerts on logs: one line, however often it looks.
    (line,) = [record for record in caplog.records if getattr(record, "event", None) == "worker_refused"]
    assert (line.levelname, line.__dict__["error_code"], line.__dict__["worker_id"]) == (
        "ERROR",
        "driver_too_old",
        "vm-1",
    )
    assert "its words" in line.getMessage()
    gpu.refusal = None
    until(lambda: machine.status().state == "ready")
    until(lambda: len(machine.workers()) == 1)
    assert (machine.health(), machine.status().name, machine.status().refusal) == (200, name, None)
    assert metric(machine, "trivia_worker_refused", code="driver_too_old") == 0


def test_a_machine_serves_once_the_preflight_has_passed_and_never_says_so_before(
    start: Start, store: LocalStore
) -> None:
    passed = threading.Event()

    def look() -> Preflight:
        assert passed.wait(20)
        return Preflight()

    machine = start(look)
    until(lambda: read_worker(store, machine.status().name) is not None)
    time.sleep(0.2)
    found = read_worker(store, machine.status().name)
    assert found is not None
    assert (found[0].state, found[0].refusal, machine.workers()) == ("refused", None, [])
    assert machine.health() == 200
    passed.set()
    until(lambda: machine.status().state == "ready")
    until(lambda: len(machine.workers()) == 1)


@pytest.mark.usefixtures("soon")
def test_a_preflight_that_hangs_makes_the_machine_unhealthy_and_can_be_stopped(start: Start) -> None:
    ended = threading.Event()

    def look() -> Preflight:
        ended.wait(30)
        return Preflight()

    machine = start(look)
    until(lambda: machine.health() == 503)
    machine.stop()
    ended.set()


@pytest.mark.usefixtures("soon")
def test_a_preflight_that_breaks_refuses_and_is_made_again(start: Start) -> None:
    def look() -> Preflight:
        raise RuntimeError("a fault of ours")

    machine = start(look)
    until(lambda: machine.status().refusal)
    found = machine.status().refusal
    assert found is not None
    assert found.code == "internal_error"
    assert "a fault of ours" in found.message
    assert metric(machine, "trivia_worker_refused", code="other") == 1


@pytest.mark.parametrize("code", ["gpu_lost", "gpu_missing", "driver_too_old"])
@pytest.mark.usefixtures("soon")
def test_a_gpu_that_is_lost_at_work_gives_the_runs_back_and_is_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    handed_back = []
    monkeypatch.setattr(
        supervisor.HandBack, "__call__", lambda _, run, *, reason, counted: handed_back.append((run, counted))
    )
    gpu = Gpu()
    machine = start(gpu)
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    gpu.refusal = refusal(code)
    marks = {WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": "run-1"}
    with subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}) as run:
        until(lambda: machine.status().runs == 1)
        entry = BoardEntry(pid=run.pid, fault=gpu.refusal)
        (machine.scratch / f"board-{name}" / f"{run.pid}.json").write_text(entry.model_dump_json())
        assert run.wait(10) is not None
    until(lambda: machine.status().refusal)
    assert handed_back == [("run-1", False)]
    assert (machine.status().state, machine.workers()) == ("refused", [])
    assert machine.status().name != name
    gpu.refusal = None
    until(lambda: len(machine.workers()) == 1)


@pytest.mark.usefixtures("soon")
def test_a_gpu_that_is_lost_at_work_again_and_again_is_replaced_though_its_preflights_pass(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_RESTART_SECONDS", (0.01,))
    gpu = Gpu()
    machine = start(gpu)
    for _ in range(admission.MAX_FAULTS):
        until(lambda: machine.status().state == "ready" and len(machine.workers()) == 1)
        name = machine.status().name
        board = machine.scratch / f"board-{name}"
        (board / "1.json").write_text(BoardEntry(pid=1, fault=refusal("gpu_lost")).model_dump_json())
        until(lambda name=name: machine.status().name != name)  # type: ignore[misc]
    until(lambda: machine.health() == 503)
    found = machine.status()
    assert found.refusal is not None
    assert (found.state, found.refusal.code, machine.workers()) == ("refused", "gpu_lost", [])
    assert gpu.looks == admission.MAX_FAULTS


@pytest.mark.parametrize("code", ["nvenc_sessions_exhausted", "disk_full"])
def test_a_passing_fault_of_a_run_leaves_the_worker_at_work(start: Start, code: str) -> None:
    machine = start(Gpu())
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    board = machine.scratch / f"board-{name}"
    (board / "1.json").write_text(BoardEntry(pid=1, fault=refusal(code)).model_dump_json())
    # Read, and its process is not there.
    until(lambda: not (board / "1.json").exists())
    time.sleep(0.2)
    assert (machine.status().state, machine.status().name) == ("ready", name)


def test_a_machine_that_needs_no_gpu_ignores_what_nvml_says_of_one(start: Start) -> None:
    machine = start()
    until(lambda: len(machine.workers()) == 1)
    name = machine.status().name
    machine.main._sampler._fault = (name, refusal("gpu_lost"))
    time.sleep(0.2)
    assert (machine.status().state, machine.status().name) == ("ready", name)


@pytest.mark.usefixtures("soon")
def test_a_refused_machine_is_drained_at_once_and_looked_at_when_that_is_taken_back(
    start: Start, store: LocalStore
) -> None:
    gpu = Gpu("gpu_missing")
    machine = start(gpu)
    until(lambda: machine.status().refusal)
    ask_to_drain(store, DRAIN)
    until(lambda: machine.status().state == "drained")
    assert machine.status().refusal is None
    time.sleep(admission.UNHEALTHY_SECONDS)
    assert machine.health() == 200
    gpu.refusal = None
    take_drain_back(store, "vm-1")
    until(lambda: machine.status().state == "ready")
    until(lambda: len(machine.workers()) == 1)
