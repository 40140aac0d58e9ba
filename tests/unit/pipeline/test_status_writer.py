"""The status of a job while it is rendered: who may write it, how often, and what a silent store costs."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import CHANNEL, JOB, NOON, Clock, ports_in, put_status, status_in
from trivia_render.errors import LeaseLostError, PreconditionFailedError, StoreUnavailableError
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline import status as status_module
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import (
    PROGRESS_SECONDS,
    StatusWriter,
    read_status,
    read_status_object,
    write_status,
)
from trivia_render.storage.keys import status_key
from trivia_render.storage.local import LocalStore


class Counted(LocalStore):
    """Counts the writes, and can be out of reach."""

    writes = 0
    unreachable = False

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        if self.unreachable:
            raise StoreUnavailableError("503", remedy="Wait.")
        self.writes += 1
        return super().write(key, data, content_type=content_type, if_generation=if_generation)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "store")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports(tmp_path: Path, store: Counted, clock: Clock) -> Ports:
    return replace(ports_in(tmp_path, now=clock), store=store)


@pytest.fixture
def writer(ports: Ports, store: Counted) -> StatusWriter:
    put_status(store, clips_total=10)
    status, generation = read_status_object(store, channel=CHANNEL, job_id=JOB)
    assert status is not None
    store.writes = 0
    return StatusWriter(ports, status, generation=generation)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's own clock, which stands still."""
    now = [1000.0]
    monkeypatch.setattr(status_module.time, "monotonic", lambda: now[0])
    return now


def test_a_job_that_was_never_seen_has_no_status_and_is_written_over_nothing(ports: Ports) -> None:
    assert read_status(ports, channel=CHANNEL, job_id=JOB) is None
    assert read_status_object(ports.store, channel=CHANNEL, job_id=JOB) == (None, 0)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"state": "exploded"}', b"\xff"])
def test_a_status_of_another_version_tells_nothing_and_can_be_replaced(ports: Ports, content: bytes) -> None:
    info = ports.store.write(status_key(CHANNEL, JOB), content, content_type="application/json")
    assert read_status_object(ports.store, channel=CHANNEL, job_id=JOB) == (None, info.generation)


def test_a_status_is_written_only_over_the_one_that_was_read(store: Counted) -> None:
    status = put_status(store)
    _, generation = read_status_object(store, channel=CHANNEL, job_id=JOB)
    with pytest.raises(PreconditionFailedError):
        write_status(store, status, if_generation=0)
    newer = write_status(store, status, if_generation=generation)
    assert newer != generation
    with pytest.raises(PreconditionFailedError):
        write_status(store, status, if_generation=generation)


def test_changes_follow_each_other_and_bear_the_time(
    writer: StatusWriter, store: Counted, clock: Clock
) -> None:
    writer.update(clips_total=4)
    clock.pass_seconds(5)
    writer.update(state="completed", seconds=5.0)
    assert status_in(store) == writer.status
    assert (writer.status.state, writer.status.clips_total) == ("completed", 4)
    assert (writer.status.updated_at, writer.status.created_at) == (clock(), NOON)


def test_a_run_that_was_given_up_is_told_so_and_writes_over_nothing(
    writer: StatusWriter, store: Counted
) -> None:
    theirs = put_status(store, state="failed", error_code="cancelled", attempt=2)
    for change in (lambda: writer.update(state="completed"), lambda: writer.progress(clips_done=10)):
        with pytest.raises(LeaseLostError, match=f"Attempt 1 of {CHANNEL}/{JOB} was given up"):
            change()
    assert status_in(store) == theirs
    assert writer.status.state == "running", "as last written"


def test_progress_is_written_at_most_once_a_second(
    writer: StatusWriter, store: Counted, seconds: list[float]
) -> None:
    for done in range(1, 5):
        writer.progress(clips_done=done)
    assert (store.writes, status_in(store).clips_done) == (1, 1)
    assert writer.status.clips_done == 4
    seconds[0] += PROGRESS_SECONDS
    writer.progress(clips_done=5)
    assert (store.writes, status_in(store).clips_done) == (2, 5)


def test_the_first_progress_right_after_an_update_waits_too(
    writer: StatusWriter, store: Counted, seconds: list[float]
) -> None:
    writer.update(state="running")
    writer.progress(clips_done=1)
    assert store.writes == 1


def test_the_last_clip_is_written_at_once(writer: StatusWriter, store: Counted, seconds: list[float]) -> None:
    writer.progress(clips_done=9)
    writer.progress(clips_done=10)
    assert status_in(store).clips_done == 10


def test_progress_that_was_not_written_goes_with_the_next_change(
    writer: StatusWriter, store: Counted, seconds: list[float]
) -> None:
    for done in (1, 2, 3):
        writer.progress(clips_done=done)
    writer.update(state="pending")
    assert (status_in(store).clips_done, status_in(store).state) == (3, "pending")


def test_a_store_out_of_reach_holds_up_no_clip_and_gets_the_progress_later(
    writer: StatusWriter, store: Counted, seconds: list[float]
) -> None:
    store.unreachable = True
    for done in (1, 2):
        writer.progress(clips_done=done)
        seconds[0] += PROGRESS_SECONDS
    store.unreachable = False
    writer.progress(clips_done=3)
    assert status_in(store).clips_done == 3


def test_a_change_that_counts_is_never_lost_in_silence(writer: StatusWriter, store: Counted) -> None:
    store.unreachable = True
    with pytest.raises(StoreUnavailableError):
        writer.update(state="completed")
    assert writer.status.state == "running"
    store.unreachable = False
    writer.update(state="completed")
    assert status_in(store).state == "completed"
