"""The best that a schedule could do which knows beforehand what comes, and how long it takes. Pure.

The work of a day is a fluid: whatever has come may be rendered by any machine, and all that comes must be
done within a promised wait. Between the two curves (what has come, and what had come so long ago) the taut
string is the way of work that needs the fewest machines at once; every other convex cost has its minimum
there too. A real fleet has jobs that do not divide, shards, starts, preemptions and stockouts, so it does no
better.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.simulate.arrivals import Day
from bench.simulate.inputs import Inputs

_GRID_SECONDS = 60.0
#: A schedule that has fallen behind is to be met again within so long.
_CATCH_UP_MINUTES = 5
_Curve = npt.NDArray[np.float64]


class Schedule(NamedTuple):
    """Machines at work by minute, as a fluid. `wait_seconds`: what it promises."""

    machines: _Curve
    wait_seconds: float
    work_machine_seconds: float

    @property
    def peak(self) -> float:
        """The most machines at once."""
        return float(self.machines.max(initial=0.0))


def work_curve(inputs: Inputs, day: Day, *, lost_seconds_per_run: float = 0.0) -> _Curve:
    """Return the machine seconds that had come by each minute; a run's start is work, too.

    `lost_seconds_per_run`: what a machine stands idle between two runs, for a fleet that has to poll.
    """
    minutes = math.ceil(inputs.hours * 3600 / _GRID_SECONDS)
    come = np.zeros(minutes + 1)
    for submission in day.submissions:
        minute = min(minutes, math.ceil(submission.at_seconds / _GRID_SECONDS))
        work = float(day.seconds[submission.first : submission.end].sum())
        come[minute] += work + inputs.run_start_seconds + lost_seconds_per_run
    return np.cumsum(come)


def schedule(come: _Curve, wait_seconds: float) -> Schedule:
    """Return the schedule that has everything under way within `wait_seconds`."""
    delay = max(1, math.floor(wait_seconds / _GRID_SECONDS))
    upper = np.concatenate([come, np.full(delay, come[-1])])
    lower = np.concatenate([np.zeros(delay), come])
    # What came at the very start of a minute may be worked on in that minute.
    upper[0] = lower[0] = 0.0
    upper[-1] = lower[-1] = come[-1]
    done = _taut_string(lower, upper)
    return Schedule(np.diff(done) / _GRID_SECONDS, delay * _GRID_SECONDS, float(come[-1]))


def best_promise(come: _Curve, machines: float) -> float:
    """Return the shortest wait, in seconds, that so many machines can promise to every job."""
    # A schedule of all machines whenever there is work is behind by at most this.
    behind = longest = 0.0
    done, capacity = 0.0, machines * _GRID_SECONDS
    for arrived in come:
        done = min(float(arrived), done + capacity)
        behind = float(arrived) - done
        longest = max(longest, behind / machines)
    return max(_GRID_SECONDS, math.ceil(longest / _GRID_SECONDS) * _GRID_SECONDS)


def best_schedule(come: _Curve, *, wait_seconds: float, machines: int) -> Schedule:
    """Return the schedule of at most so many machines with the wanted wait, or with the shortest they can."""
    wait = max(wait_seconds, best_promise(come, machines))
    made = schedule(come, wait)
    while made.peak > machines * (1 + 1e-9):
        wait += _GRID_SECONDS
        made = schedule(come, wait)
    return made


class Foresight:
    """A schedule that is made anew every minute, from what the fleet has really done by then."""

    def __init__(self, come: _Curve, *, wait_seconds: float, videos: int, lead_seconds: float) -> None:
        delay = max(1, math.floor(wait_seconds / _GRID_SECONDS))
        self._upper = np.concatenate([come, np.full(delay + 1, come[-1])])
        self._lower = np.concatenate([np.zeros(delay), come, come[-1:]])
        self._work_per_job = float(come[-1]) / videos
        self._lead = math.ceil(lead_seconds / _GRID_SECONDS)

    def machines(self, minute: int, pending: int, *, most: int) -> int:
        """Return how many machines to have from now until a machine that is asked for now serves."""
        last = len(self._upper) - 1
        if minute >= last:
            # Late: what is left, within a quarter of an hour.
            return min(most, math.ceil(pending * self._work_per_job / 900))
        height = max(0.0, float(self._upper[minute]) - pending * self._work_per_job)
        if height < self._lower[minute]:
            steps = min(_CATCH_UP_MINUTES, last - minute)
            behind = float(self._lower[minute + steps]) - height
            return min(most, math.ceil(behind / steps / _GRID_SECONDS))
        knot, needed = minute, 0.0
        while knot < last and knot <= minute + self._lead:
            end, slope = _segment(self._lower, self._upper, knot, height)
            needed = max(needed, slope / _GRID_SECONDS)
            knot, height = end, height + slope * (end - knot)
        return min(most, math.ceil(needed - 1e-6))


def _taut_string(lower: _Curve, upper: _Curve) -> _Curve:
    """Return the shortest path from the first to the last point that stays between two curves."""
    last = len(lower) - 1
    path = np.zeros(last + 1)
    knot, height = 0, float(lower[0])
    path[0] = height
    while knot < last:
        end, slope = _segment(lower, upper, knot, height)
        path[knot : end + 1] = height + slope * np.arange(end - knot + 1)
        knot, height = end, float(path[end])
    return path


def _segment(lower: _Curve, upper: _Curve, knot: int, height: float) -> tuple[int, float]:
    """Return where the path from a point bends next, and its slope a step until there.

    From the point, the straight lines that stay between the curves are followed for as long as there are any;
    where the last one ends, the path bends at the curve that holds it, at its last touch.
    """
    steps = np.arange(1, len(lower) - knot, dtype=np.float64)
    to_upper, to_lower = (upper[knot + 1 :] - height) / steps, (lower[knot + 1 :] - height) / steps
    highest, lowest = np.minimum.accumulate(to_upper), np.maximum.accumulate(to_lower)
    closed = np.flatnonzero(lowest > highest + 1e-9 * np.abs(highest))
    if closed.size == 0:
        return len(lower) - 1, float(to_upper[-1])
    at = int(closed[0])
    # The curves do not cross, so it is one bound that the other curve has left behind, and never at once.
    rises = bool(to_lower[at] > highest[at - 1])
    touching, slope = (to_upper, highest[at - 1]) if rises else (to_lower, lowest[at - 1])
    touches = np.flatnonzero(np.isclose(touching[:at], slope, rtol=1e-9, atol=1e-12))
    return knot + 1 + int(touches[-1]), float(slope)
