"""A day of a fleet in a store, driven by the real rules: for the dashboard's tests and pictures."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trivia_render.fleet.decision import decide
from trivia_render.models.fleet import (
    DecisionRecord,
    FleetSnapshot,
    GpuReading,
    Histogram,
    HistoryHour,
    JobProgress,
    LedgerPage,
    Machine,
    PastDecision,
    ScalingPolicy,
    Tally,
    WorkerRecord,
)
from trivia_render.models.ports import Store
from trivia_render.pipeline.fleet_records import write_model
from trivia_render.pipeline.workers import write_worker
from trivia_render.storage import keys

POOL = "gpu-t4"
VIDEOS_PER_MACHINE_PER_DAY = 4_100.0
#: n1-standard-4 with a T4, spot, in us-central1, roughly.
USD_PER_HOUR = 0.19
_MINUTE = timedelta(minutes=1)
#: A machine serves so long after it was asked for.
_BOOT_MINUTES = 4
_CHANNELS = ("quiz-daily", "history-bites", "geo-minute", "science-kids")
_GIB = 1024**3


class Day(NamedTuple):
    """What happened: the decisions, the oldest first, and how many machines serve at the end."""

    decisions: tuple[PastDecision, ...]
    serving: int
    pending: int


def simulate(now: datetime, policy: ScalingPolicy) -> Day:
    """Drive a fleet through the 24 h before `now`, a decision a minute."""
    pending, target, starting, idle_since = 40.0, 2, [], now - timedelta(days=1)
    decisions: list[PastDecision] = []
    serving = 2
    for minute in range(1440):
        at = now - timedelta(minutes=1439 - minute)
        serving += sum(ready == minute for ready in starting)
        starting = [ready for ready in starting if ready > minute]
        pending = max(0.0, pending + _arriving(minute) - serving * VIDEOS_PER_MACHINE_PER_DAY / 1440)
        busy = serving if pending > serving else math.ceil(serving * 0.4)
        if busy == serving:
            idle_since = at
        machines = [
            Machine(
                name=f"gpu-{number:02}",
                state="busy" if number < busy else "idle",
                idle_since=None if number < busy else idle_since,
                utilisation_percent=62.0 if pending > serving else 24.0,
                worker="w",
            )
            for number in range(serving)
        ]
        snapshot = FleetSnapshot(
            at=at,
            pending={"default": round(pending)},
            machines=(*machines, *(Machine(name=f"new-{ready}", state="starting") for ready in starting)),
            target_machines=target,
            history=tuple(decisions[-60:]),
        )
        decision = decide(snapshot, policy)
        removed = decision.remove
        serving -= len(removed)
        starting += [minute + _BOOT_MINUTES] * max(0, decision.target_machines - target)
        target = decision.target_machines
        decisions.append(
            PastDecision(
                at=at,
                trigger=decision.trigger,
                machines_before=decision.machines_before,
                target_machines=target,
                removed=removed,
                pending_jobs=decision.pending_jobs,
                running_jobs=busy,
                workers=len(machines),
                utilisation_percent=decision.utilisation_percent,
                reason=decision.reason,
            )
        )
    return Day(tuple(decisions), serving, round(pending))


def _arriving(minute: int) -> float:
    """Jobs that are submitted in this minute: three waves, the last one under way."""
    waves = ((180, 90, 9.0), (700, 120, 22.0), (1395, 120, 40.0))
    return 1.5 + sum(height * math.exp(-(((minute - at) / width) ** 2)) for at, width, height in waves)


def seed_day(store: Store, *, now: datetime | None = None, limit: int | None = None) -> Day:
    """Write the day, its workers, the last decision and the ledger. `limit`: at most so many machines."""
    now = now or datetime.now(UTC)
    policy = ScalingPolicy(max_machines=limit or 20)
    day = simulate(now, policy)
    hours: dict[str, list[PastDecision]] = {}
    for past in day.decisions:
        hours.setdefault(keys.history_key(past.at), []).append(past)
    for key, decisions in hours.items():
        write_model(store, key, HistoryHour(decisions=tuple(decisions)))
    workers = [worker(number, now=now) for number in range(day.serving)]
    for record in workers:
        write_worker(store, record)
    write_model(store, keys.FLEET_DECISION_KEY, last_decision(day, workers, policy))
    for page in ledger(day, now=now):
        write_model(store, keys.ledger_key(page.day, page.worker), page)
    return day


def worker(
    number: int, *, now: datetime, jobs: int | None = None, last_error: str | None = None
) -> WorkerRecord:
    """Return a worker that renders, or has nothing to do (each sixth)."""
    busy = (jobs if jobs is not None else 1 + (number % 5 == 1)) if number % 6 != 4 else 0
    load = 40 + number * 7 % 45
    return WorkerRecord(
        name=f"gpu-t4-{number:02}-{number * 7919 % 65536:04x}",
        worker_id=f"gpu-t4-{number:02}",
        pool=POOL,
        state="draining" if number == 7 else "ready",
        reason="The operator asked for it." if number == 7 else None,
        started_at=now - timedelta(minutes=37 * (number + 1)),
        updated_at=now - timedelta(seconds=number % 9),
        runs=busy,
        jobs=tuple(_job(number, place, now) for place in range(busy)),
        idle_since=None if busy else now - timedelta(minutes=3 + number),
        gpus=(
            GpuReading(
                name="Tesla T4",
                memory_used_bytes=(1 + number % 3) * _GIB if busy else 0,
                memory_total_bytes=15 * _GIB,
                utilisation_percent=float(load // 2 if busy else 0),
                encoder_utilisation_percent=float(load if busy else 0),
            ),
        ),
        cpu_percent=float(load + 8 if busy else 2),
        encodes_on="gpu",
        disk_free_bytes=61 * _GIB,
        disk_total_bytes=100 * _GIB,
        versions={"trivia_render": "0.1.0", "prefect": "3.8.8"},
        last_error=last_error,
    )


def _job(number: int, place: int, now: datetime) -> JobProgress:
    return JobProgress(
        channel=_CHANNELS[(number + place) % len(_CHANNELS)],
        job_id=f"2026-{number * 13 % 12 + 1:02}-set-{(number * 31 + place * 17) % 900 + 100}",
        stage="clips" if (number + place) % 4 else "joining",
        clips_done=12 if (number + place) % 4 == 0 else (number * 5 + place * 3) % 12,
        clips_total=12,
        started_at=now - timedelta(seconds=8 + number * 3 % 25),
    )


def last_decision(day: Day, workers: Sequence[WorkerRecord], policy: ScalingPolicy) -> DecisionRecord:
    """Return the record of the day's last decision, with machines of these workers and those to come."""
    last = day.decisions[-1]
    states = {"draining": "draining", "ready": "busy"}
    machines = [
        Machine(
            name=record.worker_id,
            state="idle" if not record.runs else states[record.state],  # type: ignore[arg-type]
            idle_since=record.idle_since,
            utilisation_percent=record.utilisation_percent(),
            worker=record.name,
        )
        for record in workers
    ]
    coming = range(len(machines), last.target_machines)
    machines += [
        Machine(name=f"gpu-t4-{number:02}", state="starting", idle_since=last.at - 2 * _MINUTE)
        for number in coming
    ]
    snapshot = FleetSnapshot(
        at=last.at,
        pending={"high": 12, "default": max(0, day.pending - 60), "low": 48},
        running={"high": 2, "default": max(0, last.running_jobs - 2), "low": 0},
        machines=tuple(machines),
        target_machines=last.target_machines,
    )
    decision = decide(snapshot.model_copy(update={"history": day.decisions[-60:]}), policy)
    return DecisionRecord(
        fleet="gce", snapshot=snapshot, policy=policy, decision=decision, finished_at=last.at
    )


def ledger(day: Day, *, now: datetime) -> list[LedgerPage]:
    """Return a page a machine for today and yesterday, which add up to what the machines could do."""
    pages = []
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for begin, end in ((midnight - timedelta(days=1), midnight), (midnight, now)):
        minutes = [past.workers for past in day.decisions if begin <= past.at < end]
        for number in range(max(minutes, default=0)):
            seconds = 60.0 * sum(serving > number for serving in minutes)
            name = f"gpu-t4-{number:02}-{number * 7919 % 65536:04x}"
            pages.append(page(name, begin, seconds, now=now))
    return pages


def page(
    worker_name: str, begin: datetime, up_seconds: float, *, now: datetime, failed: int = 0
) -> LedgerPage:
    """Return a page of a machine that was up and rendered all the time."""
    at_work = up_seconds * 0.86
    jobs = int(at_work / 86_400 * VIDEOS_PER_MACHINE_PER_DAY)
    machine_usd, speech_usd = at_work / 3600 * USD_PER_HOUR, jobs * 0.0021
    tally = Tally(
        jobs_completed=jobs,
        jobs_failed=failed or jobs // 260,
        videos=jobs,
        video_seconds=jobs * 74.0,
        clips_rendered=jobs * 9,
        clips_reused=jobs * 3,
        speech_requests=jobs * 4,
        speech_characters=jobs * 900,
        speech_reused=jobs * 7,
        stored_bytes=jobs * 18_000_000,
        machine_seconds=at_work,
        stage_seconds={"clips": at_work * 0.8, "mixing": at_work * 0.1, "joining": at_work * 0.1},
        machine_usd=machine_usd,
        speech_usd=speech_usd,
        storage_usd=jobs * 0.0004,
        stage_usd={"clips": machine_usd, "speech": speech_usd, "storage": jobs * 0.0004},
        job_durations=_repeated(Histogram.of(21.0), jobs),
        stage_durations={
            "clips": _repeated(Histogram.of(16.0), jobs),
            "mixing": _repeated(Histogram.of(1.5), jobs),
        },
    )
    return LedgerPage(
        day=begin.date(),
        worker=worker_name,
        channels={"quiz-daily": tally},
        up_seconds=up_seconds,
        usd_per_hour=USD_PER_HOUR,
        preemptions=1 if jobs > 900 else 0,
        updated_at=now,
    )


def _repeated(one: Histogram, times: int) -> Histogram:
    return Histogram(
        counts=tuple(count * times for count in one.counts), total_seconds=one.total_seconds * times
    )
