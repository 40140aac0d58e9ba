"""The fleet's view and counts in Prometheus's text format. Names, labels and meaning: docs/metrics.md."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from trivia_render.models.fleet import HISTOGRAM_BOUNDS_SECONDS, Histogram, Trigger
from trivia_render.models.fleet_view import (
    MACHINE_STATES,
    PRIORITIES,
    WORKER_STATES,
    FleetCounts,
    FleetView,
    WorkerView,
)
from trivia_render.models.gpu import REFUSAL_CODES, counted_code
from trivia_render.telemetry.exposition import Exposition

#: Samples of one metric: label values in the order of its labels, and the value.
Samples = Sequence[tuple[Sequence[str], float]]


class FleetMetrics(Exposition):
    """Makes the metrics from what the two callables return, at each scrape.

    A gauge that nothing is known of has no sample.
    """

    def __init__(self, view: Callable[[], FleetView], counts: Callable[[], FleetCounts]) -> None:
        self._view = view
        self._counts = counts
        super().__init__()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        view, counts = self._view(), self._counts()
        yield from _queue(view)
        yield from _fleet(view)
        yield from _workers(view.workers)
        yield _cost_today(view)
        yield from _counters(counts)
        yield from _histograms(counts)
        yield from _sources(view)


def _queue(view: FleetView) -> Iterator[Metric]:
    queue = view.queue
    both = {"pending": queue.pending, "running": queue.running}
    yield _gauge(
        "trivia_jobs",
        "Jobs of the render pool that have not begun, or are at work.",
        ("state", "priority"),
        []
        if queue.at is None
        else [
            ((state, priority), by_priority.get(priority, 0))
            for state, by_priority in both.items()
            for priority in PRIORITIES
        ],
    )


def _fleet(view: FleetView) -> Iterator[Metric]:
    workers = Counter(worker.state for worker in view.workers)
    yield _gauge(
        "trivia_workers",
        "Workers of the render pool.",
        ("state",),
        [((state,), workers[state]) for state in WORKER_STATES],
    )
    refused = Counter(counted_code(worker.refused_code) for worker in view.workers)
    yield _gauge(
        "trivia_workers_refused",
        "Workers that take no work since their GPU does not encode, by why.",
        ("code",),
        [((code,), refused[code]) for code in REFUSAL_CODES],
    )
    known = view.decision is not None
    yield _gauge(
        "trivia_fleet_machines",
        "Machines of the group at the last decision.",
        ("state",),
        [((state,), view.machines_by_state.get(state, 0)) for state in MACHINE_STATES] if known else [],
    )
    policy = view.policy
    yield _single(
        "trivia_fleet_target_machines", "Machines that the last decision wants.", view.target_machines
    )
    yield _single(
        "trivia_fleet_min_machines",
        "Least number of machines.",
        None if policy is None else policy.min_machines,
    )
    yield _single(
        "trivia_fleet_max_machines",
        "Largest number of machines.",
        None if policy is None else policy.max_machines,
    )
    yield _single(
        "trivia_fleet_stocked_out", "1 while the cloud has no machine to give.", int(view.stocked_out)
    )
    yield _single("trivia_fleet_paused", "1 while the autoscaler decides without acting.", _flag(view.pause))
    yield _single(
        "trivia_fleet_override_active", "1 while the number of machines is set by hand.", _flag(view.override)
    )
    yield _single(
        "trivia_autoscaler_last_success_timestamp_seconds",
        "When the autoscaler's last pass without an error was.",
        _seconds(view.last_success_at),
    )
    yield _single(
        "trivia_machine_videos_per_day",
        "Videos that a busy machine renders in a day, measured over today and yesterday.",
        view.throughput.videos_per_machine_per_day,
    )


def _workers(workers: Sequence[WorkerView]) -> Iterator[Metric]:
    gpus = [((worker.id, str(number)), gpu) for worker in workers for number, gpu in enumerate(worker.gpus)]
    labels = ("worker", "gpu")
    yield _gauge(
        "trivia_worker_gpu_utilization_ratio",
        "Share of time in which the GPU's cores were at work, its encoder not counted.",
        labels,
        [(values, gpu.utilisation_percent / 100) for values, gpu in gpus],
    )
    yield _gauge(
        "trivia_worker_encoder_utilization_ratio",
        "Share of the GPU's video encoder that is used.",
        labels,
        [(values, gpu.encoder_utilisation_percent / 100) for values, gpu in gpus],
    )
    yield _gauge(
        "trivia_worker_gpu_memory_used_bytes",
        "Memory of the GPU that is used.",
        labels,
        [(values, gpu.memory_used_bytes) for values, gpu in gpus],
    )
    yield _gauge(
        "trivia_worker_cpu_utilization_ratio",
        "Share of all usable cores that the worker's processes use.",
        ("worker",),
        [((worker.id,), worker.cpu_percent / 100) for worker in workers if worker.cpu_percent is not None],
    )
    yield _gauge(
        "trivia_worker_last_heartbeat_timestamp_seconds",
        "When the worker's last heartbeat came into the store.",
        ("worker",),
        [((worker.id,), worker.heartbeat_at.timestamp()) for worker in workers],
    )


def _cost_today(view: FleetView) -> Metric:
    today = view.today
    known = view.sources["store"].at is not None
    return _gauge(
        "trivia_cost_today_usd",
        "What was spent since midnight UTC, by the ledger.",
        ("kind",),
        [
            (("machine",), today.machine_usd),
            (("speech",), today.speech_usd),
            (("storage",), today.storage_usd),
        ]
        if known
        else [],
    )


def _counters(counts: FleetCounts) -> Iterator[Metric]:
    tally = counts.tally
    yield _counter(
        "trivia_scaling_decisions",
        "Decisions on the number of machines, by what they were made for.",
        ("trigger",),
        [((trigger,), counts.decisions.get(trigger, 0)) for trigger in get_args(Trigger)],
    )
    yield _counter(
        "trivia_jobs_ended",
        "Jobs that came to their end.",
        ("outcome",),
        [(("completed",), tally.jobs_completed), (("failed",), tally.jobs_failed)],
    )
    yield _counter("trivia_videos", "Videos that were published.", (), [((), tally.videos)])
    yield _counter(
        "trivia_video_seconds", "How long the published videos play.", (), [((), tally.video_seconds)]
    )
    yield _counter(
        "trivia_clips",
        "Clips of jobs, by whether they were rendered or there already.",
        ("source",),
        [(("rendered",), tally.clips_rendered), (("reused",), tally.clips_reused)],
    )
    yield _counter(
        "trivia_speech_requests",
        "Requests to the speech service.",
        (),
        [((), tally.speech_requests)],
    )
    yield _counter(
        "trivia_speech_characters",
        "Characters that were sent to the speech service.",
        (),
        [((), tally.speech_characters)],
    )
    yield _counter(
        "trivia_speech_reused", "Lines of speech that were there already.", (), [((), tally.speech_reused)]
    )
    yield _counter(
        "trivia_preemptions", "Notices that a machine is taken away.", (), [((), counts.preemptions)]
    )
    yield _counter("trivia_crashes", "Runs whose process died.", (), [((), counts.crashes)])
    yield _counter(
        "trivia_cost_usd",
        "What was spent: on machines for as long as they were up, on speech, on storage.",
        ("kind",),
        [
            (("machine",), counts.machine_usd),
            (("speech",), tally.speech_usd),
            (("storage",), tally.storage_usd),
        ],
    )
    yield _counter(
        "trivia_unpriced_seconds",
        "How long machines were up whose price is not known.",
        (),
        [((), counts.unpriced_seconds)],
    )


def _histograms(counts: FleetCounts) -> Iterator[Metric]:
    yield _histogram(
        "trivia_job_duration_seconds",
        "How long completed jobs took, from claim to end.",
        (),
        {(): counts.tally.job_durations},
    )
    yield _histogram(
        "trivia_stage_duration_seconds",
        "How long the stages of completed jobs took.",
        ("stage",),
        {(stage,): durations for stage, durations in sorted(counts.tally.stage_durations.items())},
    )


def _sources(view: FleetView) -> Iterator[Metric]:
    yield _gauge(
        "trivia_fleet_source_up",
        "1 if the source answered when it was last asked; else the figures are of an earlier time.",
        ("source",),
        [((name,), int(source.up)) for name, source in view.sources.items()],
    )
    yield _single(
        "trivia_fleet_refresh_timestamp_seconds",
        "When the store was read last.",
        _seconds(view.sources["store"].at),
    )


def _gauge(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _single(name: str, documentation: str, value: float | None) -> Metric:
    return _gauge(name, documentation, (), [] if value is None else [((), value)])


def _counter(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    """Return a counter; its samples' name ends in `_total`."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _histogram(
    name: str, documentation: str, labels: Sequence[str], found: Mapping[tuple[str, ...], Histogram]
) -> Metric:
    family = HistogramMetricFamily(name, documentation, labels=labels)
    bounds = [*(str(bound) for bound in HISTOGRAM_BOUNDS_SECONDS), "+Inf"]
    for values, histogram in found.items():
        counts = histogram.counts or (0,) * len(bounds)
        # Prometheus counts all that is not over a bound, the ledger what lies between two.
        buckets = list(zip(bounds, accumulate(counts), strict=True))
        family.add_metric(values, buckets, histogram.total_seconds)
    return family


def _flag(value: object) -> int:
    return int(value is not None)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
