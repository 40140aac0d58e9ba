"""A worker's heartbeat: what it tells, when, and that nothing outside keeps it from beating."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trivia_render.errors import StoreUnavailableError
from trivia_render.models.fleet import DrainRequest, WorkerRecord
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.fleet_records import ask_to_drain, take_drain_back
from trivia_render.pipeline.workers import read_worker
from trivia_render.storage.keys import drain_key, worker_key
from trivia_render.storage.local import LocalStore
from trivia_render.workpool.heartbeat import Heartbeat, LastError, OnHeartbeat, WorkerBeat, WorkerFacts
from trivia_render.workpool.readings import Readings

FACTS = WorkerFacts("vm-1", "gpu-t4", "gpu", {"engine": "7"})
NAME = "vm-1-0a1b"
worker_log = logging.getLogger("trivia_render.worker")


class Shaky(LocalStore):
    """A store that is away, or holds writes up, when told so."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.away = False
        self.open = threading.Event()
        self.open.set()
        self.writes: list[str] = []

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        self._check()
        return super().read(key)

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        self._check()
        self.writes.append(WorkerRecord.model_validate_json(data).state if "workers" in key else key)
        self.open.wait(20)
        return super().write(key, data, content_type=content_type, if_generation=if_generation)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailableError("The bucket answers 503.", remedy="Wait.")


@pytest.fixture
def store(tmp_path: Path) -> Shaky:
    return Shaky(tmp_path)


def heartbeat(
    store: Shaky,
    *,
    every_seconds: float = 60.0,
    told: OnHeartbeat | None = None,
    found: Readings | None = None,
) -> Heartbeat:
    made = Heartbeat(
        FACTS,
        store=store,
        every_seconds=every_seconds,
        readings=lambda: found or Readings(),
        on_heartbeat=told,
    )
    made.begin(NAME, Path("board"))
    return made


@contextmanager
def beating(beats: Heartbeat) -> Iterator[threading.Event]:
    ended = threading.Event()
    thread = threading.Thread(target=beats.run, args=(ended,))
    thread.start()
    yield ended
    ended.set()
    thread.join(10)
    assert not thread.is_alive()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def in_store(store: Shaky) -> WorkerRecord:
    found = read_worker(store, NAME)
    assert found is not None
    return found[0]


def drain(by: str = "operator") -> DrainRequest:
    return DrainRequest.model_validate({"worker_id": "vm-1", "by": by, "at": datetime.now(UTC)})


def test_the_record_holds_the_facts_and_the_last_look(store: Shaky) -> None:
    found = Readings(runs=1, cpu_percent=12.3456, disk_free_bytes=5, disk_total_bytes=9)
    beats = heartbeat(store, found=found)
    beats.status_url = "http://127.0.0.1:9100/status"
    beats.write()
    record = in_store(store)
    assert (record.name, record.worker_id, record.pool, record.encodes_on) == (NAME, "vm-1", "gpu-t4", "gpu")
    assert (record.state, record.runs, record.cpu_percent, record.disk_free_bytes) == ("ready", 1, 12.3, 5)
    assert record.versions == {"engine": "7"}
    assert record.status_url == "http://127.0.0.1:9100/status"
    assert record.started_at <= record.updated_at


def test_it_beats_again_and_again_and_counts(store: Shaky) -> None:
    beats = heartbeat(store, every_seconds=0.02)
    with beating(beats):
        until(lambda: beats.counts().heartbeats_written >= 3)
    assert beats.counts().last_heartbeat == pytest.approx(time.time(), abs=10)


def test_a_new_state_is_told_at_once(store: Shaky) -> None:
    beats = heartbeat(store)
    with beating(beats):
        until(lambda: store.writes == ["ready"])
        beats.say("draining", "It is drained by the operator.")
        until(lambda: store.writes == ["ready", "draining"])
        beats.say("draining", "It is drained by the operator.")
        time.sleep(0.1)
    assert store.writes == ["ready", "draining"]
    until(lambda: in_store(store).reason == "It is drained by the operator.")


def test_a_store_that_is_away_costs_the_beat_and_nothing_else(store: Shaky) -> None:
    beats = heartbeat(store, every_seconds=0.02)
    ask_to_drain(store, drain())
    with beats, beating(beats):
        until(lambda: beats.drain is not None)
        store.away = True
        until(lambda: beats.counts().heartbeats_failed >= 2)
        assert beats.drain is not None, "what was known of a drain stays so"
        assert "503" in (beats.record().last_error or "")
        store.away = False
        written = beats.counts().heartbeats_written
        until(lambda: beats.counts().heartbeats_written > written)


def test_a_beat_that_fails_of_something_nobody_foresaw_is_followed_by_another(
    store: Shaky, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beats = heartbeat(store, every_seconds=0.02)
    record, failures = beats.record, []

    def now_and_then() -> WorkerRecord:
        if len(failures) < 2:
            failures.append(1)
            raise ValueError("no such record")
        return record()

    monkeypatch.setattr(beats, "record", now_and_then)
    with beating(beats):
        until(lambda: beats.counts().heartbeats_written >= 1)
    assert "no such record" in caplog.text


def test_the_record_can_be_had_while_the_store_hangs(store: Shaky) -> None:
    beats = heartbeat(store)
    store.open.clear()
    with beating(beats):
        until(lambda: store.writes)
        beats.say("draining")
        beats.count("crashes")
        begun = time.monotonic()
        assert beats.record().state == "draining"
        assert beats.counts().crashes == 1
        assert time.monotonic() - begun < 1
        store.open.set()


def test_the_last_word_is_not_overtaken_by_a_beat(store: Shaky) -> None:
    beats = heartbeat(store, every_seconds=0.01)
    with beating(beats) as ended:
        until(lambda: store.writes)
        ended.set()
        beats.say("stopping", "The machine is being preempted.")
        beats.write()
        time.sleep(0.1)
    assert store.writes[-1] == "stopping"
    assert store.writes.count("stopping") == 1


def test_a_drain_is_seen_and_taken_back(store: Shaky) -> None:
    beats = heartbeat(store)
    beats.look_for_drain()
    assert beats.drain is None
    ask_to_drain(store, drain("autoscaler"))
    beats.look_for_drain()
    assert beats.drain is not None
    assert beats.drain.by == "autoscaler"
    take_drain_back(store, "vm-1")
    beats.look_for_drain()
    assert beats.drain is None


def test_a_request_to_drain_counts_whatever_it_says(store: Shaky) -> None:
    store.write(drain_key("vm-1"), b"please", content_type="text/plain")
    beats = heartbeat(store)
    beats.look_for_drain()
    assert beats.drain is not None


def test_a_new_start_begins_ready_with_a_record_of_its_own(store: Shaky) -> None:
    beats = heartbeat(store)
    beats.say("stopping", "It goes on under another name.")
    beats.write()
    beats.begin("vm-1-2c3d", Path("board-2"))
    beats.write()
    assert in_store(store).state == "stopping"
    assert store.stat(worker_key("vm-1-2c3d")) is not None
    assert (beats.state, beats.record().reason) == ("ready", None)


def test_others_are_told_of_counts_and_of_the_end(store: Shaky) -> None:
    told: list[WorkerBeat] = []
    beats = heartbeat(store, told=told.append)
    beats.count("preemptions")
    beats.tell(ended=False)
    beats.tell(ended=True)
    assert [(beat.record.name, beat.ended, beat.preemptions, beat.crashes) for beat in told] == [
        (NAME, False, 1, 0),
        (NAME, True, 1, 0),
    ]
    assert told[0].board_folder == Path("board")


@pytest.mark.parametrize("error", [StoreUnavailableError("503", remedy="Wait."), OSError("the disk is gone")])
def test_others_that_fail_are_told_again_at_the_next_beat(
    store: Shaky, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[WorkerBeat] = []

    def fail_at_first(beat: WorkerBeat) -> None:
        told.append(beat)
        if len(told) == 1:
            raise error

    beats = heartbeat(store, every_seconds=0.01, told=fail_at_first)
    ended = threading.Event()
    thread = threading.Thread(target=beats.tell_others, args=(ended,))
    thread.start()
    until(lambda: len(told) >= 2)
    ended.set()
    thread.join(10)
    assert str(error.args[0]) in caplog.text


def test_the_last_error_is_the_worker_logs_last_one_and_is_short(store: Shaky) -> None:
    beats = heartbeat(store)
    with beats:
        worker_log.info("All is well.")
        assert beats.record().last_error is None
        worker_log.warning("%d of %d", 1, 2)
        assert beats.record().last_error == "1 of 2"
        worker_log.error("It broke.", exc_info=ValueError("x" * 600))
        error = beats.record().last_error
        assert error is not None
        assert error.startswith("It broke. (ValueError: xxx")
        assert len(error) == 500
    worker_log.warning("After it.")
    assert beats.record().last_error == error


def test_a_line_that_cannot_be_made_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    kept = LastError()
    kept.handle(logging.LogRecord("n", logging.ERROR, "f", 1, "%d", ("no number",), None))
    assert kept.text is None
