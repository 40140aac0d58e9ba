"""Processes that pass for the flow runs of a worker."""

import os
import subprocess
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from trivia_render.workpool.processes import WORKER_MARK


@pytest.fixture
def name() -> str:
    return f"worker-{uuid4().hex}"


@pytest.fixture
def start(name: str) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a process that runs a flow run of the worker."""
    started = []

    def run(flow_run_id: str) -> subprocess.Popen[bytes]:
        marks = {WORKER_MARK: name, "PREFECT__FLOW_RUN_ID": flow_run_id}
        started.append(subprocess.Popen(["sleep", "60"], env={**os.environ, **marks}))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
