"""The ledger: what each worker did on each day, and what it cost.

A run of a job makes one entry. Where a worker has started the run, the entry is a file on its board, and
the worker's main process folds it into the worker's page of the day; elsewhere the run folds it in itself.
A run that could not make one, since its process died, is counted by whoever settles it, in a page of its own.
An entry is counted once: its id stays in the page until its file is gone. Nothing sweeps the pages.
"""

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from trivia_render.errors import ObjectMissingError, PreconditionFailedError, StoreError
from trivia_render.models.fleet import LedgerEntry, LedgerPage, Tally, WorkerRecord
from trivia_render.models.ports import Store
from trivia_render.pipeline.fleet_records import read_model, write_model
from trivia_render.storage import keys

log = logging.getLogger("trivia_render.ledger")

#: Takes in what a run did. Never raises: no job fails for the ledger's sake.
Ledger = Callable[[LedgerEntry], None]

#: A machine's up-time alone is written this often; entries are written at once.
UP_SECONDS = 60.0
#: Jobs that a machine's measured speed needs at least.
MEASURED_JOBS = 5
#: The page of what is settled from outside a run. No machine is called so: host names have no underscore.
SETTLED = "_settled"
_READS = 8
_TRIES = 10
#: Entries that a page shared by several processes remembers, for a write whose answer was lost.
_REMEMBERED = 50
_DAY = timedelta(days=1)


def ignore(entry: LedgerEntry) -> None:
    """Keep no ledger."""


class BoardLedger:
    """Puts entries on the board of the worker that started this run."""

    def __init__(self, board: Path) -> None:
        self._board = board

    def __call__(self, entry: LedgerEntry) -> None:
        """Write the entry's file, whole or not at all."""
        file = self._board / f"ledger-{entry.id}.json"
        try:
            temporary = file.with_suffix(".tmp")
            temporary.write_text(entry.model_dump_json())
            temporary.replace(file)
        except OSError as error:
            log.warning("The ledger does not have the run of %s/%s: %s", entry.channel, entry.job_id, error)


class StoreLedger:
    """Folds entries into a page that other processes of the same worker id may write too.

    The machine counts as up for as long as it rendered.
    """

    def __init__(self, store: Store, *, worker_id: str, usd_per_hour: float | None) -> None:
        self._store = store
        self._worker_id = worker_id
        self._usd_per_hour = usd_per_hour

    def __call__(self, entry: LedgerEntry) -> None:
        """Fold the entry in. A store in trouble is logged."""
        try:
            self._fold(entry)
        except (StoreError, ValidationError) as error:
            log.warning("The ledger does not have the run of %s/%s: %s", entry.channel, entry.job_id, error)

    def _fold(self, entry: LedgerEntry) -> None:
        def counted(page: LedgerPage) -> LedgerPage:
            return with_entries(page, [entry]).model_copy(
                update={
                    "up_seconds": round(page.up_seconds + entry.tally.machine_seconds, 3),
                    "usd_per_hour": self._usd_per_hour,
                }
            )

        _change_page(self._store, self._worker_id, entry.finished_at, counted_as=entry.id, change=counted)


def count_settled(store: Store, entry: LedgerEntry) -> None:
    """Count a job that was ended from outside its run. No machine's time: that died with the run.

    Again, it changes nothing. A store in trouble is logged.
    """
    StoreLedger(store, worker_id=SETTLED, usd_per_hour=None)(entry)


def count_crash(store: Store, *, death: str, at: datetime) -> None:
    """Count a run whose process died and whose worker did not count it. `death` names it: it counts once.

    A store in trouble is logged.
    """

    def counted(page: LedgerPage) -> LedgerPage:
        return page.model_copy(update={"crashes": page.crashes + 1})

    try:
        _change_page(store, SETTLED, at, counted_as=entry_id("crash", death), change=counted)
    except (StoreError, ValidationError) as error:
        log.warning("The ledger does not have the crash %s: %s", death, error)


def entry_id(*parts: str) -> str:
    """Return the id of what may be entered more than once: the same parts are the same entry. Pure."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _change_page(
    store: Store,
    worker: str,
    at: datetime,
    *,
    counted_as: str,
    change: Callable[[LedgerPage], LedgerPage],
) -> None:
    """Change a page that others may write too, unless it remembers the id. Raises the store's errors."""
    key = keys.ledger_key(_day_of(at), worker)
    for attempt in range(1, _TRIES + 1):
        try:
            data, info = store.read(key)
        except ObjectMissingError:
            page, generation = _new_page(_day_of(at), worker, at), 0
        else:
            page, generation = LedgerPage.model_validate_json(data), info.generation
        if counted_as in page.folded:
            return
        page = change(page).model_copy(
            update={"folded": (*page.folded, counted_as)[-_REMEMBERED:], "updated_at": at}
        )
        try:
            store.write(
                key,
                page.model_dump_json(indent=2).encode(),
                content_type="application/json",
                if_generation=generation,
            )
        except PreconditionFailedError:
            if attempt == _TRIES:
                raise
            # Another process was faster.
            time.sleep(random.uniform(0.0, 0.1) * attempt)  # noqa: S311 - only to take turns
        else:
            return


class _Start(NamedTuple):
    """One start of a worker: its name, since when its machine is paid for, and the counts before it."""

    name: str
    since: datetime
    preemptions: int
    crashes: int


class LedgerBook:
    """A worker's pages, kept by its main process. Safe between threads.

    Each start of a worker has pages of its own, and this is their only writer.
    """

    def __init__(self, store: Store, *, usd_per_hour: float | None) -> None:
        self._store = store
        self._usd_per_hour = usd_per_hour
        self._start: _Start | None = None
        self._pages: dict[date, LedgerPage] = {}
        self._seen_until: datetime | None = None
        self._counted = (0, 0)
        self._up_written_at: datetime | None = None
        self._lock = threading.Lock()

    def fold(self, record: WorkerRecord, board: Path, *, ended: bool, preemptions: int, crashes: int) -> None:
        """Count the entries on the board, and the machine as up until the record was made.

        `preemptions` and `crashes`: since the process began. `ended`: the board goes after this call. Raises
        the store's errors; the entries stay on the board then, and the next call counts them.
        """
        with self._lock:
            now = record.updated_at
            start = self._begin(record)
            entries = _read_entries(board)
            due = self._up_written_at is None or (now - self._up_written_at).total_seconds() >= UP_SECONDS
            if not (entries or due or ended or (preemptions, crashes) != self._counted):
                return
            if self._seen_until is not None and _day_of(self._seen_until) < _day_of(now):
                # The day that has ended keeps what was counted in it; what was seen since is the new one's.
                before, crashed = self._counted
                self._start = start = start._replace(preemptions=before, crashes=crashed)
            since = self._seen_until or start.since
            days = {_day_of(entry.finished_at) for entry in entries.values()}
            for day in sorted(days | set(_days(since, now))):
                self._write_page(day, start, now, entries, preemptions=preemptions, crashes=crashes)
            # Written first: cut off in between, the page still knows them.
            for file in entries:
                file.unlink(missing_ok=True)
            self._pages = {day: page for day, page in self._pages.items() if day >= _day_of(now) - _DAY}
            self._seen_until = self._up_written_at = now
            self._counted = (preemptions, crashes)

    def _begin(self, record: WorkerRecord) -> _Start:
        if self._start is None or self._start.name != record.name:
            # A machine whose worker died and starts anew is paid for in between.
            since = self._seen_until or record.started_at
            self._start = _Start(record.name, since, *self._counted)
            self._pages, self._seen_until, self._up_written_at = {}, None, None
        return self._start

    def _write_page(
        self,
        day: date,
        start: _Start,
        now: datetime,
        entries: Mapping[Path, LedgerEntry],
        *,
        preemptions: int,
        crashes: int,
    ) -> None:
        page = self._pages.get(day) or self._read_page(day, start.name, now)
        there = {entry.id for entry in entries.values()}
        fresh = [
            entry
            for entry in entries.values()
            if _day_of(entry.finished_at) == day and entry.id not in page.folded
        ]
        changes: dict[str, object] = {
            "folded": (*(known for known in page.folded if known in there), *(entry.id for entry in fresh)),
            "up_seconds": _seconds_within(day, start.since, now),
            "usd_per_hour": self._usd_per_hour,
            "updated_at": now,
        }
        if day == _day_of(now):
            changes |= {
                "preemptions": preemptions - start.preemptions,
                "crashes": crashes - start.crashes,
            }
        page = with_entries(page, fresh).model_copy(update=changes)
        write_model(self._store, keys.ledger_key(day, start.name), page)
        self._pages[day] = page

    def _read_page(self, day: date, name: str, now: datetime) -> LedgerPage:
        # There is one only where an earlier write landed and its answer was lost.
        return read_model(self._store, keys.ledger_key(day, name), LedgerPage) or _new_page(day, name, now)


def _read_entries(board: Path) -> dict[Path, LedgerEntry]:
    entries: dict[Path, LedgerEntry] = {}
    for file in sorted(board.glob("ledger-*.json")):
        try:
            entries[file] = LedgerEntry.model_validate_json(file.read_bytes())
        except OSError as error:
            log.warning("The ledger entry %s cannot be read now: %s", file.name, error)
        except ValidationError as error:
            # Each is put there whole: it will not become readable.
            log.warning("The ledger entry %s is of no use and is removed: %s", file.name, error)
            file.unlink(missing_ok=True)
    return entries


def with_entries(page: LedgerPage, entries: Iterable[LedgerEntry]) -> LedgerPage:
    """Return the page with these entries counted. Pure."""
    channels = dict(page.channels)
    for entry in entries:
        channels[entry.channel] = channels.get(entry.channel, Tally()) + entry.tally
    return page.model_copy(update={"channels": channels})


def _new_page(day: date, worker: str, now: datetime) -> LedgerPage:
    return LedgerPage(day=day, worker=worker, updated_at=now)


def _day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day = _day_of(since)
    while day <= _day_of(until):
        yield day
        day += _DAY


def _seconds_within(day: date, since: datetime, until: datetime) -> float:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return round(max(0.0, (min(until, begin + _DAY) - max(since, begin)).total_seconds()), 3)


def read_ledger(store: Store, first_day: date, last_day: date) -> Iterator[LedgerPage]:
    """Yield the pages of these days (UTC, both included), the oldest first. Raises the store's errors.

    A page of another version, or one that is no page, is passed over.
    """
    with ThreadPoolExecutor(_READS, thread_name_prefix="ledger") as pool:
        day = first_day
        while day <= last_day:
            names = [info.key for info in store.list(f"{keys.LEDGER_PREFIX}{day:%Y-%m-%d}/")]
            for page in pool.map(lambda key: read_model(store, key, LedgerPage), names):
                if page is not None:
                    yield page
            day += _DAY


def total(pages: Iterable[LedgerPage]) -> Tally:
    """Add up all channels of the pages. Pure."""
    return sum((tally for page in pages for tally in page.channels.values()), Tally())


def by_channel(pages: Iterable[LedgerPage]) -> dict[str, Tally]:
    """Add up each channel, in the order of their names. Pure."""
    found: dict[str, Tally] = {}
    for page in pages:
        for channel, tally in page.channels.items():
            found[channel] = found.get(channel, Tally()) + tally
    return dict(sorted(found.items()))


def by_day(pages: Iterable[LedgerPage]) -> dict[date, Tally]:
    """Add up each day, in their order. Pure."""
    found: dict[date, Tally] = {}
    for page in pages:
        found[page.day] = sum(page.channels.values(), found.get(page.day, Tally()))
    return dict(sorted(found.items()))


def unpriced(pages: Iterable[LedgerPage]) -> list[LedgerPage]:
    """Return the pages of machines whose price is not known; where none was up, none is needed. Pure."""
    return [page for page in pages if page.usd_per_hour is None and page.up_seconds > 0]


class FleetUse(NamedTuple):
    """What the machines were paid for, busy or idle. `unpriced_seconds`: of machines of unknown price."""

    up_seconds: float
    usd: float
    unpriced_seconds: float


def fleet_use(pages: Iterable[LedgerPage]) -> FleetUse:
    """Add up how long machines were up, and what that cost. Pure."""
    up, usd, unpriced = 0.0, 0.0, 0.0
    for page in pages:
        up += page.up_seconds
        if page.usd_per_hour is None:
            unpriced += page.up_seconds
        else:
            usd += page.up_seconds / 3600 * page.usd_per_hour
    return FleetUse(round(up, 3), round(usd, 6), round(unpriced, 3))


def measured_videos_per_machine_per_day(pages: Iterable[LedgerPage]) -> float | None:
    """Return how many jobs a machine completes in a day at work; None before it was measured on five. Pure.

    All seconds that runs took count, those of failed ones too. A machine that renders several jobs at once is
    taken for slower than it is.
    """
    done = total(pages)
    if done.jobs_completed < MEASURED_JOBS or done.machine_seconds <= 0:
        return None
    return done.jobs_completed / done.machine_seconds * 86_400


def measured_throughput(store: Store, *, now: datetime) -> float | None:
    """Return the same of yesterday's and today's pages. Raises the store's errors."""
    today = _day_of(now)
    return measured_videos_per_machine_per_day(read_ledger(store, today - _DAY, today))
