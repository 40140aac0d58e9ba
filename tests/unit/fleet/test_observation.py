"""What each machine does, from what its group and its worker say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trivia_render.fleet.machines import GroupState, Instance
from trivia_render.fleet.observation import Patience, group_of_workers, is_stocked_out, observe
from trivia_render.models.fleet import DrainRequest, GpuReading, Machine, WorkerRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFUSAL = {"code": "gpu_lost", "message": "It is lost.", "evidence": "", "remedy": "Replace it."}
PATIENCE = Patience(lost_seconds=35, boot_seconds=600)


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def worker(**changes: Any) -> WorkerRecord:
    values = {
        "name": "m-1-ab12",
        "worker_id": "m-1",
        "pool": "gpu-t4",
        "state": "ready",
        "started_at": ago(3600),
        "updated_at": ago(5),
        "idle_since": ago(100),
    }
    return WorkerRecord.model_validate(values | changes)


def machine(
    *records: WorkerRecord,
    instance: Instance | None = None,
    drain: DrainRequest | None = None,
    before: Machine | None = None,
) -> Machine:
    group = GroupState(1, (instance or Instance("m-1", "running", ago(4000)),))
    (found,) = observe(
        group,
        records,
        {} if drain is None else {drain.worker_id: drain},
        before=() if before is None else (before,),
        at=NOON,
        patience=PATIENCE,
    )
    return found


def drain(by: Any = "autoscaler") -> DrainRequest:
    return DrainRequest(worker_id="m-1", by=by, at=ago(30))


def test_a_worker_without_a_run_is_idle_since_its_last_one() -> None:
    found = machine(worker())
    assert (found.state, found.idle_since, found.worker) == ("idle", ago(100), "m-1-ab12")


def test_a_worker_with_a_run_is_busy() -> None:
    found = machine(worker(runs=1, cpu_percent=73.0))
    assert (found.state, found.idle_since, found.utilisation_percent) == ("busy", None, 73.0)


@pytest.mark.parametrize(
    ("gpu", "encoder", "cpu", "on", "expected"),
    [
        (40, 70, 95, "gpu", 70),
        (80, 70, 95, "gpu", 80),
        (40, 70, 95, "cpu", 95),
        (40, 70, None, "cpu", 70),
        (40, 70, 140, "cpu", 100),
    ],
)
def test_utilisation_is_the_highest_and_the_cpus_counts_where_it_encodes(
    gpu: float, encoder: float, cpu: float | None, on: Any, expected: float
) -> None:
    reading = GpuReading(
        name="T4",
        memory_used_bytes=0,
        memory_total_bytes=1,
        utilisation_percent=gpu,
        encoder_utilisation_percent=encoder,
    )
    record = worker(runs=1, gpus=(reading,), cpu_percent=cpu, encodes_on=on)
    assert machine(record).utilisation_percent == expected


def test_nothing_read_is_nothing_known() -> None:
    assert machine(worker(runs=1)).utilisation_percent is None
    assert machine(worker(runs=1, encodes_on="gpu", cpu_percent=90)).utilisation_percent is None


def test_the_newest_start_of_a_worker_speaks_for_its_machine() -> None:
    older = worker(name="m-1-old", started_at=ago(9000), runs=1, updated_at=ago(1))
    assert machine(worker(), older).worker == "m-1-ab12"


@pytest.mark.parametrize(
    ("state", "runs", "expected"),
    [
        ("ready", 0, "draining"),
        ("ready", 1, "draining"),
        ("draining", 1, "draining"),
        ("drained", 0, "drained"),
    ],
)
def test_a_machine_that_is_to_drain_is_draining_until_it_says_that_it_is(
    state: Any, runs: int, expected: str
) -> None:
    found = machine(worker(state=state, runs=runs), drain=drain())
    assert (found.state, found.drained_by) == (expected, "autoscaler")


def test_a_drain_that_was_taken_back_is_not_deleted_as_drained() -> None:
    assert machine(worker(state="drained")).state == "draining"


def test_a_stopping_worker_and_a_machine_that_its_group_takes_away_are_leaving() -> None:
    assert machine(worker(state="stopping")).state == "leaving"
    assert machine(worker(), instance=Instance("m-1", "leaving")).state == "leaving"


def test_a_machine_made_anew_under_its_name_does_not_leave_because_the_old_one_did() -> None:
    goodbye = worker(state="stopping", updated_at=ago(36))
    assert machine(goodbye, before=Machine(name="m-1", state="leaving")).state == "starting"
    since = Machine(name="m-1", state="starting", idle_since=ago(601))
    assert machine(goodbye, before=since).state == "failing"


def test_a_young_machine_without_a_worker_is_starting_and_an_old_one_is_failing() -> None:
    young = machine(instance=Instance("m-1", "running", ago(599)))
    assert (young.state, young.idle_since) == ("starting", ago(599))
    assert machine(instance=Instance("m-1", "running", ago(601))).state == "failing"


def test_what_the_group_has_not_made_yet_is_late_but_not_failing() -> None:
    late = Instance("m-1", "starting", ago(3600), "ZONE_RESOURCE_POOL_EXHAUSTED")
    assert machine(instance=late).state == "starting"


def test_a_machine_of_unknown_age_is_as_old_as_it_was_seen_waiting() -> None:
    unknown = Instance("m-1", "running")
    first = machine(instance=unknown)
    assert (first.state, first.idle_since) == ("starting", NOON)
    seen = Machine(name="m-1", state="starting", idle_since=ago(601))
    assert machine(instance=unknown, before=seen).state == "failing"
    failing = Machine(name="m-1", state="failing", idle_since=ago(700))
    assert machine(instance=unknown, before=failing).idle_since == ago(700)


def test_a_machine_whose_worker_is_gone_has_its_time_to_come_back() -> None:
    lost = worker(updated_at=ago(36))
    found = machine(lost, before=Machine(name="m-1", state="busy"))
    assert (found.state, found.idle_since, found.worker) == ("starting", NOON, "m-1-ab12")
    since = Machine(name="m-1", state="starting", idle_since=ago(601))
    assert machine(lost, before=since).state == "failing"


def test_a_stockout_is_told_by_the_groups_problems() -> None:
    def group(problem: str | None) -> GroupState:
        return GroupState(2, (Instance("a", "running"), Instance("b", "starting", None, problem)))

    assert is_stocked_out(group("ZONE_RESOURCE_POOL_EXHAUSTED"))
    assert is_stocked_out(group("QUOTA_EXCEEDED"))
    assert not is_stocked_out(group("RESOURCE_NOT_FOUND"))
    assert not is_stocked_out(group(None))


def test_where_nothing_drives_the_size_the_workers_that_serve_are_the_group() -> None:
    gone = worker(name="m-2-x", worker_id="m-2", updated_at=ago(40))
    group = group_of_workers([worker(), gone], at=NOON, patience=PATIENCE)
    assert group == GroupState(1, (Instance("m-1", "running", ago(3600)),))


def test_a_machine_whose_worker_is_refused_does_not_serve_and_fails_in_time() -> None:
    refused = worker(state="refused", refusal=REFUSAL)
    found = machine(refused, before=Machine(name="m-1", state="busy"))
    assert (found.state, found.idle_since, found.worker) == ("starting", NOON, None)
    assert found.utilisation_percent is None
    waiting = found.model_copy(update={"idle_since": ago(601)})
    assert machine(refused, before=waiting).state == "failing"
    assert machine(refused, before=waiting.model_copy(update={"idle_since": ago(599)})).state == "starting"


def test_one_that_is_refused_from_its_start_is_as_old_as_that() -> None:
    refused = worker(state="refused", refusal=REFUSAL)
    waiting = Machine(name="m-1", state="starting", idle_since=ago(601))
    found = machine(refused, instance=Instance("m-1", "running", ago(601)), before=waiting)
    assert found.state == "failing"
