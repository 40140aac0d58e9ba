"""A worker's heartbeats keep its ledger."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trivia_render.models.fleet import LedgerEntry, Tally, WorkerRecord
from trivia_render.pipeline.ledger import BoardLedger, read_ledger, total
from trivia_render.storage.local import LocalStore
from trivia_render.workpool.accounts import keep_ledger
from trivia_render.workpool.heartbeat import WorkerBeat

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def beat(board: Path, *, seconds: float, ended: bool = False, crashes: int = 0) -> WorkerBeat:
    record = WorkerRecord(
        name="vm-1-0a1b", worker_id="vm-1", pool="gpu-t4", state="ready", started_at=NOON,
        updated_at=NOON + timedelta(seconds=seconds),
    )  # fmt: skip
    return WorkerBeat(record=record, board_folder=board, ended=ended, preemptions=0, crashes=crashes)


def test_what_lies_on_the_board_at_a_heartbeat_and_the_time_until_it_is_in_the_ledger(tmp_path: Path) -> None:
    store, board = LocalStore(tmp_path / "store"), tmp_path / "board"
    board.mkdir()
    keep = keep_ledger(store, usd_per_hour=0.25)
    keep(beat(board, seconds=0))
    BoardLedger(board)(
        LedgerEntry(
            id=uuid.uuid4().hex, channel="quiz", job_id="j", outcome="completed", finished_at=NOON,
            engine="1", tally=Tally(jobs_completed=1),
        )
    )  # fmt: skip
    keep(beat(board, seconds=10, crashes=1))
    keep(beat(board, seconds=12, ended=True, crashes=1))
    (page,) = read_ledger(store, NOON.date(), NOON.date())
    assert (page.worker, page.up_seconds, page.usd_per_hour, page.crashes) == ("vm-1-0a1b", 12.0, 0.25, 1)
    assert total([page]).jobs_completed == 1
