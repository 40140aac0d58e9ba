"""Can Prefect's own side carry a day's videos?

    python -m bench.load [--minutes 10] [--rate-per-day 80000] [--fast-minutes 2] [--write]

Each mode runs on an empty database. First, shards of jobs are submitted at a day's rate, and real workers run
the real flows over them, in which only rendering is replaced by waiting. Then the waiting goes, and work lies
ready: as fast as it goes. The figures go to bench/out/load.json; with --write also into docs/capacity.md.
`--report` makes table and document from the last figures alone.

Everything listens on loopback, and ends with this program.
"""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import psutil

from bench.load import report
from bench.load.load import Options, run_mode
from bench.load.results import LoadReport, Machine, Mode, ModeResult, Setup
from bench.load.servers import missing_programs, scratch_folder
from trivia_render.errors import TriviaRenderError

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "bench" / "out" / "load.json"
LOGS = OUTPUT.with_name("load-logs")
DOCUMENT = ROOT / "docs" / "capacity.md"
MODES: tuple[Mode, ...] = ("split", "single")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.report:
        if not OUTPUT.is_file():
            sys.exit("There are no figures yet: run `python -m bench.load` first.")
        figures = LoadReport.model_validate_json(OUTPUT.read_bytes())
        return finish(figures, write=options.write)
    if absent := missing_programs(options.modes):
        sys.exit(
            f"{' and '.join(absent)} missing: `python -m tests.programs` installs them, as root on Debian."
        )
    # Also where Ctrl-C is ignored from the start, as in the background of a script.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)

    try:
        figures = measure(options, say)
    except TriviaRenderError as error:
        sys.exit(f"{error}\nLogs: {LOGS.relative_to(ROOT)}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; everything that was started has been ended.")
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(figures.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return finish(figures, write=options.write)


def finish(figures: LoadReport, *, write: bool) -> int:
    print()
    print(report.terminal_table(figures))
    for warning in report.disturbances(figures):
        print(f"\n{warning}")
    print(f"\nFigures: {OUTPUT.relative_to(ROOT)}; logs: {LOGS.relative_to(ROOT)}")
    if write:
        text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else report.TITLE
        DOCUMENT.write_text(report.with_section(text, report.section(figures)), encoding="utf-8")
        print(f"Written: {DOCUMENT.relative_to(ROOT)}")
    return 0


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> LoadReport:
    """Run all modes. Raises the errors of the servers and the workers."""
    # Prefect's client in this process says nothing of its own, and finds no server of this user's.
    os.environ["DO_NOT_TRACK"] = "1"
    setup = Setup(
        shard_size=options.shard_size,
        questions=options.questions,
        workers=options.workers,
        runs_per_worker=options.runs_per_worker,
        clips_at_once=options.clips_at_once,
        clip_seconds=options.clip_seconds,
        emulated_workers=max(0, options.fleet - options.workers),
        fsync=options.fsync,
    )
    asked = Options(
        minutes=options.minutes,
        rate_per_day=options.rate_per_day,
        fast_minutes=options.fast_minutes,
        idle_seconds=options.idle_seconds,
        api_processes=options.api_processes,
        setup=setup,
    )
    modes: list[ModeResult] = []
    versions = {
        "Python": platform.python_version(),
        "Prefect": version("prefect"),
        "prefect-redis": version("prefect-redis"),
    }
    with scratch_folder(logs=LOGS) as folder:
        for mode in options.modes:
            result, found = run_mode(mode, asked, folder=folder / mode, say=say)
            modes.append(result)
            versions |= found
    return LoadReport(
        at=datetime.now(UTC).replace(microsecond=0),
        machine=Machine(
            cpu=_cpu(),
            cores=len(os.sched_getaffinity(0)),
            memory_bytes=psutil.virtual_memory().total,
            versions=versions,
        ),
        setup=setup,
        modes=tuple(modes),
    )


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("--minutes", type=_positive, default=10.0, help="how long shards are submitted (10)")
    add("--rate-per-day", type=_positive, default=80_000.0, help="videos a day (80000)")
    add("--fast-minutes", type=float, default=2.0, help="how long as fast as it goes; 0: not at all (2)")
    add("--modes", type=_modes, default=MODES, help="split, single or both: split,single")
    add("--shard-size", type=int, default=20, help="jobs of a shard (20)")
    add("--questions", type=int, default=10, help="questions of a job; a clip each, and two more (10)")
    add("--workers", type=int, default=2, help="worker processes (2)")
    add("--runs-per-worker", type=int, default=3, help="shards at once of a worker (3)")
    add("--clips-at-once", type=int, default=4, help="clips at once of a shard (4)")
    add("--clip-seconds", type=float, default=0.3, help="how long a clip, and an assembly, takes (0.3)")
    add("--fleet", type=int, default=20, help="workers that look for runs; those over --workers are emulated")
    add("--api-processes", type=int, default=2, help="processes of the API in the split mode (2)")
    add("--idle-seconds", type=_positive, default=15.0, help="how long the idle server is measured (15)")
    add("--fsync", choices=("on", "off"), default="on", help="PostgreSQL's; on is what production has")
    add("--write", action="store_true", help="write the section of docs/capacity.md")
    add("--report", action="store_true", help="measure nothing; take the last figures")
    return found


def _modes(text: str) -> tuple[Mode, ...]:
    names = text.split(",")
    if not names or any(name not in MODES for name in names):
        raise argparse.ArgumentTypeError(f"{text!r}: name {' or '.join(MODES)}, or both with a comma")
    return tuple(mode for mode in MODES if mode in names)


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return value


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _interrupt(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
