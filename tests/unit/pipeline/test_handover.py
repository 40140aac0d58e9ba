"""Jobs whose run died, was preempted or was ended: given back once, failed at their limit."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    JOB,
    NOON,
    Interrupted,
    lease_in,
    put_lease,
    put_status,
    snapshot,
    status_in,
)
from trivia_render.errors import (
    CrashLimitError,
    EncodeError,
    JobCancelledError,
    PreconditionFailedError,
    StoreUnavailableError,
    TriviaRenderError,
)
from trivia_render.models.fleet import LedgerPage, Tally
from trivia_render.models.ports import Store
from trivia_render.pipeline.handover import Handover, crash_limit_reached, end_job, error_fields, give_back
from trivia_render.pipeline.ledger import SETTLED, read_ledger, total
from trivia_render.storage.keys import lease_key, ledger_key, status_key
from trivia_render.storage.local import LocalStore

LATER = NOON + timedelta(seconds=30)


@pytest.fixture
def store(tmp_path: Path) -> Interrupted:
    return Interrupted(tmp_path)


def back(store: Store, *, crash_of: str | None = "run-1:1", **changes: Any) -> Handover:
    arguments: dict[str, Any] = {
        "flow_runs": {"run-1"},
        "now": LATER,
        "reason": "The worker is gone.",
        "code": "worker_lost",
        "max_crashes": 3,
    }
    return give_back(store, channel=CHANNEL, job_id=JOB, crash_of=crash_of, **arguments | changes)


def cancel(store: Store, *, flow_runs: set[str] | None = None) -> bool:
    error = JobCancelledError("Cancelled.", evidence="by hand", remedy="Retry it.")
    return end_job(store, channel=CHANNEL, job_id=JOB, flow_runs=flow_runs, now=LATER, error=error)


def test_the_job_of_a_dead_run_waits_again_and_says_why(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", clips_done=4, clips_total=9)
    put_lease(store)
    assert back(store) == "again"
    status = status_in(store)
    assert (status.state, status.crashes, status.crash_of) == ("pending", 1, "run-1:1")
    assert (status.error_code, status.error_message) == ("worker_lost", "The worker is gone.")
    assert status.error_remedy
    assert (status.clips_done, status.attempt, status.updated_at) == (4, 1, LATER)
    assert lease_in(store).expires_at == LATER
    assert lease_in(store).attempt == 2


def test_done_twice_it_changes_nothing_more(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    put_lease(store)
    back(store)
    before = snapshot(store)
    assert back(store) == "again"
    assert snapshot(store) == before


def test_what_a_reaper_left_half_done_is_finished_by_the_next(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    put_lease(store)

    def die() -> None:
        raise ConnectionAbortedError

    store.before_next_write(status_key(CHANNEL, JOB), die)
    with pytest.raises(ConnectionAbortedError):
        back(store)
    assert lease_in(store).expires_at == LATER, "it had come so far"
    assert status_in(store).state == "running"
    assert back(store) == "again"
    assert (status_in(store).state, status_in(store).crashes) == ("pending", 1)


def test_each_start_of_the_same_run_is_counted_once(store: Interrupted) -> None:
    for start in ("run-1:1", "run-1:1", "run-1:2", "run-1:2"):
        put_status(store, **status_fields(store), state="running", flow_run_id="run-1")
        back(store, crash_of=start)
    assert status_in(store).crashes == 2


def status_fields(store: Store) -> dict[str, Any]:
    """What earlier runs left in the status that a claim keeps."""
    if store.stat(status_key(CHANNEL, JOB)) is None:
        return {}
    return status_in(store).model_dump(include={"crashes", "crash_of"})


def test_a_job_that_has_killed_so_many_runs_is_failed(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", crashes=2, crash_of="run-0:1")
    assert back(store) == "failed"
    status = status_in(store)
    assert (status.state, status.crashes, status.error_code) == ("failed", 3, "crash_limit")
    assert status.finished_at == LATER
    assert "3 runs died" in str(status.error_message)
    assert "trivia retry" in str(status.error_remedy)
    assert back(store) == "failed"


def test_a_preemption_that_was_announced_does_not_count(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", crashes=2, crash_of="run-0:1")
    for _ in range(5):
        assert back(store, crash_of=None, code="preempted", reason="The machine goes.") == "again"
    status = status_in(store)
    assert (status.state, status.crashes, status.crash_of) == ("pending", 2, "run-0:1")
    assert status.error_code == "preempted"


def test_a_pending_job_keeps_saying_why_it_waits(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", state="pending", error_code="interrupted")
    before = snapshot(store)
    assert back(store, crash_of=None) == "again"
    assert snapshot(store) == before


def test_a_run_that_was_interrupted_and_then_lost_is_counted_all_the_same(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", state="pending", error_code="interrupted")
    assert back(store) == "again"
    assert (status_in(store).crashes, status_in(store).error_code) == (1, "worker_lost")


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({"flow_run_id": "run-2"}, "elsewhere"),
        ({"flow_run_id": "run-2", "state": "pending"}, "elsewhere"),
        # Submitted anew: its next run is not named yet.
        ({"flow_run_id": None, "state": "pending", "attempt": 3}, "elsewhere"),
        # Rendered by a plain command, without a flow.
        ({"flow_run_id": None}, "elsewhere"),
        ({"flow_run_id": "run-1", "state": "completed"}, "completed"),
        ({"flow_run_id": "run-1", "state": "failed"}, "failed"),
        ({"flow_run_id": "run-2", "state": "completed"}, "completed"),
    ],
)
def test_a_job_that_has_ended_or_is_another_runs_is_left_alone(
    store: Interrupted, fields: dict[str, Any], fate: Handover
) -> None:
    put_status(store, **fields)
    put_lease(store, flow_run_id="run-2")
    before = snapshot(store)
    assert back(store) == fate
    assert snapshot(store) == before


def test_a_job_that_no_run_ever_began_is_given_back_too(store: Interrupted) -> None:
    put_status(store, flow_run_id=None, state="pending", attempt=0)
    assert back(store) == "again"
    assert status_in(store).crashes == 1


def test_a_job_that_the_store_does_not_know_may_be_tried_again(store: Interrupted) -> None:
    assert back(store) == "again"
    assert snapshot(store) == {}


def test_a_run_that_takes_the_job_at_this_moment_keeps_it(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    store.before_next_write(
        status_key(CHANNEL, JOB), lambda: put_status(LocalStore(store.root), flow_run_id="run-2")
    )
    assert back(store) == "elsewhere"
    assert (status_in(store).flow_run_id, status_in(store).state) == ("run-2", "running")
    assert status_in(store).crashes == 0


def test_two_reapers_at_once_count_one_crash(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    other = LocalStore(store.root)
    store.before_next_write(status_key(CHANNEL, JOB), lambda: back(other))
    assert back(store) == "again"
    assert status_in(store).crashes == 1


def test_a_job_that_is_completed_at_this_moment_stays_completed(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    other = LocalStore(store.root)
    store.before_next_write(
        status_key(CHANNEL, JOB), lambda: put_status(other, flow_run_id="run-1", state="completed")
    )
    assert back(store) == "completed"
    assert status_in(store).state == "completed"


#: Whether a start crashed, and how often that is told.
DEATHS = st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=8)


@given(DEATHS)
@settings(max_examples=25)
def test_whatever_dies_and_however_often_it_is_told_crashes_are_the_starts_that_crashed(
    deaths: list[tuple[bool, int]],
) -> None:
    limit = 3
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        counted = 0
        for number, (crashed, told) in enumerate(deaths):
            put_status(store, **status_fields(store), state="running", flow_run_id="run-1")
            fates = {
                back(store, crash_of=f"run-1:{number}" if crashed else None, max_crashes=limit)
                for _ in range(told)
            }
            counted += crashed
            assert status_in(store).crashes == counted
            assert fates == {"failed" if counted >= limit else "again"}
            if counted >= limit:
                assert status_in(store).error_code == "crash_limit"
                return


def test_an_ended_job_is_failed_with_the_error_and_its_holder_loses_it(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    put_lease(store)
    assert cancel(store)
    status = status_in(store)
    assert (status.state, status.finished_at, status.error_code) == ("failed", LATER, "cancelled")
    assert (status.error_message, status.error_remedy) == ("Cancelled.\nby hand", "Retry it.")
    assert lease_in(store).expires_at == LATER
    assert lease_in(store).attempt == 2


def test_ending_twice_tells_that_it_was_ended_and_changes_nothing(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    cancel(store)
    before = snapshot(store)
    assert not cancel(store)
    assert snapshot(store) == before


def test_a_job_that_is_completed_is_not_ended_again(store: Interrupted) -> None:
    put_status(store, state="completed")
    put_lease(store)
    before = snapshot(store)
    assert not cancel(store)
    assert snapshot(store) == before


def test_a_failed_job_keeps_its_reason_and_loses_a_lease_that_was_left(store: Interrupted) -> None:
    """Whoever failed it may have died before it could take the lease away."""
    put_status(store, state="failed", error_code="crash_limit")
    put_lease(store)
    assert not cancel(store)
    assert status_in(store).error_code == "crash_limit"
    assert lease_in(store).attempt == 2


def test_an_unknown_job_cannot_be_ended(store: Interrupted) -> None:
    assert not cancel(store)
    assert snapshot(store) == {}


@pytest.mark.parametrize(
    ("fields", "ended"),
    [
        ({"flow_run_id": "run-1"}, True),
        ({"flow_run_id": None, "attempt": 0, "state": "pending"}, True),
        ({"flow_run_id": "run-2"}, False),
        ({"flow_run_id": None, "attempt": 2, "state": "pending"}, False),
    ],
)
def test_the_end_of_a_run_ends_only_its_own_job(
    store: Interrupted, fields: dict[str, Any], ended: bool
) -> None:
    put_status(store, **fields)
    assert cancel(store, flow_runs={"run-1"}) is ended
    assert (status_in(store).state == "failed") is ended


def test_an_operator_ends_a_job_whoever_has_it(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-2", attempt=7)
    assert cancel(store, flow_runs=None)


def test_a_job_that_another_run_takes_while_it_is_ended_stays_that_runs(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    put_lease(store, flow_run_id="run-2")
    other = LocalStore(store.root)
    store.before_next_write(status_key(CHANNEL, JOB), lambda: put_status(other, flow_run_id="run-2"))
    assert not cancel(store, flow_runs={"run-1"})
    assert status_in(store).state == "running"
    assert lease_in(store).expires_at > LATER


def test_a_store_that_always_changes_is_asked_until_it_holds_still(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    other = LocalStore(store.root)
    store.before_next_write(
        status_key(CHANNEL, JOB),
        *[lambda done=done: put_status(other, flow_run_id="run-1", clips_done=done) for done in range(5)],
    )
    assert cancel(store)
    assert (status_in(store).state, status_in(store).clips_done) == ("failed", 4)


def test_a_status_tells_of_our_errors_what_they_tell_and_of_others_that_the_program_is_at_fault() -> None:
    ours = error_fields(EncodeError("ffmpeg exited 1.", evidence="  line 1\n", remedy="Try again."))
    assert ours == {
        "error_code": "encode_failed",
        "error_message": "ffmpeg exited 1.\n  line 1",
        "error_remedy": "Try again.",
    }
    assert error_fields(PreconditionFailedError("Changed.", remedy=""))["error_message"] == "Changed."
    foreign = error_fields(ZeroDivisionError("division by zero"))
    assert foreign["error_code"] == "internal_error"
    assert foreign["error_message"] == "ZeroDivisionError: division by zero"
    assert foreign["error_remedy"]


def test_the_crash_limit_names_the_job_and_how_often_it_died(store: Interrupted) -> None:
    error = crash_limit_reached(put_status(store, crashes=3))
    assert isinstance(error, CrashLimitError)
    assert f"3 runs died while they rendered {CHANNEL}/{JOB}" in str(error)


# -- the ledger


def ledger_of(store: Store) -> list[LedgerPage]:
    return list(read_ledger(store, NOON.date(), NOON.date()))


def fail(store: Store) -> bool:
    error = TriviaRenderError("The run failed before it could render.", remedy="Correct it.")
    return end_job(store, channel=CHANNEL, job_id=JOB, flow_runs=None, now=LATER, error=error)


def test_a_job_that_fails_at_its_limit_is_one_failed_job_in_the_ledger(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", crashes=2, crash_of="run-0:1")
    for _ in range(3):
        assert back(store) == "failed"
    assert not fail(store)
    (page,) = ledger_of(store)
    assert page.channels == {CHANNEL: Tally(jobs_failed=1)}
    assert (page.worker, page.up_seconds, page.usd_per_hour) == (SETTLED, 0.0, None)


def test_a_job_that_is_given_back_has_not_failed(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    assert back(store) == "again"
    assert ledger_of(store) == []


def test_a_job_whose_run_failed_from_outside_is_one_failed_job_in_the_ledger(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    assert fail(store)
    assert not fail(store)
    assert total(ledger_of(store)) == Tally(jobs_failed=1)


def test_a_cancelled_job_is_no_failure(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    assert cancel(store)
    assert ledger_of(store) == []


def test_a_job_that_failed_in_its_own_process_is_not_entered_again(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", state="failed", error_code="encode_failed")
    assert back(store) == "failed"
    assert not fail(store)
    assert ledger_of(store) == []


def test_two_reapers_at_once_enter_one_failure(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1", crashes=2)
    other = LocalStore(store.root)
    store.before_next_write(status_key(CHANNEL, JOB), lambda: back(other))
    assert back(store) == "failed"
    assert total(ledger_of(store)).jobs_failed == 1


def test_a_failure_whose_write_landed_without_an_answer_is_entered(store: Interrupted) -> None:
    status = put_status(store, flow_run_id="run-1")
    other = LocalStore(store.root)

    def lands_first() -> None:
        error = TriviaRenderError("The run failed before it could render.", remedy="Correct it.")
        ended = {"state": "failed", "finished_at": LATER, "updated_at": LATER, **error_fields(error)}
        put_status(other, **status.model_dump() | ended)

    store.before_next_write(status_key(CHANNEL, JOB), lands_first)
    assert fail(store)
    assert total(ledger_of(store)).jobs_failed == 1


def test_a_job_that_was_retried_and_fails_again_is_another_failure(store: Interrupted) -> None:
    for retry in range(2):
        put_status(store, flow_run_id="run-1", retry=retry)
        assert fail(store)
    assert total(ledger_of(store)).jobs_failed == 2


def is_away() -> None:
    raise StoreUnavailableError("It is away.", remedy="Wait.")


@pytest.mark.parametrize("end", [back, fail])
def test_a_ledger_that_cannot_be_written_keeps_no_job_from_its_end(
    store: Interrupted, end: Callable[[Store], object], caplog: pytest.LogCaptureFixture
) -> None:
    put_status(store, flow_run_id="run-1", crashes=2)
    put_lease(store)
    store.before_next_write(ledger_key(NOON.date(), SETTLED), is_away)
    end(store)
    assert status_in(store).state == "failed"
    assert lease_in(store).expires_at == LATER
    assert "The ledger does not have" in caplog.text


@pytest.mark.parametrize("end", [back, fail])
def test_where_the_status_cannot_be_written_the_ledger_says_nothing(
    store: Interrupted, end: Callable[[Store], object]
) -> None:
    put_status(store, flow_run_id="run-1", crashes=2)
    store.before_next_write(status_key(CHANNEL, JOB), is_away)
    with pytest.raises(StoreUnavailableError):
        end(store)
    assert ledger_of(store) == []
    end(store)
    assert total(ledger_of(store)).jobs_failed == 1


def test_a_lease_that_cannot_be_taken_away_loses_no_failure(store: Interrupted) -> None:
    put_status(store, flow_run_id="run-1")
    put_lease(store)
    store.before_next_write(lease_key(CHANNEL, JOB), is_away)
    with pytest.raises(StoreUnavailableError):
        fail(store)
    assert not fail(store)
    assert total(ledger_of(store)).jobs_failed == 1
