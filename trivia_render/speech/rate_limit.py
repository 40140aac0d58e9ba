"""A limit of requests a minute that holds between the threads and processes of one machine."""

import fcntl
import os
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from trivia_render.errors import SpeechQuotaError

_WINDOW_SECONDS = 60.0


class RateLimit(Protocol):
    """Something that a request must pass first."""

    def acquire(self) -> None:
        """Return when the request may be sent. Raises SpeechQuotaError when that takes too long."""
        ...

    def part(self, name: str, *, share: float) -> "RateLimit":
        """Return a smaller limit beside this one, for requests that have a quota of their own."""
        ...


class NoRateLimit:
    """Lets every request pass at once."""

    def acquire(self) -> None:
        """Return at once."""

    def part(self, name: str, *, share: float) -> "NoRateLimit":  # noqa: ARG002
        """Return itself."""
        return self


class FileRateLimit:
    """At most `requests_per_minute` in any 60 seconds, counted in a file that processes share under a lock.

    A caller takes the next free slot and then sleeps until it comes, so nobody polls and nobody is
    overtaken. A fleet's quota is shared out by giving each machine its part as `requests_per_minute`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        requests_per_minute: int,
        longest_wait_seconds: float = 180.0,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if requests_per_minute < 1:
            raise ValueError("requests_per_minute must be at least 1")
        self._folder = folder
        self._name = name
        self._requests = requests_per_minute
        self._longest_wait = longest_wait_seconds
        self._clock = clock
        self._sleep = sleep

    def acquire(self) -> None:
        """Wait for a slot. Raises SpeechQuotaError at once where it lies past the longest wait."""
        # Wall time: it is the one clock that processes share and that a reboot keeps.
        wait = self._take_slot() - self._clock()
        if wait > 0:
            self._sleep(wait)

    def part(self, name: str, *, share: float) -> "FileRateLimit":
        """Return the limit of requests that have a share of this number, at least 1 a minute."""
        return FileRateLimit(
            self._folder,
            name=f"{self._name}-{name}",
            requests_per_minute=max(1, int(self._requests * share)),
            longest_wait_seconds=self._longest_wait,
            clock=self._clock,
            sleep=self._sleep,
        )

    def _take_slot(self) -> float:
        with self._locked() as file:
            now = self._clock()
            slots = _read(file, now=now)
            slot = max(now, slots[-self._requests] + _WINDOW_SECONDS) if len(slots) >= self._requests else now
            # Slots are handed out in order, also where the clock was set back a little.
            slot = max(slot, slots[-1]) if slots else slot
            if slot - now > self._longest_wait:
                raise SpeechQuotaError(
                    f"The limit of {self._requests} speech requests a minute is used up on this machine.",
                    evidence=f"the next free slot is in {slot - now:.0f} s",
                    remedy="Render fewer clips at once, or raise the machine's share of the quota.",
                )
            _write(file, array("d", [*slots[-self._requests + 1 :], slot] if self._requests > 1 else [slot]))
            return slot

    @contextmanager
    def _locked(self) -> Iterator[int]:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = os.open(self._folder / f"{self._name}.slots", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            # Closing gives the lock back, as the process's end would.
            os.close(file)


def _read(file: int, *, now: float) -> "array[float]":
    """Return the slots taken within the window; what a crash or a clock set back left is dropped."""
    data = os.pread(file, os.fstat(file).st_size, 0)
    slots = array("d")
    slots.frombytes(data[: len(data) // slots.itemsize * slots.itemsize])
    # A slot further ahead than a day was written under a wrong clock.
    return array("d", sorted(slot for slot in slots if now - _WINDOW_SECONDS < slot < now + 86_400))


def _write(file: int, slots: "array[float]") -> None:
    os.pwrite(file, slots.tobytes(), 0)
    os.ftruncate(file, len(slots) * slots.itemsize)
