"""A worker's board: a folder on its own disk in which the processes of its runs say what they do.

Each process has one file, `{pid}.json`, and is its only writer. The worker's main process reads them and
removes those of processes that are gone. Other files may lie there too: only these are read here.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from trivia_render.models.base import Model
from trivia_render.models.fleet import JobProgress
from trivia_render.models.gpu import Refusal
from trivia_render.pipeline.progress import (
    ClipAdvanced,
    ClipFinished,
    Event,
    JobEnded,
    JobFound,
    JobStarted,
    MachineFaulted,
    StageStarted,
)
from trivia_render.telemetry.log_context import context_fields

log = logging.getLogger("trivia_render.board")

#: Clips that are found whole finish by the hundred; the board is read every few seconds.
_PAUSE_SECONDS = 1.0
#: What a job does until its clips are there.
CLIPS_STAGE = "clips"


class BoardEntry(Model):
    """`{pid}.json`: the job of a process, and the error of the last one that failed there.

    `fault` is what the process found broken of this machine.
    """

    pid: int
    job: JobProgress | None = None
    error: str | None = None
    error_at: datetime | None = None
    fault: Refusal | None = None


class BoardReport:
    """A `Report` that keeps this process's entry. Threads may call it.

    A board that cannot be written costs the job nothing: it is logged, once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pid: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = folder / f"{pid}.json"
        self._entry = BoardEntry(pid=pid)
        self._now = now
        self._monotonic = monotonic
        self._clips: set[str] = set()
        self._written_at = float("-inf")
        self._unwritten = False
        self._complained = False
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take the event in; write the entry, but not more often than once a second for clips alone."""
        with self._lock:
            job = self._entry.job
            match event:
                case JobStarted():
                    self._clips.clear()
                    self._put(job=self._started(event))
                case JobFound() | JobEnded(state="completed"):
                    self._put(job=None)
                case JobEnded():
                    message = _writable(f"{event.error_code}: {event.message}")
                    self._put(job=None, error=message, error_at=self._now())
                case MachineFaulted():
                    self._put(fault=_fault(event))
                case StageStarted() if job is not None:
                    self._put(job=job.model_copy(update={"stage": event.stage}))
                case ClipFinished() if job is not None:
                    self._clips.add(event.clip_key)
                    done = min(len(self._clips), job.clips_total)
                    self._put_soon(job=job.model_copy(update={"clips_done": done}))
                case ClipAdvanced() if self._unwritten:
                    self._put_soon(job=job)
                case _:
                    pass

    def _started(self, event: JobStarted) -> JobProgress | None:
        fields = context_fields()
        if "channel" not in fields or "job_id" not in fields:
            # Not inside a claim.
            return None
        run = fields.get("flow_run_id")
        return JobProgress(
            channel=str(fields["channel"]),
            job_id=str(fields["job_id"]),
            flow_run_id=None if run is None else str(run),
            stage=CLIPS_STAGE,
            clips_done=0,
            clips_total=event.clips_total,
            started_at=self._now(),
        )

    def _put_soon(self, *, job: JobProgress | None) -> None:
        if self._monotonic() - self._written_at >= _PAUSE_SECONDS:
            self._put(job=job)
        else:
            self._entry = self._entry.model_copy(update={"job": job})
            self._unwritten = True

    def _put(self, **update: object) -> None:
        self._entry = self._entry.model_copy(update=update)
        self._written_at = self._monotonic()
        self._unwritten = False
        temporary = self._file.with_suffix(".tmp")
        try:
            temporary.write_bytes(self._entry.model_dump_json().encode())
            temporary.replace(self._file)
        except OSError as error:
            if not self._complained:
                log.warning("The worker is not told what this run does: %s", error)
            self._complained = True


def _fault(event: MachineFaulted) -> Refusal:
    return Refusal(
        code=event.error_code,
        message=_writable(event.message),
        evidence=_writable(event.evidence),
        remedy=event.remedy,
    )


def _writable(text: str) -> str:
    """Return the text without the lone surrogates of a config's text or a path, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def board_report(folder: Path) -> BoardReport:
    """Return the report of this process to the board in a folder."""
    return BoardReport(folder, pid=os.getpid())


def read_board(folder: Path) -> dict[int, BoardEntry]:
    """Return the entries that can be read, by the number of their process."""
    found: dict[int, BoardEntry] = {}
    for file in sorted(folder.glob("[0-9]*.json")):
        try:
            entry = BoardEntry.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            # Removed meanwhile, or another one's file.
            continue
        if file.stem == str(entry.pid):
            found[entry.pid] = entry
    return found


def remove_entry(folder: Path, pid: int) -> None:
    """Remove the entry of a process that is gone. Raises OSError."""
    for suffix in (".json", ".tmp"):
        (folder / f"{pid}{suffix}").unlink(missing_ok=True)
