"""`trivia fleet`: what an operator says of the fleet's size, and what is told."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trivia_render.cli.app import app
from trivia_render.cli.fleet_size import parse_duration
from trivia_render.errors import BadInputError
from trivia_render.models.fleet import (
    Decision,
    DecisionRecord,
    FleetSnapshot,
    JobProgress,
    Machine,
    ScalingPolicy,
    WorkerRecord,
)
from trivia_render.pipeline.fleet_records import read_drains, read_override, read_pause, write_model
from trivia_render.pipeline.workers import write_worker
from trivia_render.storage.keys import FLEET_DECISION_KEY
from trivia_render.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    return LocalStore(tmp_path)


def trivia(*arguments: str, fails: int = 0) -> str:
    done = CliRunner().invoke(app, ["fleet", *arguments])
    assert done.exit_code == fails, done.output
    return done.output


def put_worker(store: LocalStore, name: str, **changes: Any) -> None:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "name": f"{name}-ab12", "worker_id": name, "pool": "gpu-t4", "state": "ready",
        "started_at": now, "updated_at": now, "idle_since": now,
    }  # fmt: skip
    write_worker(store, WorkerRecord.model_validate(values | changes))


def put_decision(store: LocalStore, **changes: Any) -> None:
    now = datetime.now(UTC)
    record = DecisionRecord(
        fleet="gce",
        snapshot=FleetSnapshot(at=now, pending={"default": 340}, running={"high": 2}, target_machines=2),
        policy=ScalingPolicy(max_machines=10),
        decision=Decision(
            at=now,
            policy="operator",
            trigger="pending",
            machines_before=2,
            target_machines=4,
            pending_jobs=340,
            utilisation_percent=88,
            reason="340 jobs wait, more than 100: 4 machines.",
        ),
    )
    write_model(store, FLEET_DECISION_KEY, record.model_copy(update=changes))


def test_a_number_is_set_until_it_is_left_to_the_rules_again(store: LocalStore) -> None:
    assert "5 machines until `trivia fleet scale auto`" in trivia("scale", "5")
    override = read_override(store)
    assert override is not None
    assert (override.machines, override.until) == (5, None)
    assert "The rules decide" in trivia("scale", "auto")
    assert read_override(store) is None


def test_a_number_is_set_for_a_while(store: LocalStore) -> None:
    trivia("scale", "3", "--for", "2h")
    override = read_override(store)
    assert override is not None
    assert override.until == override.at + timedelta(hours=2)


def test_the_bounds_of_whoever_decides_are_told(store: LocalStore) -> None:
    assert "bounds" not in trivia("scale", "50"), "nobody has decided yet"
    put_decision(store)
    assert "The bounds make it 10 (1 to 10)" in trivia("scale", "50")


@pytest.mark.parametrize("machines", ["-1", "many", "1.5", "٣", "100000"])
def test_what_is_no_number_of_machines_is_refused(store: LocalStore, machines: str) -> None:
    trivia("scale", "--", machines, fails=2)
    assert read_override(store) is None


def test_a_duration_without_a_number_is_refused(store: LocalStore) -> None:
    trivia("scale", "auto", "--for", "2h", fails=2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 hours", "-2h", "0s", "2h!", "400d", "1e9h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="no duration"):
        parse_duration(text)


def test_a_worker_is_drained_by_its_machines_name_or_by_its_own_and_let_off(store: LocalStore) -> None:
    put_worker(store, "gpu-1")
    for name in ("gpu-1", "gpu-1-ab12"):
        assert "gpu-1 ends what it has begun" in trivia("drain", name)
        drains = read_drains(store)
        assert [(drain.worker_id, drain.by) for drain in drains.values()] == [("gpu-1", "operator")]
        assert "takes work again" in trivia("drain", name, "--undo")
        assert read_drains(store) == {}


@pytest.mark.parametrize("name", ["gpu-9", "../../jobs", "a b"])
def test_a_worker_that_nobody_knows_is_refused_and_the_known_ones_are_named(
    store: LocalStore, name: str
) -> None:
    put_worker(store, "gpu-1")
    done = CliRunner().invoke(app, ["fleet", "drain", name])
    assert done.exit_code == 2
    assert read_drains(store) == {}


def test_the_worker_that_runs_the_autoscaler_is_not_drained(store: LocalStore) -> None:
    put_worker(store, "host-control", pool="control")
    trivia("drain", "host-control", fails=2)
    assert read_drains(store) == {}


def test_it_is_told_whether_the_machine_is_deleted_then(store: LocalStore) -> None:
    put_worker(store, "gpu-1")
    put_decision(store)
    assert "of no group" in trivia("drain", "gpu-1")
    now = datetime.now(UTC)
    machines = (Machine(name="gpu-1", state="idle"),)
    put_decision(store, snapshot=FleetSnapshot(at=now, machines=machines, target_machines=1))
    assert "then its machine is deleted" in trivia("drain", "gpu-1")


@pytest.mark.parametrize("name", ["gpu-1", "../../x"])
def test_what_was_not_drained_cannot_be_let_off(store: LocalStore, name: str) -> None:
    put_worker(store, "gpu-1")
    trivia("drain", name, "--undo", fails=2)


def test_the_autoscaler_is_paused_and_resumed(store: LocalStore) -> None:
    trivia("pause")
    assert read_pause(store) is not None
    assert "Paused since" in trivia("status")
    trivia("resume")
    assert read_pause(store) is None
    assert "Paused" not in trivia("status")


def test_the_status_tells_the_decision_and_each_worker(store: LocalStore) -> None:
    put_decision(store)
    now = datetime.now(UTC)
    job = JobProgress(
        channel="quiz", job_id="rome", stage="clips", clips_done=4, clips_total=12, started_at=now
    )
    put_worker(store, "gpu-1", runs=1, jobs=(job,), cpu_percent=71.2)
    put_worker(store, "gpu-2")
    put_worker(store, "gpu-3", state="drained")
    put_worker(store, "gpu-4", state="refused", reason="gpu_lost: The GPU is lost.")
    trivia("drain", "gpu-2")
    lines = trivia("status").splitlines()
    assert lines[0].startswith("340 jobs wait, 2 are at work (as of ")
    assert lines[1] == "Machines: 2, to be 4. 340 jobs wait, more than 100: 4 machines."
    assert lines[2:] == [
        "gpu-1  gpu-t4  busy  71 %  quiz/rome 4/12 clips",
        "gpu-2  gpu-t4  idle, to be drained (operator)",
        "gpu-3  gpu-t4  drained",
        "gpu-4  gpu-t4  refused: gpu_lost: The GPU is lost.",
    ]


def test_the_status_tells_what_is_wrong(store: LocalStore) -> None:
    put_decision(store, error="Compute Engine refused: no permission.", fleet="none")
    told = trivia("status")
    assert "could not be acted upon: Compute Engine refused: no permission." in told
    assert "Nothing drives the number of machines" in told


def test_a_fleet_of_which_nothing_is_known_says_so(store: LocalStore) -> None:
    told = trivia("status")
    assert "Nothing was decided yet" in told
    assert "No worker was heard of" in told


def test_the_status_is_there_as_json(store: LocalStore) -> None:
    put_decision(store)
    put_worker(store, "gpu-1")
    trivia("scale", "5")
    told = json.loads(trivia("status", "--json"))
    assert told["decision"]["decision"]["target_machines"] == 4
    assert told["override"]["machines"] == 5
    assert [worker["worker_id"] for worker in told["workers"]] == ["gpu-1"]
