"""The processes of one start of a worker: found by a mark in their environment, and ended."""

from collections.abc import Iterable
from typing import NamedTuple

import psutil

#: Set in the environment of a worker, and so in that of every flow run that it starts.
WORKER_MARK = "TRIVIA_WORKER_NAME"
_FLOW_RUN = "PREFECT__FLOW_RUN_ID"
_REAP_SECONDS = 3.0


class Engine(NamedTuple):
    """A process that runs a flow run."""

    process: psutil.Process
    flow_run_id: str


def find_engines(worker_name: str) -> list[Engine]:
    """Return the flow runs' processes of a worker, also of one that has died and left them behind."""
    engines = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except psutil.Error:
            # Gone, or another user's.
            continue
        if environment.get(WORKER_MARK) == worker_name and _FLOW_RUN in environment:
            engines.append(Engine(process, environment[_FLOW_RUN]))
    return engines


def kill_trees(processes: Iterable[psutil.Process]) -> None:
    """Kill processes with all their descendants, and wait until they are gone."""
    doomed: dict[int, psutil.Process] = {}
    for process in processes:
        try:
            # Stopped first: what is about to start another process does not get to it.
            process.suspend()
            doomed |= {child.pid: child for child in process.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
        doomed[process.pid] = process
    for process in doomed.values():
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(list(doomed.values()), timeout=_REAP_SECONDS)
