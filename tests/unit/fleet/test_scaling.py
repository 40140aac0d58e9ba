"""The operator's formula: ceil(pending / (200 * 0.5)), from 1 to 20 machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trivia_render.fleet.scaling import MAX_MACHINES, MIN_MACHINES, Decision, desired_machines


@pytest.mark.parametrize(
    ("pending", "machines"),
    [
        (0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (999, 10), (1000, 10), (1001, 11),
        (1899, 19), (1900, 19), (1901, 20), (2000, 20), (2001, 20), (80_000, 20), (10**9, 20),
    ],
)  # fmt: skip
def test_so_many_jobs_need_so_many_machines(pending: int, machines: int) -> None:
    decision = desired_machines(pending)
    assert (decision.machines, decision.pending_jobs) == (machines, pending)


def test_the_reason_tells_the_formulas_own_answer_and_the_bound() -> None:
    assert desired_machines(250).reason == "250 jobs wait: 3 machines."
    assert desired_machines(5000).reason == "5000 jobs wait: 50 machines, bounded to 20."
    assert desired_machines(0).reason == "0 jobs wait: 0 machines, bounded to 1."


@given(st.integers(0, 10_000))
def test_more_jobs_never_need_fewer_machines_and_a_hundred_more_at_most_one_more(pending: int) -> None:
    now, more = desired_machines(pending).machines, desired_machines(pending + 100).machines
    assert MIN_MACHINES <= now <= more <= min(now + 1, MAX_MACHINES)
    assert now == MAX_MACHINES or now * 100 >= pending


def test_there_are_no_jobs_less_than_none() -> None:
    with pytest.raises(ValidationError):
        desired_machines(-1)
    with pytest.raises(ValidationError):
        Decision(pending_jobs=0, machines=21, reason="")
