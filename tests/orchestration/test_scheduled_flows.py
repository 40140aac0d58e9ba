"""The flows of the control pool, each run once against a server with the declared pools."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from flows.autoscale import autoscale
from flows.maintenance import maintenance
from tasks.maintain import TURN
from trivia_render.fleet.scaling import Decision
from trivia_render.models.ports import Store
from trivia_render.pipeline.workers import take_turn
from trivia_render.settings import load_settings
from trivia_render.storage.keys import FLEET_DECISION_KEY
from trivia_render.wiring import make_store
from trivia_render.workpool.declare import declare_pools, read_declarations


@pytest.fixture
def store(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    with get_client(sync_client=True) as client:
        declare_pools(client, read_declarations())
    return make_store(load_settings())


def test_the_fleets_size_is_decided_and_recorded(store: Store) -> None:
    state = autoscale(return_state=True)
    assert state.is_completed(), state.message
    decision = Decision.model_validate(json.loads(store.read(FLEET_DECISION_KEY)[0]))
    assert (decision.pending_jobs, decision.machines) == (0, 1)
    assert state.message == decision.reason


def test_maintenance_looks_once_and_leaves_its_turn_to_the_next(store: Store) -> None:
    for _ in range(2):
        state = maintenance(return_state=True)
        assert state.is_completed(), state.message
        assert state.message == "0 runs seen to."


def test_maintenance_leaves_the_pools_to_whoever_has_the_turn(store: Store) -> None:
    assert take_turn(store, TURN, owner="another", now=datetime.now(UTC), seconds=60)
    state = maintenance(return_state=True)
    assert state.message == "Another run is at work."
