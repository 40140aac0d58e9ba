"""All simulated days of one report."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from bench.simulate.capacity import (
    Criterion,
    Point,
    Threshold,
    find_threshold,
    least_of_any_schedule,
    measure_point,
    simulate,
    simulate_oracle,
)
from bench.simulate.inputs import Benchmark, Inputs, MachineAssumptions, Preset, Rendering, rendering
from bench.simulate.outcome import Outcome, Trace, is_in_time
from trivia_render.fleet.prices import PriceTable
from trivia_render.models.base import Model
from trivia_render.models.fleet import ScalingPolicy

#: `measured` with another number for when an idle machine may go, in place of ten minutes.
SHORT_IDLE_SECONDS = 120
SHORT_IDLE = f"measured, {SHORT_IDLE_SECONDS} s idle"
AMPLITUDES = (0.0, 0.25, 0.5, 0.75)
_CRITERIA: tuple[Criterion, ...] = ("keeps up", "in time")
Say = Callable[[str], None]


class Options(NamedTuple):
    """What a report is made of."""

    inputs: Inputs
    benchmark: Benchmark
    machine: MachineAssumptions
    seconds_per_video: float | None
    seeds: tuple[int, ...]
    max_machines: int
    wait_seconds: float
    speech_reused: float
    voice_family: str
    sweep: tuple[float, ...]
    resolution: float


class Money(Model):
    """Prices that a day is charged with, in US dollars."""

    as_of: date
    region: str
    usd_per_hour: dict[Preset, float]
    speech_usd_per_million: dict[str, float]


class Enough(Model):
    """A fleet of machines of one kind that was found to carry the day in time."""

    machines: int
    outcome: Outcome


class Report(Model):
    """Everything that is told. `days`: by scenario, then in order of controller and seed."""

    inputs: Inputs
    benchmark: Benchmark
    machine: MachineAssumptions
    renderings: dict[Preset, tuple[float, str]]
    overridden: bool
    seeds: tuple[int, ...]
    max_machines: int
    wait_seconds: float
    speech_reused: float
    voice_family: str
    money: Money
    days: dict[str, tuple[Outcome, ...]]
    work_hours: float
    points: dict[str, tuple[Point, ...]]
    thresholds: tuple[Threshold, ...]
    least: float
    least_by_amplitude: dict[str, float]
    enough: dict[Preset, Enough]

    def threshold(self, policy: str, criterion: Criterion) -> float | None:
        """Return the throughput from which on a day fits."""
        return next(
            found.videos_per_machine_per_day
            for found in self.thresholds
            if (found.policy, found.criterion) == (policy, criterion)
        )


Traces = Mapping[str, Trace]


def run_all(options: Options, money: Money, say: Say) -> tuple[Report, Traces]:
    """Run every day; return the figures, and the main scenario's days of the first seed minute by minute."""
    renderings = {
        preset: rendering(preset, options.benchmark, options.machine) for preset in ("nvenc", "cpu")
    }
    if options.seconds_per_video is not None:
        given = Rendering("nvenc", options.seconds_per_video, "given with --seconds-per-video")
        renderings["nvenc"] = given
    base = {
        preset: options.inputs.model_copy(update={"seconds_per_video": item.seconds_per_video})
        for preset, item in renderings.items()
    }
    policies = _policies(options.max_machines)
    traces: dict[str, Trace] = {}
    main = _scenario(base["nvenc"], policies, options.seeds, say, traces, title="the day")
    half = base["nvenc"].model_copy(update={"videos": max(1, options.inputs.videos // 2)})
    few = _scenario(half, policies, options.seeds[:1], say, {}, title="half the jobs")
    plain = {name: policies[name] for name in ("operator", "measured")}
    slow = _scenario(base["cpu"], plain, options.seeds[:1], say, {}, title="without NVENC")
    points, thresholds = _capacity(base["nvenc"], plain, options, say)
    least = _least(base["nvenc"], options)
    by_amplitude = {
        str(amplitude): _least(base["nvenc"].model_copy(update={"curve_amplitude": amplitude}), options)
        for amplitude in AMPLITUDES
    }
    report = Report(
        inputs=base["nvenc"],
        benchmark=options.benchmark,
        machine=options.machine,
        renderings={name: (item.seconds_per_video, item.explained) for name, item in renderings.items()},
        overridden=options.seconds_per_video is not None,
        seeds=options.seeds,
        max_machines=options.max_machines,
        wait_seconds=options.wait_seconds,
        speech_reused=options.speech_reused,
        voice_family=options.voice_family,
        money=money,
        days={"main": main, "half": few, "cpu": slow},
        work_hours=options.inputs.videos * base["nvenc"].seconds_per_video / 3600,
        points=points,
        thresholds=thresholds,
        least=least,
        least_by_amplitude=by_amplitude,
        enough={},
    )
    enough = {preset: found for preset in base if (found := _enough(report, base[preset], options, say))}
    return report.model_copy(update={"enough": enough}), traces


def money_of(table: PriceTable, *, region: str | None, usd_per_hour: float | None) -> Money:
    """Return the prices of the fleet's machine, with its GPU and without. Pure."""
    chosen = region if region in table.regions else table.default_region
    prices = table.regions[chosen]
    machine = prices.machines[table.fleet.machine_type].of(table.fleet.provisioning)
    gpu = (
        0.0
        if table.fleet.gpu_type is None
        else prices.gpus[table.fleet.gpu_type].of(table.fleet.provisioning)
    )
    with_gpu = machine + gpu if usd_per_hour is None else usd_per_hour
    return Money(
        as_of=table.as_of,
        region=chosen,
        usd_per_hour={"nvenc": round(with_gpu, 4), "cpu": round(machine, 4)},
        speech_usd_per_million=table.speech_usd_per_million_characters,
    )


def _policies(max_machines: int) -> dict[str, ScalingPolicy]:
    measured = ScalingPolicy(name="measured", max_machines=max_machines)
    return {
        "operator": ScalingPolicy(name="operator", max_machines=max_machines),
        "measured": measured,
        SHORT_IDLE: measured.model_copy(update={"idle_seconds": float(SHORT_IDLE_SECONDS)}),
    }


def _scenario(
    inputs: Inputs,
    policies: Mapping[str, ScalingPolicy],
    seeds: Sequence[int],
    say: Say,
    traces: dict[str, Trace],
    *,
    title: str,
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    oracle = SHORT_IDLE in policies
    for name in [*policies, *(["oracle"] if oracle else [])]:
        for seed in seeds:
            if name == "oracle":
                bounds = policies["operator"]
                promise = bounds.drain_seconds
                outcome, trace = simulate_oracle(inputs, bounds, seed=seed, wait_seconds=promise)
            else:
                outcome, trace = simulate(inputs, policies[name], seed=seed, controller=name)
            outcomes.append(outcome)
            if seed == seeds[0]:
                traces[name] = trace
            say(
                f"{title}, {name}, seed {seed}: p95 wait {outcome.wait_p95_seconds / 60:.0f} min, "
                f"{outcome.machine_hours:.0f} machine hours"
            )
    return tuple(outcomes)


def _capacity(
    inputs: Inputs, policies: Mapping[str, ScalingPolicy], options: Options, say: Say
) -> tuple[dict[str, tuple[Point, ...]], tuple[Threshold, ...]]:
    all_points: dict[str, tuple[Point, ...]] = {}
    thresholds: list[Threshold] = []
    for name, policy in policies.items():

        def measure(throughput: float, policy: ScalingPolicy = policy) -> Point:
            faster = inputs.with_throughput(throughput)
            return measure_point(faster, policy, seed=options.seeds[0], wait_seconds=options.wait_seconds)

        points = [measure(throughput) for throughput in options.sweep]
        for criterion in _CRITERIA:
            found, tried = find_threshold(points, measure, criterion=criterion, resolution=options.resolution)
            points += tried
            thresholds.append(
                Threshold(
                    policy=name,
                    criterion=criterion,
                    videos_per_machine_per_day=found,
                    resolution=options.resolution,
                )
            )
            said = "at none tried" if found is None else f"from {found:.0f} videos a day and machine on"
            say(f"capacity, {name}: {criterion} {said}")
        all_points[name] = tuple(sorted(points, key=lambda point: point.videos_per_machine_per_day))
    return all_points, tuple(thresholds)


def _least(inputs: Inputs, options: Options) -> float:
    return least_of_any_schedule(
        inputs, seed=options.seeds[0], machines=options.max_machines, wait_seconds=options.wait_seconds
    )


def _enough(report: Report, inputs: Inputs, options: Options, say: Say) -> Enough | None:
    """Return the smallest fleet of these machines that was found to carry the day in time."""
    threshold = report.threshold("measured", "in time")
    if threshold is None:
        return None
    machines = max(1, round(options.max_machines * threshold / inputs.videos_per_machine_per_day * 0.9))
    step = max(1, machines // 20)
    for _ in range(8):
        policy = ScalingPolicy(name="measured", max_machines=machines)
        outcome, _ = simulate(inputs, policy, seed=options.seeds[0])
        in_time = is_in_time(outcome, inputs, wait_seconds=options.wait_seconds)
        say(f"{machines} machines of {inputs.seconds_per_video:g} s a video: "
            f"p95 wait {outcome.wait_p95_seconds / 60:.0f} min")  # fmt: skip
        if in_time:
            return Enough(machines=machines, outcome=outcome)
        machines += step
    return None
