"""What a batch is quoted at."""

from typing import Any

import pytest

from trivia_render.fleet.prices import fleet_rates, read_prices
from trivia_render.fleet.quote import (
    ASSUMED_SECONDS_PER_CLIP,
    MEASURED_CLIPS,
    JobSize,
    Pace,
    jobs_within,
    pace_of,
    quote_jobs,
)
from trivia_render.models.fleet import Tally

RATES = fleet_rates(read_prices(None), region="us-central1")
PACE = Pace(seconds_per_clip=2.0, bytes_per_clip=1e6, measured=True, source="test")


def tally(**fields: Any) -> Tally:
    values: dict[str, Any] = {
        "videos": 10, "clips_rendered": 100, "clips_reused": 20, "machine_seconds": 250.0,
        "stored_bytes": 120_000_000,
    }  # fmt: skip
    return Tally(**values | fields)


def job(characters: int = 1000) -> JobSize:
    return JobSize(videos=1, clips=12, characters={"neural2": characters})


def test_enough_finished_clips_are_a_measurement() -> None:
    pace = pace_of(tally(), days=7)
    assert pace.measured
    assert (pace.seconds_per_clip, pace.bytes_per_clip) == (2.5, 1_000_000)
    assert "measured: 100 clips" in pace.source


@pytest.mark.parametrize("done", [Tally(), tally(clips_rendered=MEASURED_CLIPS - 1), tally(videos=0)])
def test_too_few_are_not_and_the_quote_says_that_it_assumes(done: Tally) -> None:
    pace = pace_of(done, days=7)
    assert not pace.measured
    assert pace.seconds_per_clip == ASSUMED_SECONDS_PER_CLIP
    assert pace.source.startswith("assumed:")
    assert f"{done.clips_rendered} of the {MEASURED_CLIPS} clips" in pace.source


def test_a_quote_is_the_sum_of_its_jobs() -> None:
    quote = quote_jobs([job(), job(500), JobSize(2, 24, {"studio": 100})], pace=PACE, rates=RATES)
    assert (quote.jobs, quote.videos, quote.clips) == (3, 4, 48)
    assert quote.characters == {"neural2": 1500, "studio": 100}
    assert quote.machine_seconds == 96.0
    assert quote.machine_usd == pytest.approx(96 / 3600 * 0.2272, abs=1e-6)
    assert quote.speech_usd == pytest.approx(1500 * 16e-6 + 100 * 160e-6, abs=1e-6)
    assert quote.total_usd == pytest.approx(
        quote.machine_usd + quote.speech_usd + quote.storage_usd, abs=3e-6
    )
    assert quote.usd_per_video == pytest.approx(quote.total_usd / 4, abs=1e-6)


def test_no_jobs_cost_nothing() -> None:
    quote = quote_jobs([], pace=PACE, rates=RATES)
    assert (quote.total_usd, quote.usd_per_video) == (0.0, 0.0)


def test_jobs_fit_a_budget_in_their_order() -> None:
    jobs = [job(), job(0), job()]
    costs = [quote_jobs([one], pace=PACE, rates=RATES).total_usd for one in jobs]

    def fitting(budget: float) -> int:
        return jobs_within(jobs, budget, pace=PACE, rates=RATES)

    assert fitting(0.0) == 0
    assert fitting(costs[0] - 1e-4) == 0
    assert fitting(costs[0]) == 1
    assert fitting(costs[0] + costs[1]) == 2
    assert fitting(quote_jobs(jobs, pace=PACE, rates=RATES).total_usd) == 3
