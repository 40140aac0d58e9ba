"""The job's lease: it fences writes. Who holds it may publish; who lost it must not.

A claim raises the attempt, which is the fencing token. The lease lives 90 s and is renewed every 20 s,
so a vanished machine blocks its jobs for at most 90 s; a dead process on this very machine is seen
at once by its process id.
"""

import os
import threading
import uuid
from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from pydantic import ValidationError

from trivia_render.errors import (
    JobHeldError,
    LeaseLostError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
)
from trivia_render.models.ports import Store
from trivia_render.models.results import Lease
from trivia_render.pipeline.ports import Ports
from trivia_render.storage import keys

LIFETIME = timedelta(seconds=90)
RENEWAL_SECONDS = 20.0


class HeldLease:
    """A claimed lease. `check()` raises LeaseLostError once another run has taken over."""

    def __init__(self, ports: Ports, key: str, lease: Lease, generation: int) -> None:
        self._ports = ports
        self._key = key
        self._lease = lease
        self._generation = generation
        self._lost = False
        self._trouble = ""
        self._lock = threading.Lock()

    @property
    def attempt(self) -> int:
        """The fencing token: grows with every claim of the job."""
        return self._lease.attempt

    def check(self) -> None:
        """Raise LeaseLostError unless this run still holds the job."""
        if not self._lost and self._expired():
            # A suspended laptop wakes up with an expired lease that nobody took.
            self.renew()
        if self._lost:
            raise LeaseLostError(
                f"Attempt {self.attempt} no longer holds {self._key}.",
                remedy="Another run renders the job now; follow that one.",
            )
        if self._expired():
            raise LeaseLostError(
                f"Attempt {self.attempt} could not renew {self._key}, and it ran out.",
                evidence=self._trouble,
                remedy="Mend the store and run the job again; finished clips are kept.",
            )

    def renew(self) -> None:
        """Extend the lease. A store that does not answer is tried again until the lease runs out."""
        with self._lock:
            lease = self._lease.model_copy(update={"expires_at": self._ports.now() + LIFETIME})
            try:
                self._write(lease)
            except PreconditionFailedError:
                self._lost = True
            except StoreError as error:
                # Tried again at the next turn; check() notices if the lease runs out meanwhile.
                self._trouble = str(error)

    def release(self) -> None:
        """Let the lease run out now. Its attempt stays on record, so that the next one is higher."""
        with self._lock:
            if self._lost:
                return
            try:
                self._write(self._lease.model_copy(update={"expires_at": self._ports.now()}))
            except PreconditionFailedError:
                self._lost = True
            except StoreError as error:
                # It runs out by itself within its lifetime.
                self._trouble = str(error)

    def _expired(self) -> bool:
        return self._lease.expires_at <= self._ports.now()

    def _write(self, lease: Lease) -> None:
        data = lease.model_dump_json(indent=2).encode()
        try:
            info = self._ports.store.write(
                self._key, data, content_type="application/json", if_generation=self._generation
            )
        except PreconditionFailedError:
            there, found = self._ports.store.read(self._key)
            current = _parse(there)
            if current is None or current.owner != lease.owner:
                raise
            # This run's own renewal, which landed and was never confirmed.
            info = self._ports.store.write(
                self._key, data, content_type="application/json", if_generation=found.generation
            )
        self._lease, self._generation = lease, info.generation


@contextmanager
def hold_lease(
    ports: Ports, *, channel: str, job_id: str, flow_run_id: str | None, min_attempt: int
) -> Iterator[HeldLease]:
    """Claim the job for the length of the block and renew in the background.

    `min_attempt`: the first attempt allowed, one over what status.json knows.
    Raises JobHeldError while another live run holds the job.
    """
    key = keys.lease_key(channel, job_id)
    held = _claim(ports, key, flow_run_id=flow_run_id, min_attempt=min_attempt)
    stop = threading.Event()

    def renew_until_stopped() -> None:
        while not stop.wait(RENEWAL_SECONDS):
            held.renew()

    thread = threading.Thread(target=renew_until_stopped, name=f"lease {channel}/{job_id}", daemon=True)
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join()
        held.release()


def _claim(ports: Ports, key: str, *, flow_run_id: str | None, min_attempt: int) -> HeldLease:
    try:
        data, info = ports.store.read(key)
    except ObjectMissingError:
        current, generation = None, 0
    else:
        current, generation = _parse(data), info.generation
    if current is not None and _is_alive(current, ports):
        raise JobHeldError(
            f"{key} is held by {current.worker_id} on {current.host} (process {current.pid}, "
            f"attempt {current.attempt}) until {current.expires_at:%H:%M:%S} UTC.",
            remedy="Wait for that run, or cancel it; a vanished machine's lease runs out by itself.",
        )
    lease = Lease(
        owner=uuid.uuid4().hex,
        worker_id=ports.worker_id,
        flow_run_id=flow_run_id,
        attempt=max(min_attempt, current.attempt + 1 if current else 1),
        host=ports.host,
        pid=ports.pid,
        expires_at=ports.now() + LIFETIME,
    )
    try:
        info = ports.store.write(
            key,
            lease.model_dump_json(indent=2).encode(),
            content_type="application/json",
            if_generation=generation,
        )
    except PreconditionFailedError:
        # A lost answer reads as a failed precondition although our write landed.
        data, info = ports.store.read(key)
        winner = Lease.model_validate_json(data)
        if winner.owner != lease.owner:
            raise JobHeldError(
                f"{key} was claimed by {winner.worker_id} on {winner.host} a moment ago.",
                remedy="Follow that run.",
            ) from None
    return HeldLease(ports, key, lease, info.generation)


def live_lease(ports: Ports, *, channel: str, job_id: str) -> Lease | None:
    """Return the lease of a run that holds the job now, or None."""
    try:
        data, _ = ports.store.read(keys.lease_key(channel, job_id))
    except ObjectMissingError:
        return None
    lease = _parse(data)
    return lease if lease is not None and _is_alive(lease, ports) else None


def expire_lease(
    store: Store, *, channel: str, job_id: str, now: datetime, of_runs: Container[str] | None = None
) -> bool:
    """Take the job away from whoever holds it; tell whether somebody did.

    The attempt is raised and the generation changes, so the holder can neither renew nor publish.
    `of_runs`: only if one of these flow runs holds it. Raises the store's errors.
    """
    key = keys.lease_key(channel, job_id)
    while True:
        try:
            data, info = store.read(key)
        except ObjectMissingError:
            return False
        lease = _parse(data)
        if lease is None or lease.expires_at <= now:
            return False
        if of_runs is not None and lease.flow_run_id not in of_runs:
            return False
        expired = lease.model_copy(
            update={"expires_at": now, "attempt": lease.attempt + 1, "owner": uuid.uuid4().hex}
        )
        try:
            store.write(
                key,
                expired.model_dump_json(indent=2).encode(),
                content_type="application/json",
                if_generation=info.generation,
            )
        except PreconditionFailedError:
            # Renewed or released just now: look again.
            continue
        return True


def _parse(data: bytes) -> Lease | None:
    """Return the lease; None for one that cannot be read, which holds nobody back and is replaced."""
    try:
        return Lease.model_validate_json(data)
    except ValidationError:
        return None


def _is_alive(lease: Lease, ports: Ports) -> bool:
    if lease.expires_at <= ports.now():
        return False
    return lease.host != ports.host or process_exists(lease.pid)


def process_exists(pid: int) -> bool:
    """Tell whether a process of this machine lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is there and belongs to another user.
        return True
    return True
