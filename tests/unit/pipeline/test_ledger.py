"""The ledger: entries are counted once, whatever dies in between."""

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipeline.jobs_in_store import Interrupted
from trivia_render.errors import StoreUnavailableError
from trivia_render.models.fleet import (
    HISTOGRAM_BOUNDS_SECONDS,
    Histogram,
    LedgerEntry,
    LedgerPage,
    Tally,
    WorkerRecord,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.ledger import (
    SETTLED,
    UP_SECONDS,
    BoardLedger,
    LedgerBook,
    StoreLedger,
    by_channel,
    by_day,
    count_crash,
    count_settled,
    entry_id,
    fleet_use,
    measured_throughput,
    measured_videos_per_machine_per_day,
    read_ledger,
    total,
    unpriced,
)
from trivia_render.storage.keys import ledger_key
from trivia_render.storage.local import LocalStore

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = NOON.date()


def entry(*, at: datetime = NOON, channel: str = "quiz", seconds: float = 30.0, **fields: Any) -> LedgerEntry:
    values: dict[str, Any] = {
        "jobs_completed": 1,
        "videos": 1,
        "machine_seconds": seconds,
        "machine_usd": 0.002,
        "stage_seconds": {"encode": seconds},
        "stage_usd": {"encode": 0.002},
        "job_durations": Histogram.of(seconds),
        "stage_durations": {"encode": Histogram.of(seconds)},
    }
    return LedgerEntry(
        id=uuid.uuid4().hex,
        channel=channel,
        job_id="j",
        outcome="completed",
        finished_at=at,
        engine="1",
        tally=Tally(**values | fields),
    )


def record(*, at: datetime, started_at: datetime = NOON, name: str = "vm-1-0a1b") -> WorkerRecord:
    return WorkerRecord(
        name=name, worker_id="vm-1", pool="gpu-t4", state="ready", started_at=started_at, updated_at=at
    )


class Stumbling(LocalStore):
    """A store in which chosen writes land and are answered with a fault, or fail."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.faults: dict[int, str] = {}
        self.writes = 0

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        self.writes += 1
        fault = self.faults.get(self.writes)
        if fault == "lost":
            super().write(key, data, content_type=content_type, if_generation=if_generation)
        if fault is not None:
            raise StoreUnavailableError("It is away.", remedy="Wait.")
        return super().write(key, data, content_type=content_type, if_generation=if_generation)


@pytest.fixture
def store(tmp_path: Path) -> Stumbling:
    return Stumbling(tmp_path / "store")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "board"
    folder.mkdir()
    return folder


def pages(store: LocalStore, first: date = DAY, last: date = DAY + timedelta(days=2)) -> list[LedgerPage]:
    return list(read_ledger(store, first, last))


def fold(book: LedgerBook, board: Path, *, seconds: float, ended: bool = False, **counts: int) -> None:
    book.fold(
        record(at=NOON + timedelta(seconds=seconds)),
        board,
        ended=ended,
        **{"preemptions": 0, "crashes": 0} | counts,
    )


# -- sums


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (1.0, 0), (1.001, 1), (30.0, 5), (1800.0, 10), (1801.0, 11)]
)
def test_a_duration_is_counted_under_the_first_bound_that_is_not_below_it(seconds: float, place: int) -> None:
    counts = Histogram.of(seconds).counts
    assert len(counts) == len(HISTOGRAM_BOUNDS_SECONDS) + 1
    assert (counts[place], sum(counts)) == (1, 1)


def test_histograms_add_up_and_an_empty_one_changes_nothing() -> None:
    both = Histogram.of(0.5) + Histogram.of(4000)
    assert (both.counts[0], both.counts[-1], both.total_seconds) == (1, 1, 4000.5)
    assert both + Histogram() == Histogram() + both == both


def test_tallies_add_every_field_and_keep_the_keys_of_both() -> None:
    left, right = (
        Tally(**dict.fromkeys(_numbers(), 2), stage_usd={"a": 0.1}, stage_durations={"a": Histogram.of(1)}),
        Tally(**dict.fromkeys(_numbers(), 3), stage_usd={"a": 0.2, "b": 1}, job_durations=Histogram.of(2)),
    )
    both = left + right
    assert {getattr(both, name) for name in _numbers()} == {5}
    assert both.stage_usd == {"a": 0.3, "b": 1}
    assert both.stage_durations == left.stage_durations
    assert both.job_durations == right.job_durations
    assert both.usd == 15
    assert left + Tally() == Tally() + left == left


def _numbers() -> list[str]:
    return [name for name, field in Tally.model_fields.items() if field.annotation in {int, float}]


# -- a worker's pages


def test_entries_on_the_board_come_into_the_workers_page_and_go_from_the_board(
    store: Stumbling, board: Path
) -> None:
    book = LedgerBook(store, usd_per_hour=0.25)
    for channel in ("quiz", "quiz", "history"):
        BoardLedger(board)(entry(channel=channel))
    fold(book, board, seconds=40)
    (page,) = pages(store)
    assert (page.worker, page.day, page.usd_per_hour, page.up_seconds) == ("vm-1-0a1b", DAY, 0.25, 40.0)
    assert {name: tally.jobs_completed for name, tally in page.channels.items()} == {"quiz": 2, "history": 1}
    assert list(board.iterdir()) == []


def test_a_later_fold_adds_to_the_same_page(store: Stumbling, board: Path) -> None:
    book = LedgerBook(store, usd_per_hour=None)
    for number in range(1, 4):
        BoardLedger(board)(entry())
        fold(book, board, seconds=10 * number)
    (page,) = pages(store)
    assert total([page]).jobs_completed == 3
    assert page.up_seconds == 30.0
    assert len(page.folded) == 1


@pytest.mark.parametrize("fault", ["refused", "lost"])
def test_a_store_in_trouble_costs_no_entry_and_counts_none_twice(
    store: Stumbling, board: Path, fault: str
) -> None:
    book = LedgerBook(store, usd_per_hour=0.25)
    BoardLedger(board)(entry())
    store.faults = {1: fault}
    with pytest.raises(StoreUnavailableError):
        fold(book, board, seconds=10)
    BoardLedger(board)(entry())
    fold(book, board, seconds=20)
    (page,) = pages(store)
    assert total([page]).jobs_completed == 2
    assert page.up_seconds == 20.0
    assert list(board.iterdir()) == []


def test_a_process_that_dies_between_writing_and_deleting_counts_nothing_twice(
    store: Stumbling, board: Path
) -> None:
    BoardLedger(board)(entry())
    kept = {file: file.read_bytes() for file in board.iterdir()}
    fold(LedgerBook(store, usd_per_hour=0.25), board, seconds=10)
    for file, data in kept.items():
        file.write_bytes(data)
    fold(LedgerBook(store, usd_per_hour=0.25), board, seconds=20)
    (page,) = pages(store)
    assert total([page]).jobs_completed == 1
    assert list(board.iterdir()) == []


def test_midnight_divides_the_up_time_and_entries_go_to_the_day_on_which_they_ended(
    store: Stumbling, board: Path
) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    to_midnight = 12 * 3600
    fold(book, board, seconds=to_midnight - 20, crashes=1)
    BoardLedger(board)(entry(at=NOON + timedelta(seconds=to_midnight - 5)))
    BoardLedger(board)(entry(at=NOON + timedelta(seconds=to_midnight + 5)))
    fold(book, board, seconds=to_midnight + 10, crashes=1)
    fold(book, board, seconds=to_midnight + 100, crashes=2)
    first, second = pages(store)
    assert (first.up_seconds, second.up_seconds) == (12 * 3600.0, 100.0)
    assert [total([page]).jobs_completed for page in (first, second)] == [1, 1]
    assert (first.crashes, second.crashes) == (1, 1)


@pytest.mark.parametrize("fault", [None, "refused"])
def test_what_is_first_seen_after_midnight_belongs_to_the_new_day(
    store: Stumbling, board: Path, fault: str | None
) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    to_midnight = 12 * 3600
    fold(book, board, seconds=to_midnight - 5, preemptions=1, crashes=2)
    if fault is not None:
        store.faults = {store.writes + 1: fault}
        with pytest.raises(StoreUnavailableError):
            fold(book, board, seconds=to_midnight + 4, preemptions=2, crashes=5)
    fold(book, board, seconds=to_midnight + 5, preemptions=2, crashes=5)
    assert [(page.preemptions, page.crashes) for page in pages(store)] == [(1, 2), (1, 3)]
    fold(book, board, seconds=to_midnight + 15, preemptions=3, crashes=5)
    assert [(page.preemptions, page.crashes) for page in pages(store)] == [(1, 2), (2, 3)]


def test_counts_of_before_midnight_are_not_told_again_after_it(store: Stumbling, board: Path) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    fold(book, board, seconds=12 * 3600 - 5, preemptions=1)
    fold(book, board, seconds=12 * 3600 + 60, preemptions=1)
    assert [page.preemptions for page in pages(store)] == [1, 0]


def test_a_second_page_that_cannot_be_written_is_made_up_for(store: Stumbling, board: Path) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    BoardLedger(board)(entry(at=NOON + timedelta(hours=11)))
    BoardLedger(board)(entry(at=NOON + timedelta(hours=13)))
    store.faults = {2: "refused"}
    with pytest.raises(StoreUnavailableError):
        fold(book, board, seconds=14 * 3600)
    fold(book, board, seconds=14 * 3600 + 10)
    first, second = pages(store)
    assert [total([page]).jobs_completed for page in (first, second)] == [1, 1]
    assert (first.up_seconds, second.up_seconds) == (12 * 3600.0, 2 * 3600.0 + 10)


def test_up_time_alone_is_written_once_a_minute_and_at_the_end(store: Stumbling, board: Path) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    for seconds in range(0, 121, 10):
        fold(book, board, seconds=seconds)
    assert store.writes == 1 + 120 // int(UP_SECONDS)
    fold(book, board, seconds=130, ended=True)
    assert pages(store)[0].up_seconds == 130.0


def test_a_preemption_is_written_at_once(store: Stumbling, board: Path) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    fold(book, board, seconds=0)
    fold(book, board, seconds=1, preemptions=1)
    assert pages(store)[0].preemptions == 1


def test_a_worker_that_starts_anew_has_a_page_of_its_own_and_nothing_is_lost_or_counted_twice(
    store: Stumbling, board: Path
) -> None:
    book = LedgerBook(store, usd_per_hour=1.0)
    fold(book, board, seconds=100, crashes=1, ended=True)
    later = NOON + timedelta(seconds=130)
    BoardLedger(board)(entry())
    book.fold(
        record(at=later + timedelta(seconds=10), started_at=later, name="vm-1-9c8d"),
        board,
        ended=False,
        preemptions=0,
        crashes=3,
    )
    first, second = pages(store)
    # The half minute in which the worker was restarted is paid for as well.
    assert (first.up_seconds, second.up_seconds) == (100.0, 40.0)
    assert (first.crashes, second.crashes) == (1, 2)
    assert total([second]).jobs_completed == 1


def test_a_file_that_is_no_entry_is_removed_and_told(
    store: Stumbling, board: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (board / "ledger-x.json").write_text("{}")
    (board / "4711.json").write_text("{}")
    BoardLedger(board)(entry())
    fold(LedgerBook(store, usd_per_hour=None), board, seconds=1)
    assert [file.name for file in board.iterdir()] == ["4711.json"]
    assert total(pages(store)).jobs_completed == 1
    assert "ledger-x.json is of no use" in caplog.text


def test_a_board_that_is_gone_fails_no_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    BoardLedger(tmp_path / "gone")(entry())
    assert "The ledger does not have the run of quiz/j" in caplog.text


# -- a run that no worker has started


def direct(store: LocalStore, worker_id: str = "laptop") -> StoreLedger:
    return StoreLedger(store, worker_id=worker_id, usd_per_hour=0.36)


def test_without_a_worker_the_entry_goes_into_the_page_of_the_worker_id(store: Stumbling) -> None:
    ledger = direct(store)
    ledger(entry(seconds=10))
    ledger(entry(seconds=20))
    (page,) = pages(store)
    assert (page.worker, page.up_seconds, total([page]).jobs_completed) == ("laptop", 30.0, 2)


def test_processes_of_one_worker_id_lose_no_entry(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=direct(LocalStore(tmp_path / "store")), args=(entry(),)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(pages(LocalStore(tmp_path / "store"))).jobs_completed == 6


def test_another_process_that_is_faster_is_not_overwritten(tmp_path: Path) -> None:
    store = Interrupted(tmp_path / "store")
    other = LocalStore(tmp_path / "store")
    store.before_next_write(ledger_key(DAY, "laptop"), lambda: direct(other)(entry()))
    direct(store)(entry())
    assert total(pages(other)).jobs_completed == 2


def test_an_entry_that_is_in_the_page_is_not_added_again(store: Stumbling) -> None:
    same = entry()
    direct(store)(same)
    direct(store)(same)
    assert total(pages(store)).jobs_completed == 1


@pytest.mark.parametrize("spoil", ["store", "page"])
def test_what_cannot_be_kept_fails_no_job(
    spoil: str, store: Stumbling, caplog: pytest.LogCaptureFixture
) -> None:
    if spoil == "store":
        store.faults = {1: "refused"}
    else:
        store.write(ledger_key(DAY, "laptop"), b"{}", content_type="application/json")
    with caplog.at_level(logging.WARNING):
        direct(store)(entry())
    assert "The ledger does not have the run of quiz/j" in caplog.text


# -- reading


@pytest.fixture
def filled(store: Stumbling) -> Stumbling:
    for day in range(3):
        at = NOON + timedelta(days=day)
        for worker in ("a", "b"):
            direct(store, worker)(entry(at=at, seconds=60))
        direct(store, "b")(entry(at=at, channel="history", seconds=30, jobs_completed=0, jobs_failed=1))
    return store


def test_pages_are_read_by_day_and_the_days_asked_for_are_both_included(filled: Stumbling) -> None:
    assert [(page.day.day, page.worker) for page in pages(filled, DAY, DAY + timedelta(days=1))] == [
        (1, "a"), (1, "b"), (2, "a"), (2, "b"),
    ]  # fmt: skip
    assert pages(filled, DAY - timedelta(days=9), DAY - timedelta(days=1)) == []


def test_a_page_of_another_version_is_passed_over(filled: Stumbling) -> None:
    filled.write(ledger_key(DAY, "c"), b'{"day": 7}', content_type="application/json")
    assert len(pages(filled, DAY, DAY)) == 2


SUMS: list[tuple[Callable[[list[LedgerPage]], Any], Any]] = [
    (lambda found: total(found).jobs_completed, 6),
    (lambda found: {name: tally.jobs_failed for name, tally in by_channel(found).items()},
     {"history": 3, "quiz": 0}),
    (lambda found: {day.day: tally.jobs_completed for day, tally in by_day(found).items()},
     {1: 2, 2: 2, 3: 2}),
    (fleet_use, (450.0, 0.045, 0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("add_up", "expected"), SUMS, ids=["total", "channel", "day", "fleet"])
def test_pages_are_added_up(
    add_up: Callable[[list[LedgerPage]], Any], expected: Any, filled: Stumbling
) -> None:
    assert add_up(pages(filled)) == expected


def test_machines_of_unknown_price_are_told_apart() -> None:
    page = LedgerPage(day=DAY, worker="w", up_seconds=100, updated_at=NOON)
    assert fleet_use([page]) == (100.0, 0.0, 100.0)
    assert unpriced([page]) == [page]


def test_a_page_without_a_machines_time_needs_no_price() -> None:
    page = LedgerPage(day=DAY, worker="w", channels={"quiz": Tally(jobs_failed=1)}, updated_at=NOON)
    assert unpriced([page]) == []
    assert unpriced([page.model_copy(update={"up_seconds": 100.0, "usd_per_hour": 0.0})]) == []


def test_a_machines_speed_is_of_all_seconds_at_work_and_needs_five_jobs(filled: Stumbling) -> None:
    assert measured_videos_per_machine_per_day(pages(filled)) == pytest.approx(6 / 450 * 86_400)
    assert measured_videos_per_machine_per_day(pages(filled, DAY, DAY)) is None
    assert measured_videos_per_machine_per_day([]) is None


def test_the_autoscalers_measure_is_of_yesterday_and_today(filled: Stumbling) -> None:
    third = NOON + timedelta(days=2)
    assert measured_throughput(filled, now=third) is None
    direct(filled, "c")(entry(at=third, seconds=150))
    assert measured_throughput(filled, now=third) == pytest.approx(5 / 450 * 86_400)


# -- settled from outside


def failure(name: str = "a") -> LedgerEntry:
    return entry().model_copy(
        update={"id": entry_id("failed", name), "outcome": "failed", "tally": Tally(jobs_failed=1)}
    )


def test_what_is_settled_twice_counts_once(store: Stumbling) -> None:
    for name in ("a", "b", "a", "b"):
        count_settled(store, failure(name))
        count_crash(store, death=name, at=NOON)
    (page,) = pages(store)
    assert (page.worker, page.crashes, page.channels) == (SETTLED, 2, {"quiz": Tally(jobs_failed=2)})


def test_what_is_settled_takes_no_machines_time_and_needs_no_price(store: Stumbling) -> None:
    count_settled(store, failure())
    count_crash(store, death="a", at=NOON)
    assert fleet_use(pages(store)) == (0.0, 0.0, 0.0)
    assert unpriced(pages(store)) == []


def test_what_is_settled_leaves_a_machines_measured_speed_as_it_is(store: Stumbling) -> None:
    for _ in range(5):
        direct(store)(entry(seconds=20))
    before = measured_videos_per_machine_per_day(pages(store))
    count_settled(store, failure())
    assert measured_videos_per_machine_per_day(pages(store)) == before == 4320


def test_a_crash_is_of_the_day_on_which_it_was_found(store: Stumbling) -> None:
    count_crash(store, death="a", at=NOON + timedelta(days=1))
    (page,) = pages(store)
    assert (page.day, page.crashes) == (DAY + timedelta(days=1), 1)


def test_a_crash_that_cannot_be_written_is_logged_and_counts_when_it_is_told_again(
    store: Stumbling, caplog: pytest.LogCaptureFixture
) -> None:
    store.faults = {1: "failed", 2: "lost"}
    for _ in range(3):
        count_crash(store, death="run/state", at=NOON)
    assert [page.crashes for page in pages(store)] == [1]
    assert "does not have the crash run/state" in caplog.text
