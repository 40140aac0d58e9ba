"""`make up` and `make down`: a fleet in the background, on nothing but Python."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import CHANNEL, small_config, until
from tests.local_operator import Operator

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.trivia("down")


def test_a_fleet_is_started_stopped_and_started_again_and_its_job_goes_on(operator: Operator) -> None:
    assert "PREFECT_API_URL" in operator.trivia("up")
    processes = operator.processes()
    assert set(processes) == {"server", "control", "dashboard", "worker-1"}
    operator.trivia("up")
    assert operator.processes() == processes, "what runs is left alone"

    config = json.dumps(small_config("up and down", questions=4))
    operator.trivia("submit", CHANNEL, "job", "-", stdin=config)
    until(lambda: operator.status("job")["clips_done"] >= 2, seconds=90, what="two clips")
    assert operator.trivia("down") == "Stopped: control, dashboard, worker-1, server.\n"
    assert operator.processes() == {}
    assert operator.trivia("down") == "Nothing was running.\n"
    stopped = operator.status("job")
    assert (stopped["state"], stopped["error_code"], stopped["crashes"]) == ("pending", "preempted", 0)

    operator.trivia("up")
    until(lambda: operator.status("job")["state"] == "completed", seconds=120, what="its end")
    manifest = json.loads((operator.home / f"videos/{CHANNEL}/job/manifest.json").read_text())
    assert manifest["clips_reused"] >= 2
    # Its lines are JSON, one an event, and name the job.
    lines = (operator.home / "fleet-local/worker-2.log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {line["job_id"] for line in events if line.get("event") == "clip_finished"} == {"job"}
