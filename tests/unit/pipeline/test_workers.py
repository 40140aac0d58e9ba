"""Workers' records, and turns that only one process at a time has."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import NOON, Interrupted
from trivia_render.errors import StoreError, StoreUnavailableError
from trivia_render.models.fleet import DrainRequest, WorkerRecord
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.fleet_records import ask_to_drain
from trivia_render.pipeline.workers import (
    end_turn,
    is_stopping,
    new_owner,
    sweep_workers,
    sweep_workers_hourly,
    take_turn,
    write_worker,
)
from trivia_render.storage.keys import drain_key, turn_key, worker_key
from trivia_render.storage.local import LocalStore

TURN = turn_key("maintenance")


@pytest.fixture
def store(tmp_path: Path) -> Interrupted:
    return Interrupted(tmp_path)


def take(store: LocalStore, owner: str, *, after_seconds: float = 0.0, name: str = "maintenance") -> bool:
    return take_turn(store, name, owner=owner, now=NOON + timedelta(seconds=after_seconds), seconds=30)


def test_a_turn_has_one_owner_at_a_time(store: Interrupted) -> None:
    assert take(store, "a")
    assert not take(store, "b")
    assert not take(store, "b", after_seconds=29)
    assert take(store, "b", name="another"), "another turn is free"


def test_a_turn_runs_out_with_an_owner_that_was_killed(store: Interrupted) -> None:
    assert take(store, "a")
    assert take(store, "b", after_seconds=30)
    assert not take(store, "a", after_seconds=31)


def test_its_owner_prolongs_a_turn(store: Interrupted) -> None:
    assert take(store, "a")
    assert take(store, "a", after_seconds=29)
    assert not take(store, "b", after_seconds=58)
    assert take(store, "b", after_seconds=59)


def test_a_turn_that_its_owner_ends_is_free_at_once_and_nobody_elses_end_matters(store: Interrupted) -> None:
    assert take(store, "a")
    end_turn(store, "maintenance", owner="b", now=NOON)
    assert not take(store, "b", after_seconds=1)
    end_turn(store, "maintenance", owner="a", now=NOON)
    assert take(store, "b")


def test_of_two_that_take_a_free_turn_at_this_moment_one_has_it(store: Interrupted) -> None:
    other = LocalStore(store.root)
    store.before_next_write(TURN, lambda: take(other, "b"))
    assert not take(store, "a")
    assert take(store, "b", after_seconds=1)


def test_of_two_that_take_over_a_turn_that_ran_out_one_has_it(store: Interrupted) -> None:
    take(store, "killed")
    other = LocalStore(store.root)
    store.before_next_write(TURN, lambda: take(other, "b", after_seconds=31))
    assert not take(store, "a", after_seconds=31)


def test_of_many_processes_one_has_the_turn(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda owner: take(LocalStore(tmp_path), owner), map(str, range(8))))
    assert taken.count(True) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"owner": "a"}'])
def test_a_turn_that_cannot_be_read_is_anyones(store: Interrupted, content: bytes) -> None:
    store.write(TURN, content, content_type="application/json")
    assert take(store, "a")
    assert not take(store, "b")


def test_owners_names_never_repeat() -> None:
    assert len({new_owner() for _ in range(100)}) == 100


def record(name: str = "worker-1-ab12", **changes: object) -> WorkerRecord:
    values: dict[str, object] = {
        "name": name, "worker_id": "worker-1", "pool": "gpu-t4", "state": "ready",
        "started_at": NOON, "updated_at": NOON,
    }  # fmt: skip
    return WorkerRecord.model_validate(values | changes)


def test_a_worker_drains_once_it_has_said_so(store: Interrupted) -> None:
    assert not is_stopping(store, "worker-1-ab12")
    write_worker(store, record())
    assert not is_stopping(store, "worker-1-ab12")
    write_worker(store, record(state="stopping", reason="preempted"))
    assert is_stopping(store, "worker-1-ab12")
    assert not is_stopping(store, "worker-1-cd34"), "its next start has another name"
    kept = WorkerRecord.model_validate_json(store.read(worker_key("worker-1-ab12"))[0])
    assert kept.reason == "preempted"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"state": "stopping"}'])
def test_a_record_that_cannot_be_read_says_nothing(store: Interrupted, content: bytes) -> None:
    store.write(worker_key("worker-1"), content, content_type="application/json")
    assert not is_stopping(store, "worker-1")


@pytest.mark.parametrize("name", ["ProcessWorker 6f1c2d3e", "", "a/b", "..", "ü", "x" * 300])
def test_a_worker_that_was_not_started_by_us_has_announced_nothing(store: Interrupted, name: str) -> None:
    assert not is_stopping(store, name)
    with pytest.raises(StoreError):
        write_worker(store, record(name))


def test_a_store_out_of_reach_is_no_answer(tmp_path: Path) -> None:
    class Unreachable(LocalStore):
        def read(self, key: str) -> tuple[bytes, ObjectInfo]:
            raise StoreUnavailableError("503", remedy="Wait.")

    with pytest.raises(StoreUnavailableError):
        is_stopping(Unreachable(tmp_path), "worker-1")
    with pytest.raises(StoreUnavailableError):
        take(Unreachable(tmp_path), "a")


def drain(worker_id: str) -> DrainRequest:
    return DrainRequest(worker_id=worker_id, by="operator", at=NOON)


def age(store: LocalStore, key: str, **since: float) -> None:
    """Make an object older."""
    written = (datetime.now(UTC) - timedelta(**since)).timestamp()
    os.utime(store.root / key, (written, written))


def test_records_and_drains_of_machines_that_are_gone_are_swept(store: Interrupted) -> None:
    for name in ("gone-ab12", "late-ab12", "lives-ab12", "lives-cd34"):
        write_worker(store, record(name))
    for worker_id in ("gone", "lives", "new"):
        ask_to_drain(store, drain(worker_id))
    for key in (worker_key("gone-ab12"), worker_key("lives-ab12"), drain_key("gone"), drain_key("lives")):
        age(store, key, days=2, seconds=60)
    age(store, worker_key("late-ab12"), days=1, hours=23)
    assert sweep_workers(store, datetime.now(UTC)) == 3
    assert {info.key for info in store.list("fleet/")} == {
        worker_key("late-ab12"),
        worker_key("lives-cd34"),
        drain_key("lives"),  # drained for days, and still there
        drain_key("new"),
    }
    assert sweep_workers(store, datetime.now(UTC)) == 0


def test_a_record_that_is_written_while_it_is_swept_stays(tmp_path: Path) -> None:
    class Late(LocalStore):
        def delete(self, key: str, *, if_generation: int | None = None) -> None:
            write_worker(self, record())
            super().delete(key, if_generation=if_generation)

    store = Late(tmp_path)
    write_worker(store, record())
    age(store, worker_key("worker-1-ab12"), days=3)
    assert sweep_workers(store, datetime.now(UTC)) == 0
    assert store.stat(worker_key("worker-1-ab12")) is not None


def test_it_is_swept_once_an_hour_by_whoever_comes(store: Interrupted) -> None:
    now = datetime.now(UTC)
    for minutes, swept in ((0, True), (1, False), (59, False), (61, True), (62, False)):
        write_worker(store, record())
        age(store, worker_key("worker-1-ab12"), days=3)
        sweep_workers_hourly(store, now + timedelta(minutes=minutes))
        assert (store.stat(worker_key("worker-1-ab12")) is None) == swept


def test_a_store_in_trouble_fails_no_pass(
    store: Interrupted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(prefix: str) -> Iterator[ObjectInfo]:
        raise StoreUnavailableError("503", remedy="Wait.")

    monkeypatch.setattr(store, "list", unreachable)
    sweep_workers_hourly(store, NOON)
    assert "503" in caplog.text
