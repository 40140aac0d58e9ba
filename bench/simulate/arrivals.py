"""When the jobs of a day come: a daily curve, and batches that come at once. Pure; a seed gives one day."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.simulate.inputs import DAY_SECONDS, Inputs

_CURVE_STEPS = 1440


class Submission(NamedTuple):
    """A flow run: jobs `first` to before `end`, which one machine renders one after the other."""

    at_seconds: float
    first: int
    end: int


class Day(NamedTuple):
    """The jobs of a day, numbered by their arrival, and how long a machine needs for each."""

    submissions: tuple[Submission, ...]
    arrived_at: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    burst_jobs: int


def make_day(inputs: Inputs, seed: int) -> Day:
    """Draw a day: exactly `inputs.videos` jobs, as a Poisson process whose total is known.

    Given their number, the events of an inhomogeneous Poisson process are independent draws from its curve.
    """
    random = np.random.default_rng([seed, 1])
    bursts = _burst_sizes(random, inputs)
    burst_at = _spread_out(random, len(bursts), inputs)
    rest = inputs.videos - sum(bursts)
    singles = round(rest * inputs.single_share)
    batches = _batch_sizes(random, rest - singles, inputs)
    moments = _on_curve(random, singles + len(batches), inputs)
    groups = [
        *zip(moments[:singles], [1] * singles, strict=True),
        *zip(moments[singles:], batches, strict=True),
        *zip(burst_at, bursts, strict=True),
    ]
    submissions: list[Submission] = []
    first = 0
    for at_seconds, jobs in sorted(groups):
        for start in range(0, jobs, inputs.shard_size):
            end = first + min(inputs.shard_size, jobs - start)
            submissions.append(Submission(float(at_seconds), first, end))
            first = end
    arrived_at = np.concatenate([np.full(item.end - item.first, item.at_seconds) for item in submissions])
    return Day(tuple(submissions), arrived_at, _render_seconds(inputs, seed), sum(bursts))


def _burst_sizes(random: np.random.Generator, inputs: Inputs) -> list[int]:
    low, high = inputs.burst_jobs
    sizes = [int(size) for size in random.integers(low, high + 1, inputs.bursts)]
    # A short simulated day must not consist of bursts alone.
    share = min(1.0, inputs.videos * 0.3 / max(sum(sizes), 1))
    return [math.floor(size * share) for size in sizes if math.floor(size * share) > 0]


def _spread_out(random: np.random.Generator, count: int, inputs: Inputs) -> list[float]:
    """Return one moment in each of equal parts of the day."""
    part = inputs.hours * 3600 / max(count, 1)
    return [float((number + random.random()) * part) for number in range(count)]


def _batch_sizes(random: np.random.Generator, jobs: int, inputs: Inputs) -> list[int]:
    low, high = inputs.batch_shards
    sizes: list[int] = []
    while jobs > 0:
        size = min(jobs, int(random.integers(low, high + 1)) * inputs.shard_size)
        sizes.append(size)
        jobs -= size
    return sizes


def _on_curve(random: np.random.Generator, count: int, inputs: Inputs) -> npt.NDArray[np.float64]:
    edges = np.linspace(0.0, inputs.hours * 3600, _CURVE_STEPS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    phase = 2 * np.pi * (middle - inputs.peak_hour * 3600) / DAY_SECONDS
    weight = np.cumsum(1 + inputs.curve_amplitude * np.cos(phase))
    share = np.concatenate([[0.0], weight / weight[-1]])
    return np.interp(random.random(count), share, edges)


def _render_seconds(inputs: Inputs, seed: int) -> npt.NDArray[np.float64]:
    """Return each job's time on a machine: log-normal, with exactly the wanted mean.

    The draws do not depend on the mean: a faster machine is faster with the same jobs.
    """
    spread = math.sqrt(math.log1p(inputs.seconds_spread**2))
    drawn = np.exp(np.random.default_rng([seed, 2]).normal(0.0, spread, inputs.videos))
    return np.asarray(drawn / drawn.mean() * inputs.seconds_per_video, dtype=np.float64)
