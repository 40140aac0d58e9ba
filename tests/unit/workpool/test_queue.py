"""Jobs of a shard that have not begun, whatever became of its earlier starts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from trivia_render.workpool.names import RENDER_BATCH
from trivia_render.workpool.queue import flow_of, priority_of, shard_counts

START = datetime(2026, 3, 1, tzinfo=UTC)


def run(state: StateType, *, minute: int = 0, **parameters: Any) -> FlowRun:
    return FlowRun(
        flow_id=uuid4(),
        parameters=parameters,
        state=State(type=state),
        start_time=START + timedelta(minutes=minute),
    )


def shard(state: StateType, jobs: int = 5) -> FlowRun:
    return run(state, jobs=[{"channel": "c", "job_id": f"j{number}"} for number in range(jobs)])


def child(number: int, state: StateType, *, minute: int = 0) -> FlowRun:
    return run(state, minute=minute or number, channel="c", job_id=f"j{number}")


DONE, BAD, WORKS, GONE = StateType.COMPLETED, StateType.FAILED, StateType.RUNNING, StateType.CRASHED


@pytest.mark.parametrize(
    ("state", "children", "expected"),
    [
        (StateType.SCHEDULED, [], (5, 0)),
        (StateType.RUNNING, [], (5, 0)),
        (StateType.RUNNING, [child(0, WORKS)], (4, 1)),
        (StateType.RUNNING, [child(0, DONE), child(1, BAD), child(2, WORKS)], (2, 1)),
        # Between two jobs.
        (StateType.RUNNING, [child(0, DONE)], (4, 0)),
        # The first two were published before, and had no run.
        (StateType.RUNNING, [child(2, WORKS)], (2, 1)),
        (StateType.RUNNING, [child(4, DONE)], (0, 0)),
        # Put back: the job that was at work is begun again.
        (StateType.SCHEDULED, [child(0, DONE), child(1, GONE)], (4, 0)),
        (StateType.SCHEDULED, [child(0, DONE), child(1, WORKS)], (4, 0)),
        # Its second start does the second job anew.
        (StateType.RUNNING, [child(0, DONE), child(1, GONE), child(1, WORKS, minute=9)], (3, 1)),
    ],
)
def test_so_many_of_a_shards_jobs_wait_and_are_at_work(
    state: StateType, children: list[FlowRun], expected: tuple[int, int]
) -> None:
    assert shard_counts(shard(state), children) == expected


def test_a_run_counts_in_its_queue_and_one_of_an_unknown_queue_in_the_default() -> None:
    named = shard(StateType.SCHEDULED).model_copy(update={"work_queue_name": "high"})
    assert priority_of(named) == "high"
    assert priority_of(named.model_copy(update={"work_queue_name": "another"})) == "default"
    assert priority_of(named.model_copy(update={"work_queue_name": None})) == "default"


def test_a_deployments_name_begins_with_its_flows() -> None:
    assert flow_of(RENDER_BATCH) == "render-batch"
