"""A worker's own metrics: their names, their values, and what docs/reliability.md says of them."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.programs import require
from trivia_render.models.fleet import GpuReading, WorkerRecord
from trivia_render.telemetry.worker_metrics import WorkerCounts, WorkerMetrics

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DOCUMENT = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text(encoding="utf-8")


def gpu(percent: float) -> GpuReading:
    return GpuReading(
        name="Tesla T4", memory_used_bytes=10**9, memory_total_bytes=16 * 10**9, utilisation_percent=percent,
        encoder_utilisation_percent=80,
    )  # fmt: skip


BARE = WorkerRecord(
    name="vm-1-0a1b", worker_id="vm-1", pool="gpu-t4", state="draining", started_at=NOON, updated_at=NOON
)
FULL = BARE.model_copy(
    update={
        "runs": 2,
        "gpus": (gpu(12), gpu(50)),
        "cpu_percent": 73.0,
        "disk_free_bytes": 5 * 10**9,
        "versions": {"trivia_render": '1.2 "beta"\n', "ffmpeg": "n7\\1", "prefect": "3.8.8"},
    }
)
COUNTS = WorkerCounts(
    heartbeats_written=7, heartbeats_failed=2, preemptions=1, crashes=3, last_heartbeat=1000.5
)


def text(record: WorkerRecord = FULL, counts: WorkerCounts = COUNTS) -> str:
    return WorkerMetrics(lambda: record, lambda: counts).text().decode()


def values(found: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and the labels' values."""
    return {
        (sample.name.removeprefix("trivia_worker_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(found)
        for sample in family.samples
    }


@pytest.mark.parametrize("found", [text(), text(BARE, WorkerCounts())], ids=["full", "bare"])
def test_promtool_finds_nothing_to_say_of_them(found: str) -> None:
    done = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=found,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_they_tell_what_the_record_and_the_counts_tell() -> None:
    found = values(text())
    assert found["up", ()] == 1
    assert found["runs", ()] == 2
    assert found["state", ("draining",)] == 1
    assert sum(value for (name, _), value in found.items() if name == "state") == 1
    assert found["gpu_utilization_ratio", ("1",)] == 0.5
    assert found["encoder_utilization_ratio", ("0",)] == 0.8
    assert found["gpu_memory_used_bytes", ("0",)] == 10**9
    assert found["cpu_utilization_ratio", ()] == 0.73
    assert found["disk_free_bytes", ()] == 5 * 10**9
    assert found["heartbeats_total", ("written",)] == 7
    assert found["heartbeats_total", ("failed",)] == 2
    assert found["preemptions_total", ()] == 1
    assert found["crashes_total", ()] == 3
    assert found["last_heartbeat_timestamp_seconds", ()] == 1000.5


def test_what_is_not_known_is_left_out() -> None:
    names = {name for name, _ in values(text(BARE, WorkerCounts()))}
    assert "up" in names
    assert "last_heartbeat_timestamp_seconds" not in names
    assert not names & {"gpu_utilization_ratio", "cpu_utilization_ratio", "disk_free_bytes"}


def test_versions_are_labels_whatever_they_hold() -> None:
    (info,) = (
        sample
        for family in text_string_to_metric_families(text())
        for sample in family.samples
        if sample.name == "trivia_worker_info"
    )
    assert info.labels["version"] == '1.2 "beta"\n'
    assert info.labels["ffmpeg_version"] == "n7\\1"
    assert (info.labels["worker"], info.labels["pool"]) == ("vm-1-0a1b", "gpu-t4")


def test_they_are_of_the_moment_of_the_scrape() -> None:
    records = iter([BARE, FULL])
    metrics = WorkerMetrics(lambda: next(records), WorkerCounts)
    assert values(metrics.text().decode())["runs", ()] == 0
    assert values(metrics.text().decode())["runs", ()] == 2


def test_the_document_names_each_with_its_type() -> None:
    documented = set(re.findall(r"^\| `(trivia_worker_\w+)` \| (\w+) \|", DOCUMENT, flags=re.MULTILINE))
    made = set(re.findall(r"^# TYPE (\S+) (\w+)$", text(), flags=re.MULTILINE))
    assert documented == made
