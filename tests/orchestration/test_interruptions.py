"""A run that ends before its end: the next one does only what is missing."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.states import State

from tests.orchestration.conftest import FirstRun
from tests.orchestration.jobs import CONFIG, LABELS, NAME, Bench
from tests.orchestration.kills import clips_done, run_until, status
from trivia_render import wiring

RunFlow = Callable[..., State[Any]]


@pytest.fixture
def home(first_run: FirstRun, tmp_path: Path) -> Path:
    """A store with two of four clips and no video."""
    home = tmp_path / "home"
    shutil.copytree(first_run.home, home)
    (home / f"videos/{NAME}/manifest.json").unlink()
    for path in sorted((home / "clips").glob("*.json"))[:2]:
        path.unlink()
    return home


def test_after_a_kill_the_next_run_does_only_what_is_missing(home: Path, run_flow: RunFlow) -> None:
    assert run_until(home, lambda: clips_done(home) == 3) == -signal.SIGKILL
    killed = status(home)
    assert (killed["state"], killed["attempt"]) == ("running", 2)

    bench = Bench(home)
    wiring.use_ports(bench.ports)
    done = clips_done(home)
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert len(bench.rendered) == 4 - done
    assert sorted(bench.rendered + bench.reused) == sorted(LABELS)
    assert (status(home)["state"], status(home)["attempt"]) == ("completed", 3)
    # Nobody else could have said so: its process had no time to.
    with get_client(sync_client=True) as client:
        dead = client.read_flow_run(killed["flow_run_id"])
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[dead.id])))
    assert dead.state.name == "Crashed"
    assert all(task.state is not None and task.state.is_final() for task in tasks)
    assert str(state.state_details.flow_run_id) in dead.state.message


def test_after_an_interrupt_the_job_is_free_for_its_next_run(home: Path, run_flow: RunFlow) -> None:
    assert run_until(home, lambda: clips_done(home) == 3, then=signal.SIGINT) == -signal.SIGINT
    assert (status(home)["state"], status(home)["error_code"]) == ("pending", "interrupted")
    with get_client(sync_client=True) as client:
        interrupted = client.read_flow_run(status(home)["flow_run_id"])
    assert interrupted.state.name == "Crashed"
    bench = Bench(home)
    wiring.use_ports(bench.ports)
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert len(bench.reused) >= 3
