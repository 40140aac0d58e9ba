"""Runs whose process Prefect's worker has reported dead, reaped on a server: what the ledger says of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Crashed, Pending, Running

from tests.unit.pipeline.jobs_in_store import put_status, status_in
from trivia_render.models.fleet import Tally
from trivia_render.models.ports import Store
from trivia_render.pipeline.ledger import read_ledger, total
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store
from trivia_render.workpool.declare import declare_pools, read_declarations
from trivia_render.workpool.names import RENDER_POOL, RENDER_VIDEO
from trivia_render.workpool.reaper import reap
from trivia_render.workpool.settling import Policy

POLICY = Policy(lost_seconds=30, max_crashes=2, requeue_seconds=0)


@pytest.fixture
def store(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    return make_store(load_settings())


def test_a_job_that_kills_its_process_each_time_is_two_crashes_and_one_failure(store: Store) -> None:
    day = datetime.now(UTC).date()
    with get_client(sync_client=True) as client:
        declare_pools(client, read_declarations())
        flow, _, deployment = RENDER_VIDEO.partition("/")
        run = client.create_flow_run_from_deployment(
            client.create_deployment(
                client.create_flow_from_name(flow), name=deployment, work_pool_name=RENDER_POOL
            ),
            parameters={"channel": "quiz", "job_id": "job-1"},
        )
        try:
            for crashes in (1, 2):
                put_status(store, flow_run_id=str(run.id), crashes=crashes - 1)
                states: list[State[Any]] = [Pending(), Running(), Crashed(message="Exit code -9.")]
                for state in states:
                    client.set_flow_run_state(run.id, state, force=True)
                for _ in range(2):
                    list(reap(client, store, pool=RENDER_POOL, policy=POLICY))
                pages = list(read_ledger(store, day, datetime.now(UTC).date()))
                assert sum(page.crashes for page in pages) == crashes
                assert status_in(store).crashes == crashes
            assert status_in(store).error_code == "crash_limit"
            assert total(pages) == Tally(jobs_failed=1)
        finally:
            client.delete_flow_run(run.id)
