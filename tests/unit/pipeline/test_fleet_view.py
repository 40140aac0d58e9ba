"""What the dashboard makes of what its sources say."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fleet_day import POOL, page, seed_day, worker
from trivia_render.errors import StoreUnavailableError, WorkflowServerError
from trivia_render.models.fleet import Override, PastDecision, QueueCounts, WorkerRecord
from trivia_render.models.fleet_view import FleetCounts, FleetView, SourceView
from trivia_render.models.gpu import Refusal
from trivia_render.pipeline.fleet_reading import StoreReader, StoreReading
from trivia_render.pipeline.fleet_records import write_model
from trivia_render.pipeline.fleet_view import MOST_POINTS, QueueReading, changes, make_view, thinned
from trivia_render.pipeline.fleet_watch import FleetWatch
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UP, DOWN = SourceView(up=True, at=NOW), SourceView(up=False, at=NOW, error="It is away.")


def reading(**changed: object) -> StoreReading:
    nothing = StoreReading(NOW, (), None, None, None, (), (), FleetCounts())
    return nothing._replace(**changed)


def view(
    store: StoreReading | None, queue: QueueReading | None = None, prefect: SourceView = UP
) -> FleetView:
    return make_view(
        at=NOW, store=store, queue=queue, sources={"store": UP, "prefect": prefect}, lost_seconds=35.0
    )


def heard(seconds_ago: float, **changed: object) -> WorkerRecord:
    record = worker(1, now=NOW).model_copy(update=changed)
    return record.model_copy(update={"updated_at": NOW - timedelta(seconds=seconds_ago)})


def past(minutes_ago: float, *, pending: int = 0, before: int = 1, target: int = 1) -> PastDecision:
    return PastDecision(
        at=NOW - timedelta(minutes=minutes_ago),
        trigger="none",
        machines_before=before,
        target_machines=target,
        pending_jobs=pending,
        reason="So.",
    )


def test_a_worker_is_lost_once_it_was_silent_for_too_long() -> None:
    assert [w.state for w in view(reading(workers=(heard(34.9),))).workers] == ["ready"]
    assert [w.state for w in view(reading(workers=(heard(35.0),))).workers] == ["lost"]


def test_a_worker_that_said_it_stops_is_gone_and_not_lost() -> None:
    assert [w.state for w in view(reading(workers=(heard(20, state="stopping"),))).workers] == ["stopping"]
    assert view(reading(workers=(heard(60, state="stopping"),))).workers == ()


def test_a_worker_that_is_refused_says_why_while_it_is_heard() -> None:
    lost = Refusal(code="gpu_lost", message="It is lost.", evidence="", remedy="Replace it.")
    for age, shown in ((5, ("refused", "gpu_lost")), (60, ("lost", None))):
        (found,) = view(reading(workers=(heard(age, state="refused", refusal=lost),))).workers
        assert (found.state, found.refused_code) == shown


def test_of_several_starts_of_a_machines_worker_the_newest_counts() -> None:
    old = heard(900, name="gpu-t4-01-dead", started_at=NOW - timedelta(hours=2))
    new = heard(3, name="gpu-t4-01-live", started_at=NOW - timedelta(minutes=1))
    assert [(w.name, w.state) for w in view(reading(workers=(new, old))).workers] == [
        ("gpu-t4-01-live", "ready")
    ]


def test_no_worker_is_lost_for_the_stores_silence() -> None:
    stale = reading(workers=(heard(3),))._replace(at=NOW)
    later = make_view(
        at=NOW + timedelta(minutes=10),
        store=stale,
        queue=None,
        sources={"store": DOWN, "prefect": UP},
        lost_seconds=35.0,
    )
    assert [w.state for w in later.workers] == ["ready"]


def test_an_override_is_shown_while_it_holds() -> None:
    ended = Override(machines=3, at=NOW - timedelta(hours=1), until=NOW)
    assert view(reading(override=ended)).override is None
    lasting = ended.model_copy(update={"until": NOW + timedelta(seconds=1)})
    assert view(reading(override=lasting)).override == lasting


def test_nothing_is_known_before_the_first_look() -> None:
    nothing = view(None, prefect=DOWN)
    assert (nothing.queue.at, nothing.queue.counted_by, nothing.decision) == (None, "nobody", None)
    assert nothing.today.videos == 0


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> StoreReading:
    """What the store says at the end of a day that twelve machines or so were needed for."""
    store = LocalStore(tmp_path_factory.mktemp("day"))
    seed_day(store)
    return StoreReader(store, pool=POOL).read(datetime.now(UTC))


def test_the_servers_own_figures_are_shown_while_it_answers(read: StoreReading) -> None:
    counts = QueueReading(NOW, QueueCounts(pending={"low": 3}, running={"high": 1}))
    queue = view(read, counts).queue
    assert (queue.counted_by, queue.pending_jobs, queue.running_jobs) == ("prefect", 3, 1)
    assert queue.pending == {"high": 0, "default": 0, "low": 3}


def test_without_it_the_newer_of_its_last_figures_and_the_last_decisions(
    read: StoreReading,
) -> None:
    assert read.decision is not None
    decided = read.decision.snapshot
    older = QueueReading(decided.at - timedelta(seconds=1), QueueCounts(pending={"low": 3}))
    queue = view(read, older, prefect=DOWN).queue
    assert (queue.counted_by, queue.at) == ("decision", decided.at)
    assert queue.pending_jobs == decided.pending_jobs
    newer = QueueReading(decided.at + timedelta(seconds=1), QueueCounts(pending={"low": 3}))
    assert view(read, newer, prefect=DOWN).queue.counted_by == "prefect"


def test_the_document_is_read_back_as_it_was_written(read: StoreReading) -> None:
    whole = view(read)
    assert FleetView.model_validate_json(whole.model_dump_json()) == whole


def test_the_machines_are_those_of_the_last_decision(read: StoreReading) -> None:
    whole = view(read)
    assert read.decision is not None
    assert sum(whole.machines_by_state.values()) == len(read.decision.snapshot.machines)
    assert whole.target_machines == read.decision.decision.target_machines
    assert whole.last_success_at is not None


def test_a_days_history_is_thinned(read: StoreReading) -> None:
    assert len(read.history) > 1000
    points = thinned(read.history, now=read.at)
    assert 200 < len(points) <= MOST_POINTS
    assert [point.at for point in points] == sorted(point.at for point in points)
    assert max(p.pending_jobs for p in points) == max(d.pending_jobs for d in read.history)
    fine = [point for point in points if point.at > read.at - timedelta(hours=1)]
    assert len(fine) >= 58, "of the last hour each decision"


def test_decisions_that_change_nothing_are_not_listed() -> None:
    failed = past(1).model_copy(update={"error": "The group refused."})
    history = (past(4, target=2), past(3), past(2, before=2, target=1), failed)
    assert [p.at for p in changes(history)] == [history[3].at, history[2].at, history[0].at]


def test_today_costs_what_machines_were_up_for_and_speech_and_storage() -> None:
    today = page("w", NOW, 3600.0, now=NOW)
    yesterday = page("w", NOW - timedelta(days=1), 86_400.0, now=NOW)
    shown = view(reading(pages=(yesterday, today))).today
    tally = today.channels["quiz-daily"]
    assert shown.videos == tally.videos
    assert shown.machine_usd == pytest.approx(0.19)
    assert shown.usd == pytest.approx(0.19 + tally.speech_usd + tally.storage_usd)
    assert shown.usd_per_video == pytest.approx(shown.usd / tally.videos)
    assert shown.reused_share == pytest.approx(0.25)


def test_a_machine_of_unknown_price_is_told_apart() -> None:
    free = page("w", NOW, 3600.0, now=NOW).model_copy(update={"usd_per_hour": None})
    assert view(reading(pages=(free,))).today.unpriced_seconds == 3600.0


def test_while_a_machines_price_is_not_known_neither_is_what_a_video_costs() -> None:
    priced = page("w", NOW, 3600.0, now=NOW)
    unpriced = page("v", NOW, 3600.0, now=NOW).model_copy(update={"usd_per_hour": None})
    no_machine = unpriced.model_copy(update={"up_seconds": 0.0})
    free = unpriced.model_copy(update={"usd_per_hour": 0.0})
    assert view(reading(pages=(priced, unpriced))).today.usd_per_video is None
    assert view(reading(pages=(priced, no_machine))).today.usd_per_video is not None
    assert view(reading(pages=(priced, free))).today.usd_per_video is not None


def test_what_is_left_is_due_at_the_measured_speed_of_the_workers_that_serve() -> None:
    whole = reading(pages=(page("w", NOW, 86_400.0, now=NOW),), workers=(heard(1), heard(99, worker_id="b")))
    queue = QueueReading(NOW, QueueCounts(pending={"high": 10}, running={"high": 2}))
    throughput = view(whole, queue).throughput
    assert throughput.videos_per_machine_per_day == pytest.approx(4100, rel=0.01)
    assert throughput.due_seconds == pytest.approx(12 * 86_400 / 4100, rel=0.01)
    assert view(whole._replace(workers=()), queue).throughput.due_seconds is None


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path)
    seed_day(store, limit=2)
    return store


def watching(store: LocalStore, read_queue: object) -> FleetWatch:
    return FleetWatch(
        StoreReader(store, pool=POOL),
        read_queue,  # type: ignore[arg-type]
        now=lambda: datetime.now(UTC),
        lost_seconds=35.0,
    )


def test_a_source_in_trouble_leaves_its_last_figures_and_says_why(store: LocalStore) -> None:
    answers = [QueueCounts(pending={"low": 3})]

    def read_queue() -> QueueCounts:
        if not answers:
            raise WorkflowServerError("The server is away.", remedy="Start it.")
        return answers.pop()

    watch = watching(store, read_queue)
    assert [source.up for source in watch.view().sources.values()] == [False, False]
    watch.look_at_store()
    watch.look_at_prefect()
    assert [source.up for source in watch.view().sources.values()] == [True, True]
    watch.look_at_prefect()
    after = watch.view()
    assert (after.sources["prefect"].up, after.queue.pending_jobs) == (False, 3)
    assert "The server is away." in (after.sources["prefect"].error or "")
    assert after.sources["store"].up


def test_the_stores_outage_leaves_counts_and_workers(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watching(store, QueueCounts)
    watch.look_at_store()
    now = datetime.now(UTC)
    write_model(store, keys.ledger_key(now.date(), "w-new"), page("w-new", now, 3600, now=now))
    watch.look_at_store()
    before, counts = watch.view(), watch.counts()
    assert counts.tally.videos > 0

    def away(_prefix: str) -> object:
        raise StoreUnavailableError("The bucket is away.", remedy="Wait.")

    monkeypatch.setattr(store, "list", away)
    watch.look_at_store()
    after = watch.view()
    assert after.workers == before.workers
    assert after.sources["store"].at == before.sources["store"].at
    assert (after.sources["store"].up, watch.counts()) == (False, counts)


def test_a_mistake_of_ours_is_shown_and_ends_nothing(
    store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    watch = watching(store, lambda: QueueCounts(pending={"low": 1 // 0}))
    watch.look_at_prefect()
    assert "ZeroDivisionError" in (watch.view().sources["prefect"].error or "")
    assert "ZeroDivisionError" in caplog.text
    assert watch.alive()


def test_it_looks_again_and_again_until_it_is_closed(store: LocalStore) -> None:
    watch = FleetWatch(
        StoreReader(store, pool=POOL),
        QueueCounts,
        now=lambda: datetime.now(UTC),
        lost_seconds=35.0,
        refresh_seconds=0.01,
    )
    watch.start(wait_seconds=10)
    first = watch.view()
    assert all(source.up for source in first.sources.values())
    deadline = time.monotonic() + 20
    while watch.view().sources["store"].at == first.sources["store"].at and time.monotonic() < deadline:
        time.sleep(0.01)
    watch.close()
    last = watch.view()
    assert last.at > first.at
    time.sleep(0.05)
    assert watch.view() == last
