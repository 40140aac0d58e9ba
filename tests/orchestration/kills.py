"""Run the flow in a process of its own and kill it at a chosen moment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.settings import PREFECT_API_URL

from tests.orchestration.jobs import CHANNEL, CONFIG, JOB, NAME, until

# A test run in the background of a shell starts with SIGINT ignored, and its children would inherit that.
CODE = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from flows.render_video import render_video
render_video({CHANNEL!r}, {JOB!r}, {CONFIG!r})
"""


def run_until(
    home: Path,
    moment: Callable[[], bool],
    *,
    then: signal.Signals = signal.SIGKILL,
    parallel_clips: int = 1,
) -> int:
    """Start the flow on the store in `home`, wait for the moment, send the signal; return the exit code.

    A run that ends before its moment is an error.
    """
    url = PREFECT_API_URL.value()
    assert url is not None
    environment = os.environ | {
        "TRIVIA_HOME": str(home),
        "TRIVIA_ENCODER": "libx264",
        "TRIVIA_PARALLEL_CLIPS": str(parallel_clips),
        "PREFECT_API_URL": url,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    with subprocess.Popen(
        [sys.executable, "-c", CODE],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:

        def ask() -> bool | None:
            if process.poll() is not None:
                assert process.stdout is not None
                raise AssertionError(f"the run ended too early: {process.stdout.read()}")
            return moment() or None

        until(ask, seconds=120)
        process.send_signal(then)
        return process.wait(60)


def clips_done(home: Path) -> int:
    """How many clips have their record: they need not be rendered again."""
    return len(list((home / "clips").glob("*.json")))


def status(home: Path) -> dict[str, Any]:
    path = home / f"jobs/{NAME}/status.json"
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return told
