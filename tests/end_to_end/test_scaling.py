"""A fleet on one machine that finds its own size: the flow starts workers and ends them."""

import json
import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.fleet import quick_config, until
from tests.local_operator import Operator
from trivia_render.models.fleet import DecisionRecord, PastDecision
from trivia_render.pipeline.fleet_records import read_decision, read_history
from trivia_render.storage.local import LocalStore
from trivia_render.workpool.processes import Engine, find_engines

pytestmark = pytest.mark.timeout(900)

AUTOSCALE = "autoscale/scheduled"
#: The rules with their times shortened: 10 minutes idle, 5 minutes of cooldown, a decision a minute.
SHORTENED = {
    "TRIVIA_MAX_MACHINES": "3",
    "TRIVIA_VIDEOS_PER_MACHINE": "8",
    "TRIVIA_SCALE_UP_PENDING": "5",
    "TRIVIA_IDLE_SECONDS": "6",
    "TRIVIA_SCALING_COOLDOWN_SECONDS": "4",
}
EVERY_SECONDS = 3


class Scaling(Operator):
    """An operator who looks at decisions and machines."""

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.home)

    def hurry(self) -> None:
        """Let the flow decide every few seconds."""
        with temporary_settings({PREFECT_API_URL: self.api_url}), get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(AUTOSCALE)
            parameters = {"for_seconds": 57, "every_seconds": EVERY_SECONDS}
            client.update_deployment(found.id, DeploymentUpdate(parameters=parameters))
            client.create_flow_run_from_deployment(found.id, parameters=parameters)

    def workers(self) -> dict[str, int]:
        return {name: pid for name, pid in self.processes().items() if name.startswith("worker-")}

    def decision(self) -> DecisionRecord | None:
        return read_decision(self.store)

    def decisions(self) -> list[PastDecision]:
        now = datetime.now(UTC)
        return list(read_history(self.store, since=now - timedelta(hours=1), until=now))

    def told(self) -> dict[str, Any]:
        """What the dashboard's page is told."""
        with urllib.request.urlopen(f"{self.dashboard}/status", timeout=10) as answer:  # noqa: S310 - ours
            status: dict[str, Any] = json.load(answer)
            return status


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Scaling]:
    operator = Scaling(tmp_path, **SHORTENED)
    yield operator
    operator.trivia("down")


@pytest.mark.parametrize("jobs", [16, pytest.param(30, marks=pytest.mark.load)])
def test_many_jobs_take_the_fleet_from_one_worker_to_more_and_back_and_none_is_lost(
    operator: Scaling, jobs: int
) -> None:
    operator.trivia("up")
    assert len(operator.workers()) == 1
    operator.hurry()
    lines = "\n".join(
        json.dumps({"job_id": f"job-{number}", "config": quick_config(f"round {number % 5}")})
        for number in range(jobs)
    )
    operator.trivia("batch", "-", "--shard-size", "4", stdin=lines)
    until(lambda: len(operator.workers()) == 3, seconds=90, what="three workers")
    shown = until(
        lambda: told if (told := operator.told())["target_machines"] == 3 else None,
        seconds=60,
        what="the dashboard to show three machines",
    )
    assert shown["queue"]["pending"] is not None

    def ended() -> bool:
        states = Counter(operator.status(f"job-{number}")["state"] for number in range(jobs))
        return states["completed"] == jobs

    until(ended, seconds=480, what="all videos", pause=1.0)
    until(lambda: len(operator.workers()) == 1, seconds=120, what="one worker again")
    until(
        lambda: operator.told()["target_machines"] == 1, seconds=30, what="the dashboard to show one machine"
    )
    past = operator.decisions()
    assert max(decision.target_machines for decision in past) == 3
    assert [decision.trigger for decision in past if decision.target_machines > decision.machines_before][
        :1
    ] == ["pending"]
    assert "idle" in {decision.trigger for decision in past}
    assert len({name for decision in past for name in decision.removed}) >= 2
    statuses = [operator.status(f"job-{number}") for number in range(jobs)]
    assert {status["crashes"] for status in statuses} == {0}
    assert {status["attempt"] for status in statuses} == {1}, "no worker was taken away from its job"
    assert len({status["worker_id"] for status in statuses}) > 1, "the new workers have rendered too"


@pytest.mark.faults
def test_a_killed_control_worker_leaves_the_next_one_to_decide_and_nothing_is_done_twice(
    operator: Scaling,
) -> None:
    operator.trivia("up")
    operator.hurry()
    until(lambda: operator.decision() is not None, seconds=60, what="a first decision")
    control = psutil.Process(operator.processes()["control"])
    operator.trivia("fleet", "scale", "3")
    # In the middle of a pass: it has decided, and has not done it all.
    until(
        lambda: (
            (record := operator.decision()) is not None
            and record.decision.trigger == "manual"
            and record.finished_at is None
        ),
        seconds=60,
        what="a pass that acts",
        pause=0.005,
    )
    killed = time.monotonic()
    os.killpg(control.pid, signal.SIGKILL)
    for engine in engines_of_control(operator):
        # Its flow run's process has a session of its own.
        engine.process.kill()
    before = operator.decision()
    assert before is not None
    # What a service manager does at once.
    operator.trivia("up")
    record = until(
        lambda: (
            found
            if (found := operator.decision()) is not None
            and found.decision.at > before.decision.at
            and found.finished_at is not None
            else None
        ),
        seconds=300,
        what="the next decision",
    )
    assert time.monotonic() - killed < 300
    assert record.error is None
    until(lambda: len(operator.workers()) == 3, seconds=60, what="three workers, no more")
    time.sleep(3 * EVERY_SECONDS)
    assert len(operator.workers()) == 3
    assert len(all_workers(operator)) == 3, "no worker runs that no file names"


def engines_of_control(operator: Scaling) -> list[Engine]:
    log = (operator.home / "fleet-local/control.log").read_text(errors="replace")
    names = {
        str(json.loads(line).get("message", "")).split()[1]
        for line in log.splitlines()
        if line.startswith("{") and "serves the pool" in line
    }
    return [engine for name in names for engine in find_engines(name)]


def all_workers(operator: Scaling) -> set[int]:
    """Every process that serves the render pool for this fleet, by its WORKER_ID, whoever started it."""
    found = set()
    for process in psutil.process_iter():
        try:
            command, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if command[-2:] == ["trivia_render", "worker"] and environment.get("TRIVIA_HOME") == str(
            operator.home
        ):
            found.add(process.pid)
    return found
