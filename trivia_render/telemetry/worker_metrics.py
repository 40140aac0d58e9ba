"""A worker's record and counters in Prometheus's text format. Names and units: docs/reliability.md."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from trivia_render.models.fleet import WorkerRecord, WorkerState
from trivia_render.models.gpu import REFUSAL_CODES, counted_code
from trivia_render.telemetry.exposition import Exposition

_PREFIX: Final = "trivia_worker"


class WorkerCounts(NamedTuple):
    """What has been counted since this process began."""

    heartbeats_written: int = 0
    heartbeats_failed: int = 0
    preemptions: int = 0
    crashes: int = 0
    #: Seconds since the epoch; None: none was written yet.
    last_heartbeat: float | None = None


class WorkerMetrics(Exposition):
    """Makes the metrics from what the two callables return, at each scrape."""

    def __init__(self, record: Callable[[], WorkerRecord], counts: Callable[[], WorkerCounts]) -> None:
        self._record = record
        self._counts = counts
        super().__init__()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        record, counts = self._record(), self._counts()
        refused = counted_code(None if record.refusal is None else record.refusal.code)
        yield GaugeMetricFamily(f"{_PREFIX}_up", "1 while the worker's main process answers.", value=1)
        yield _labelled(
            "info",
            "Versions of what the worker runs, as labels.",
            [({"worker": record.name, "pool": record.pool, **_version_labels(record)}, 1.0)],
        )
        yield _labelled(
            "state",
            "1 for the state that the worker is in.",
            [({"state": state}, float(state == record.state)) for state in get_args(WorkerState)],
        )
        yield _labelled(
            "refused",
            "1 while the machine takes no work since its GPU does not encode; the code says why.",
            [({"code": code}, float(code == refused)) for code in REFUSAL_CODES],
        )
        yield GaugeMetricFamily(f"{_PREFIX}_runs", "Flow runs that have a process here.", value=record.runs)
        yield from _gpu_metrics(record)
        if record.cpu_percent is not None:
            yield GaugeMetricFamily(
                f"{_PREFIX}_cpu_utilization_ratio",
                "Share of all usable cores that the worker's processes use.",
                value=record.cpu_percent / 100,
            )
        if record.disk_free_bytes is not None:
            yield GaugeMetricFamily(
                f"{_PREFIX}_disk_free_bytes",
                "Free space where unfinished files lie.",
                value=record.disk_free_bytes,
            )
        yield from _counters(counts)


def _version_labels(record: WorkerRecord) -> dict[str, str]:
    return {
        ("version" if name == "trivia_render" else f"{name}_version"): value
        for name, value in record.versions.items()
    }


def _gpu_metrics(record: WorkerRecord) -> Iterator[Metric]:
    gpus = [({"gpu": str(number)}, gpu) for number, gpu in enumerate(record.gpus)]
    yield _labelled(
        "gpu_utilization_ratio",
        "Share of time in which the GPU's cores were at work, its encoder not counted.",
        [(labels, gpu.utilisation_percent / 100) for labels, gpu in gpus],
    )
    yield _labelled(
        "encoder_utilization_ratio",
        "Share of the GPU's video encoder that is used.",
        [(labels, gpu.encoder_utilisation_percent / 100) for labels, gpu in gpus],
    )
    yield _labelled(
        "gpu_memory_used_bytes",
        "Memory of the GPU that is used.",
        [(labels, float(gpu.memory_used_bytes)) for labels, gpu in gpus],
    )


def _counters(counts: WorkerCounts) -> Iterator[Metric]:
    heartbeats = CounterMetricFamily(
        f"{_PREFIX}_heartbeats", "Heartbeats for the store, by whether it took them.", labels=["outcome"]
    )
    heartbeats.add_metric(["written"], counts.heartbeats_written)
    heartbeats.add_metric(["failed"], counts.heartbeats_failed)
    yield heartbeats
    yield CounterMetricFamily(
        f"{_PREFIX}_preemptions", "Notices that the machine is taken away.", value=counts.preemptions
    )
    yield CounterMetricFamily(
        f"{_PREFIX}_crashes",
        "Runs whose process died and that this worker handed back, counted against their jobs.",
        value=counts.crashes,
    )
    if counts.last_heartbeat is not None:
        yield GaugeMetricFamily(
            f"{_PREFIX}_last_heartbeat_timestamp_seconds",
            "When the store took the last heartbeat.",
            value=counts.last_heartbeat,
        )


def _labelled(name: str, documentation: str, samples: list[tuple[dict[str, str], float]]) -> Metric:
    labels = list(samples[0][0]) if samples else []
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, labels=labels)
    for values, value in samples:
        family.add_metric([values[label] for label in labels], value)
    return family
