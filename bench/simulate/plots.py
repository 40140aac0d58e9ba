"""The figures as pictures: a day, its waits, its cost, and the capacity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

from bench.simulate.inputs import DAY_SECONDS
from bench.simulate.outcome import Outcome, Trace
from bench.simulate.runs import SHORT_IDLE, Report

#: Okabe and Ito's colours, which remain distinct for the colour-blind; and a dash for each, for print.
COLOURS = {"operator": "#0072B2", "measured": "#D55E00", SHORT_IDLE: "#CC79A7", "oracle": "#009E73"}
_DASHES: Mapping[str, str | tuple[int, tuple[int, ...]]] = {
    "operator": "-",
    "measured": "-",
    SHORT_IDLE: (0, (5, 1)),
    "oracle": (0, (2, 1)),
}
_PARTS = {"rendering": "#56B4E9", "starting": "#F0E442", "idle": "#BBBBBB"}
_INK, _FAINT = "#333333", "#E3E3E3"
_DPI = 110
_MINUTES = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 480, 720, 1440, 2880)
_SHADE = "#F0F0F0"


def draw_all(report: Report, traces: Mapping[str, Trace], folder: Path) -> list[str]:
    """Draw every picture into a folder; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "capacity-day.png": draw_day(report, traces),
        "capacity-waits.png": draw_waits(report, traces),
        "capacity-cost.png": draw_cost(report),
        "capacity-sweep.png": draw_sweep(report),
    }
    for name, figure in figures.items():
        # No date and no version inside: the same figures give the same file.
        figure.savefig(folder / name, dpi=_DPI, metadata={"Software": None})
    return list(figures)


def draw_day(report: Report, traces: Mapping[str, Trace]) -> Figure:
    """Draw waiting jobs and machines over the day."""
    figure = _figure(9.5, 6.2)
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.1, 1))
    for name, trace in traces.items():
        hours = [sample.at_seconds / 3600 for sample in trace.samples]
        style = {"color": COLOURS[name], "linestyle": _DASHES[name], "linewidth": 1.5, "label": name}
        axes[0].plot(hours, [sample.pending for sample in trace.samples], **style)
        axes[1].plot(hours, [sample.machines for sample in trace.samples], drawstyle="steps-post", **style)
    for panel in axes:
        for number, out in enumerate(report.inputs.stockouts):
            panel.axvspan(
                out.begin_hour,
                out.begin_hour + out.minutes / 60,
                color=_SHADE,
                label="stockout" if number == 0 else None,
                zorder=0,
            )
        _clean(panel)
    axes[0].set_ylabel("jobs that wait")
    axes[0].yaxis.set_major_formatter(_thousands())
    axes[0].set_ylim(bottom=0)
    axes[0].legend(loc="upper left", frameon=False, fontsize=9)
    axes[0].set_title(
        f"{report.inputs.videos:,} videos on at most {report.max_machines} machines "
        f"of {report.inputs.seconds_per_video:.1f} s a video",
        loc="left",
        fontsize=11,
    )
    axes[1].set_ylabel("machines paid for")
    axes[1].set_ylim(0, report.max_machines * 1.08)
    axes[1].yaxis.set_major_locator(MultipleLocator(5))
    axes[1].axhline(report.max_machines, color=_INK, linewidth=0.8, linestyle=":")
    axes[1].set_xlabel("hour of the day")
    axes[1].set_xlim(0, max(trace.samples[-1].at_seconds / 3600 for trace in traces.values()))
    axes[1].xaxis.set_major_locator(MultipleLocator(2 if report.inputs.hours > 12 else 0.5))
    return figure


def draw_waits(report: Report, traces: Mapping[str, Trace]) -> Figure:
    """Draw which share of the jobs waited for longer than how long."""
    figure = _figure(9.5, 4.2)
    panel = figure.subplots()
    shares = np.linspace(0, 100, 801)
    for name, trace in traces.items():
        waits = np.percentile(trace.waits, shares) / 60
        panel.plot(waits, shares, color=COLOURS[name], linestyle=_DASHES[name], linewidth=1.7, label=name)
    panel.axvline(report.wait_seconds / 60, color=_INK, linewidth=0.8, linestyle=":")
    panel.text(
        report.wait_seconds / 60, 3, f" wanted: {report.wait_seconds / 60:.0f} min", fontsize=9, color=_INK
    )
    panel.axhline(95, color=_INK, linewidth=0.8, linestyle=":")
    right = max(float(np.percentile(trace.waits, 99.9)) for trace in traces.values()) / 60 * 1.1
    panel.set_xlim(0, max(right, report.wait_seconds / 60 * 1.2))
    panel.text(panel.get_xlim()[1], 94, "95 %", fontsize=9, color=_INK, ha="right", va="top")
    panel.set_xlabel("minutes from submission to the beginning of the render")
    panel.set_ylabel("jobs that had begun, %")
    panel.set_ylim(0, 101)
    panel.set_title("How long jobs waited", loc="left", fontsize=11)
    panel.legend(loc="lower right", frameon=False, fontsize=9)
    _clean(panel)
    return figure


def draw_cost(report: Report) -> Figure:
    """Draw what the machines of a day cost, by what they did, and what speech costs beside them."""
    figure = _figure(9.5, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(2.1, 1))
    rows = [
        (title, name, [item for item in report.days[key] if item.controller == name])
        for key, title in (
            ("main", f"{report.inputs.videos:,} jobs"),
            ("half", f"{report.inputs.videos // 2:,} jobs"),
        )
        for name in COLOURS
    ]
    price = report.money.usd_per_hour["nvenc"]
    labels = [f"{name}" for _, name, _ in rows]
    places = [number + (0.6 if number >= len(COLOURS) else 0.0) for number in range(len(rows))]
    base = np.zeros(len(rows))
    hours = {
        "rendering": [_mean(days, "busy_hours") for _, _, days in rows],
        "starting": [_mean(days, "starting_hours") for _, _, days in rows],
        "idle": [float(np.mean([day.idle_hours for day in days])) for _, _, days in rows],
    }
    for part, values in hours.items():
        usd = np.array(values) * price
        left.barh(places, usd, left=base, color=_PARTS[part], label=part, height=0.7)
        base += usd
    for place, total in zip(places, base, strict=True):
        left.text(total, place, f" ${total:,.0f}", va="center", fontsize=9, color=_INK)
    left.set_yticks(places, labels, fontsize=9)
    left.invert_yaxis()
    for number, title in ((0, rows[0][0]), (len(COLOURS), rows[-1][0])):
        left.text(0, places[number] - 0.5, title, fontsize=9, color=_INK, weight="bold", va="bottom")
    left.set_xlim(0, float(base.max()) * 1.14)
    left.set_ylim(places[-1] + 0.6, -1.0)
    left.set_xlabel("US dollars a day for machines")
    left.set_title("Machines, by what they did", loc="left", fontsize=11)
    left.legend(loc="lower right", frameon=False, fontsize=9)
    _clean(left, grid="x")
    _speech(right, report)
    return figure


def _speech(panel: Axes, report: Report) -> None:
    paid = report.benchmark.characters * (1 - report.speech_reused) * report.inputs.videos / 1e6
    prices = report.money.speech_usd_per_million
    families = [name for name in ("standard", "neural2", "chirp3") if name in prices]
    machines = _mean([item for item in report.days["main"] if item.controller == "measured"], "machine_hours")
    names = ["machines", *(f"speech,\n{name}" for name in families)]
    values = [machines * report.money.usd_per_hour["nvenc"], *(paid * prices[name] for name in families)]
    panel.bar(names, values, color=[COLOURS["measured"], *["#999999"] * len(families)], width=0.65)
    for number, value in enumerate(values):
        panel.text(number, value, f"${value:,.0f}", ha="center", va="bottom", fontsize=9, color=_INK)
    panel.set_ylabel("US dollars a day")
    panel.yaxis.set_major_formatter(_thousands())
    panel.tick_params(axis="x", labelsize=8.5)
    panel.set_title(f"Beside speech ({report.inputs.videos:,} jobs)", loc="left", fontsize=11)
    _clean(panel, grid="y")


def draw_sweep(report: Report) -> Figure:
    """Draw the wait over the throughput of a machine."""
    figure = _figure(9.5, 4.8)
    panel = figure.subplots()
    for name, points in report.points.items():
        panel.plot(
            [point.videos_per_machine_per_day for point in points],
            [max(point.wait_p95_seconds / 60, 0.1) for point in points],
            color=COLOURS[name],
            marker="o",
            markersize=4,
            linewidth=1.5,
            label=name,
        )
    low = min(point.videos_per_machine_per_day for points in report.points.values() for point in points)
    high = max(point.videos_per_machine_per_day for points in report.points.values() for point in points)
    kinds = {"nvenc": "NVENC (assumed)", "cpu": "libx264 (measured CPU time)"}
    marks = {kinds[name]: DAY_SECONDS / seconds for name, (seconds, _) in report.renderings.items()}
    if report.overridden:
        marks = {"given": DAY_SECONDS / report.renderings["nvenc"][0]}
    low = min(low, *marks.values()) - 300
    panel.set_yscale("log")
    panel.set_xlim(low, high + 200)
    panel.axvspan(low, report.least, color=_SHADE, zorder=0, label="no schedule has every job begin in time")
    panel.axhline(report.wait_seconds / 60, color=_INK, linewidth=0.8, linestyle=":")
    panel.text(
        high + 150, report.wait_seconds / 60, f"wanted: {report.wait_seconds / 60:.0f} min",
        ha="right", va="bottom", fontsize=9,
    )  # fmt: skip
    for name, throughput in marks.items():
        panel.axvline(throughput, color=COLOURS["oracle"], linewidth=1.2, linestyle="--")
        panel.text(
            throughput, panel.get_ylim()[0], f" {name}", rotation=90, va="bottom", ha="right", fontsize=9,
            color=COLOURS["oracle"],
        )  # fmt: skip
    panel.set_xlabel("videos a day that one machine renders when it does nothing else")
    panel.xaxis.set_major_formatter(_thousands())
    bottom, top = panel.get_ylim()
    panel.yaxis.set_major_locator(FixedLocator([tick for tick in _MINUTES if bottom <= tick <= top]))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.set_ylabel("95 % of jobs begin within, minutes")
    panel.set_title(
        f"{report.inputs.videos:,} videos a day on at most {report.max_machines} machines",
        loc="left",
        fontsize=11,
    )
    seconds = panel.secondary_xaxis(
        "top",
        functions=(
            lambda value: DAY_SECONDS / np.maximum(value, 1.0),
            lambda value: DAY_SECONDS / np.maximum(value, 0.1),
        ),
    )
    seconds.set_xticks(
        [tick for tick in (40, 30, 25, 20, 18, 16, 14, 12, 10, 9, 8) if low < DAY_SECONDS / tick < high]
    )
    seconds.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    seconds.tick_params(labelsize=8.5, colors=_INK)
    panel.legend(loc="upper right", frameon=False, fontsize=9)
    _clean(panel)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _clean(panel: Axes, grid: str = "both") -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color("#999999")
    panel.tick_params(colors=_INK)
    panel.set_axisbelow(True)
    if grid in {"x", "both"}:
        panel.xaxis.grid(visible=True, color=_FAINT, linewidth=0.7)
    if grid in {"y", "both"}:
        panel.yaxis.grid(visible=True, color=_FAINT, linewidth=0.7)


def _thousands() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:,.0f}")


def _mean(days: Sequence[Outcome], field: str) -> float:
    return float(np.mean([getattr(day, field) for day in days]))
