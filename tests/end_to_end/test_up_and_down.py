"""`make up` and `make down`: a fleet in the background, on nothing but Python."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from tests.fleet import CHANNEL, small_config, until
from tests.local_operator import Operator
from trivia_render.fleet.local_processes import LocalProcesses, Part

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
    logs = sorted((operator.home / "fleet-local").glob("worker-*.log"))
    lines = [line for log in logs for line in log.read_text().splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert {line["job_id"] for line in events if line.get("event") == "clip_finished"} == {"job"}


def test_a_fleet_with_broken_parts_is_put_right_or_says_what_is_wrong(operator: Operator) -> None:
    port = int(operator.dashboard.rpartition(":")[2])
    with ThreadingHTTPServer(("127.0.0.1", port), SaysOk) as foreign:
        threading.Thread(target=foreign.serve_forever).start()
        try:
            with pytest.raises(AssertionError, match="The dashboard process has ended") as caught:
                operator.trivia("up")
        finally:
            foreign.shutdown()
    assert f"The dashboard cannot listen on 127.0.0.1, port {port}." in str(caught.value)

    first = operator.processes()["worker-1"]
    orphans = [child for child in psutil.Process(first).children() if os.getsid(child.pid) == first]
    os.kill(first, signal.SIGKILL)
    assert [child.is_running() for child in orphans] == [True]
    earlier = LocalProcesses(operator.home / "fleet-local", environment=os.environ)
    waits = Part("worker", (sys.executable, "-c", "import time; time.sleep(600)"))
    earlier.start(waits, api_url=operator.api_url, extra={})
    assert f"Dashboard: {operator.dashboard}\n" in operator.trivia("up")
    assert httpx.get(f"{operator.dashboard}/healthz").status_code == 200
    assert not earlier.is_running("worker")
    processes = operator.processes()
    assert set(processes) == {"server", "control", "dashboard", "worker-1"}
    assert processes["worker-1"] != first
    assert not any(lives(child.pid) for child in orphans)

    earlier.start(waits, api_url=operator.api_url, extra={})
    (operator.home / "fleet-local/group.state").write_text("garbage")
    assert operator.trivia("down") == "Stopped: control, dashboard, worker, worker-1, server.\n"
    assert not any(lives(pid) for pid in processes.values())


def lives(pid: int) -> bool:
    """Tell whether a process runs: one that is dead and that nobody has asked about yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class SaysOk(BaseHTTPRequestHandler):
    """Somebody else's service, which is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
