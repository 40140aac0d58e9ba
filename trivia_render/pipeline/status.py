"""`status.json`: written by whoever holds the job's lease, read by everyone.

Every write has the generation that was read as its precondition: a run that was given up cannot write over
what the one that follows it says.
"""

import hashlib
import threading
import time
from typing import Any

from pydantic import ValidationError

from trivia_render.errors import (
    LeaseLostError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreUnavailableError,
)
from trivia_render.models.ports import Store
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.ports import Ports
from trivia_render.storage import keys

#: Cloud Storage takes about one write a second of one object.
PROGRESS_SECONDS = 1.0


def read_status(ports: Ports, *, channel: str, job_id: str) -> JobStatus | None:
    """Return what the job is doing, or None for a job that was never seen."""
    return read_status_object(ports.store, channel=channel, job_id=job_id)[0]


def read_status_object(store: Store, *, channel: str, job_id: str) -> tuple[JobStatus | None, int]:
    """Return the status with its generation; (None, 0) for a job that was never seen.

    One of another version tells nothing that this one can use, and reads as None with its generation; the
    lease still guards the job.
    """
    try:
        data, info = store.read(keys.status_key(channel, job_id))
    except ObjectMissingError:
        return None, 0
    try:
        return JobStatus.model_validate_json(data), info.generation
    except ValidationError:
        return None, info.generation


def run_key(status: JobStatus) -> str:
    """Name the run that a submission asks for: the same twice is the same run. Pure.

    Of channel, job id, config and the number of the retry.
    """
    parts = (status.channel, status.job_id, status.config_sha256 or "", str(status.retry))
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return f"{status.channel}/{status.job_id}/{digest[:32]}"


def write_status(store: Store, status: JobStatus, *, if_generation: int) -> int:
    """Write the status over that generation, 0 for none; return the new one.

    Raises PreconditionFailedError.
    """
    return store.write(
        keys.status_key(status.channel, status.job_id),
        status.model_dump_json(indent=2).encode(),
        content_type="application/json",
        if_generation=if_generation,
    ).generation


class StatusWriter:
    """Keeps the status of a claimed job and writes each change. Safe between threads."""

    def __init__(self, ports: Ports, status: JobStatus, *, generation: int) -> None:
        self._ports = ports
        self._status = status
        self._generation = generation
        self._written = -PROGRESS_SECONDS
        self._lock = threading.Lock()

    @property
    def status(self) -> JobStatus:
        """The status as last written."""
        return self._status

    def update(self, **changes: Any) -> None:
        """Apply the changes and write.

        Raises the store's errors, and LeaseLostError where another has written meanwhile.
        """
        with self._lock:
            self._write(self._changed(changes))

    def progress(self, *, clips_done: int) -> None:
        """Note how far the job is. Raises LeaseLostError.

        Written at most once a second, and left to the next time where the store does not answer: what
        counts is written by `update`.
        """
        with self._lock:
            changed = self._changed({"clips_done": clips_done})
            if time.monotonic() - self._written < PROGRESS_SECONDS and clips_done < changed.clips_total:
                self._status = changed
                return
            try:
                self._write(changed)
            except StoreUnavailableError:
                self._status = changed

    def _changed(self, changes: dict[str, Any]) -> JobStatus:
        values = self._status.model_dump() | changes | {"updated_at": self._ports.now()}
        return JobStatus.model_validate(values)

    def _write(self, changed: JobStatus) -> None:
        self._written = time.monotonic()
        try:
            self._generation = write_status(self._ports.store, changed, if_generation=self._generation)
        except PreconditionFailedError as error:
            if self._found_own_write():
                self._generation = write_status(self._ports.store, changed, if_generation=self._generation)
                self._status = changed
                return
            job = f"{self._status.channel}/{self._status.job_id}"
            raise LeaseLostError(
                f"Attempt {self._status.attempt} of {job} was given up.",
                evidence=error.message,
                remedy="Another run renders the job now, or it was cancelled; `trivia status` tells.",
            ) from error
        self._status = changed

    def _found_own_write(self) -> bool:
        """Tell whether what is there is this run's own: a write that landed and was never confirmed."""
        there, generation = read_status_object(
            self._ports.store, channel=self._status.channel, job_id=self._status.job_id
        )
        if there is None or there.state != "running" or _claim_of(there) != _claim_of(self._status):
            return False
        self._generation = generation
        return True


def _claim_of(status: JobStatus) -> tuple[object, ...]:
    return status.attempt, status.retry, status.worker_id, status.flow_run_id, status.started_at
