"""What a worker tells of itself: its record in the store, and what was counted."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from trivia_render.errors import ObjectMissingError, TriviaRenderError
from trivia_render.models.fleet import DrainRequest, WorkerRecord, WorkerState
from trivia_render.models.gpu import Refusal
from trivia_render.models.ports import Store
from trivia_render.pipeline.workers import write_worker
from trivia_render.storage.keys import drain_key
from trivia_render.telemetry.worker_metrics import WorkerCounts
from trivia_render.workpool.readings import Readings

log = logging.getLogger("trivia_render.worker")

_ERROR_CHARACTERS = 500
_WAIT_TICK_SECONDS = 0.05


class WorkerBeat(NamedTuple):
    """What is told at each heartbeat, besides the store.

    `ended`: nothing of this start runs any more; the board is removed after it. A worker that starts anew
    under another name begins another board. `preemptions`, `crashes`: since this process began.
    """

    record: WorkerRecord
    board_folder: Path
    ended: bool
    preemptions: int
    crashes: int


OnHeartbeat = Callable[[WorkerBeat], None]


class WorkerFacts(NamedTuple):
    """What does not change while a worker's main process runs."""

    worker_id: str
    pool: str
    encodes_on: Literal["gpu", "cpu"]
    versions: Mapping[str, str]


class LastError(logging.Handler):
    """Keeps the last warning or error that a worker's main process has logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, shortened."""
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text} ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        except Exception:  # noqa: BLE001 - a line that cannot be made must not end what logged it
            self.handleError(record)
            return
        self.text = text if len(text) <= _ERROR_CHARACTERS else f"{text[: _ERROR_CHARACTERS - 1]}…"


class Heartbeat:
    """The record of the present start of a worker: made from memory, written every so many seconds.

    It also looks whether the machine shall be drained. A store that does not answer changes nothing.
    """

    def __init__(
        self,
        facts: WorkerFacts,
        *,
        store: Store,
        every_seconds: float,
        readings: Callable[[], Readings],
        on_heartbeat: OnHeartbeat | None,
    ) -> None:
        self._facts = facts
        self._store = store
        self._every_seconds = every_seconds
        self._readings = readings
        self._on_heartbeat = on_heartbeat
        self.status_url: str | None = None
        #: Who wants this machine drained, if anybody does.
        self.drain: DrainRequest | None = None
        self._name = facts.worker_id
        self._board = Path()
        self._state: WorkerState = "ready"
        self._reason: str | None = None
        self._refusal: Refusal | None = None
        self._started_at = datetime.now(UTC)
        self._updated_at = self._started_at
        self._errors = LastError()
        self._counts = WorkerCounts()
        self._lock = threading.Lock()
        #: Held while a record is on its way, so that a later one never arrives before it.
        self._writing = threading.Lock()
        self._due = threading.Event()

    def __enter__(self) -> "Heartbeat":
        log.addHandler(self._errors)
        return self

    def __exit__(self, *_: object) -> None:
        log.removeHandler(self._errors)

    # -- what is told

    def begin(self, name: str, board: Path) -> None:
        """Tell of a new start from now on."""
        with self._lock:
            self._name, self._board = name, board
            self._state, self._reason, self._refusal = "ready", None, None
            self._started_at = self._updated_at = datetime.now(UTC)

    def say(self, state: WorkerState, reason: str | None = None, *, refusal: Refusal | None = None) -> None:
        """Be in this state from now on; it is written at once, by the thread that writes."""
        with self._lock:
            if (self._state, self._reason, self._refusal) == (state, reason, refusal):
                return
            self._state, self._reason, self._refusal = state, reason, refusal
            self._updated_at = datetime.now(UTC)
        self._due.set()

    def count(self, what: Literal["preemptions", "crashes"]) -> None:
        """Count one more."""
        with self._lock:
            self._counts = self._counts._replace(**{what: getattr(self._counts, what) + 1})

    @property
    def state(self) -> WorkerState:
        """The present state."""
        return self._state

    def record(self) -> WorkerRecord:
        """Return the record of now. Never waits for anything outside."""
        found = self._readings()
        with self._lock:
            return WorkerRecord(
                name=self._name,
                worker_id=self._facts.worker_id,
                pool=self._facts.pool,
                state=self._state,
                reason=self._reason,
                refusal=self._refusal,
                started_at=self._started_at,
                updated_at=datetime.now(UTC),
                runs=found.runs,
                jobs=found.jobs,
                idle_since=found.idle_since,
                gpus=found.gpus,
                cpu_percent=None if found.cpu_percent is None else round(found.cpu_percent, 1),
                encodes_on=self._facts.encodes_on,
                disk_free_bytes=found.disk_free_bytes,
                disk_total_bytes=found.disk_total_bytes,
                versions=dict(self._facts.versions),
                last_error=self._errors.text,
                status_url=self.status_url,
            )

    def counts(self) -> WorkerCounts:
        """Return what was counted."""
        with self._lock:
            return self._counts

    # -- the store

    def write(self) -> None:
        """Write the record of now. A store that does not take it is logged."""
        with self._writing:
            self._write()

    def run(self, ended: threading.Event) -> None:
        """Write, and look for a drain, until the event. For a thread of its own."""
        while True:
            self._due.clear()
            self.look_for_drain()
            with self._writing:
                # Not after the last word has been said.
                if ended.is_set():
                    return
                self._write_whatever_happens()
            deadline = time.monotonic() + self._every_seconds
            while not (ended.is_set() or self._due.is_set()) and time.monotonic() < deadline:
                self._due.wait(min(_WAIT_TICK_SECONDS, self._every_seconds))
            if ended.is_set():
                return

    def look_for_drain(self) -> None:
        """Ask the store once whether this machine shall be drained."""
        worker_id = self._facts.worker_id
        try:
            data, _ = self._store.read(drain_key(worker_id))
            self.drain = DrainRequest.model_validate_json(data)
        except ObjectMissingError:
            self.drain = None
        except ValidationError:
            # It is there, whatever it says.
            self.drain = DrainRequest(worker_id=worker_id, by="operator", at=datetime.now(UTC))
        except TriviaRenderError as error:
            log.warning("The store did not say whether worker %s shall drain: %s", worker_id, error)
        except Exception:
            # It would end the thread that sends the heartbeats.
            log.exception("The store did not say whether worker %s shall drain; asked again.", worker_id)

    def _write_whatever_happens(self) -> None:
        try:
            self._write()
        except Exception:
            # Without heartbeats all that this worker renders would be given to others.
            log.exception("Worker %s could not send its heartbeat; tried again.", self._name)

    def _write(self) -> None:
        record = self.record()
        try:
            write_worker(self._store, record)
        except TriviaRenderError as error:
            log.warning("The store does not know that worker %s is %s: %s", record.name, record.state, error)
            with self._lock:
                self._counts = self._counts._replace(heartbeats_failed=self._counts.heartbeats_failed + 1)
            return
        with self._lock:
            self._counts = self._counts._replace(
                heartbeats_written=self._counts.heartbeats_written + 1,
                last_heartbeat=record.updated_at.timestamp(),
            )

    # -- others

    def tell_others(self, ended: threading.Event) -> None:
        """Call back at each heartbeat, until the event, whatever the store does."""
        while not ended.wait(self._every_seconds):
            self.tell(ended=False)

    def tell(self, *, ended: bool) -> None:
        """Call back once."""
        if self._on_heartbeat is None:
            return
        counts, name = self.counts(), self._name
        try:
            self._on_heartbeat(
                WorkerBeat(self.record(), self._board, ended, counts.preemptions, counts.crashes)
            )
        except TriviaRenderError as error:
            log.warning("What worker %s has done could not be kept: %s", name, error)
        except Exception:
            # The next call finds what this one left.
            log.exception("What worker %s has done could not be kept; tried again.", name)
