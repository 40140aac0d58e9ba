"""Counters made of ledger pages and decisions only grow, and count each thing once."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trivia_render.models.fleet import Histogram, LedgerPage, PastDecision, Tally, Trigger
from trivia_render.pipeline.fleet_counts import RunningCounts

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def page(videos: int, *, day: date = DAY, up_seconds: float = 0.0, crashes: int = 0) -> LedgerPage:
    tally = Tally(
        videos=videos,
        stage_seconds={"clips": 2.0 * videos},
        job_durations=Histogram.of(3.0) if videos else Histogram(),
        stage_durations={"clips": Histogram.of(3.0)} if videos else {},
    )
    return LedgerPage(
        day=day,
        worker="w",
        channels={"a": tally, "b": Tally(videos=1)},
        up_seconds=up_seconds,
        usd_per_hour=0.5,
        crashes=crashes,
        updated_at=NOON,
    )


def decision(minute: int, trigger: Trigger = "none") -> PastDecision:
    return PastDecision(
        at=NOON + timedelta(minutes=minute),
        trigger=trigger,
        machines_before=1,
        target_machines=1,
        pending_jobs=0,
        reason="So.",
    )


def begun() -> RunningCounts:
    """Return counters whose baseline was empty."""
    counts = RunningCounts()
    counts.add_decisions([])
    counts.begin()
    return counts


def test_what_is_there_at_the_start_is_a_baseline_of_which_only_the_growth_counts() -> None:
    counts = RunningCounts()
    counts.add_page("p", page(5, up_seconds=7200, crashes=2))
    counts.add_decisions([decision(1), decision(2, "pending")])
    counts.begin()
    assert counts.counts.tally.videos == counts.counts.crashes == counts.counts.machine_usd == 0
    assert counts.counts.decisions == {}
    counts.add_page("p", page(7, up_seconds=14_400, crashes=3))
    counts.add_decisions([decision(1), decision(2, "pending"), decision(3, "idle")])
    assert counts.counts.tally.videos == 2
    assert (counts.counts.machine_usd, counts.counts.crashes) == (1.0, 1)
    assert counts.counts.decisions == {"idle": 1}


def test_a_page_that_appears_after_the_baseline_counts_from_its_beginning() -> None:
    counts = RunningCounts()
    counts.add_page("p", page(5))
    counts.begin()
    counts.add_page("q", page(3))
    assert counts.counts.tally.videos == 3 + 1


def test_a_page_that_is_added_twice_before_the_baseline_is_complete_counts_its_growth_once() -> None:
    counts = RunningCounts()
    counts.add_page("p", page(5))
    counts.add_page("p", page(8))
    counts.add_page("q", page(40))
    counts.begin()
    counts.add_page("p", page(8))
    counts.add_page("q", page(40))
    assert counts.counts.tally.videos == 3


def test_the_stages_of_the_baseline_are_there_with_zero() -> None:
    counts = RunningCounts()
    counts.add_page("p", page(5))
    counts.begin()
    assert counts.counts.tally.stage_seconds == {"clips": 0.0}
    assert sum(counts.counts.tally.stage_durations["clips"].counts) == 0
    counts.add_page("q", page(1))
    assert sum(counts.counts.tally.stage_durations["clips"].counts) == 1


def test_a_page_of_the_baseline_that_vanishes_and_comes_back_is_not_new() -> None:
    counts = RunningCounts()
    counts.add_page("p", page(5))
    counts.begin()
    counts.forget_before(DAY)
    counts.add_page("p", page(6))
    assert counts.counts.tally.videos == 1


def test_a_page_that_is_read_again_counts_what_is_new_in_it_alone() -> None:
    counts = begun()
    counts.add_page("p", page(2, up_seconds=3600))
    counts.add_page("p", page(5, up_seconds=7200, crashes=1))
    counts.add_page("p", page(5, up_seconds=7200, crashes=1))
    assert counts.counts.tally.videos == 6
    assert counts.counts.tally.stage_seconds == {"clips": 10.0}
    assert counts.counts.machine_usd == 1.0
    assert counts.counts.crashes == 1
    assert sum(counts.counts.tally.job_durations.counts) == 1


def test_channels_and_pages_add_up() -> None:
    counts = begun()
    counts.add_page("p", page(2))
    counts.add_page("q", page(3))
    assert counts.counts.tally.videos == 2 + 1 + 3 + 1
    assert sum(counts.counts.tally.stage_durations["clips"].counts) == 2


def test_a_page_that_shrank_takes_nothing_back_and_counts_again_only_beyond_its_most() -> None:
    counts = begun()
    for videos in (5, 2, 4, 6):
        counts.add_page("p", page(videos))
    assert counts.counts.tally.videos == 6 + 1


def test_what_pages_of_forgotten_days_counted_stays() -> None:
    counts = begun()
    counts.add_page("old", page(5, day=DAY - timedelta(days=3)))
    counts.add_page("new", page(1))
    before = counts.counts
    counts.forget_before(DAY - timedelta(days=1))
    assert counts.counts == before
    counts.add_page("new", page(1))
    assert counts.counts == before


def test_each_decision_is_counted_once_though_its_hour_is_read_again_and_again() -> None:
    counts = begun()
    counts.add_decisions([decision(1), decision(2, "pending")])
    counts.add_decisions([decision(1), decision(2, "pending"), decision(3)])
    counts.add_decisions([decision(3)])
    assert counts.counts.decisions == {"none": 2, "pending": 1}


@given(
    st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 50), st.floats(0, 90_000)), max_size=30),
    st.integers(0, 30),
)
def test_no_counter_ever_falls(pages: list[tuple[str, int, float]], baseline: int) -> None:
    counts = RunningCounts()
    videos, usd = 0, 0.0
    for number, (key, count, up_seconds) in enumerate(pages):
        if number == baseline:
            counts.begin()
        counts.add_page(key, page(count, up_seconds=up_seconds))
        now = counts.counts
        assert now.tally.videos >= videos
        assert now.machine_usd >= usd
        videos, usd = now.tally.videos, now.machine_usd
