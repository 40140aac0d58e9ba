"""One Prefect server for all, and one job rendered once that the tests copy."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from prefect.settings import (
    PREFECT_API_BLOCKS_REGISTER_ON_START,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)
from prefect.states import State
from prefect.testing.utilities import prefect_test_harness

from flows.render_video import render_video
from tests.orchestration.jobs import CHANNEL, CONFIG, JOB, Bench
from trivia_render import wiring


class FirstRun(NamedTuple):
    """The run that rendered everything."""

    home: Path
    state: State[dict[str, Any]]
    rendered: list[str]


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    lean = {
        # No flow of ours uses block types; registering them takes 2 s.
        PREFECT_API_BLOCKS_REGISTER_ON_START: False,
        # The end of a flow waits for its heartbeat to notice, up to 1 s.
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(lean), prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def first_run(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    bench = Bench(tmp_path_factory.mktemp("first") / "home")
    wiring.use_ports(bench.ports)
    state = render_video(CHANNEL, JOB, CONFIG, return_state=True)
    assert state.is_completed(), state.message
    return FirstRun(bench.home, state, bench.rendered)


@pytest.fixture
def bench(first_run: FirstRun, tmp_path: Path) -> Bench:
    """A copy of the store as the first run left it, in use by the flows of this process."""
    shutil.copytree(first_run.home, tmp_path / "home")
    bench = Bench(tmp_path / "home")
    wiring.use_ports(bench.ports)
    return bench


@pytest.fixture
def run_flow(prefect_server: None) -> Callable[..., State[Any]]:
    """Run the flow and return its final state; failures are not raised."""

    def run(config: dict[str, Any] | None = None, *, formats: list[str] | None = None) -> State[Any]:
        state: State[Any] = render_video(CHANNEL, JOB, config, formats, return_state=True)  # type: ignore[arg-type]
        return state

    return run


@pytest.fixture
def clean_home(prefect_server: None, tmp_path: Path) -> Path:
    """A PREFECT_HOME with an empty database as its first use makes it: copied, since making it takes 10 s."""
    home = tmp_path / "prefect"
    home.mkdir()
    url = PREFECT_SERVER_DATABASE_CONNECTION_URL.value()
    assert url is not None
    with sqlite3.connect(url.partition("///")[2]) as made, sqlite3.connect(home / "prefect.db") as copy:
        made.backup(copy)
        for table in ("flow_run", "task_run", "artifact", "log"):
            copy.execute(f"DELETE FROM {table}")  # noqa: S608
    return home


@pytest.fixture
def environment(clean_home: Path, tmp_path: Path) -> dict[str, str]:
    """Nothing of ours or of Prefect's but where they keep their files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "TRIVIA"))}
    return kept | {
        "PREFECT_HOME": str(clean_home),
        "TRIVIA_HOME": str(tmp_path / "home"),
        "TRIVIA_ENCODER": "libx264",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
