"""A real worker tells how it is, whatever else is away, and a drain costs it nothing that it has begun."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cloud.fault_proxy import FOR_EVER
from tests.fleet import (
    CHANNEL,
    LOOK_SECONDS,
    SHORT,
    Fleet,
    Running,
    Worker,
    quick_config,
    small_config,
    until,
)
from trivia_render.models.fleet import DrainRequest, WorkerRecord
from trivia_render.pipeline.fleet_records import ask_to_drain, read_workers, take_drain_back
from trivia_render.storage.keys import turn_key

pytestmark = pytest.mark.timeout(240)

WORKER = "gpu-a"
#: A reaper that heard nothing of a worker for so long would give its runs to others.
LOST_SECONDS = float(SHORT["TRIVIA_WORKER_LOST_SECONDS"]) + LOOK_SECONDS


@pytest.fixture
def fleet(running: Running) -> Fleet:
    """The fleet with one render worker alone, which takes whatever is submitted."""
    running.fleet.have_workers(WORKER)
    return running.fleet


@pytest.fixture
def worker(fleet: Fleet) -> Worker:
    return next(worker for worker in fleet.workers if worker.name == WORKER)


@pytest.fixture
def ask(fleet: Fleet) -> Iterator[httpx.Client]:
    """A client of the worker's endpoints, where its heartbeat says that they are."""
    url = heartbeat(fleet).status_url
    assert url is not None
    with httpx.Client(base_url=url.removesuffix("/status"), trust_env=False, timeout=2) as client:
        yield client


def heartbeat(fleet: Fleet) -> WorkerRecord:
    """The latest record of the worker in the store."""
    since = datetime.now(UTC) - timedelta(minutes=5)
    found = [record for record in read_workers(fleet.ports.store, since=since) if record.worker_id == WORKER]
    return max(found, key=lambda record: record.started_at)


def status(ask: httpx.Client) -> WorkerRecord:
    return WorkerRecord.model_validate_json(ask.get("/status").raise_for_status().content)


def is_healthy(ask: httpx.Client) -> bool:
    return ask.get("/healthz").status_code == 200


def metric(ask: httpx.Client, name: str, **labels: str) -> float:
    text = ask.get("/metrics").raise_for_status().text
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    )


def states_of(fleet: Fleet, run_id: object) -> list[str]:
    with fleet.client() as client:
        return [str(state.name) for state in client.read_flow_run_states(run_id)]  # type: ignore[arg-type]


def test_a_worker_and_its_heartbeat_name_the_job_and_how_far_it_is(
    fleet: Fleet, worker: Worker, ask: httpx.Client
) -> None:
    assert is_healthy(ask)
    # The process of another file's last job may still be ending.
    until(lambda: status(ask).runs == 0, seconds=30, what="a worker without a run")
    idle = status(ask)
    assert (idle.state, idle.runs, idle.jobs, idle.encodes_on) == ("ready", 0, (), "cpu")
    assert idle.idle_since is not None
    assert {"trivia_render", "engine", "ffmpeg", "prefect", "python"} <= idle.versions.keys()
    run = fleet.submit("told", small_config("told", questions=4))
    until(lambda: any(job.clips_done for job in status(ask).jobs), seconds=90, what="a clip in /status")
    at_work = status(ask)
    (job,) = at_work.jobs
    assert (job.channel, job.job_id, job.flow_run_id) == (CHANNEL, "told", str(run.id))
    assert (job.stage, job.clips_total) == ("clips", 6)
    assert (at_work.runs, at_work.idle_since, at_work.name) == (1, None, idle.name)
    assert at_work.cpu_percent is not None
    assert at_work.disk_free_bytes is not None
    assert metric(ask, "trivia_worker_runs") == 1
    until(
        lambda: any(job.job_id == "told" and job.clips_done for job in heartbeat(fleet).jobs),
        seconds=20,
        what="a clip in the heartbeat",
    )
    assert heartbeat(fleet).name in worker.starts()
    assert fleet.wait_until_ended("told").state == "completed"
    until(lambda: status(ask).runs == 0, seconds=30, what="a worker that is idle again")
    assert status(ask).jobs == ()
    fleet.wait_for_run(run.id, "Completed")
    assert fleet.ports.store.stat(turn_key("sweep")) is not None, "maintenance sweeps old records"


def test_a_drained_worker_ends_its_job_takes_no_more_and_serves_again_when_it_is_taken_back(
    fleet: Fleet, worker: Worker, ask: httpx.Client
) -> None:
    store = fleet.ports.store
    first = fleet.submit("first", small_config("first", questions=7))
    until(lambda: len(fleet.clips_rendered("first")) >= 2, seconds=90, what="two clips")
    name = status(ask).name
    ask_to_drain(store, DrainRequest(worker_id=WORKER, by="operator", at=datetime.now(UTC)))
    second = fleet.submit("second", quick_config("second"))
    until(lambda: status(ask).state == "draining", seconds=20, what="a worker that drains")
    draining_since = time.monotonic()
    assert not fleet.events("first", "job_ended"), "it drained only after its job"

    while (job := fleet.status("first")) is None or job.state not in {"completed", "failed"}:
        assert is_healthy(ask)
        time.sleep(0.2)
    # Prefect's own worker was away for that long, and the reaper left its run alone.
    assert time.monotonic() - draining_since > LOST_SECONDS
    assert (job.state, job.attempt, job.crashes, job.worker_id) == ("completed", 1, 0, WORKER)
    until(lambda: status(ask).state == "drained", seconds=30, what="a worker that is drained")
    fleet.wait_for_run(first.id, "Completed")
    assert not {"AwaitingRetry", "Crashed"} & set(states_of(fleet, first.id))
    # Its log lines went on without the worker that had started it.
    # All clips are told of; the outro is every job's, and may have been there already.
    assert len(fleet.events("first", "clip_finished")) == 9
    assert len(fleet.events("first", "job_ended")) == 1

    until(lambda: heartbeat(fleet).state == "drained", seconds=20, what="a heartbeat that says so")
    drained = heartbeat(fleet)
    assert (drained.name, drained.runs) == (name, 0)
    assert drained.reason == "It is drained by the operator."
    time.sleep(LOST_SECONDS)
    assert is_healthy(ask)
    assert fleet.run(second.id).start_time is None
    assert fleet.clips_started("second") == []

    take_drain_back(store, WORKER)
    taken = fleet.wait_until_ended("second")
    assert (taken.state, taken.attempt, taken.crashes, taken.worker_id) == ("completed", 1, 0, WORKER)
    again = status(ask)
    assert again.state == "ready"
    assert again.name != name, "Prefect would take it for the start that is gone"
    assert worker.process.poll() is None
    assert metric(ask, "trivia_worker_crashes_total") == 0
    fleet.wait_for_run(second.id, "Completed")


def test_a_worker_is_healthy_while_prefect_and_the_bucket_are_away_and_after(
    running: Running, ask: httpx.Client
) -> None:
    fleet = running.fleet
    written = metric(ask, "trivia_worker_heartbeats_total", outcome="written")
    assert written > 0
    running.bucket.inject("status", "", value=503, times=FOR_EVER)
    try:
        fleet.kill_server()
        away_until = time.monotonic() + 12
        while time.monotonic() < away_until:
            begun = time.monotonic()
            assert is_healthy(ask)
            assert status(ask).state == "ready"
            assert time.monotonic() - begun < 1
            time.sleep(0.1)
    finally:
        running.bucket.heal()
    written = metric(ask, "trivia_worker_heartbeats_total", outcome="written")
    fleet.start_server()
    until(
        lambda: metric(ask, "trivia_worker_heartbeats_total", outcome="written") > written,
        seconds=60,
        what="a heartbeat after the outage",
    )
    assert is_healthy(ask)
    assert heartbeat(fleet).name == status(ask).name
    for worker in fleet.workers:
        fleet.wait_for_worker(worker, pool=worker.pool)
