"""Keeps the fleet's view up to date in the background: each source in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from trivia_render.errors import TriviaRenderError
from trivia_render.models.fleet import QueueCounts
from trivia_render.models.fleet_view import FleetCounts, FleetView, Source, SourceView
from trivia_render.pipeline.fleet_reading import StoreReader, StoreReading
from trivia_render.pipeline.fleet_view import QueueReading, make_view

log = logging.getLogger("trivia_render.dashboard")

#: Pause between two looks at a source.
REFRESH_SECONDS = 5.0
#: A pause is at least so many times as long as the look before it.
_PAUSE_FACTOR = 10.0
#: A look that has not ended after so long hangs.
STUCK_SECONDS = 300.0


T = TypeVar("T")
_NAMES: Final[dict[Source, str]] = {"store": "store", "prefect": "Prefect server"}


class FleetWatch:
    """Looks at the store and at Prefect's server again and again, and holds the view of both.

    A source in trouble leaves its last figures standing, with the time they are of. Asking for the view waits
    for nothing. Safe between threads.
    """

    def __init__(
        self,
        reader: StoreReader,
        read_queue: Callable[[], QueueCounts],
        *,
        now: Callable[[], datetime],
        lost_seconds: float,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._reader = reader
        self._read_queue = read_queue
        self._now = now
        self._lost_seconds = lost_seconds
        self._refresh_seconds = refresh_seconds
        self._store: StoreReading | None = None
        self._queue: QueueReading | None = None
        not_yet = SourceView(up=False, error="It was not asked yet.")
        self._sources: dict[Source, SourceView] = {"store": not_yet, "prefect": not_yet}
        self._lock = threading.Lock()
        self._looked_at: dict[Source, float] = dict.fromkeys(self._sources, time.monotonic())
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._view = self._make_view()

    def start(self, *, wait_seconds: float) -> None:
        """Begin to look, and wait so long at most for the first figures."""
        firsts = []
        for source, look in (("store", self.look_at_store), ("prefect", self.look_at_prefect)):
            first = threading.Event()
            firsts.append(first)
            thread = threading.Thread(
                target=self._look_on, args=(look, first), name=f"fleet-{source}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        deadline = time.monotonic() + wait_seconds
        for first in firsts:
            first.wait(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Look no more."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2.0)

    def view(self) -> FleetView:
        """Return the view as of the last look."""
        with self._lock:
            return self._view

    def counts(self) -> FleetCounts:
        """Return what was counted until the last look at the store."""
        with self._lock:
            return FleetCounts() if self._store is None else self._store.counts

    def alive(self) -> bool:
        """Tell whether the looking goes on. A source that is down is no reason to start this anew."""
        return all(time.monotonic() - at < STUCK_SECONDS for at in self._looked_at.values())

    def look_at_store(self) -> None:
        """Read the store once. Never raises."""
        reading = self._look("store", lambda: self._reader.read(self._now()))
        with self._lock:
            self._store = reading or self._store
            self._view = self._make_view()

    def look_at_prefect(self) -> None:
        """Ask Prefect's server once. Never raises."""
        counts = self._look("prefect", self._read_queue)
        with self._lock:
            if counts is not None:
                self._queue = QueueReading(self._now(), counts)
            self._view = self._make_view()

    def _look_on(self, look: Callable[[], None], first: threading.Event) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            look()
            first.set()
            # A look that takes long costs its source much: a long backlog is counted less often.
            self._stopped.wait(max(self._refresh_seconds, _PAUSE_FACTOR * (time.monotonic() - began)))

    def _look(self, source: Source, read: Callable[[], T]) -> T | None:
        """Return what a source says, or None where it fails, and note which."""
        found: T | None = None
        error: str | None = None
        try:
            found = read()
        except TriviaRenderError as failure:
            error = str(failure)
        except Exception as failure:
            # A mistake of ours must not end the looking; it is shown like any other trouble.
            log.exception("Looking at the %s failed.", _NAMES[source])
            error = f"{type(failure).__name__}: {failure}"
        with self._lock:
            before = self._sources[source]
            self._looked_at[source] = time.monotonic()
            if error is None:
                self._sources[source] = SourceView(up=True, at=self._now())
            else:
                if before.error != error:
                    log.warning("Nothing new of the %s: %s", _NAMES[source], error)
                self._sources[source] = SourceView(up=False, at=before.at, error=error)
        return found

    def _make_view(self) -> FleetView:
        return make_view(
            at=self._now(),
            store=self._store,
            queue=self._queue,
            sources=dict(self._sources),
            lost_seconds=self._lost_seconds,
        )
