"""`make up` and `make down`: a fleet in the background, on nothing but Python."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import SHORT, small_config, until
from tests.ports import free_port

pytestmark = pytest.mark.timeout(300)

CHANNEL = "faults"


class Operator:
    """Somebody at a terminal, whose fleet lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **SHORT,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
            "TRIVIA_HOME": str(self.home),
            "TRIVIA_ENCODER": "libx264",
            "TRIVIA_PARALLEL_CLIPS": "1",
        }

    def trivia(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "trivia_render", *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self, job_id: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.home / f"jobs/{CHANNEL}/{job_id}/status.json").read_text())
        return told

    def processes(self) -> dict[str, int]:
        """The fleet's processes by name, as its files say."""
        files = (self.home / "fleet-local").glob("*.json")
        return {file.stem: json.loads(file.read_text())["pid"] for file in files}


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.trivia("down")


def test_a_fleet_is_started_stopped_and_started_again_and_its_job_goes_on(operator: Operator) -> None:
    assert "PREFECT_API_URL" in operator.trivia("up")
    processes = operator.processes()
    assert set(processes) == {"server", "control", "worker"}
    operator.trivia("up")
    assert operator.processes() == processes, "what runs is left alone"

    config = json.dumps(small_config("up and down", questions=4))
    operator.trivia("submit", CHANNEL, "job", "-", stdin=config)
    until(lambda: operator.status("job")["clips_done"] >= 2, seconds=90, what="two clips")
    assert "worker, control, server" in operator.trivia("down")
    assert operator.processes() == {}
    assert operator.trivia("down") == "Nothing was running.\n"
    stopped = operator.status("job")
    assert (stopped["state"], stopped["error_code"], stopped["crashes"]) == ("pending", "preempted", 0)

    operator.trivia("up")
    until(lambda: operator.status("job")["state"] == "completed", seconds=120, what="its end")
    manifest = json.loads((operator.home / f"videos/{CHANNEL}/job/manifest.json").read_text())
    assert manifest["clips_reused"] >= 2
    # Its lines are JSON, one an event, and name the job.
    lines = (operator.home / "fleet-local/worker.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {line["job_id"] for line in events if line.get("event") == "clip_finished"} == {"job"}
