"""Puts the fleet's view together from what the sources said. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trivia_render.fleet.observation import newest_workers
from trivia_render.models.fleet import DecisionRecord, PastDecision, QueueCounts, WorkerRecord
from trivia_render.models.fleet_view import (
    MACHINE_STATES,
    PRIORITIES,
    FleetView,
    HistoryPoint,
    QueueView,
    Source,
    SourceView,
    Throughput,
    Today,
    WorkerView,
)
from trivia_render.pipeline.fleet_reading import StoreReading
from trivia_render.pipeline.ledger import fleet_use, measured_videos_per_machine_per_day, total

#: More points than this make no finer chart.
MOST_POINTS = 300
MOST_DECISIONS = 40
#: This much is shown decision by decision, what lies before it in steps.
_FINE = timedelta(hours=1)
_COARSE_POINTS = 180
_DAY_SECONDS = 86_400.0


class QueueReading(NamedTuple):
    """What Prefect's server said at a moment."""

    at: datetime
    counts: QueueCounts


def make_view(
    *,
    at: datetime,
    store: StoreReading | None,
    queue: QueueReading | None,
    sources: dict[Source, SourceView],
    lost_seconds: float,
) -> FleetView:
    """Return the view. `store` and `queue` are the last readings, old or not; None: there was none yet.

    A worker's state and age are those of when the store was read: that the store does not answer makes no
    worker lost.
    """
    day = at.astimezone(UTC).date()
    if store is None:
        return FleetView(
            at=at,
            queue=_queue(queue, None, answers=sources["prefect"].up),
            today=Today(day=day),
            sources=sources,
        )
    record = store.decision
    queued = _queue(queue, record, answers=sources["prefect"].up)
    workers = tuple(_workers(store.workers, at=store.at, lost_seconds=lost_seconds))
    machines = () if record is None else record.snapshot.machines
    override = store.override
    if override is not None and override.until is not None and override.until <= at:
        override = None
    states = Counter(machine.state for machine in machines)
    return FleetView(
        at=at,
        fleet=None if record is None else record.fleet,
        queue=queued,
        machines=machines,
        machines_by_state={state: states[state] for state in MACHINE_STATES},
        workers=workers,
        target_machines=None if record is None else record.decision.target_machines,
        stocked_out=record is not None and record.snapshot.stocked_out,
        policy=None if record is None else record.policy,
        override=override,
        pause=store.pause,
        decision=None if record is None else record.as_past(),
        last_success_at=_last_success(record, store.history),
        decisions=changes(store.history),
        history=thinned(store.history, now=at),
        today=_today(store, at),
        throughput=_throughput(store, queued, workers),
        sources=sources,
    )


def _queue(reading: QueueReading | None, record: DecisionRecord | None, *, answers: bool) -> QueueView:
    """Return the server's figures while it answers, else the newer of its last and the last decision's."""
    snapshot = None if record is None else record.snapshot
    if reading is not None and (answers or snapshot is None or reading.at >= snapshot.at):
        counts, at, by = reading.counts, reading.at, "prefect"
    elif snapshot is not None:
        counts = QueueCounts(pending=snapshot.pending, running=snapshot.running)
        at, by = snapshot.at, "decision"
    else:
        return QueueView()
    return QueueView(
        pending={priority: counts.pending.get(priority, 0) for priority in PRIORITIES},
        running={priority: counts.running.get(priority, 0) for priority in PRIORITIES},
        pending_jobs=sum(counts.pending.values()),
        running_jobs=sum(counts.running.values()),
        at=at,
        counted_by=by,
    )


def _workers(records: Iterable[WorkerRecord], *, at: datetime, lost_seconds: float) -> Iterable[WorkerView]:
    for worker_id, record in sorted(newest_workers(records).items()):
        age = max(0.0, (at - record.updated_at).total_seconds())
        silent = age >= lost_seconds
        if silent and record.state == "stopping":
            # It went as it had said.
            continue
        yield WorkerView(
            id=worker_id,
            name=record.name,
            state="lost" if silent else record.state,
            reason=record.reason,
            refused_code=None if silent or record.refusal is None else record.refusal.code,
            started_at=record.started_at,
            heartbeat_at=record.updated_at,
            heartbeat_age_seconds=round(age, 1),
            runs=record.runs,
            jobs=record.jobs,
            idle_since=record.idle_since,
            gpus=record.gpus,
            cpu_percent=record.cpu_percent,
            encodes_on=record.encodes_on,
            disk_free_bytes=record.disk_free_bytes,
            disk_total_bytes=record.disk_total_bytes,
            version=record.versions.get("trivia_render"),
            last_error=record.last_error,
        )


def _last_success(record: DecisionRecord | None, history: Sequence[PastDecision]) -> datetime | None:
    passes = [past.at for past in history if past.error is None]
    if record is not None and record.finished_at is not None and record.error is None:
        passes.append(record.finished_at)
    return max(passes, default=None)


def changes(history: Sequence[PastDecision]) -> tuple[PastDecision, ...]:
    """Return the decisions that changed something or could not, the newest first; of many, the last ones."""
    found = [
        past
        for past in reversed(history)
        if past.target_machines != past.machines_before or past.removed or past.error is not None
    ]
    return tuple(found[:MOST_DECISIONS])


def thinned(history: Sequence[PastDecision], *, now: datetime) -> tuple[HistoryPoint, ...]:
    """Return at most `MOST_POINTS` moments: the last hour closely, of the time before it the peaks."""
    fine = [past for past in history if past.at > now - _FINE]
    coarse = [past for past in history if past.at <= now - _FINE]
    kept = [*_peaks(coarse, _COARSE_POINTS), *_peaks(fine, MOST_POINTS - _COARSE_POINTS)]
    return tuple(
        HistoryPoint(
            at=past.at,
            pending_jobs=past.pending_jobs,
            running_jobs=past.running_jobs,
            workers=past.workers,
            target_machines=past.target_machines,
        )
        for past in kept
    )


def _peaks(history: Sequence[PastDecision], most: int) -> list[PastDecision]:
    """Return of each of `most` equal spans of time the decision at which most jobs waited."""
    if len(history) <= most:
        return list(history)
    first = history[0].at
    whole = (history[-1].at - first).total_seconds() or 1.0
    best: dict[int, PastDecision] = {}
    for past in history:
        span = min(most - 1, int((past.at - first).total_seconds() / whole * most))
        if span not in best or past.pending_jobs > best[span].pending_jobs:
            best[span] = past
    return [best[span] for span in sorted(best)]


def _today(store: StoreReading, at: datetime) -> Today:
    day = at.astimezone(UTC).date()
    pages = [page for page in store.pages if page.day == day]
    done, use = total(pages), fleet_use(pages)
    clips = done.clips_rendered + done.clips_reused
    usd = use.usd + done.speech_usd + done.storage_usd
    known = done.videos > 0 and not use.unpriced_seconds
    return Today(
        day=day,
        videos=done.videos,
        video_seconds=done.video_seconds,
        jobs_completed=done.jobs_completed,
        jobs_failed=done.jobs_failed,
        usd=round(usd, 6),
        machine_usd=use.usd,
        speech_usd=done.speech_usd,
        storage_usd=done.storage_usd,
        usd_per_video=round(usd / done.videos, 8) if known else None,
        unpriced_seconds=use.unpriced_seconds,
        reused_share=done.clips_reused / clips if clips else None,
        speech_requests=done.speech_requests,
        preemptions=sum(page.preemptions for page in pages),
        crashes=sum(page.crashes for page in pages),
    )


def _throughput(store: StoreReading, queue: QueueView, workers: Sequence[WorkerView]) -> Throughput:
    speed = measured_videos_per_machine_per_day(store.pages)
    serving = sum(worker.state in {"ready", "draining"} for worker in workers)
    left = queue.pending_jobs + queue.running_jobs
    due = None
    if speed is not None and serving and left:
        due = left * _DAY_SECONDS / (speed * serving)
    return Throughput(videos_per_machine_per_day=speed, due_seconds=due)
