"""Prefect's own worker as a process: its command line, its environment, its limit, and its end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from trivia_render.workpool.processes import WORKER_MARK, Engine, find_engines, kill_trees


def worker_command(*, pool: str, name: str, limit: int) -> list[str]:
    """Return the command line of Prefect's process worker. Pure."""
    return [
        *(sys.executable, "-m", "prefect", "worker", "start"),
        *("--type", "process", "--pool", pool, "--name", name, "--limit", str(limit)),
    ]


def worker_environment(
    inherited: Mapping[str, str],
    *,
    name: str,
    worker_id: str,
    home: Path,
    board: Path,
    heartbeat_seconds: float,
) -> dict[str, str]:
    """Return the environment of the worker, which its flow runs inherit. Pure."""
    program_folder = str(Path(sys.executable).parent)
    return {
        **inherited,
        WORKER_MARK: name,
        "WORKER_ID": worker_id,
        # Runs start in the worker's folder or in another one: the store is where it is.
        "TRIVIA_HOME": str(home),
        "TRIVIA_WORKER_BOARD": str(board),
        "PATH": os.pathsep.join([program_folder, inherited.get("PATH", os.defpath)]),
        "PREFECT_WORKER_HEARTBEAT_SECONDS": f"{heartbeat_seconds:g}",
        # What a server says whose database is being restarted.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    }


def default_limit(pool: str, *, render_pool: str) -> int:
    """Return how many runs a worker takes at once: a render takes every core; scheduled flows wait."""
    return 1 if pool == render_pool else max(2, psutil.cpu_count() or 1)


def kill_all(worker: subprocess.Popen[bytes] | None, name: str) -> list[Engine]:
    """Kill the worker, so that it takes no more work, then its runs; return the runs."""
    if worker is not None:
        worker.kill()
        worker.wait()
    engines = find_engines(name)
    kill_trees(engine.process for engine in engines)
    # One that the worker was just starting.
    rest = find_engines(name)
    kill_trees(engine.process for engine in rest)
    return [*engines, *rest]
