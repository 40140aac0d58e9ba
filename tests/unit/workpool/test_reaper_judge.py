"""What a run is, by its state and by who was given it: the reaper's one decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.objects import StateType

from trivia_render.errors import JobCancelledError
from trivia_render.settings import load_settings
from trivia_render.workpool.reaper import CANCELLING_SECONDS, STUCK_SECONDS, Verdict, judge
from trivia_render.workpool.settling import ended_run_error, policy_of

LIVE = frozenset({"worker-1", "worker-2"})
GONE, NOBODY = "worker-gone", None
FRESH, STUCK = 1.0, max(STUCK_SECONDS, CANCELLING_SECONDS) + 1.0


@pytest.mark.parametrize(
    ("state", "worker", "age_seconds", "verdict"),
    [
        (StateType.RUNNING, "worker-1", FRESH, "leave"),
        (StateType.RUNNING, "worker-1", 1e6, "leave"),
        (StateType.RUNNING, GONE, FRESH, "lost"),
        (StateType.RUNNING, GONE, 1e6, "lost"),
        # No worker has it: it was started by hand, from a process of its own.
        (StateType.RUNNING, NOBODY, 1e6, "leave"),
        (StateType.PENDING, "worker-1", 1e6, "leave"),
        # It may bear the name of the worker that had it before.
        (StateType.PENDING, GONE, FRESH, "leave"),
        (StateType.PENDING, GONE, STUCK_SECONDS, "leave"),
        (StateType.PENDING, GONE, STUCK, "lost"),
        # Its worker died before it could put its name on it.
        (StateType.PENDING, NOBODY, FRESH, "leave"),
        (StateType.PENDING, NOBODY, STUCK, "lost"),
        (StateType.CANCELLING, "worker-1", FRESH, "leave"),
        (StateType.CANCELLING, "worker-1", STUCK, "cancelled"),
        (StateType.CANCELLING, GONE, FRESH, "cancelled"),
        (StateType.CANCELLING, NOBODY, FRESH, "leave"),
        (StateType.CANCELLING, NOBODY, STUCK, "cancelled"),
        *[
            (state, worker, age, verdict)
            for state, verdict in [
                (StateType.CRASHED, "crashed"),
                (StateType.CANCELLED, "cancelled"),
                (StateType.FAILED, "failed"),
                (StateType.COMPLETED, "leave"),
                (StateType.SCHEDULED, "leave"),
                (StateType.PAUSED, "leave"),
            ]
            for worker in ("worker-1", GONE, NOBODY)
            for age in (FRESH, 1e6)
        ],
    ],
)
def test_what_a_run_is(state: StateType, worker: str | None, age_seconds: float, verdict: Verdict) -> None:
    assert judge(state, age_seconds=age_seconds, worker=worker, live=LIVE) == verdict


STATES = st.sampled_from(list(StateType))
AGES = st.floats(-60, 1e7)
NAMES = st.sampled_from(["a", "b", "c"])
SETS = st.frozensets(NAMES)


@given(STATES, AGES, NAMES, SETS)
def test_a_run_of_a_live_worker_is_never_lost(
    state: StateType, age: float, worker: str, others: frozenset[str]
) -> None:
    assert judge(state, age_seconds=age, worker=worker, live=others | {worker}) != "lost"


@given(STATES, AGES, SETS)
def test_a_run_without_a_worker_is_lost_only_where_it_is_stuck(
    state: StateType, age: float, live: frozenset[str]
) -> None:
    lost = judge(state, age_seconds=age, worker=None, live=live) == "lost"
    assert lost == (state == StateType.PENDING and age > STUCK_SECONDS)


@given(st.sampled_from([StateType.COMPLETED, StateType.SCHEDULED, StateType.PAUSED]), AGES, NAMES, SETS)
def test_a_run_that_waits_or_is_done_is_left_alone(
    state: StateType, age: float, worker: str, live: frozenset[str]
) -> None:
    assert judge(state, age_seconds=age, worker=worker, live=live) == "leave"


@given(STATES, AGES, AGES, st.none() | NAMES, SETS)
def test_once_there_is_something_to_do_time_alone_does_not_undo_it(
    state: StateType, age: float, later: float, worker: str | None, live: frozenset[str]
) -> None:
    now = judge(state, age_seconds=min(age, later), worker=worker, live=live)
    then = judge(state, age_seconds=max(age, later), worker=worker, live=live)
    assert now in {"leave", then}


@given(STATES, AGES, st.none() | NAMES, SETS, SETS)
def test_other_workers_lives_do_not_matter(
    state: StateType, age: float, worker: str | None, live: frozenset[str], others: frozenset[str]
) -> None:
    verdict = judge(state, age_seconds=age, worker=worker, live=live)
    changed = (live | others) if worker in live else (live | others) - {worker}
    assert judge(state, age_seconds=age, worker=worker, live=changed) == verdict


def test_the_policy_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_WORKER_LOST_SECONDS", "7")
    monkeypatch.setenv("TRIVIA_MAX_CRASHES", "5")
    monkeypatch.setenv("TRIVIA_REQUEUE_SECONDS", "9")
    policy = policy_of(load_settings())
    assert (policy.lost_seconds, policy.max_crashes, policy.requeue_seconds) == (7, 5, 9)


def test_a_worker_is_lost_after_three_heartbeats_and_not_before() -> None:
    settings = load_settings()
    assert settings.worker_lost_seconds > 3 * settings.worker_heartbeat_seconds


def test_a_job_of_a_cancelled_run_says_cancelled_and_of_a_failed_one_why() -> None:
    cancelled = ended_run_error("cancelled", "by hand")
    assert isinstance(cancelled, JobCancelledError)
    assert "by hand" in str(cancelled)
    failed = ended_run_error("failed", "no such parameter")
    assert (failed.code, failed.retryable) == ("failed", False)
    assert "no such parameter" in str(failed)
    assert "trivia retry" in failed.remedy
