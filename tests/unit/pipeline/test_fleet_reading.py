"""The dashboard reads only what has changed, and forgets what it should."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fleet_day import POOL, page, seed_day, worker
from trivia_render.errors import StoreUnavailableError
from trivia_render.models.fleet import HistoryHour, PastDecision
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.fleet_reading import StoreReader
from trivia_render.pipeline.fleet_records import write_model
from trivia_render.pipeline.workers import write_worker
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class WatchedStore(LocalStore):
    """A real folder that notes what was read of it, and fails when told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: Counter[str] = Counter()
        self.fails_on = "nothing"

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        self.reads[key] += 1
        if self.fails_on in key:
            raise StoreUnavailableError("The store is away.", remedy="Wait.")
        return super().read(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.reads[f"{prefix}*"] += 1
        return super().list(prefix)


@pytest.fixture
def store(tmp_path: Path) -> WatchedStore:
    return WatchedStore(tmp_path)


def now() -> datetime:
    return datetime.now(UTC)


def past(at: datetime, *, target: int = 1) -> PastDecision:
    return PastDecision(
        at=at, trigger="none", machines_before=1, target_machines=target, pending_jobs=0, reason="So."
    )


def test_an_empty_store_is_a_fleet_of_nothing(store: WatchedStore) -> None:
    reading = StoreReader(store, pool=POOL).read(now())
    assert (reading.workers, reading.decision, reading.history, reading.pages) == ((), None, (), ())


def test_a_second_look_reads_none_of_what_stayed_the_same(store: WatchedStore) -> None:
    seed_day(store, limit=3)
    reader = StoreReader(store, pool=POOL)
    first = reader.read(now())
    store.reads.clear()
    second = reader.read(now())
    assert second.workers == first.workers
    assert second.history == first.history
    assert second.pages == first.pages
    read = {key for key in store.reads if not key.endswith("*")}
    hours = {key for key in read if key.startswith(keys.HISTORY_PREFIX)}
    assert len(hours) <= 2, "the current hour, and the one before while decisions may still be added to it"
    assert read - hours == {keys.FLEET_DECISION_KEY, keys.FLEET_OVERRIDE_KEY, keys.FLEET_PAUSE_KEY}
    assert sum(store.reads.values()) <= 7


def test_what_changed_is_read_again(store: WatchedStore) -> None:
    reader = StoreReader(store, pool=POOL)
    write_worker(store, worker(1, now=now()))
    write_worker(store, worker(2, now=now()))
    reader.read(now())
    changed = worker(2, now=now(), last_error="The disk is full.")
    write_worker(store, changed)
    store.reads.clear()
    reading = reader.read(now())
    assert [record.last_error for record in reading.workers] == [None, "The disk is full."]
    assert store.reads[keys.worker_key(changed.name)] == 1
    assert store.reads[keys.worker_key(worker(1, now=now()).name)] == 0


def test_workers_of_other_pools_and_of_long_ago_are_left_out(store: WatchedStore) -> None:
    write_worker(store, worker(1, now=now()).model_copy(update={"pool": "control"}))
    write_worker(store, worker(2, now=now()))
    reader = StoreReader(store, pool=POOL)
    assert [record.worker_id for record in reader.read(now()).workers] == ["gpu-t4-02"]
    assert reader.read(now() + timedelta(minutes=61)).workers == ()


def test_an_object_of_another_version_is_passed_over(store: WatchedStore) -> None:
    store.write(f"{keys.WORKERS_PREFIX}odd.json", b'{"name": 1}', content_type="application/json")
    store.write(keys.FLEET_DECISION_KEY, b"[]", content_type="application/json")
    reading = StoreReader(store, pool=POOL).read(now())
    assert (reading.workers, reading.decision) == ((), None)


def test_a_decision_that_comes_late_into_an_hour_that_has_ended_is_still_seen(store: WatchedStore) -> None:
    at = datetime(2026, 3, 1, 11, 59, tzinfo=UTC)
    write_model(store, keys.history_key(at), HistoryHour(decisions=(past(at - timedelta(minutes=1)),)))
    reader = StoreReader(store, pool=POOL)
    assert len(reader.read(at + timedelta(minutes=2)).history) == 1
    hour = HistoryHour(decisions=(past(at - timedelta(minutes=1)), past(at)))
    write_model(store, keys.history_key(at), hour)
    assert len(reader.read(at + timedelta(minutes=3)).history) == 2
    assert len(reader.read(at + timedelta(hours=25)).history) == 0


def test_a_new_day_keeps_yesterdays_pages_and_all_that_was_counted(store: WatchedStore) -> None:
    evening = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    reader = StoreReader(store, pool=POOL)
    reader.read(evening)
    first = page("w-1", evening, 3600, now=evening)
    write_model(store, keys.ledger_key(first.day, "w-1"), first)
    before = reader.read(evening)
    morning = evening + timedelta(minutes=2)
    second = page("w-2", morning, 3600, now=morning)
    write_model(store, keys.ledger_key(second.day, "w-2"), second)
    store.reads.clear()
    after = reader.read(morning)
    assert [found.worker for found in after.pages] == ["w-1", "w-2"]
    assert store.reads[keys.ledger_key(first.day, "w-1")] == 0
    assert before.counts.tally.videos > 0
    assert after.counts.tally.videos == 2 * before.counts.tally.videos
    later = reader.read(morning + timedelta(days=2))
    assert later.pages == ()
    assert later.counts == after.counts


def videos_of(up_seconds: float) -> int:
    return page("w", NOON, up_seconds, now=NOON).channels["quiz-daily"].videos


def write_page(store: WatchedStore, name: str, up_seconds: float, *, at: datetime) -> None:
    write_model(store, keys.ledger_key(at.date(), name), page(name, at, up_seconds, now=at))


def test_a_restart_counts_nothing_of_what_is_there_and_everything_that_comes(store: WatchedStore) -> None:
    seed_day(store, now=NOON, limit=3)
    reader = StoreReader(store, pool=POOL)
    first = reader.read(NOON)
    assert first.counts.tally.videos == first.counts.machine_usd == first.counts.preemptions == 0
    assert first.counts.decisions == {}
    assert sum(found.channels["quiz-daily"].videos for found in first.pages) > 0
    write_page(store, "w-new", 3600, at=NOON)
    hour = HistoryHour(decisions=(past(NOON + timedelta(minutes=1)),))
    write_model(store, keys.history_key(NOON + timedelta(hours=1)), hour)
    second = reader.read(NOON + timedelta(hours=1))
    assert second.counts.tally.videos == videos_of(3600)
    assert second.counts.decisions == {"none": 1}
    restarted = StoreReader(store, pool=POOL).read(NOON + timedelta(hours=1))
    assert restarted.counts.tally.videos == 0
    assert restarted.pages == second.pages


def test_a_page_of_the_baseline_counts_what_it_grows_by(store: WatchedStore) -> None:
    yesterday = NOON - timedelta(days=1)
    write_page(store, "w-1", 3600, at=NOON)
    write_page(store, "w-1", 3600, at=yesterday)
    reader = StoreReader(store, pool=POOL)
    reader.read(NOON)
    write_page(store, "w-1", 7200, at=NOON)
    write_page(store, "w-1", 10_800, at=yesterday)
    counts = reader.read(NOON + timedelta(minutes=6)).counts
    assert counts.tally.videos == videos_of(7200) + videos_of(10_800) - 2 * videos_of(3600)


def test_a_baseline_that_fails_half_way_counts_nothing_twice_and_loses_no_growth(store: WatchedStore) -> None:
    yesterday = NOON - timedelta(days=1)
    write_page(store, "w-1", 3600, at=yesterday)
    write_page(store, "w-2", 3600, at=NOON)
    reader = StoreReader(store, pool=POOL)
    store.fails_on = "w-2"
    with pytest.raises(StoreUnavailableError):
        reader.read(NOON)
    store.fails_on = "nothing"
    assert reader.read(NOON).counts.tally.videos == 0
    write_page(store, "w-1", 7200, at=yesterday)
    write_page(store, "w-2", 7200, at=NOON)
    for minutes in (6, 12):
        counts = reader.read(NOON + timedelta(minutes=minutes)).counts
        assert counts.tally.videos == 2 * (videos_of(7200) - videos_of(3600))


def test_what_grows_between_a_baseline_that_failed_and_the_next_reading_counts(store: WatchedStore) -> None:
    yesterday = NOON - timedelta(days=1)
    write_page(store, "w-1", 3600, at=yesterday)
    write_page(store, "w-2", 3600, at=NOON)
    write_model(store, keys.history_key(NOON), HistoryHour(decisions=(past(NOON),)))
    reader = StoreReader(store, pool=POOL)
    store.fails_on = "w-2"
    with pytest.raises(StoreUnavailableError):
        reader.read(NOON)
    store.fails_on = "nothing"
    later = NOON + timedelta(minutes=6)
    write_page(store, "w-1", 7200, at=yesterday)
    write_model(store, keys.history_key(NOON), HistoryHour(decisions=(past(NOON), past(later))))
    counts = reader.read(later).counts
    assert counts.tally.videos == videos_of(7200) - videos_of(3600)
    assert counts.decisions == {"none": 1}


def test_a_look_that_fails_half_way_counts_nothing_twice(store: WatchedStore) -> None:
    reader = StoreReader(store, pool=POOL)
    reader.read(NOON)
    for name in ("w-1", "w-2"):
        write_page(store, name, 3600, at=NOON)
    store.fails_on = "w-2"
    with pytest.raises(StoreUnavailableError):
        reader.read(NOON)
    store.fails_on = "nothing"
    once = reader.read(NOON).counts
    assert once.tally.videos == 2 * videos_of(3600)
    assert reader.read(NOON).counts == once
