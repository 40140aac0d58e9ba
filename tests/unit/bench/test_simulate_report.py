"""The simulation's tables, sentences and pictures, from a short day."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench.simulate import plots, report
from bench.simulate.__main__ import options_of, parser
from bench.simulate.capacity import Point, find_threshold
from bench.simulate.runs import Report, Traces, money_of, run_all
from trivia_render.errors import BadInputError
from trivia_render.fleet.prices import read_prices


@pytest.fixture(scope="module")
def simulated() -> tuple[Report, Traces]:
    chosen = parser().parse_args(
        ["--videos", "1500", "--seeds", "2", "--machines", "8", "--sweep", "2000", "9000"]
    )
    options = options_of(chosen)
    short = options.inputs.model_copy(
        update={"hours": 2.0, "bursts": 1, "burst_jobs": (200, 200), "stockouts": (), "limit_hours": 10.0}
    )
    options = options._replace(inputs=short, resolution=1500.0)
    money = money_of(read_prices(None), region=None, usd_per_hour=None)
    return run_all(options, money, lambda _: None)


def test_the_section_answers_and_says_what_was_assumed(simulated: tuple[Report, Traces]) -> None:
    text = report.section(simulated[0], cpu_seconds=3.0)
    assert text.startswith("## A day of 1,500 videos\n")
    prose = " ".join(text.split())
    assert "an **assumed** 360 frames a second" in prose
    assert "Our measured CPU render (libx264)" in prose
    assert max(len(line) for line in text.splitlines() if not line.startswith(("|", "!"))) <= 110
    for name in ("day", "waits", "cost", "sweep"):
        assert f"(images/capacity-{name}.png)" in text
    for row in report.assumptions(simulated[0]):
        assert f"| {row[0]} | {row[1]} | {row[2]} |" in text


def test_the_terminal_gets_the_same_answers(simulated: tuple[Report, Traces]) -> None:
    text = report.terminal(simulated[0])
    assert "oracle" in text
    assert "1,500 videos a day" in text
    assert "**" not in text


def test_prices_are_those_of_the_table_unless_given() -> None:
    table = read_prices(None)
    prices = table.regions[table.default_region]
    found = money_of(table, region=None, usd_per_hour=None)
    assert found.usd_per_hour["cpu"] == prices.machines[table.fleet.machine_type].spot
    assert found.usd_per_hour["nvenc"] > found.usd_per_hour["cpu"]
    assert money_of(table, region="nowhere", usd_per_hour=1.5).usd_per_hour["nvenc"] == 1.5


def test_pictures_are_small_and_the_same_for_the_same_figures(
    simulated: tuple[Report, Traces], tmp_path: Path
) -> None:
    names = plots.draw_all(*simulated, tmp_path / "first")
    plots.draw_all(*simulated, tmp_path / "second")
    for name in names:
        first = (tmp_path / "first" / name).read_bytes()
        assert len(first) < 300_000
        assert first == (tmp_path / "second" / name).read_bytes()
        with Image.open(tmp_path / "first" / name) as picture:
            assert picture.width > 900


def test_only_its_own_section_of_the_document_is_replaced() -> None:
    document = "# Capacity\n\nBefore.\n"
    once = report.with_section(document, "one")
    assert once == f"# Capacity\n\nBefore.\n\n{report.BEGIN}\none\n{report.END}\n"
    twice = report.with_section(once + "\nAfter.\n", "two")
    assert twice == f"# Capacity\n\nBefore.\n\n{report.BEGIN}\ntwo\n{report.END}\n\nAfter.\n"
    with pytest.raises(BadInputError, match="only one of the two marks"):
        report.with_section(f"# Capacity\n{report.BEGIN}\n", "three")


def point(throughput: float, fits: Callable[[float], bool]) -> Point:
    return Point(
        videos_per_machine_per_day=throughput,
        wait_p95_seconds=0.0,
        waiting_at_day_end=0,
        keeps_up=fits(throughput),
        in_time=fits(throughput),
    )


def test_the_threshold_is_narrowed_down_between_two_points() -> None:
    def fits(throughput: float) -> bool:
        return throughput >= 5320

    points = [point(throughput, fits) for throughput in (4000.0, 5000.0, 6000.0, 9000.0)]
    found, tried = find_threshold(
        points, lambda value: point(value, fits), criterion="in time", resolution=50
    )
    assert found is not None
    assert 5320 <= found <= 5370
    assert all(5000 < item.videos_per_machine_per_day < 6000 for item in tried)


def test_there_is_no_threshold_where_nothing_fits_and_a_lucky_slow_day_does_not_count() -> None:
    nothing = [point(throughput, lambda _: False) for throughput in (4000.0, 9000.0)]
    assert find_threshold(nothing, lambda value: nothing[0], criterion="keeps up", resolution=50) == (
        None,
        [],
    )
    lucky = [point(throughput, lambda value: value != 6000) for throughput in (5000.0, 6000.0, 7000.0)]
    found, _ = find_threshold(
        lucky, lambda value: point(value, lambda _: True), criterion="keeps up", resolution=400
    )
    assert found is not None
    assert found > 6000
