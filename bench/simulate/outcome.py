"""What came of a simulated day, in figures. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from bench.simulate.inputs import Inputs
from bench.simulate.world import Sample, World
from trivia_render.models.base import Model


class Outcome(Model):
    """A day's figures. Waits are from submission to the first beginning of a job's render."""

    controller: str
    seed: int
    seconds_per_video: float
    completed: int
    waiting_at_day_end: int = Field(description="Jobs that had not begun when the day's last one could come.")
    left: int = Field(description="Not rendered when the simulation gave up.")
    wait_p50_seconds: float
    wait_p95_seconds: float
    wait_p99_seconds: float
    wait_max_seconds: float
    done_p95_seconds: float = Field(description="From submission to the finished video.")
    ended_hours: float = Field(description="When the last video was finished.")
    machine_hours: float = Field(description="Paid for: from a machine's creation to its end.")
    starting_hours: float
    busy_hours: float
    mean_machines: float
    max_machines: int
    preemptions: int
    lost_machine_seconds: float = Field(description="Rendered in vain: the clips that preemptions cut off.")
    failed_machines: int
    orders: int = Field(description="Minutes in which the fleet was changed.")
    grown: int
    deleted: int

    @property
    def busy_share(self) -> float:
        """The share of the paid time in which a machine had a run."""
        return self.busy_hours / self.machine_hours if self.machine_hours else 0.0

    @property
    def idle_hours(self) -> float:
        """Paid for, with a worker, and without a run."""
        return max(0.0, self.machine_hours - self.busy_hours - self.starting_hours)


class Trace(NamedTuple):
    """A day minute by minute, and each job's wait in seconds, for plots."""

    samples: Sequence[Sample]
    waits: npt.NDArray[np.float64]


def outcome_of(world: World, *, controller: str, seed: int) -> Outcome:
    """Add up a day that was run."""
    inputs = world.inputs
    waits = waits_of(world)
    ended = np.array(world.ended_at) - world.day.arrived_at
    known = ended[~np.isnan(ended)]
    p50, p95, p99 = (_percentile(waits, share) for share in (50, 95, 99))
    return Outcome(
        controller=controller,
        seed=seed,
        seconds_per_video=inputs.seconds_per_video,
        completed=world.completed,
        waiting_at_day_end=world.pending_at_day_end,
        left=inputs.videos - world.completed,
        wait_p50_seconds=p50,
        wait_p95_seconds=p95,
        wait_p99_seconds=p99,
        wait_max_seconds=_percentile(waits, 100),
        done_p95_seconds=_percentile(known, 95),
        ended_hours=world.ended_seconds / 3600,
        machine_hours=world.paid_seconds / 3600,
        starting_hours=world.starting_seconds / 3600,
        busy_hours=world.busy_seconds / 3600,
        mean_machines=world.paid_seconds / world.ended_seconds,
        max_machines=max((sample.machines for sample in world.samples), default=0),
        preemptions=world.preemptions,
        lost_machine_seconds=world.lost_seconds,
        failed_machines=world.duds,
        orders=world.orders_given,
        grown=world.grown,
        deleted=world.deleted,
    )


def waits_of(world: World) -> npt.NDArray[np.float64]:
    """Return each job's wait; one that never began has waited until the end of the simulation."""
    begun = np.array(world.begun_at)
    begun[np.isnan(begun)] = world.ended_seconds
    return np.maximum(0.0, begun - world.day.arrived_at)


def keeps_up(outcome: Outcome, inputs: Inputs, *, within_seconds: float = 900.0) -> bool:
    """Tell whether at the day's end no more waits than a quarter of an hour brings on average."""
    allowed = inputs.videos / (inputs.hours * 3600) * within_seconds
    return outcome.left == 0 and outcome.waiting_at_day_end <= allowed


def is_in_time(outcome: Outcome, inputs: Inputs, *, wait_seconds: float) -> bool:
    """Tell whether a day keeps up and 95 % of its jobs begin within the wait."""
    return keeps_up(outcome, inputs) and outcome.wait_p95_seconds <= wait_seconds


def _percentile(values: npt.NDArray[np.float64], share: float) -> float:
    return float(np.percentile(values, share)) if values.size else 0.0
