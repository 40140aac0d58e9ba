"""The flows of the control pool, each run once against a server with the declared pools."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.autoscale import autoscale
from flows.maintenance import maintenance
from tasks.maintain import TURN
from tasks.scale import TURN as AUTOSCALE_TURN
from trivia_render.models.ports import Store
from trivia_render.pipeline.fleet_records import read_decision
from trivia_render.pipeline.workers import take_turn
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store
from trivia_render.workpool.declare import declare_pools, read_declarations
from trivia_render.workpool.names import RENDER_BATCH, RENDER_POOL, RENDER_VIDEO
from trivia_render.workpool.queue import read_queue


@pytest.fixture
def store(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    with get_client(sync_client=True) as client:
        declare_pools(client, read_declarations())
    return make_store(load_settings())


def test_the_fleets_size_is_decided_and_recorded(store: Store) -> None:
    state = autoscale(return_state=True)
    assert state.is_completed(), state.message
    record = read_decision(store)
    assert record is not None
    assert (record.decision.pending_jobs, record.decision.target_machines, record.fleet) == (0, 1, "none")
    assert record.finished_at is not None
    assert state.message == record.decision.reason


def test_another_run_that_decides_is_left_alone(store: Store) -> None:
    assert take_turn(store, AUTOSCALE_TURN, owner="another", now=datetime.now(UTC), seconds=60)
    state = autoscale(return_state=True)
    assert state.message == "Another run is at work."
    assert read_decision(store) is None


def test_jobs_are_counted_and_not_runs(store: Store) -> None:
    with get_client(sync_client=True) as client:
        before = read_queue(client)
        deployments = {
            name: client.create_deployment(
                client.create_flow_from_name(name.partition("/")[0]),
                name=name.partition("/")[2],
                work_pool_name=RENDER_POOL,
                work_queue_name="default",
            )
            for name in (RENDER_VIDEO, RENDER_BATCH)
        }
        jobs = [{"channel": "queue", "job_id": f"job-{number}"} for number in range(7)]
        runs = [
            client.create_flow_run_from_deployment(
                deployments[RENDER_VIDEO], parameters=jobs[0], work_queue_name="high"
            ),
            client.create_flow_run_from_deployment(deployments[RENDER_VIDEO], parameters=jobs[1]),
            client.create_flow_run_from_deployment(
                deployments[RENDER_BATCH], parameters={"jobs": jobs}, work_queue_name="low"
            ),
        ]
        try:
            counts = read_queue(client)
        finally:
            for run in runs:
                client.delete_flow_run(run.id)
    waiting = {name: counts.pending[name] - before.pending[name] for name in counts.pending}
    assert waiting == {"high": 1, "default": 1, "low": 7}
    assert counts.running == before.running


def test_maintenance_looks_once_and_leaves_its_turn_to_the_next(store: Store) -> None:
    for _ in range(2):
        state = maintenance(return_state=True)
        assert state.is_completed(), state.message
        assert state.message == "0 runs seen to."


def test_maintenance_leaves_the_pools_to_whoever_has_the_turn(store: Store) -> None:
    assert take_turn(store, TURN, owner="another", now=datetime.now(UTC), seconds=60)
    state = maintenance(return_state=True)
    assert state.message == "Another run is at work."
