"""A worker's board: what a run says of itself, and what is read of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trivia_render.models.fleet import JobProgress
from trivia_render.pipeline.board import BoardReport, board_report, read_board, remove_entry
from trivia_render.pipeline.progress import (
    ClipAdvanced,
    ClipFinished,
    JobEnded,
    JobFound,
    JobStarted,
    MachineFaulted,
    StageStarted,
)
from trivia_render.telemetry.log_context import log_context

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PID = 4711


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(tmp_path: Path, clock: Clock) -> BoardReport:
    return BoardReport(tmp_path, pid=PID, now=lambda: NOON, monotonic=clock)


def begin(report: BoardReport, *, clips: int = 4, job_id: str = "j-1") -> None:
    with log_context(channel="quiz", job_id=job_id, flow_run_id="run-1"):
        report(JobStarted("Quiz", clips))


def finish(report: BoardReport, *clips: str) -> None:
    for clip in clips:
        report(ClipFinished(clip, clip, reused=False, seconds=1.0))


def job_in(folder: Path) -> JobProgress | None:
    return read_board(folder)[PID].job


def test_a_job_is_on_the_board_from_its_start_to_its_end(
    tmp_path: Path, report: BoardReport, clock: Clock
) -> None:
    begin(report)
    started = JobProgress(
        channel="quiz", job_id="j-1", flow_run_id="run-1", stage="clips", clips_done=0, clips_total=4,
        started_at=NOON,
    )  # fmt: skip
    assert job_in(tmp_path) == started
    clock.seconds += 1
    finish(report, "intro")
    assert job_in(tmp_path) == started.model_copy(update={"clips_done": 1})
    report(StageStarted("joining", "1:1"))
    assert job_in(tmp_path) == started.model_copy(update={"clips_done": 1, "stage": "joining"})
    report(JobEnded("completed", 9.0))
    assert job_in(tmp_path) is None
    assert read_board(tmp_path)[PID].error is None


def test_clips_that_finish_at_once_are_written_once_and_none_is_forgotten(
    tmp_path: Path, report: BoardReport, clock: Clock
) -> None:
    begin(report)
    finish(report, "intro", "q1", "q2", "q2")
    job = job_in(tmp_path)
    assert job is not None
    assert job.clips_done == 0, "within the second"
    clock.seconds += 1
    report(ClipAdvanced("q3", 10))
    job = job_in(tmp_path)
    assert job is not None
    assert job.clips_done == 3


def test_the_next_stage_tells_of_the_clips_before_it_at_once(tmp_path: Path, report: BoardReport) -> None:
    begin(report)
    finish(report, "intro", "q1", "q2", "outro", "one too many")
    report(StageStarted("mixing", "1:1"))
    job = job_in(tmp_path)
    assert job is not None
    assert (job.clips_done, job.stage) == (4, "mixing")


def test_a_failed_job_leaves_its_error_and_the_next_one_its_progress(
    tmp_path: Path, report: BoardReport
) -> None:
    begin(report)
    report(JobEnded("failed", 1.0, "encode_failed", "ffmpeg exited 234 \ud83d", "Try again."))
    entry = read_board(tmp_path)[PID]
    assert (entry.job, entry.error_at) == (None, NOON)
    assert entry.error is not None
    assert entry.error.startswith("encode_failed: ffmpeg exited 234")
    begin(report, job_id="j-2")
    entry = read_board(tmp_path)[PID]
    assert entry.job is not None
    assert (entry.job.job_id, entry.job.clips_done) == ("j-2", 0)


def test_a_published_job_that_is_found_is_no_job_at_work(tmp_path: Path, report: BoardReport) -> None:
    begin(report)
    report(JobFound("Quiz"))
    assert job_in(tmp_path) is None


def test_what_happens_outside_of_a_claim_is_nobodys_progress(tmp_path: Path, report: BoardReport) -> None:
    report(JobStarted("Quiz", 3))
    finish(report, "intro")
    report(StageStarted("mixing", "1:1"))
    assert job_in(tmp_path) is None


def test_a_board_that_cannot_be_written_costs_the_job_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = BoardReport(tmp_path / "gone", pid=PID)
    begin(report)
    report(StageStarted("mixing", "1:1"))
    assert len(caplog.records) == 1


def test_clips_of_several_threads_are_all_counted(tmp_path: Path, report: BoardReport) -> None:
    begin(report, clips=200)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: finish(report, f"clip {number}"), range(200)))
    report(StageStarted("mixing", "1:1"))
    job = job_in(tmp_path)
    assert job is not None
    assert job.clips_done == 200


def test_only_whole_entries_of_the_processes_themselves_are_read(tmp_path: Path, report: BoardReport) -> None:
    begin(report)
    (tmp_path / "12.json").write_text("{")
    (tmp_path / "13.json").write_text(json.dumps({"pid": 14}))
    (tmp_path / "ledger-0a.json").write_text(json.dumps({"pid": 15}))
    (tmp_path / "16.tmp").write_text(json.dumps({"pid": 16}))
    assert list(read_board(tmp_path)) == [PID]
    assert read_board(tmp_path / "gone") == {}


def test_an_entry_is_removed_with_what_was_half_written(tmp_path: Path) -> None:
    report = board_report(tmp_path)
    begin(report)
    (pid,) = read_board(tmp_path)
    (tmp_path / f"{pid}.tmp").write_text("{")
    remove_entry(tmp_path, pid)
    remove_entry(tmp_path, pid)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_machine_stands_there_until_the_process_goes(
    tmp_path: Path, report: BoardReport
) -> None:
    begin(report)
    report(MachineFaulted("gpu_lost", "It is \udcff lost.", "  its words", "Replace it."))
    begin(report, job_id="j-2")
    fault = read_board(tmp_path)[PID].fault
    assert fault is not None
    assert (fault.code, fault.message, fault.evidence, fault.remedy) == (
        "gpu_lost",
        "It is ? lost.",
        "  its words",
        "Replace it.",
    )
