"""`status.json`: written by whoever holds the job's lease, read by everyone."""

import threading
from typing import Any

from pydantic import ValidationError

from trivia_render.errors import ObjectMissingError
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.ports import Ports
from trivia_render.storage import keys


def read_status(ports: Ports, *, channel: str, job_id: str) -> JobStatus | None:
    """Return what the job is doing, or None for a job that was never seen."""
    try:
        data, _ = ports.store.read(keys.status_key(channel, job_id))
    except ObjectMissingError:
        return None
    try:
        return JobStatus.model_validate_json(data)
    except ValidationError:
        # A status of another version tells nothing that this one can use; the lease still guards the job.
        return None


class StatusWriter:
    """Keeps the job's status and writes each change. Safe between threads."""

    def __init__(self, ports: Ports, status: JobStatus) -> None:
        self._ports = ports
        self._status = status
        self._key = keys.status_key(status.channel, status.job_id)
        self._lock = threading.Lock()

    @property
    def status(self) -> JobStatus:
        """The status as last written."""
        return self._status

    def update(self, **changes: Any) -> None:
        """Apply the changes and write. Raises the store's errors."""
        with self._lock:
            values = self._status.model_dump() | changes | {"updated_at": self._ports.now()}
            self._status = JobStatus.model_validate(values)
            self._ports.store.write(
                self._key,
                self._status.model_dump_json(indent=2).encode(),
                content_type="application/json",
            )
