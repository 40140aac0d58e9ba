"""The figures for people: a table on the terminal, and a section of docs/capacity.md."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from bench import capacity_document
from bench.load.results import (
    SECONDS_PER_DAY,
    SERVER_ROLES,
    Fast,
    Latency,
    LoadReport,
    Mode,
    ModeResult,
    Role,
    Steady,
    Usage,
)
from bench.load.servers import Setting, settings_of

TITLE = "# Capacity\n"
BEGIN = "<!-- prefect's server: begin. Written by `python -m bench.load --write`; changes here are lost. -->"
END = "<!-- prefect's server: end -->"

_NAMES: dict[Role, str] = {
    "api": "API",
    "services": "services",
    "server": "the server",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "flows": "workers and flows",
}
#: The system's own work, and what dies unnoticed between two readings.
_QUIET_CORES = 0.25
_DOCUMENTED_HOST, _DOCUMENTED_PORT = "redis.internal", 6379
#: Days that the settings below keep each, and the tables of which that is true.
_EVENT_DAYS, _RUN_DAYS = 1.0, 2.0
_EVENT_TABLES = frozenset({"events", "event_resources"})


class Row(NamedTuple):
    """A line of the table: its name and the value of each mode."""

    name: str
    values: tuple[str, ...]


class Ceiling(NamedTuple):
    """The process that is full first, and at how many videos a day that is."""

    role: Role
    videos_per_day: float


def ceiling(result: ModeResult) -> Ceiling:
    """Return which of Prefect's own processes is full first, each having one core at most. Pure.

    By the CPU seconds a video at the day's rate, idle work included. The API's processes share its work;
    PostgreSQL and Redis are left out, as they have machines of their own size.
    """
    steady = result.steady
    processes: dict[Role, int] = {"api": result.api_processes, "services": 1, "server": 1}
    limits = {
        role: processes[role] * SECONDS_PER_DAY / (usage.cpu_seconds / max(steady.completed, 1))
        for role, usage in steady.usage.items()
        if role in processes and usage.cpu_seconds > 0
    }
    role = min(limits, key=lambda name: limits[name])
    return Ceiling(role, limits[role])


def kept_bytes(steady: Steady, *, per_day: float) -> float:
    """Return how large the database gets at a rate, with the documented retention. Pure.

    Events for a day, all the rest for two.
    """
    events = sum(table.bytes_per_video for table in steady.tables if table.name in _EVENT_TABLES)
    rest = max(steady.database_bytes_per_video - events, 0.0)
    return per_day * (events * _EVENT_DAYS + rest * _RUN_DAYS)


def rows(figures: LoadReport) -> list[Row]:
    """Return the table's lines. Pure."""
    modes = figures.modes
    lines: list[Row] = []

    def row(name: str, value: Callable[[ModeResult], str]) -> None:
        lines.append(Row(name, tuple(value(mode) for mode in modes)))

    row("videos submitted / completed", lambda m: f"{m.steady.submitted} / {m.steady.completed}")
    row("videos a second, submitted", lambda m: f"{m.steady.rate_per_day / SECONDS_PER_DAY:.3f}")
    row("errors", _errors)
    row(
        "task runs recorded / made",
        lambda m: f"{m.steady.task_runs} / {m.steady.task_runs_expected}",
    )
    row(
        "CPU ms a video, Prefect's side",
        lambda m: f"{1000 * m.steady.server_cpu_per_video:.0f}",
    )
    used = [role for role in _NAMES if any(role in mode.steady.usage for mode in modes)]
    for role in used:
        row(f"  {_NAMES[role]}", partial(_cpu_of, role=role))
    row("cores, Prefect's side, idle", lambda m: f"{m.steady.idle_cores:.2f}")
    row("cores, Prefect's side, loaded", lambda m: f"{_cores(m.steady.usage):.2f}")
    row("cores, programs of others", lambda m: f"{m.steady.whole.others_cores(m.steady.usage):.2f}")
    for role in used:
        row(f"memory MB, {_NAMES[role]}", partial(_memory, role=role))
    row("API p50 / p95 / p99 ms", lambda m: _latency(m.steady.latency))
    row(
        "shard start delay, median / worst s",
        lambda m: (
            f"{_number(m.steady.start_delay_p50_seconds)} / {_number(m.steady.start_delay_worst_seconds)}"
        ),
    )
    row("creating a shard's run, worst ms", lambda m: f"{m.steady.submission_worst_ms:.0f}")
    row("shards that were late on their way", lambda m: str(m.steady.late_shards))
    row("database KB a video", lambda m: f"{m.steady.database_bytes_per_video / 1e3:.0f}")
    row("write-ahead log KB a video", lambda m: f"{m.steady.wal_bytes_per_video / 1e3:.0f}")
    row("events a video", lambda m: f"{m.steady.events_per_video:.1f}")
    row("log lines a video", lambda m: f"{m.steady.log_lines_per_video:.1f}")
    row("events written after the last video, s", lambda m: f"{m.steady.backlog_seconds:.0f}")
    if any(mode.fast for mode in modes):
        row("as fast as it goes: videos a second", lambda m: _fast(m, lambda f: f"{f.videos_per_second:.2f}"))
        row("  cores, Prefect's side", lambda m: _fast(m, lambda f: f"{_cores(f.usage):.2f}"))
        row("  cores, workers and flows", lambda m: _fast(m, lambda f: f"{f.usage['flows'].cores:.2f}"))
        row("  cores, submitting and measuring", lambda m: _fast(m, lambda f: f"{f.whole.own_cores:.2f}"))
        row("  cores, programs of others", lambda m: _fast(m, _others))
        row("  API p50 / p95 / p99 ms", lambda m: _fast(m, lambda f: _latency(f.latency)))
        row("  events written afterwards, s", lambda m: _fast(m, _drained))
        row("  errors", lambda m: _fast(m, lambda f: str(f.errors.total)))
    return lines


def terminal_table(figures: LoadReport) -> str:
    """Return the table in columns. Pure."""
    lines = [Row("", tuple(mode.mode for mode in figures.modes)), *rows(figures)]
    width = max(len(line.name) for line in lines) + 2
    columns = [max(len(line.values[index]) for line in lines) + 3 for index in range(len(figures.modes))]
    text = [
        line.name.ljust(width)
        + "".join(value.rjust(space) for value, space in zip(line.values, columns, strict=True))
        for line in lines
    ]
    for mode in figures.modes:
        samples = (*mode.steady.errors.samples, *(mode.fast.errors.samples if mode.fast else ()))
        text += [f"{mode.mode}: {sample}" for sample in samples]
    return "\n".join(line.rstrip() for line in text)


def disturbances(figures: LoadReport) -> list[str]:
    """Say in which spans other programs used the machine, so that the figures do not hold. Pure."""
    found = []
    for mode in figures.modes:
        spans = {"at the day's rate": mode.steady, "as fast as it goes": mode.fast}
        for name, span in spans.items():
            if span is not None and span.whole.others_cores(span.usage) > _QUIET_CORES:
                others = span.whole.others_cores(span.usage)
                found.append(
                    f"{mode.mode}, {name}: other programs used {others:.2f} cores meanwhile. "
                    "Measure again on a quiet machine."
                )
    return found


def section(figures: LoadReport) -> str:
    """Return the section of the document, without its marks. Pure."""
    parts = [
        "## Prefect's server",
        _how(figures),
        _markdown(("", *(mode.mode for mode in figures.modes)), _document_rows(figures)),
        *(_judgement(mode) for mode in figures.modes),
        _limits(figures),
        *disturbances(figures),
        _growth(figures.modes[0]),
        "### Settings of the server in production",
        "Every process of the server has these; the workers have none of them. The names are checked "
        "against Prefect's own by a test.",
        settings_table("split"),
        "The split mode is `prefect server start --no-services --workers 2`, which is the API alone in two "
        "processes, and one `prefect server services start` beside it. A single process, `prefect server "
        "start`, uses neither Redis nor the settings that name it.",
    ]
    return "\n\n".join(part for part in parts if part)


def settings_table(mode: Mode) -> str:
    """Return the variables of production with their reasons. Pure."""
    told = settings_of(mode, redis_host=_DOCUMENTED_HOST, redis_port=_DOCUMENTED_PORT)
    return _markdown(("Variable", "Value", "Why"), [_setting(setting) for setting in told])


def with_section(document: str, text: str) -> str:
    """Put the section into docs/capacity.md's text. Raises BadInputError. Pure."""
    return capacity_document.with_section(document, text, begin=BEGIN, end=END)


def _setting(setting: Setting) -> tuple[str, ...]:
    return f"`{setting.name}`", f"`{setting.value}`", setting.why


def _how(figures: LoadReport) -> str:
    machine, setup, steady = figures.machine, figures.setup, figures.modes[0].steady
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return (
        f"Can Prefect's own side carry {steady.rate_per_day:,.0f} videos a day? Measured on "
        f"{figures.at:%Y-%m-%d} with `python -m bench.load`, on {machine.cores} cores of {machine.cpu} with "
        f"{machine.memory_bytes / 2**30:.0f} GB: {versions}; PostgreSQL with `fsync` {setup.fsync}. The "
        "servers, the database, the workers and the flows all ran on that one machine.\n\n"
        f"Shards of {setup.shard_size} jobs were submitted for {steady.minutes:g} minutes as `trivia batch` "
        f"submits them, and {setup.workers} real workers ran the real flows over them, "
        f"{setup.questions + 2} clips a video. Only rendering and assembly were replaced: each clip waited "
        f"{setup.clip_seconds:g} s, so that the cores were the server's. The polls of "
        f"{setup.emulated_workers} more workers were added. The two scheduled flows of the control pool were "
        "left out: they are two runs a minute. CPU of the processes is their own and that of all that they "
        "start; the store was a local folder."
    )


def _document_rows(figures: LoadReport) -> list[tuple[str, ...]]:
    return [(line.name.strip() if not line.name.startswith("  ") else f"– {line.name.strip()}", *line.values)
            for line in rows(figures)]  # fmt: skip


def _judgement(mode: ModeResult) -> str:
    steady = mode.steady
    share = ceiling(mode)
    factor = share.videos_per_day / steady.rate_per_day
    carried = (
        steady.completed == steady.submitted
        and steady.errors.total == 0
        and steady.task_runs == steady.task_runs_expected
    )
    verdict = (
        "All videos were completed, without an error, and every task run was recorded."
        if carried
        else f"{steady.completed} of {steady.submitted} videos were completed, with {steady.errors.total} "
        f"errors, and {steady.task_runs} of {steady.task_runs_expected} task runs were recorded."
    )
    if steady.completed == steady.submitted and steady.task_runs < steady.task_runs_expected:
        verdict += (
            " The server has the others not as completed: Prefect's picture of these tasks is wrong, and "
            "the videos are published all the same."
        )
    return (
        f"**{mode.mode.capitalize()}.** {verdict} At {steady.rate_per_day:,.0f} videos a day Prefect's side "
        f"takes {steady.server_cpu_per_video * steady.rate_per_day / SECONDS_PER_DAY:.2f} cores, "
        f"{1000 * steady.server_cpu_per_video:.0f} ms a video with its idle work. "
        f"The process that is full first is {_named(share.role, mode)}: at about "
        f"{_round(share.videos_per_day):,.0f} videos a day on such a core, {factor:.1f} times the rate."
    )


def _limits(figures: LoadReport) -> str:
    told = []
    for mode in figures.modes:
        if mode.fast is None:
            continue
        fast = mode.fast
        full = fast.whole.busy_cores > 0.9 * figures.machine.cores
        alone = fast.whole.others_cores(fast.usage) <= _QUIET_CORES
        told.append(
            f"{mode.mode}: {fast.videos_per_second:.2f} videos a second "
            f"({_round(fast.videos_per_second * SECONDS_PER_DAY):,.0f} a day), with {_cores(fast.usage):.2f} "
            f"cores for Prefect's side and {fast.usage['flows'].cores:.2f} for workers and flows"
            + (
                ", which filled this machine: the server's own limit is higher"
                if full and alone
                else ", on a machine that other programs filled with it: the limit is higher"
                if full
                else ", while cores stood idle: answers of the server were waited for"
            )
            + (
                f"; its events were written {fast.backlog_seconds:.0f} s after the end"
                if fast.drained
                else f"; it fell behind: events were still being written {fast.backlog_seconds:.0f} s later"
            )
            + (f"; {fast.errors.total} errors" if fast.errors.total else "")
        )
    if not told:
        return ""
    return (
        "With renders that take no time and work always waiting, the limit of everything on this one machine "
        "was, for " + ". For ".join(told) + "."
    )


def _growth(mode: ModeResult) -> str:
    steady = mode.steady
    per_day = steady.rate_per_day
    tables = ", ".join(f"`{table.name}` {table.bytes_per_video / 1e3:.0f}" for table in steady.tables)
    return (
        f"A video adds {steady.database_bytes_per_video / 1e3:.0f} KB to the database (KB by table, with "
        f"indexes: {tables}), {steady.events_per_video:.0f} events among it, and "
        f"{steady.wal_bytes_per_video / 1e3:.0f} KB of write-ahead log. At {per_day:,.0f} a day that is "
        f"{per_day * steady.database_bytes_per_video / 1e9:.0f} GB a day, and "
        f"{per_day * steady.wal_bytes_per_video / 1e9:.0f} GB of log. With the retention below, events for "
        "one day and runs for two, the database stays at about "
        f"{kept_bytes(steady, per_day=per_day) / 1e9:.0f} GB, and as much again should be free for dead "
        "rows: deleting is not part of this measurement."
    )


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        [
            "| " + " | ".join(head) + " |",
            "| " + " | ".join(["---"] * len(head)) + " |",
            *("| " + " | ".join(line) + " |" for line in lines),
        ]
    )


def _errors(mode: ModeResult) -> str:
    found = mode.steady.errors
    if not found.total:
        return "0"
    parts = {
        "runs": found.runs_not_completed,
        "shards": found.shards_not_completed,
        "log lines": found.server_log_lines,
        "retries": found.client_retries,
        "deadlocks": found.deadlocks,
    }
    return ", ".join(f"{count} {name}" for name, count in parts.items() if count)


def _cpu_of(mode: ModeResult, *, role: Role) -> str:
    usage = mode.steady.usage.get(role)
    return "-" if usage is None else f"{1000 * usage.cpu_seconds / max(mode.steady.completed, 1):.0f}"


def _memory(mode: ModeResult, *, role: Role) -> str:
    usage = mode.steady.usage.get(role)
    return "-" if usage is None else f"{usage.memory_bytes / 1e6:.0f}"


def _latency(latency: Latency) -> str:
    values = (latency.p50_ms, latency.p95_ms, latency.p99_ms)
    text = " / ".join("-" if value is None else f"{value:.0f}" for value in values)
    return f"{text} ({latency.failed} failed)" if latency.failed else text


def _fast(mode: ModeResult, value: Callable[[Fast], str]) -> str:
    return "-" if mode.fast is None else value(mode.fast)


def _others(fast: Fast) -> str:
    return f"{fast.whole.others_cores(fast.usage):.2f}"


def _drained(fast: Fast) -> str:
    return f"{'' if fast.drained else 'not within '}{fast.backlog_seconds:.0f}"


def _cores(usage: dict[Role, Usage]) -> float:
    return sum(used.cores for role, used in usage.items() if role in SERVER_ROLES)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _named(role: Role, mode: ModeResult) -> str:
    if role == "api":
        return f"one of the API's {mode.api_processes}" if mode.api_processes > 1 else "the API's"
    return {"services": "the services' one", "server": "the server's one"}.get(role, _NAMES[role])


def _round(value: float) -> float:
    return round(value, -3)
