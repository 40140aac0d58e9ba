"""What an outage, or a machine that cannot render, does to a job: nothing that another run cannot mend."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    CONFIG,
    JOB,
    Clock,
    manifest_in,
    ports_in,
    put_status,
    some_video,
    status_in,
)
from trivia_render.errors import (
    CrashLimitError,
    DiskFullError,
    EncoderUnavailableError,
    GpuLostError,
    JobCancelledError,
    JobGivenBackError,
    NvencSessionsExhaustedError,
    SpeechUnavailableError,
    StoreUnavailableError,
    TriviaRenderError,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.handover import give_back
from trivia_render.pipeline.lease import LIFETIME
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import Event, MachineFaulted
from trivia_render.storage.keys import lease_key, status_key, video_key
from trivia_render.storage.local import LocalStore


class Lossy(LocalStore):
    """A store whose answers to some writes are lost: they land, and nobody hears of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lost: list[str] = []

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        info = super().write(key, data, content_type=content_type, if_generation=if_generation)
        if key in self.lost:
            self.lost.remove(key)
            raise StoreUnavailableError("no answer", remedy="Wait.")
        return info


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports(tmp_path: Path, clock: Clock) -> Ports:
    ports = ports_in(tmp_path, now=clock)
    return replace(ports, store=Lossy(tmp_path / "store"), max_crashes=3)


def fail_with(ports: Ports, error: TriviaRenderError, *, pool_start: str | None) -> None:
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, pool_start=pool_start):
        raise error


OUTAGES = [StoreUnavailableError("503", remedy="Wait."), SpeechUnavailableError("503", remedy="Wait.")]
MACHINE = [
    DiskFullError("full", remedy="Free some."),
    EncoderUnavailableError("no GPU", remedy="Mend it."),
    GpuLostError("lost", evidence="  its words", remedy="Replace it."),
    NvencSessionsExhaustedError("full", remedy="Wait."),
]


@pytest.mark.parametrize("error", [*OUTAGES, *MACHINE], ids=lambda error: error.code)
def test_in_a_fleet_the_job_waits_for_a_later_run(ports: Ports, error: TriviaRenderError) -> None:
    with pytest.raises(JobGivenBackError, match=error.message):
        fail_with(ports, error, pool_start="run-1:1")
    status = status_in(ports.store)
    assert (status.state, status.error_code) == ("pending", error.code)
    # It is free at once.
    with open_job(ports, channel=CHANNEL, job_id=JOB, pool_start="run-1:1") as again:
        assert again.attempt == 2


@pytest.mark.parametrize("error", [*OUTAGES, *MACHINE], ids=lambda error: error.code)
@pytest.mark.parametrize("pool_start", ["run-1:1", None])
def test_a_worker_is_told_of_a_fault_of_its_machine_and_of_nothing_else(
    ports: Ports, error: TriviaRenderError, pool_start: str | None
) -> None:
    told: list[Event] = []
    with pytest.raises(TriviaRenderError):
        fail_with(replace(ports, report=told.append), error, pool_start=pool_start)
    faults = [event for event in told if isinstance(event, MachineFaulted)]
    of_machine = error in MACHINE and pool_start is not None
    wanted = MachineFaulted(error.code, error.message, error.evidence, error.remedy)
    assert faults == ([wanted] if of_machine else [])


@pytest.mark.parametrize("error", [*OUTAGES, *MACHINE], ids=lambda error: error.code)
def test_on_one_machine_it_fails_and_says_so(ports: Ports, error: TriviaRenderError) -> None:
    with pytest.raises(type(error)):
        fail_with(ports, error, pool_start=None)
    status = status_in(ports.store)
    assert (status.state, status.error_code) == ("failed", error.code)
    assert status.error_remedy == error.remedy


def test_machines_that_cannot_render_it_have_a_limit(ports: Ports) -> None:
    for _ in range(2):
        with pytest.raises(JobGivenBackError):
            fail_with(ports, MACHINE[0], pool_start="run-1:1")
    with pytest.raises(CrashLimitError, match="3 runs died"):
        fail_with(ports, MACHINE[0], pool_start="run-1:1")
    status = status_in(ports.store)
    assert (status.state, status.error_code, status.crashes) == ("failed", "crash_limit", 3)


@pytest.mark.parametrize("error", [OUTAGES[0], NvencSessionsExhaustedError("full", remedy="Wait.")])
def test_outages_and_gpus_that_are_busy_have_none(ports: Ports, error: TriviaRenderError) -> None:
    for _ in range(5):
        with pytest.raises(JobGivenBackError):
            fail_with(ports, error, pool_start="run-1:1")
    assert (status_in(ports.store).state, status_in(ports.store).crashes) == ("pending", 0)


def test_a_store_that_is_away_at_the_end_as_well_leaves_the_job_to_its_next_run(ports: Ports) -> None:
    assert isinstance(ports.store, Lossy)
    store = ports.store

    def run() -> None:
        with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, pool_start="run-1:1"):
            store.lost.append(status_key(CHANNEL, JOB))
            raise OUTAGES[0]

    with pytest.raises(JobGivenBackError):
        run()
    with open_job(ports, channel=CHANNEL, job_id=JOB, pool_start="run-1:1"):
        # The reaper counts crashes in a fleet, and this was none.
        assert status_in(ports.store).crashes == 0


def test_a_status_that_landed_unheard_is_not_taken_for_somebody_elses(ports: Ports) -> None:
    assert isinstance(ports.store, Lossy)
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG) as job:
        ports.store.lost.append(status_key(CHANNEL, JOB))
        with pytest.raises(StoreUnavailableError):
            job._status.update(clips_done=1)
        job.publish([some_video()])
    assert status_in(ports.store).state == "completed"


def test_a_renewal_that_landed_unheard_is_not_taken_for_somebody_elses(ports: Ports, clock: Clock) -> None:
    assert isinstance(ports.store, Lossy)
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG) as job:
        ports.store.lost.append(lease_key(CHANNEL, JOB))
        job._lease.renew()
        clock.pass_seconds(LIFETIME.total_seconds() - 1)
        job._lease.renew()
        job.publish([some_video()])
    assert manifest_in(ports.store) is not None


def test_publishing_removes_what_dead_attempts_left_and_nothing_that_was_published(ports: Ports) -> None:
    def put(attempt: int) -> str:
        key = video_key(CHANNEL, JOB, format="1:1", attempt=attempt, name="video.mp4")
        ports.store.write(key, b"x", content_type="video/mp4")
        return key

    first, dead = put(1), put(2)
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG) as job:
        assert job.attempt == 3
        # As if attempt 1 had been published, and attempt 2 had died.
        job._published_attempt = 1
        third = put(3)
        job.publish([some_video()])
    assert ports.store.stat(first) is not None
    assert ports.store.stat(dead) is None
    assert ports.store.stat(third) is not None


def test_a_job_given_back_by_its_own_run_is_not_counted_again_by_whoever_finds_the_run_dead(
    ports: Ports,
) -> None:
    with pytest.raises(JobGivenBackError):
        fail_with(ports, OUTAGES[0], pool_start="run-1:1")

    def found_dead(start: str) -> str:
        return give_back(
            ports.store,
            channel=CHANNEL,
            job_id=JOB,
            flow_runs={"run-1"},
            now=ports.now(),
            reason="gone",
            code="worker_lost",
            crash_of=start,
            max_crashes=3,
        )

    put_status(ports.store, **{**status_in(ports.store).model_dump(), "flow_run_id": "run-1"})
    assert found_dead("run-1:1") == "again"
    assert status_in(ports.store).crashes == 0
    assert found_dead("run-1:2") == "again"
    assert status_in(ports.store).crashes == 1


def test_a_run_of_a_fleet_leaves_a_cancelled_job_alone(ports: Ports) -> None:
    put_status(ports.store, state="failed", error_code="cancelled", attempt=1)
    with (
        pytest.raises(JobCancelledError),
        open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG, pool_start="run-1:1"),
    ):
        pass
    assert status_in(ports.store).error_code == "cancelled"
    # Whoever asks for it by hand gets it.
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG):
        assert status_in(ports.store).state == "running"


def test_a_crash_is_counted_at_the_claim_where_no_reaper_does(ports: Ports) -> None:
    put_status(ports.store, state="running", attempt=1)
    with open_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG):
        assert status_in(ports.store).crashes == 1
