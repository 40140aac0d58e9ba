"""What a worker reads of itself: its runs, their jobs, its disk and its GPUs."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trivia_render.models.fleet import GpuReading, JobProgress
from trivia_render.models.gpu import Refusal
from trivia_render.pipeline.board import BoardEntry
from trivia_render.telemetry.gpu_readings import GpuReader, GpuReadings
from trivia_render.workpool import readings
from trivia_render.workpool.cpu_meter import CpuMeter
from trivia_render.workpool.readings import Sampler

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
T4 = GpuReading(
    name="Tesla T4", memory_used_bytes=1, memory_total_bytes=2, utilisation_percent=3,
    encoder_utilisation_percent=4,
)  # fmt: skip


LOST = Refusal(code="gpu_lost", message="It is lost.", evidence="", remedy="Replace it.")


class Gpus(GpuReader):
    """GPUs that say what they are told to."""

    def __init__(self) -> None:
        self.says = GpuReadings((T4,))
        self.waits = threading.Event()
        self.waits.set()
        self.closed = False

    def read(self) -> GpuReadings:
        self.waits.wait(20)
        return self.says

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def gpus() -> Gpus:
    return Gpus()


@pytest.fixture
def board(tmp_path: Path) -> Path:
    (tmp_path / "board").mkdir()
    return tmp_path / "board"


@pytest.fixture
def sampler(gpus: Gpus, board: Path, name: str) -> Sampler:
    sampler = Sampler(
        gpus=gpus, disk=board, every_seconds=0.02, cpu=CpuMeter(window_seconds=60, cores=os.cpu_count() or 1)
    )
    sampler.follow(name, board)
    return sampler


def job(job_id: str, *, minute: int = 0) -> JobProgress:
    return JobProgress(
        channel="quiz", job_id=job_id, stage="clips", clips_done=1, clips_total=4,
        started_at=NOON.replace(minute=minute),
    )  # fmt: skip


def put(board: Path, entry: BoardEntry) -> None:
    (board / f"{entry.pid}.json").write_text(entry.model_dump_json())


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_runs_and_their_jobs_are_those_of_processes_that_live(
    sampler: Sampler, board: Path, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    before = sampler.look()
    assert (before.runs, before.jobs) == (0, ())
    assert before.idle_since is not None
    late, early = start("run-1"), start("run-2")
    child = start("run-2")  # of the same run
    put(board, BoardEntry(pid=late.pid, job=job("late", minute=5)))
    put(board, BoardEntry(pid=early.pid, job=job("early")))
    put(board, BoardEntry(pid=child.pid))
    during = sampler.look()
    assert during.runs == 2
    assert [found.job_id for found in during.jobs] == ["early", "late"]
    assert during.idle_since is None
    assert during.cpu_percent is not None
    for process in (late, early, child):
        process.kill()
        process.wait()
    after = sampler.look()
    assert (after.runs, after.jobs) == (0, ())
    assert after.idle_since is not None
    assert after.idle_since > before.idle_since
    assert list(board.glob("*.json")) == [], "what they left is removed"
    assert sampler.look().idle_since == after.idle_since


def test_the_error_of_a_job_is_logged_once(
    sampler: Sampler,
    board: Path,
    start: Callable[[str], subprocess.Popen[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shard = start("run-1")
    put(board, BoardEntry(pid=shard.pid, error="encode_failed: q1", error_at=NOON))
    sampler.look()
    sampler.look()
    assert [record.getMessage() for record in caplog.records] == ["A job has failed: encode_failed: q1"]
    put(board, BoardEntry(pid=shard.pid, error="encode_failed: q1", error_at=NOON.replace(minute=1)))
    sampler.look()
    assert len(caplog.records) == 2, "the next one failed of the same"


def test_a_disk_that_is_not_there_is_not_known(gpus: Gpus, tmp_path: Path) -> None:
    meter = CpuMeter(window_seconds=60, cores=1)
    there = Sampler(gpus=gpus, disk=tmp_path, every_seconds=1, cpu=meter).look()
    assert there.disk_free_bytes is not None
    assert there.disk_total_bytes is not None
    assert 0 < there.disk_free_bytes <= there.disk_total_bytes
    gone = Sampler(gpus=gpus, disk=tmp_path / "gone", every_seconds=1, cpu=meter).look()
    assert (gone.disk_free_bytes, gone.disk_total_bytes) == (None, None)


def test_a_complaint_of_the_gpus_is_logged_when_it_changes(
    sampler: Sampler, gpus: Gpus, caplog: pytest.LogCaptureFixture
) -> None:
    for error in ("lost", "lost", None, "lost"):
        gpus.says = GpuReadings(error=error)
        sampler.look_at_gpus()
    assert [record.getMessage() for record in caplog.records] == ["lost", "lost"]


def test_what_a_run_found_broken_of_the_machine_is_told_until_the_next_start(
    sampler: Sampler, board: Path, name: str
) -> None:
    assert sampler.fault(name) is None
    put(board, BoardEntry(pid=1, fault=LOST))
    sampler.look()
    assert sampler.fault(name) == LOST, "also where its process has gone since"
    sampler.look()
    assert sampler.fault(name) == LOST
    assert sampler.fault("another start") is None


def test_a_fault_that_passes_by_itself_hides_none_that_lasts(
    sampler: Sampler, board: Path, name: str
) -> None:
    put(board, BoardEntry(pid=1, fault=LOST))
    put(board, BoardEntry(pid=2, fault=LOST.model_copy(update={"code": "nvenc_sessions_exhausted"})))
    put(board, BoardEntry(pid=3, fault=LOST.model_copy(update={"code": "disk_full"})))
    sampler.look()
    assert sampler.fault(name) == LOST


@pytest.mark.parametrize("words", ["GPU is lost", "Unknown Error"])
def test_a_gpu_that_nvml_calls_lost_twice_is_a_fault_of_the_machine(
    sampler: Sampler, gpus: Gpus, name: str, words: str
) -> None:
    gpus.says = GpuReadings(error=f"The GPUs could not be reached: {words}", fatal=words)
    sampler.look_at_gpus()
    assert sampler.fault(name) is None, "once, it may have met a driver that is busy"
    sampler.look_at_gpus()
    found = sampler.fault(name)
    assert found is not None
    assert found.code == "gpu_lost"
    assert words in found.message


@pytest.mark.parametrize(
    "says",
    [
        GpuReadings(error="The GPUs could not be reached: Timeout", fatal="Timeout"),
        GpuReadings(error="The GPUs could not be read: Unknown Error"),
    ],
)
def test_nvml_that_does_not_say_what_is_wrong_or_only_tells_less_is_no_fault(
    sampler: Sampler, gpus: Gpus, name: str, says: GpuReadings
) -> None:
    gpus.says = says
    for _ in range(3):
        sampler.look_at_gpus()
    assert sampler.fault(name) is None


def test_a_driver_that_hangs_keeps_nothing_else_from_being_read(
    sampler: Sampler,
    gpus: Gpus,
    board: Path,
    name: str,
    start: Callable[[str], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = threading.Event()
    threads = [threading.Thread(target=look, args=(ended,)) for look in (sampler.run, sampler.watch_gpus)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: sampler.latest().gpus == (T4,))
        gpus.waits.clear()
        monkeypatch.setattr(readings, "GPU_SECONDS", 0.2)
        start("run-1")
        sampler.follow(name, board)
        until(lambda: sampler.latest().runs == 1)
        until(lambda: sampler.latest().gpus == ())
    finally:
        gpus.waits.set()
        ended.set()
        for thread in threads:
            thread.join(10)
    assert gpus.closed


def test_a_look_that_fails_is_logged_and_followed_by_another(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = []

    def look() -> None:
        looks.append(1)
        raise OSError("the process table is gone")

    monkeypatch.setattr(sampler, "look", look)
    ended = threading.Event()
    thread = threading.Thread(target=sampler.run, args=(ended,))
    thread.start()
    until(lambda: len(looks) > 2)
    ended.set()
    thread.join(10)
    assert "the process table is gone" in caplog.text
