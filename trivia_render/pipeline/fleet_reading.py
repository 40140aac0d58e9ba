"""Reads what the store knows of the fleet, again and again, and only what has changed."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from trivia_render.models.base import Model
from trivia_render.models.fleet import (
    DecisionRecord,
    HistoryHour,
    LedgerPage,
    Override,
    PastDecision,
    Pause,
    WorkerRecord,
)
from trivia_render.models.fleet_view import FleetCounts
from trivia_render.models.ports import ObjectInfo, Store
from trivia_render.pipeline.fleet_counts import RunningCounts
from trivia_render.pipeline.fleet_records import read_decision, read_model, read_override, read_pause
from trivia_render.storage import keys

M = TypeVar("M", bound=Model)

#: History that is shown.
SHOWN = timedelta(hours=24)
#: What has not been heard of for so long is not shown.
FORGOTTEN = timedelta(hours=1)
#: A decision is written when it has been acted upon, which takes minutes at most: then its hour is final.
_LATE = timedelta(minutes=10)
#: Yesterday's pages hardly change: they are listed this often only.
_YESTERDAY = timedelta(minutes=5)
_DAY = timedelta(days=1)
_READS = 8


class StoreReading(NamedTuple):
    """What the store said at a moment."""

    at: datetime
    #: Every start of every worker that was heard of lately, each with the store's time of it.
    workers: tuple[WorkerRecord, ...]
    decision: DecisionRecord | None
    override: Override | None
    pause: Pause | None
    #: The oldest first.
    history: tuple[PastDecision, ...]
    #: Of today and yesterday, UTC.
    pages: tuple[LedgerPage, ...]
    #: Of what came since the first reading, or since a part of it when that failed half-way.
    counts: FleetCounts


class StoreReader:
    """Reads one store. One thread uses it.

    A pass lists the workers and today's ledger, and reads those objects whose generation is new, three small
    objects, and the history of the current hour.
    """

    def __init__(self, store: Store, *, pool: str) -> None:
        self._store = store
        self._pool = pool
        self._workers = _Changing(store, WorkerRecord)
        self._pages = {
            _YESTERDAY_PAGES: _Changing(store, LedgerPage),
            _TODAY_PAGES: _Changing(store, LedgerPage),
        }
        self._day: date | None = None
        self._yesterday_read_at: datetime | None = None
        self._hours: dict[datetime, tuple[PastDecision, ...]] = {}
        self._final: set[datetime] = set()
        self._counts = RunningCounts()

    def read(self, now: datetime) -> StoreReading:
        """Return what the store says now.

        What the first reading finds is counted as nothing. Raises the store's errors; after one nothing is
        counted twice, and what was read before it keeps its place: its growth counts.
        """
        workers = self._read_workers(now)
        decision = read_decision(self._store)
        override, pause = read_override(self._store), read_pause(self._store)
        history = self._read_history(now)
        self._counts.add_decisions(history)
        pages = self._read_pages(now)
        self._counts.begin()
        return StoreReading(
            now, workers, decision, override, pause, history, pages, counts=self._counts.counts
        )

    def _read_workers(self, now: datetime) -> tuple[WorkerRecord, ...]:
        infos = [info for info in self._store.list(keys.WORKERS_PREFIX) if info.updated >= now - FORGOTTEN]
        return tuple(
            # The store's clock is one for all; the workers' own may differ.
            record.model_copy(update={"updated_at": info.updated})
            for info, record in self._workers.read(infos)
            if record.pool == self._pool
        )

    def _read_history(self, now: datetime) -> tuple[PastDecision, ...]:
        since = now - SHOWN
        hour = since.replace(minute=0, second=0, microsecond=0)
        first = hour
        while hour <= now:
            if hour not in self._final:
                found = read_model(self._store, keys.history_key(hour), HistoryHour)
                self._hours[hour] = () if found is None else found.decisions
                if now >= hour + timedelta(hours=1) + _LATE:
                    self._final.add(hour)
            hour += timedelta(hours=1)
        self._hours = {hour: past for hour, past in self._hours.items() if hour >= first}
        self._final &= self._hours.keys()
        return tuple(past for hour in sorted(self._hours) for past in self._hours[hour] if past.at > since)

    def _read_pages(self, now: datetime) -> tuple[LedgerPage, ...]:
        today = now.astimezone(UTC).date()
        if self._day is not None and self._day != today:
            # What was today's is yesterday's now; its pages are known already.
            self._pages[_YESTERDAY_PAGES] = self._pages[_TODAY_PAGES]
            self._pages[_TODAY_PAGES] = _Changing(self._store, LedgerPage)
            self._yesterday_read_at = None
            self._counts.forget_before(today - _DAY)
        self._day = today
        overdue = self._yesterday_read_at is None or now - self._yesterday_read_at >= _YESTERDAY
        if overdue:
            self._read_day(_YESTERDAY_PAGES, today - _DAY)
            self._yesterday_read_at = now
        self._read_day(_TODAY_PAGES, today)
        return tuple(page for day in _DAYS for page in self._pages[day].values())

    def _read_day(self, which: str, day: date) -> None:
        infos = list(self._store.list(f"{keys.LEDGER_PREFIX}{day:%Y-%m-%d}/"))
        for info, page in self._pages[which].read(infos):
            self._counts.add_page(info.key, page)


_YESTERDAY_PAGES, _TODAY_PAGES = "yesterday", "today"
_DAYS = (_YESTERDAY_PAGES, _TODAY_PAGES)


class _Changing(Generic[M]):
    """Objects of one kind, each read again when its generation is another."""

    def __init__(self, store: Store, model: type[M]) -> None:
        self._store = store
        self._model = model
        self._known: dict[str, tuple[int, M | None]] = {}

    def read(self, infos: Iterable[ObjectInfo]) -> list[tuple[ObjectInfo, M]]:
        """Return these objects; those that are gone, or of another version, are left out."""
        infos = list(infos)
        changed = [info for info in infos if self._known.get(info.key, (0, None))[0] != info.generation]
        if changed:
            with ThreadPoolExecutor(min(_READS, len(changed)), thread_name_prefix="fleet-reads") as pool:
                models = pool.map(lambda info: read_model(self._store, info.key, self._model), changed)
                fresh = {
                    info.key: (info.generation, model) for info, model in zip(changed, models, strict=True)
                }
        else:
            fresh = {}
        self._known = {info.key: fresh.get(info.key) or self._known[info.key] for info in infos}
        return [(info, model) for info in infos if (model := self._known[info.key][1]) is not None]

    def values(self) -> list[M]:
        """Return the objects of the last read."""
        return [model for _, model in self._known.values() if model is not None]
