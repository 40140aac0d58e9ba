"""The fleet's metrics: their names, their values, and what docs/metrics.md says of them."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fleet_day import POOL, seed_day
from tests.programs import require
from trivia_render.models.fleet import Histogram, LedgerPage, QueueCounts, Tally
from trivia_render.models.fleet_view import FleetCounts, FleetView, SourceView, Today
from trivia_render.pipeline.fleet_reading import StoreReader
from trivia_render.pipeline.fleet_records import write_model
from trivia_render.pipeline.fleet_watch import FleetWatch
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore
from trivia_render.telemetry.fleet_metrics import FleetMetrics

DOCUMENT = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
EMPTY = FleetView(
    at=datetime(2026, 3, 1, tzinfo=UTC),
    today=Today(day=datetime(2026, 3, 1, tzinfo=UTC).date()),
    sources={"store": SourceView(up=False), "prefect": SourceView(up=False)},
)


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> FleetWatch:
    store = LocalStore(tmp_path_factory.mktemp("fleet"))
    watch = watching(store)
    watch.look_at_store()
    seed_day(store, now=datetime.now(UTC))
    watch.look_at_store()
    watch.look_at_prefect()
    return watch


def watching(store: LocalStore, *, now: datetime | None = None) -> FleetWatch:
    return FleetWatch(
        StoreReader(store, pool=POOL),
        lambda: QueueCounts(pending={"high": 3, "low": 4}, running={"default": 2}),
        now=lambda: now or datetime.now(UTC),
        lost_seconds=35.0,
    )


@pytest.fixture(scope="module")
def text(watch: FleetWatch) -> str:
    return FleetMetrics(watch.view, watch.counts).text().decode()


def values(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples by their name and their labels' values, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("state", ["full", "empty"])
def test_promtool_finds_nothing_to_say_of_them(state: str, text: str) -> None:
    promtool = require("promtool")
    if state == "empty":
        text = FleetMetrics(lambda: EMPTY, FleetCounts).text().decode()
    done = subprocess.run(
        [str(promtool), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def documented() -> dict[str, tuple[str, tuple[str, ...], str]]:
    rows = re.findall(r"^\| `(trivia_\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|$", DOCUMENT, re.MULTILINE)
    return {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning in rows
    }


def test_the_document_names_every_metric_with_its_type_labels_and_meaning(text: str) -> None:
    families = {}
    for family in text_string_to_metric_families(text):
        labels = {tuple(name for name in sample.labels if name != "le") for sample in family.samples}
        assert len(labels) == 1, f"{family.name} has samples with other labels: {labels}"
        name = f"{family.name}_total" if family.type == "counter" else family.name
        families[name] = (family.type, {*labels.pop()}, family.documentation)
    assert {name: (kind, {*labels}, said) for name, (kind, labels, said) in documented().items()} == families


def test_the_document_names_every_field_of_the_status() -> None:
    table = DOCUMENT[DOCUMENT.index("## `/status`") :]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
    assert list(rows) == list(FleetView.model_fields)
    for name, model in {"today": Today, "sources": SourceView}.items():
        assert [field for field in model.model_fields if f"`{field}`" not in rows[name]] == []


def test_jobs_are_counted_by_state_and_priority(text: str) -> None:
    found = values(text)
    assert found["trivia_jobs", "high", "pending"] == 3
    assert found["trivia_jobs", "default", "pending"] == 0
    assert found["trivia_jobs", "default", "running"] == 2
    assert sum(name == "trivia_jobs" for name, *_ in found) == 6


def test_every_state_has_a_sample_also_while_nothing_is_in_it(text: str, watch: FleetWatch) -> None:
    found = values(text)
    workers = watch.view().workers
    assert found["trivia_workers", "draining"] == sum(worker.state == "draining" for worker in workers) == 1
    assert found["trivia_workers", "lost"] == 0
    assert found["trivia_fleet_machines", "failing"] == 0


def test_refused_workers_are_counted_by_why(watch: FleetWatch) -> None:
    view = watch.view()
    workers = [
        worker.model_copy(update={"state": "refused", "refused_code": code})
        for worker, code in zip(
            view.workers, ["gpu_lost", "driver_too_old", "gpu_lost", "internal_error"], strict=False
        )
    ]
    text = FleetMetrics(lambda: view.model_copy(update={"workers": tuple(workers)}), FleetCounts).text()
    found = values(text.decode())
    told = {
        code: value
        for (name, *labels), value in found.items()
        if name == "trivia_workers_refused"
        for code in labels
    }
    assert told == {
        "gpu_missing": 0,
        "gpu_lost": 2,
        "driver_too_old": 1,
        "nvenc_sessions_exhausted": 0,
        "other": 1,
    }
    assert found["trivia_workers", "refused"] == 4


def test_gauges_are_in_base_units(text: str, watch: FleetWatch) -> None:
    found = values(text)
    worker = watch.view().workers[0]
    gpu = worker.gpus[0]
    assert found["trivia_worker_gpu_utilization_ratio", "0", worker.id] == gpu.utilisation_percent / 100
    assert found["trivia_worker_gpu_memory_used_bytes", "0", worker.id] == gpu.memory_used_bytes
    assert worker.cpu_percent is not None
    assert found["trivia_worker_cpu_utilization_ratio", worker.id] == worker.cpu_percent / 100
    heartbeat = found["trivia_worker_last_heartbeat_timestamp_seconds", worker.id]
    assert heartbeat == pytest.approx(worker.heartbeat_at.timestamp())


def test_no_label_holds_a_job_or_a_channel(text: str, watch: FleetWatch) -> None:
    jobs = [job for worker in watch.view().workers for job in worker.jobs]
    assert jobs
    for job in jobs:
        assert job.job_id not in text
        assert job.channel not in text


def test_what_is_not_known_has_no_sample() -> None:
    found = values(FleetMetrics(lambda: EMPTY, FleetCounts).text().decode())
    assert ("trivia_fleet_target_machines",) not in found
    assert ("trivia_jobs", "high", "pending") not in found
    assert ("trivia_cost_today_usd", "machine") not in found
    assert found["trivia_fleet_source_up", "store"] == 0
    assert found[("trivia_videos_total",)] == 0


def test_a_histogram_counts_all_that_is_not_over_a_bound() -> None:
    durations = Histogram.of(1.0) + Histogram.of(7.0) + Histogram.of(4000.0)
    counts = FleetCounts(tally=Tally(job_durations=durations, stage_durations={"mixing": Histogram.of(2.5)}))
    found = values(FleetMetrics(lambda: EMPTY, lambda: counts).text().decode())
    name = "trivia_job_duration_seconds"
    buckets = [found[f"{name}_bucket", bound] for bound in ("1.0", "5.0", "10.0", "1800.0", "+Inf")]
    assert buckets == [1, 1, 2, 2, 3]
    assert found[(f"{name}_count",)] == 3
    assert found[(f"{name}_sum",)] == 4008.0
    assert found["trivia_stage_duration_seconds_bucket", "5.0", "mixing"] == 1


def test_cost_has_three_kinds(text: str, watch: FleetWatch) -> None:
    found = values(text)
    counts = watch.counts()
    assert found["trivia_cost_usd_total", "machine"] == counts.machine_usd > 0
    assert found["trivia_cost_usd_total", "speech"] == counts.tally.speech_usd > 0
    assert found["trivia_cost_usd_total", "storage"] == counts.tally.storage_usd > 0


def test_time_of_unknown_price_is_counted() -> None:
    empty, some = FleetCounts(), FleetCounts(unpriced_seconds=90.5)
    name = ("trivia_unpriced_seconds_total",)
    assert values(FleetMetrics(lambda: EMPTY, lambda: empty).text().decode())[name] == 0
    assert values(FleetMetrics(lambda: EMPTY, lambda: some).text().decode())[name] == 90.5


def test_up_time_of_machines_without_a_price_comes_from_their_pages(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    watch = watching(store, now=noon)
    watch.look_at_store()
    for worker, price in (("w", None), ("v", 0.2)):
        page = LedgerPage(
            day=noon.date(), worker=worker, up_seconds=60.0, usd_per_hour=price, updated_at=noon
        )
        write_model(store, keys.ledger_key(noon.date(), worker), page)
    watch.look_at_store()
    found = values(FleetMetrics(watch.view, watch.counts).text().decode())
    assert found[("trivia_unpriced_seconds_total",)] == 60.0


def test_the_cost_of_today_is_that_of_the_status(text: str, watch: FleetWatch) -> None:
    found = values(text)
    today = watch.view().today
    assert found["trivia_cost_today_usd", "machine"] == today.machine_usd
    assert found["trivia_cost_today_usd", "speech"] == today.speech_usd
    assert found["trivia_cost_today_usd", "storage"] == today.storage_usd


def test_a_restart_begins_every_counter_at_zero_and_keeps_the_cost_of_today(tmp_path: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store = LocalStore(tmp_path)
    seed_day(store, now=noon)
    watch = watching(store, now=noon)
    watch.look_at_store()
    families = list(text_string_to_metric_families(FleetMetrics(watch.view, watch.counts).text().decode()))
    counted = [
        sample for family in families if family.type in {"counter", "histogram"} for sample in family.samples
    ]
    assert {sample.value for sample in counted} == {0.0}
    assert any(sample.labels.get("stage") == "mixing" for sample in counted), "a new series has no increase"
    cost = {
        sample.labels["kind"]: sample.value
        for family in families
        if family.name == "trivia_cost_today_usd"
        for sample in family.samples
    }
    assert cost.keys() == {"machine", "speech", "storage"}
    assert min(cost.values()) > 0
