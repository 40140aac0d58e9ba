"""The figures for people: tables on the terminal, and a section of docs/capacity.md. Pure."""

import os
import platform
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import capacity_document
from bench.simulate.assumptions import assumptions, left_out
from bench.simulate.inputs import DAY_SECONDS
from bench.simulate.outcome import Outcome
from bench.simulate.runs import SHORT_IDLE, SHORT_IDLE_SECONDS, Report
from bench.simulate.verdicts import span, speech_usd, verdicts

TITLE = "# Capacity\n"
_WIDTH = 110
BEGIN = (
    "<!-- a day of videos: begin. Written by `python -m bench.simulate --write`; changes here are lost. -->"
)
END = "<!-- a day of videos: end -->"


class _Row(NamedTuple):
    name: str
    value: Callable[[Outcome], float]
    form: str


_ROWS = (
    _Row("videos rendered", lambda day: day.completed, "{:,.0f}"),
    _Row("jobs that wait at midnight", lambda day: day.waiting_at_day_end, "{:,.0f}"),
    _Row("last video finished, hour", lambda day: day.ended_hours, "{:.1f}"),
    _Row("wait until begun, p50, min", lambda day: day.wait_p50_seconds / 60, "{:.0f}"),
    _Row("wait until begun, p95, min", lambda day: day.wait_p95_seconds / 60, "{:.0f}"),
    _Row("wait until begun, p99, min", lambda day: day.wait_p99_seconds / 60, "{:.0f}"),
    _Row("longest wait, min", lambda day: day.wait_max_seconds / 60, "{:.0f}"),
    _Row("until finished, p95, min", lambda day: day.done_p95_seconds / 60, "{:.0f}"),
    _Row("machine hours paid for", lambda day: day.machine_hours, "{:,.0f}"),
    _Row("machines, mean", lambda day: day.mean_machines, "{:.1f}"),
    _Row("machines, most", lambda day: day.max_machines, "{:.0f}"),
    _Row("of paid time busy, %", lambda day: 100 * day.busy_share, "{:.0f}"),
    _Row("preemptions", lambda day: day.preemptions, "{:.0f}"),
    _Row("rendered in vain, machine seconds", lambda day: day.lost_machine_seconds, "{:.0f}"),
    _Row("times the size was changed", lambda day: day.orders, "{:.0f}"),
    _Row("machines added", lambda day: day.grown, "{:.0f}"),
    _Row("machines deleted", lambda day: day.deleted, "{:.0f}"),
)
_NAMES = {
    "operator": "`operator`",
    "measured": "`measured`",
    SHORT_IDLE: f"`measured`, {SHORT_IDLE_SECONDS} s idle",
    "oracle": "oracle",
}


def terminal(report: Report) -> str:
    """Return everything that matters, for a terminal."""
    parts = []
    for key, title in _scenarios(report).items():
        columns = _columns(report.days[key])
        lines = [("", *columns), *_rows(report, key)]
        parts.append(f"{title}\n{_aligned(lines)}")
    lines = [("", "keeps up from", "in time from"), *_threshold_rows(report)]
    parts.append(f"Videos a day that a machine must render\n{_aligned(lines)}")
    parts.append("\n".join(text.replace("`", "").replace("**", "") for text in verdicts(report)))
    return "\n\n".join(parts)


def section(report: Report, *, cpu_seconds: float) -> str:
    """Return the section of docs/capacity.md."""
    answers = "\n".join(f"- {text}" for text in verdicts(report))
    scenarios = _scenarios(report)
    picture_note = (
        f"(seed {report.seeds[0]}; grey: the stockouts; the oracle lets jobs wait as long as it has promised)"
    )
    parts = [
        f"## A day of {report.inputs.videos:,} videos",
        "A simulation sends a day's jobs through a fleet minute by minute. What decides on the number of "
        "machines is the code that decides in production (`trivia_render/fleet/decision.py`, "
        "`observation.py`, and the steps of `pipeline/autoscaling.py`), with its default settings; what "
        "it sees and what becomes of its orders is simulated. **No GPU was at hand: every figure with "
        "NVENC rests on an assumed throughput.**",
        f"### In short\n\n{answers}",
        f"### The policies\n\n{scenarios['main']}:",
        _markdown(("", *_columns(report.days["main"], marked=True)), _rows(report, "main")),
        _legend(report),
        f"![Jobs that wait and machines over the day](images/capacity-day.png)\n\n{picture_note}",
        "![Share of jobs that had begun after how many minutes](images/capacity-waits.png)",
        f"{scenarios['half']}:",
        _markdown(("", *_columns(report.days["half"], marked=True)), _rows(report, "half")),
        "![What machines and speech cost a day](images/capacity-cost.png)",
        f"### From which throughput on it fits\n\n{_capacity_text(report)}",
        _markdown(("", "keeps up from", "in time from"), _threshold_rows(report, marked=True)),
        "![Wait over the throughput of a machine](images/capacity-sweep.png)",
        _amplitude_text(report),
        f"### Without NVENC\n\n{scenarios['cpu']}:",
        _markdown(("", *_columns(report.days["cpu"], marked=True)), _rows(report, "cpu")),
        f"### What was assumed\n\n{_markdown(('What', 'Value', 'Where from'), assumptions(report))}",
        left_out(),
        _again(report, cpu_seconds),
    ]
    return "\n\n".join(_wrapped(part) for part in parts)


def with_section(document: str, text: str) -> str:
    """Put the section into docs/capacity.md's text. Raises BadInputError. Pure."""
    return capacity_document.with_section(document, text, begin=BEGIN, end=END)


def _wrapped(part: str) -> str:
    """Break prose into lines, and leave tables, pictures, headings and commands as they are."""
    if "```" in part:
        before, fence, rest = part.partition("```")
        code, close, after = rest.partition("```")
        return f"{before}{fence}{code}{close}{_wrapped(after)}"
    return "\n".join(
        line
        if line.startswith(("|", "!", "#"))
        else textwrap.fill(
            line,
            _WIDTH,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in part.split("\n")
    )


def _scenarios(report: Report) -> dict[str, str]:
    seeds = f"mean of {len(report.seeds)} days" if len(report.seeds) > 1 else "one day"
    span = ", from lowest to highest in brackets" if len(report.seeds) > 1 else ""
    jobs, fleet = report.inputs.videos, f"at most {report.max_machines} machines"
    nvenc, cpu = report.renderings["nvenc"][0], report.renderings["cpu"][0]
    return {
        "main": f"{jobs:,} jobs, {fleet} of {nvenc:.1f} s a video ({seeds}{span})",
        "half": f"Half of that, {jobs // 2:,} jobs, on the same fleet (one day)",
        "cpu": f"{jobs:,} jobs, {fleet} of {cpu:.1f} s a video, which is libx264 without a GPU (one day, "
        f"followed for at most {report.inputs.limit_hours:.0f} hours)",
    }


def _columns(days: Sequence[Outcome], *, marked: bool = False) -> list[str]:
    names = list(dict.fromkeys(day.controller for day in days))
    return [_NAMES[name] if marked else name for name in names]


def _rows(report: Report, key: str) -> list[tuple[str, ...]]:
    days = report.days[key]
    by_name = [[day for day in days if day.controller == name] for name in _columns(days)]
    rows = [
        (row.name, *(span([row.value(day) for day in group], row.form) for group in by_name)) for row in _ROWS
    ]
    price = report.money.usd_per_hour["cpu" if key == "cpu" else "nvenc"]
    speech = speech_usd(report, report.voice_family)
    usd = [[day.machine_hours * price for day in group] for group in by_name]
    done = [[day.completed / 1000 for day in group] for group in by_name]
    rows.append(("machines, $", *(span(values, "{:,.0f}") for values in usd)))
    for name, extra in (("machines, $ per 1,000 videos", 0.0), ("with speech, $ per 1,000 videos", speech)):
        per = [
            [value / max(count, 1e-9) + extra for value, count in zip(values, counts, strict=True)]
            for values, counts in zip(usd, done, strict=True)
        ]
        rows.append((name, *(span(values, "{:.2f}") for values in per)))
    return rows


def _legend(report: Report) -> str:
    floor = report.work_hours * report.money.usd_per_hour["nvenc"]
    return (
        "Waits are from submission until a job's render first begins; a preempted job is not counted "
        "twice. "
        "Machine hours run from a machine's creation to its end, until the last video is finished. "
        f"*{SHORT_IDLE_SECONDS} s idle* is `TRIVIA_IDLE_SECONDS={SHORT_IDLE_SECONDS}`.\n\n"
        "The *oracle* knows every arrival and every render time beforehand. Each minute it takes the taut "
        "string between the work that has come and the work that must be under way, which is the schedule "
        "with the fewest machines at once. It promises a wait of 15 minutes, or the shortest that the "
        "fleet can promise to every job, and asks for machines three minutes ahead. It runs in the same "
        "world, with its shards, starts, preemptions and stockouts, of which it knows nothing: it is a "
        "yardstick and no bound. The bound is the work itself: "
        f"{report.work_hours:,.0f} machine hours, ${floor:,.0f}, whatever the schedule."
    )


def _capacity_text(report: Report) -> str:
    return (
        f"The same day with faster and slower machines (seed {report.seeds[0]}), each simulated as a whole "
        "and narrowed down by bisection. *Keeps up*: at midnight no more jobs wait than a quarter of an "
        f"hour brings on average. *In time*: also, 95 % begin within {report.wait_seconds / 60:.0f} "
        "minutes. The throughput is that of a machine which does nothing but render, as the benchmark "
        f"gives it. Below {report.least:,.0f}, no schedule of {report.max_machines} machines whatsoever "
        "has every job begin within that time."
    )


def _threshold_rows(report: Report, *, marked: bool = False) -> list[tuple[str, ...]]:
    def told(found: float | None) -> str:
        return "none tried" if found is None else f"{found:,.0f} ({DAY_SECONDS / found:.1f} s a video)"

    rows = [
        (
            _NAMES[name] if marked else name,
            told(report.threshold(name, "keeps up")),
            told(report.threshold(name, "in time")),
        )
        for name in report.points
    ]
    return [*rows, ("any schedule, every job in time", "", told(report.least))]


def _amplitude_text(report: Report) -> str:
    values = ", ".join(
        f"{least:,.0f} with a peak of {1 + float(amplitude):g} times the mean"
        for amplitude, least in report.least_by_amplitude.items()
    )
    return (
        "How pronounced the day is decides most of it. What any schedule needs at the least, for every "
        f"job to begin in time: {values}. Submitting by night what can wait until then costs nothing."
    )


def _again(report: Report, cpu_seconds: float) -> str:
    return (
        "### Again\n\n"
        "```sh\nmake simulate                                   # tables on the terminal\n"
        ".venv/bin/python -m bench.simulate --write      # and this section with its pictures\n"
        ".venv/bin/python -m bench.simulate --help       # every assumption that can be changed\n"
        ".venv/bin/python -m bench.simulate --seconds-per-video 9.5   # once a real machine was "
        "measured\n```\n\n"
        "The same seed gives the same figures. Made in "
        f"{cpu_seconds:.0f} CPU seconds with seeds {', '.join(map(str, report.seeds))} on {_cpu()} "
        f"({os.cpu_count()} cores), Python {platform.python_version()}."
    )


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    found = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return found[0] if found else platform.machine()


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
