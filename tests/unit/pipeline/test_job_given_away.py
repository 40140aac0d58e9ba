"""A run whose job is taken away while it renders: it publishes nothing and writes over nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    CONFIG,
    JOB,
    Clock,
    Interrupted,
    manifest_in,
    ports_in,
    put_status,
    some_video,
    status_in,
)
from trivia_render.errors import (
    BadInputError,
    JobCancelledError,
    JobHeldError,
    LeaseLostError,
    StoreUnavailableError,
)
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.handover import end_job, give_back
from trivia_render.pipeline.job import JobRun
from trivia_render.pipeline.lease import LIFETIME
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import Event, JobEnded
from trivia_render.pipeline.submission import submit_job
from trivia_render.storage.keys import status_key, video_key
from trivia_render.storage.local import LocalStore

OTHER_CONFIG = {**CONFIG, "title": "Another title"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports(tmp_path: Path, clock: Clock) -> Ports:
    return ports_in(tmp_path, now=clock)


def is_given_back(ports: Ports) -> None:
    give_back(
        ports.store,
        channel=CHANNEL,
        job_id=JOB,
        flow_runs={"run-1"},
        now=ports.now(),
        reason="gone",
        code="worker_lost",
        crash_of="run-1:1",
        max_crashes=3,
    )


def is_cancelled(ports: Ports) -> None:
    error = JobCancelledError("Cancelled.", remedy="")
    end_job(ports.store, channel=CHANNEL, job_id=JOB, flow_runs=None, now=ports.now(), error=error)


def is_replaced(ports: Ports) -> None:
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=OTHER_CONFIG, force=True)


def is_claimed_and_left(ports: Ports) -> None:
    other = replace(ports, host="elsewhere", store=LocalStore(Path(ports.store.uri("x")).parent))
    is_given_back(other)
    with open_job(other, channel=CHANNEL, job_id=JOB, flow_run_id="run-2") as run:
        run.publish([some_video()])


TAKEN = [is_given_back, is_cancelled, is_replaced, is_claimed_and_left]


def leave_files(run: JobRun, ports: Ports) -> str:
    """Store a finished file of this attempt, as `assemble` does."""
    key = video_key(CHANNEL, JOB, format="1:1", attempt=run.attempt, name="video.mp4")
    ports.store.write(key, b"finished", content_type="video/mp4")
    return key


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("frozen_seconds", [0.0, LIFETIME.total_seconds() + 1])
def test_a_run_whose_job_was_taken_away_cannot_publish_it(
    ports: Ports, clock: Clock, taken: Callable[[Ports], None], frozen_seconds: float
) -> None:
    with (  # noqa: PT012 - what is raised is ours
        pytest.raises(LeaseLostError),
        open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, flow_run_id="run-1") as run,
    ):
        mine = leave_files(run, ports)
        clock.pass_seconds(frozen_seconds)
        taken(ports)
        status, manifest = status_in(ports.store), manifest_in(ports.store)
        run.publish([some_video()])
    assert status_in(ports.store) == status
    assert manifest_in(ports.store) == manifest
    assert ports.store.stat(mine) is None


@pytest.mark.parametrize("taken", TAKEN)
def test_an_error_or_an_interrupt_of_such_a_run_leaves_the_status_to_whoever_has_the_job(
    ports: Ports, taken: Callable[[Ports], None]
) -> None:
    for number, fault in enumerate([ZeroDivisionError(), KeyboardInterrupt()]):
        put_status(ports.store, state="pending", attempt=10 * number)
        with (  # noqa: PT012
            pytest.raises(type(fault)) as caught,
            open_job(
                ports,
                channel=CHANNEL,
                job_id=JOB,
                config={**CONFIG, "title": str(number)},
                flow_run_id="run-1",
            ),
        ):
            taken(ports)
            status = status_in(ports.store)
            raise fault
        assert status_in(ports.store) == status
        if isinstance(fault, Exception):
            assert any("status.json could not be written" in note for note in caught.value.__notes__)
        ports.store.delete("videos/quiz/job-1/manifest.json")


def test_the_next_claim_after_a_hand_back_goes_on_and_keeps_the_count_of_crashes(ports: Ports) -> None:
    with (  # noqa: PT012
        pytest.raises(LeaseLostError),
        open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, flow_run_id="run-1") as run,
    ):
        is_given_back(ports)
        run.publish([some_video()])
    with open_job(ports, channel=CHANNEL, job_id=JOB, flow_run_id="run-1") as again:
        status = status_in(ports.store)
        assert (status.state, status.crashes, status.crash_of) == ("running", 1, "run-1:1")
        assert status.error_code is None
        assert again.attempt > run.attempt
        again.publish([some_video()])
    assert status_in(ports.store).state == "completed"
    assert status_in(ports.store).crashes == 1


def test_a_claim_keeps_what_was_submitted_with_the_job(ports: Ports) -> None:
    submit_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, priority="high")
    before = status_in(ports.store)
    with open_job(ports, channel=CHANNEL, job_id=JOB, flow_run_id="run-1"):
        now = status_in(ports.store)
    assert (now.priority, now.retry, now.config_sha256) == ("high", 0, before.config_sha256)
    assert (now.attempt, now.flow_run_id) == (1, "run-1")


def test_a_run_whose_job_another_one_holds_writes_nothing(ports: Ports) -> None:
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, flow_run_id="run-1"):
        status = status_in(ports.store)
        with (
            pytest.raises(JobHeldError),
            open_job(ports, channel=CHANNEL, job_id=JOB, config=OTHER_CONFIG, flow_run_id="run-2"),
        ):
            pass
        assert status_in(ports.store) == status


def test_a_failure_is_told_to_whoever_watches_and_to_the_store_alike(ports: Ports) -> None:
    events: list[Event] = []
    with (
        pytest.raises(BadInputError),
        open_job(replace(ports, report=events.append), channel=CHANNEL, job_id=JOB, flow_run_id="run-1"),
    ):
        pass
    (ended,) = events
    status = status_in(ports.store)
    assert isinstance(ended, JobEnded)
    assert (ended.state, ended.error_code, ended.message) == ("failed", "bad_input", status.error_message)
    assert (status.state, status.flow_run_id) == ("failed", "run-1")


def test_publishing_that_failed_after_the_commit_goes_on_where_it_stopped(
    tmp_path: Path, clock: Clock
) -> None:
    store = Interrupted(tmp_path / "store")
    ports = replace(ports_in(tmp_path, now=clock), store=store)

    def fail() -> None:
        raise StoreUnavailableError("503", remedy="Wait.")

    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, flow_run_id="run-1") as run:
        store.before_next_write(status_key(CHANNEL, JOB), lambda: None, fail)
        with pytest.raises(StoreUnavailableError):
            run.publish([some_video()])
        committed = manifest_in(store)
        assert committed is not None
        clock.pass_seconds(2)
        assert run.publish([some_video()]) == committed
    assert manifest_in(store) == committed
    assert status_in(store).state == "completed"
