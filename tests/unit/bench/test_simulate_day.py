"""A simulated day's jobs, and the oracle that knows them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulate import oracle
from bench.simulate.arrivals import make_day
from bench.simulate.inputs import Benchmark, Inputs, MachineAssumptions, rendering

DAY = Inputs(videos=20_000)


def test_a_day_has_exactly_the_wanted_jobs_in_shards_and_single_ones() -> None:
    day = make_day(DAY, 1)
    sizes = [item.end - item.first for item in day.submissions]
    assert sum(sizes) == len(day.arrived_at) == len(day.seconds) == 20_000
    assert set(range(1, 21)) >= set(sizes) >= {1, 20}
    assert [item.first for item in day.submissions[1:]] == [item.end for item in day.submissions[:-1]]
    assert np.all(np.diff(day.arrived_at) >= 0)
    assert day.arrived_at[-1] < 24 * 3600


def test_the_same_seed_gives_the_same_day_and_another_seed_another_one() -> None:
    first, again, other = make_day(DAY, 3), make_day(DAY, 3), make_day(DAY, 4)
    assert first.submissions == again.submissions
    assert np.array_equal(first.seconds, again.seconds)
    assert first.submissions != other.submissions


def test_the_curve_has_its_peak_where_it_is_said() -> None:
    day = make_day(DAY.model_copy(update={"bursts": 0, "batch_shards": (1, 1)}), 1)
    counts = np.histogram(day.arrived_at, bins=24, range=(0, 86_400))[0]
    assert counts[13:17].sum() / counts[1:5].sum() == pytest.approx(3.0, rel=0.15)


def test_a_burst_is_many_shards_at_once() -> None:
    day = make_day(DAY.model_copy(update={"bursts": 1, "burst_jobs": (900, 900)}), 1)
    assert day.burst_jobs == 900
    moments = [item.at_seconds for item in day.submissions]
    assert max(moments.count(moment) for moment in set(moments)) == 45


def test_a_faster_machine_gets_the_same_jobs() -> None:
    slow, fast = make_day(DAY, 1), make_day(DAY.with_throughput(10_000), 1)
    assert slow.submissions == fast.submissions
    assert fast.seconds.mean() == pytest.approx(8.64)
    assert np.allclose(slow.seconds / slow.seconds.mean(), fast.seconds / fast.seconds.mean())


def test_a_video_takes_what_was_measured_and_assumed() -> None:
    bench, machine = Benchmark(), MachineAssumptions(core_equivalents=2.0, nvenc_fps=400.0, waiting_seconds=1)
    assert rendering("cpu", bench, machine).seconds_per_video == pytest.approx(101 / 2 + 1)
    assert rendering("nvenc", bench, machine).seconds_per_video == pytest.approx(
        4035 / 400 + 3.1 + 1, abs=0.01
    )
    assert "400 frames a second (assumed)" in rendering("nvenc", bench, machine).explained


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=25).filter(any),
    st.integers(1, 8),
)
def test_the_schedule_keeps_its_promise_with_the_fewest_machines_at_once(
    work: list[int], minutes: int
) -> None:
    come = np.cumsum(np.array([0, *work], dtype=np.float64)) * 60
    made = oracle.schedule(come, minutes * 60)
    done = np.concatenate([[0.0], np.cumsum(made.machines)]) * 60
    upper = np.concatenate([come, np.full(minutes, come[-1])])
    lower = np.concatenate([np.zeros(minutes), come])
    assert np.all(done <= upper + 1e-6)
    assert np.all(done >= lower - 1e-6)
    # Between two moments, at least this must be rendered by anybody: no schedule has a lower peak.
    needed = max((lower[j] - upper[i]) / (j - i) / 60 for i, j in itertools.combinations(range(len(done)), 2))
    assert made.peak == pytest.approx(max(needed, 0.0), abs=1e-6)
    assert made.machines.sum() * 60 == pytest.approx(come[-1])


def test_what_a_fleet_can_promise_is_what_its_best_schedule_needs() -> None:
    come = oracle.work_curve(DAY, make_day(DAY, 1))
    promise = oracle.best_promise(come, 4)
    assert oracle.schedule(come, promise).peak <= 4 * (1 + 1e-9)
    assert oracle.schedule(come, promise - 120).peak > 4
    assert oracle.best_schedule(come, wait_seconds=60, machines=4).wait_seconds == promise


def test_the_oracle_asks_for_as_many_as_catch_up_once_it_is_late_and_for_none_without_work() -> None:
    come = np.cumsum(np.array([0.0, 600, 0, 0, 0, 0])) * 60
    seen = oracle.Foresight(come, wait_seconds=180, videos=60, lead_seconds=60)
    assert seen.machines(1, 60, most=500) == 200
    assert seen.machines(4, 60, most=500) == 120
    assert seen.machines(4, 60, most=20) == 20
    assert seen.machines(5, 0, most=500) == 0
