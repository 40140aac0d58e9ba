"""How much of this machine's cores a worker's processes use, over a window of time."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import psutil


class ProcessTimes(NamedTuple):
    """Processor seconds of a process with its children that have ended and were waited for."""

    seconds: float
    parent: int


#: A process by its number and its start: numbers are used again.
ProcessKey = tuple[int, float]
Times = Mapping[ProcessKey, ProcessTimes]


def read_times(roots: Iterable[psutil.Process]) -> dict[ProcessKey, ProcessTimes]:
    """Return the times of processes and of all their descendants."""
    found: dict[ProcessKey, ProcessTimes] = {}
    for root in roots:
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            continue
        for process in family:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    key = (process.pid, process.create_time())
                    parent = process.ppid()
            except psutil.Error:
                continue
            seconds = times.user + times.system + times.children_user + times.children_system
            found[key] = ProcessTimes(seconds, parent)
    return found


def seconds_between(before: Times, after: Times) -> float:
    """Return the processor seconds used between two looks; never less than 0. Pure.

    What a process used until it ended is in its parent's time once that has waited for it: what was known
    of it is taken off again there. Where the parent was not looked at, its last moments are lost.
    """
    parents = {pid for pid, _ in before}
    gained = sum(
        times.seconds - (before[key].seconds if key in before else 0.0) for key, times in after.items()
    )
    handed_up = sum(
        times.seconds for key, times in before.items() if key not in after and times.parent in parents
    )
    return max(0.0, gained - handed_up)


class CpuMeter:
    """Averages over the last so many seconds. Not for several threads."""

    def __init__(self, *, window_seconds: float, cores: int) -> None:
        self._window_seconds = window_seconds
        self._cores = cores
        self._last: Times | None = None
        #: Moments, and the processor seconds used since the first look.
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, times: Times, *, at: float) -> None:
        """Take a look in; `at` in seconds of a clock that only goes forward."""
        # What ran before the first look is not of this window.
        gained = 0.0 if self._last is None else seconds_between(self._last, times)
        used = (self._samples[-1][1] if self._samples else 0.0) + gained
        self._last = times
        self._samples.append((at, used))
        # The oldest one kept is the last before the window, so that the window is always full.
        while len(self._samples) > 2 and self._samples[1][0] <= at - self._window_seconds:
            self._samples.popleft()

    def percent(self) -> float | None:
        """Return the use of all cores, 100 being all of them; None before the second look."""
        if len(self._samples) < 2:
            return None
        (begun, before), (ended, after) = self._samples[0], self._samples[-1]
        if ended <= begun:
            return None
        return min(100.0, 100 * (after - before) / (ended - begun) / self._cores)
