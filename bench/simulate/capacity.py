"""From which throughput of a machine on a day fits into the fleet."""

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from bench.simulate.arrivals import make_day
from bench.simulate.control import ByForesight, ByPolicy, Controller
from bench.simulate.inputs import Inputs
from bench.simulate.oracle import Foresight, best_promise, work_curve
from bench.simulate.outcome import Outcome, Trace, is_in_time, keeps_up, outcome_of, waits_of
from bench.simulate.world import World
from trivia_render.models.base import Model
from trivia_render.models.fleet import ScalingPolicy

#: The oracle asks for a machine so long before it needs it, and knows what polls and preemptions take.
_LEAD_SECONDS = 180.0
_PREEMPTION_LOSS = 1.01

Criterion = Literal["keeps up", "in time"]


class Point(Model):
    """A day at one throughput of a machine."""

    videos_per_machine_per_day: float
    wait_p95_seconds: float
    waiting_at_day_end: int
    keeps_up: bool
    in_time: bool


class Threshold(Model):
    """The smallest throughput of a machine at which a day fits; None: at none that was tried."""

    policy: str
    criterion: Criterion
    videos_per_machine_per_day: float | None
    resolution: float = Field(description="It is found to within so much.")


def simulate(
    inputs: Inputs, policy: ScalingPolicy, *, seed: int, controller: str | None = None
) -> tuple[Outcome, Trace]:
    """Run a day under a policy."""
    return _run(inputs, ByPolicy(policy), policy=policy, seed=seed, name=controller or policy.name)


def simulate_oracle(
    inputs: Inputs, policy: ScalingPolicy, *, seed: int, wait_seconds: float
) -> tuple[Outcome, Trace]:
    """Run a day under the oracle, within the policy's bounds on the number of machines."""
    day = make_day(inputs, seed)
    come = work_curve(inputs, day, lost_seconds_per_run=inputs.poll_seconds / 2) * _PREEMPTION_LOSS
    promise = max(wait_seconds, best_promise(come, policy.max_machines))
    foresight = Foresight(come, wait_seconds=promise, videos=inputs.videos, lead_seconds=_LEAD_SECONDS)
    controller = ByForesight(foresight, least=policy.min_machines, most=policy.max_machines)
    return _run(inputs, controller, policy=policy, seed=seed, name="oracle")


def measure_point(inputs: Inputs, policy: ScalingPolicy, *, seed: int, wait_seconds: float) -> Point:
    """Run a day and tell whether it fits."""
    outcome, _ = simulate(inputs, policy, seed=seed)
    return Point(
        videos_per_machine_per_day=inputs.videos_per_machine_per_day,
        wait_p95_seconds=outcome.wait_p95_seconds,
        waiting_at_day_end=outcome.waiting_at_day_end,
        keeps_up=keeps_up(outcome, inputs),
        in_time=is_in_time(outcome, inputs, wait_seconds=wait_seconds),
    )


def find_threshold(
    points: Sequence[Point], measure: Callable[[float], Point], *, criterion: Criterion, resolution: float
) -> tuple[float | None, list[Point]]:
    """Narrow down where days begin to fit, between two of the points; return it, and the points on the way.

    The last throughput that does not fit is looked for from above, so that a lucky day below does not count.
    """

    def fits(point: Point) -> bool:
        return point.keeps_up if criterion == "keeps up" else point.in_time

    ordered = sorted(points, key=lambda point: point.videos_per_machine_per_day)
    if not ordered or not fits(ordered[-1]):
        return None, []
    bad = max((point.videos_per_machine_per_day for point in ordered if not fits(point)), default=0.0)
    good = min(
        point.videos_per_machine_per_day for point in ordered if point.videos_per_machine_per_day > bad
    )
    tried: list[Point] = []
    while bad > 0 and good - bad > resolution:
        point = measure((good + bad) / 2)
        tried.append(point)
        if fits(point):
            good = point.videos_per_machine_per_day
        else:
            bad = point.videos_per_machine_per_day
    return good, tried


def least_of_any_schedule(inputs: Inputs, *, seed: int, machines: int, wait_seconds: float) -> float:
    """Return the throughput below which no schedule of so many machines keeps the wait for every job.

    Runs cost nothing to start here, so that it is a bound.
    """
    day = make_day(inputs, seed)
    come = work_curve(inputs.model_copy(update={"run_start_seconds": 0.0}), day)
    low, high = 0.01, 100.0  # times as fast
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        kept = best_promise(come / middle, machines) <= wait_seconds
        low, high = (low, middle) if kept else (middle, high)
    return inputs.videos_per_machine_per_day * high


def _run(
    inputs: Inputs, controller: Controller, *, policy: ScalingPolicy, seed: int, name: str
) -> tuple[Outcome, Trace]:
    world = World(inputs, make_day(inputs, seed), controller, seed=seed, at_first=policy.min_machines).run()
    return outcome_of(world, controller=name, seed=seed), Trace(world.samples, waits_of(world))
