"""What a shard has to do for each of its jobs, and how it tells of its end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    CONFIG,
    JOB,
    Clock,
    ports_in,
    put_lease,
    put_status,
    snapshot,
    status_in,
)
from trivia_render.models.jobs import JobName
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.shard import JobNeed, JobOutcome, summary, what_is_left
from trivia_render.pipeline.submission import retry_job, submit_job

NAME = JobName(channel=CHANNEL, job_id=JOB)


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return replace(ports_in(tmp_path, now=Clock()), max_crashes=3)


@pytest.mark.parametrize(
    ("fields", "held", "need"),
    [
        (None, False, "render"),
        ({"state": "pending", "attempt": 0}, False, "render"),
        ({"state": "pending", "crashes": 2}, False, "render"),
        # Its process died: nobody has the lease any more.
        ({"state": "running"}, False, "render"),
        ({"state": "running"}, True, "held"),
        ({"state": "pending"}, True, "held"),
        # The run that has it may still get through.
        ({"state": "running", "crashes": 3}, True, "held"),
        ({"state": "completed"}, False, "published"),
        ({"state": "completed", "crashes": 9}, True, "published"),
        ({"state": "failed"}, False, "failed"),
        ({"state": "failed"}, True, "failed"),
    ],
)
def test_what_is_left_depends_on_how_far_the_job_is_and_on_who_has_it(
    ports: Ports, fields: dict[str, Any] | None, held: bool, need: JobNeed
) -> None:
    if fields is not None:
        put_status(ports.store, **fields)
    if held:
        put_lease(ports.store)
    before = snapshot(ports.store)
    assert what_is_left(ports, NAME) == need
    assert snapshot(ports.store) == before


@pytest.mark.parametrize("crashes", [3, 4])
def test_a_job_at_its_crash_limit_is_failed_and_not_rendered(ports: Ports, crashes: int) -> None:
    put_status(ports.store, state="pending", crashes=crashes)
    assert what_is_left(ports, NAME) == "failed"
    status = status_in(ports.store)
    assert (status.state, status.error_code, status.crashes) == ("failed", "crash_limit", crashes)
    assert status.error_remedy


def test_a_retry_gives_such_a_job_its_chances_back(ports: Ports) -> None:
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG)
    put_status(ports.store, **status_in(ports.store).model_dump(exclude={"crashes"}), crashes=3)
    assert what_is_left(ports, NAME) == "failed"
    retry_job(ports, channel=CHANNEL, job_id=JOB)
    assert what_is_left(ports, NAME) == "render"


def test_a_shard_says_in_a_line_how_its_jobs_ended() -> None:
    outcomes: dict[str, JobOutcome] = {
        "q/a": "held", "q/b": "rendered", "q/c": "rendered", "q/d": "published", "q/e": "failed",
    }  # fmt: skip
    assert summary(outcomes) == "2 rendered, 1 published before, 1 failed, 1 left to other runs"


OUTCOMES = st.dictionaries(st.text(), st.sampled_from(["rendered", "published", "failed", "held"]))


@given(OUTCOMES)
def test_every_job_is_in_the_summary_once_and_what_did_not_happen_is_not_told(
    outcomes: dict[str, JobOutcome],
) -> None:
    counts = [int(part.split()[0]) for part in summary(outcomes).split(", ") if part]
    assert sum(counts) == len(outcomes)
    assert len(counts) == len(set(outcomes.values()))
