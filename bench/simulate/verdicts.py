"""The answers of the simulation, in plain sentences. Pure."""

from collections.abc import Sequence

import numpy as np

from bench.simulate.inputs import DAY_SECONDS, Preset
from bench.simulate.outcome import Outcome, is_in_time
from bench.simulate.runs import SHORT_IDLE, SHORT_IDLE_SECONDS, Enough, Report


def verdicts(report: Report) -> list[str]:
    """Return the answers in plain sentences."""
    return [_main_verdict(report), _threshold_verdict(report), _cpu_verdict(report), *_money(report)]


def _main_verdict(report: Report) -> str:
    days = days_of(report, "main", "measured")
    fits = all(is_in_time(day, report.inputs, wait_seconds=report.wait_seconds) for day in days)
    seconds = report.inputs.seconds_per_video
    said = "fit" if fits else "do not fit"
    how = (
        "as given"
        if report.overridden
        else f"NVENC at an **assumed** {report.machine.nvenc_fps:.0f} frames a second"
    )
    return (
        f"**{report.inputs.videos:,} videos a day {said} into {report.max_machines} machines of "
        f"{seconds:.1f} s a video** ({how}; {report.inputs.videos_per_machine_per_day:,.0f} a day and "
        f"machine, {report.max_machines * report.inputs.videos_per_machine_per_day:,.0f} for the fleet at "
        "full use). Under `measured`, 95 % of the jobs begin within "
        f"{span([day.wait_p95_seconds / 60 for day in days], '{:.0f}')} minutes, and "
        f"{span([day.waiting_at_day_end for day in days], '{:,.0f}')} jobs wait at midnight. Fitting "
        f"means: 95 % begin within {report.wait_seconds / 60:.0f} minutes, and at midnight no more wait "
        "than a quarter of an hour brings."
    )


def _threshold_verdict(report: Report) -> str:
    found = report.threshold("measured", "in time")
    if found is None:
        return "No throughput that was tried lets the day fit."
    operator = report.threshold("operator", "in time")
    seconds = DAY_SECONDS / found
    mean = report.inputs.videos / report.max_machines
    rest = report.benchmark.finishing_seconds + report.machine.waiting_seconds
    frames = (
        "" if seconds <= rest else f", or {report.benchmark.frames / (seconds - rest):.0f} frames a second"
    )
    also = "none that was tried" if operator is None else f"{operator:,.0f}"
    text = (
        f"**It begins to fit at {found:,.0f} videos a day and machine**: {seconds:.1f} s a video{frames} "
        f"under `measured`; under `operator` at {also}. The mean alone would ask for {mean:,.0f}; the rest "
        "is the peak of the day, bursts, starts of runs and the pauses between them."
    )
    enough = report.enough.get("nvenc")
    if enough is not None and enough.machines > report.max_machines:
        text += (
            f" With the throughput that was assumed, {enough.machines} machines carry the day "
            f"(`TRIVIA_MAX_MACHINES={enough.machines}`: p95 {enough.outcome.wait_p95_seconds / 60:.0f} "
            "minutes)."
        )
    return text


def _cpu_verdict(report: Report) -> str:
    seconds = report.renderings["cpu"][0]
    day = days_of(report, "cpu", "measured")[0]
    fleet = report.max_machines * DAY_SECONDS / seconds
    fits = is_in_time(day, report.inputs, wait_seconds=report.wait_seconds)
    text = (
        f"**Our measured CPU render (libx264) {'fits' if fits else 'does not fit'} into "
        f"{report.max_machines} machines**: {report.benchmark.cpu_seconds:.0f} CPU seconds are "
        f"{seconds:.1f} s on such a machine, {DAY_SECONDS / seconds:,.0f} videos a day, {fleet:,.0f} for "
        "the fleet at full use"
    )
    text += "." if fits else f"; {day.waiting_at_day_end:,.0f} jobs wait at midnight."
    enough = report.enough.get("cpu")
    if enough is not None and not fits:
        text += f" About {enough.machines} such machines carry the day."
    return text


def _money(report: Report) -> list[str]:
    price = report.money.usd_per_hour
    hours = float(np.mean([day.machine_hours for day in days_of(report, "main", "measured")]))
    family = report.voice_family
    prices = report.money.speech_usd_per_million
    cheapest = min(prices, key=lambda name: prices[name])
    speech = speech_usd(report, family) * report.inputs.videos / 1000
    lines = [
        f"**Machines cost ${hours * price['nvenc']:,.0f} a day, speech ${speech:,.0f}** "
        f"({family} voices, {report.speech_reused:.0%} of the characters in the cache, an assumption). "
        f"Before the policy, look at the voices: {cheapest} ones would cost "
        f"${speech_usd(report, cheapest) * report.inputs.videos / 1000:,.0f}.",
        _settings_verdict(report),
    ]
    cpu, nvenc = (report.enough.get(preset) for preset in ("cpu", "nvenc"))
    if cpu is not None and nvenc is not None and not report.overridden:
        lines.append(_gpu_verdict(report, cpu, nvenc))
    return lines


def _settings_verdict(report: Report) -> str:
    def mean(key: str, name: str, field: str) -> float:
        return float(np.mean([getattr(day, field) for day in days_of(report, key, name)]))

    saved = {
        key: 1 - mean(key, SHORT_IDLE, "machine_hours") / mean(key, "measured", "machine_hours")
        for key in ("main", "half")
    }
    waits = [mean("half", name, "wait_p95_seconds") / 60 for name in ("measured", SHORT_IDLE)]
    return (
        f"**One setting saves {saved['main']:.0%} of the machine hours of this day, and "
        f"{saved['half']:.0%} of a day with half the jobs**: `TRIVIA_IDLE_SECONDS={SHORT_IDLE_SECONDS}`. "
        "Idle machines share what comes, so hardly one of them has nothing to do for ten minutes on end, "
        f"and a fleet that has grown keeps its size. The p95 wait of the half day goes from {waits[0]:.0f} "
        f"to {waits[1]:.0f} minutes."
    )


def _gpu_verdict(report: Report, cpu: Enough, nvenc: Enough) -> str:
    price = report.money.usd_per_hour
    cost: dict[Preset, float] = {
        "cpu": cpu.outcome.machine_hours * price["cpu"],
        "nvenc": nvenc.outcome.machine_hours * price["nvenc"],
    }
    even = report.renderings["cpu"][0] * price["cpu"] / price["nvenc"]
    return (
        f"**A GPU has to be earned**: the day costs ${cost['nvenc']:,.0f} on {nvenc.machines} machines "
        f"with a T4 and ${cost['cpu']:,.0f} on {cpu.machines} without one (spot, ${price['nvenc']:.3f} and "
        f"${price['cpu']:.3f} an hour). The T4 is the cheaper one from {even:.1f} s a video downwards. "
        "Both sides rest on assumptions, so measure one machine of each kind before deciding."
    )


def speech_usd(report: Report, family: str) -> float:
    """Return what speech costs for a thousand videos."""
    price = report.money.speech_usd_per_million[family]
    return report.benchmark.characters * (1 - report.speech_reused) * price / 1000


def days_of(report: Report, key: str, controller: str) -> list[Outcome]:
    """Return a scenario's days under one controller."""
    return [day for day in report.days[key] if day.controller == controller]


def span(values: Sequence[float], form: str) -> str:
    """Return the mean, and in brackets the lowest and the highest where they differ."""
    middle, low, high = (form.format(value) for value in (np.mean(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"
