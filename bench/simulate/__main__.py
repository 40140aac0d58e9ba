"""Simulate a day of the fleet under its own scaling policies.

    python -m bench.simulate [--seed N] [--seeds N] [--seconds-per-video S] [--nvenc-fps F] [--write]

The figures go to bench/out/simulate.json, the pictures beside it; with --write, the section of
docs/capacity.md and the pictures of docs/images are written anew. The same seed gives the same figures.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.simulate import plots, report
from bench.simulate.inputs import Benchmark, Inputs, MachineAssumptions
from bench.simulate.runs import Options, money_of, run_all
from trivia_render.errors import TriviaRenderError
from trivia_render.fleet.prices import read_prices

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "bench" / "out" / "simulate.json"
DOCUMENT = ROOT / "docs" / "capacity.md"
IMAGES = ROOT / "docs" / "images"
SWEEP = (4000.0, 5000.0, 5500.0, 6000.0, 6500.0, 7500.0, 10_000.0)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parser().parse_args(arguments)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)

    try:
        money = money_of(read_prices(chosen.prices), region=chosen.region, usd_per_hour=chosen.usd_per_hour)
        if chosen.voice_family not in money.speech_usd_per_million:
            known = ", ".join(money.speech_usd_per_million)
            sys.exit(f"The price table has no voices {chosen.voice_family!r}. It has {known}.")
        figures, traces = run_all(options_of(chosen), money, say)
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        OUTPUT.write_text(figures.model_dump_json(indent=2) + "\n", encoding="utf-8")
        print(f"\n{report.terminal(figures)}")
        images = IMAGES if chosen.write else OUTPUT.parent
        names = plots.draw_all(figures, traces, images)
        if chosen.write:
            text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else report.TITLE
            section = report.section(figures, cpu_seconds=time.process_time())
            DOCUMENT.write_text(report.with_section(text, section), encoding="utf-8")
            print(f"Written: {DOCUMENT.relative_to(ROOT)}")
    except TriviaRenderError as error:
        sys.exit(str(error))
    print(f"Figures: {OUTPUT.relative_to(ROOT)}; pictures in {images.relative_to(ROOT)}: {', '.join(names)}")
    return 0


def options_of(chosen: argparse.Namespace) -> Options:
    """Return what the command line asks for. Pure."""
    return Options(
        inputs=Inputs(videos=chosen.videos, curve_amplitude=chosen.amplitude),
        benchmark=Benchmark(),
        machine=MachineAssumptions(nvenc_fps=chosen.nvenc_fps, core_equivalents=chosen.core_equivalents),
        seconds_per_video=chosen.seconds_per_video,
        seeds=tuple(range(chosen.seed, chosen.seed + chosen.seeds)),
        max_machines=chosen.machines,
        wait_seconds=chosen.wait_minutes * 60,
        speech_reused=chosen.speech_reused,
        voice_family=chosen.voice_family,
        sweep=tuple(chosen.sweep),
        resolution=60.0,
    )


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = made.add_argument
    defaults, machine = Inputs(), MachineAssumptions()
    add("--seed", type=int, default=1, help="of the first day (%(default)s)")
    add("--seeds", type=int, default=3, choices=range(1, 21), metavar="N", help="days to draw (%(default)s)")
    add("--videos", type=int, default=defaults.videos, help="a day (%(default)s)")
    add("--amplitude", type=float, default=defaults.curve_amplitude, help="of the curve (%(default)s)")
    add("--machines", type=int, default=20, help="at most (%(default)s)")
    add("--seconds-per-video", type=float, help="of one machine, in place of the NVENC assumption")
    add("--nvenc-fps", type=float, default=machine.nvenc_fps, help="ASSUMED frames a second (%(default)s)")
    add("--core-equivalents", type=float, default=machine.core_equivalents, help="ASSUMED (%(default)s)")
    add("--wait-minutes", type=float, default=30.0, help="95 %% of jobs are to begin within (%(default)s)")
    add("--speech-reused", type=float, default=0.25, help="ASSUMED share of lines in cache (%(default)s)")
    add("--voice-family", default="neural2", help="which voice is paid for (%(default)s)")
    add("--usd-per-hour", type=float, help="of a machine with its GPU; default: the price table's spot price")
    add("--prices", type=Path, help="a price table in place of the packaged one")
    add("--region", help="of the price table")
    add("--sweep", type=float, nargs="+", default=SWEEP, help="throughputs of the capacity sweep")
    add("--write", action="store_true", help="write the section of docs/capacity.md and its pictures")
    return made


if __name__ == "__main__":
    sys.exit(main())
