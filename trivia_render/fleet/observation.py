"""What the machines of a group are doing, put together from the group and from their workers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from trivia_render.fleet.machines import STOCKOUT_PROBLEMS, GroupState, Instance
from trivia_render.models.fleet import DrainRequest, Machine, MachineState, WorkerRecord


class Patience(NamedTuple):
    """After so long without a heartbeat a worker is lost, and after so long a machine fails."""

    lost_seconds: float
    boot_seconds: float


def observe(
    group: GroupState,
    workers: Iterable[WorkerRecord],
    drains: Mapping[str, DrainRequest],
    *,
    before: Sequence[Machine],
    at: datetime,
    patience: Patience,
) -> tuple[Machine, ...]:
    """Return what each machine of the group is doing.

    `before`: what they did at the last look. A machine without a worker is as old as it has been seen without
    one: also a machine whose worker is gone has its time to come back.
    """
    newest = newest_workers(workers)
    earlier = {machine.name: machine for machine in before}
    return tuple(
        _machine(
            instance,
            newest.get(instance.name),
            drains.get(instance.name),
            before=earlier.get(instance.name),
            at=at,
            patience=patience,
        )
        for instance in group.instances
    )


def is_stocked_out(group: GroupState) -> bool:
    """Tell whether the cloud has no machine to give."""
    return any(instance.problem in STOCKOUT_PROBLEMS for instance in group.instances)


def group_of_workers(workers: Iterable[WorkerRecord], *, at: datetime, patience: Patience) -> GroupState:
    """Return the workers that serve as if they were a group: where nothing drives the fleet's size."""
    live = [
        Instance(name, "running", worker.started_at)
        for name, worker in sorted(newest_workers(workers).items())
        if _is_fresh(worker, at=at, patience=patience)
    ]
    return GroupState(target=len(live), instances=tuple(live))


def newest_workers(workers: Iterable[WorkerRecord]) -> dict[str, WorkerRecord]:
    """Return the last start of each machine's worker, by the machine's name."""
    newest: dict[str, WorkerRecord] = {}
    for worker in sorted(workers, key=lambda record: (record.started_at, record.updated_at)):
        newest[worker.worker_id] = worker
    return newest


def _machine(
    instance: Instance,
    worker: WorkerRecord | None,
    drain: DrainRequest | None,
    *,
    before: Machine | None,
    at: datetime,
    patience: Patience,
) -> Machine:
    drained_by = None if drain is None else drain.by
    fresh = worker is not None and _is_fresh(worker, at=at, patience=patience)
    # An old word of goodbye says nothing of the machine that was made anew under the name.
    if instance.state == "leaving" or (fresh and worker is not None and worker.state == "stopping"):
        return Machine(name=instance.name, state="leaving")
    if worker is None or not fresh or worker.state == "refused":
        waiting = before is not None and before.state in {"starting", "failing"}
        since = (before.idle_since if before is not None and waiting else None) or at
        if worker is None and instance.since is not None:
            since = min(since, instance.since)
        overdue = (at - since).total_seconds() > patience.boot_seconds
        # What the group itself has not made yet is late, but not broken.
        failing = overdue and instance.state == "running"
        return Machine(
            name=instance.name,
            state="failing" if failing else "starting",
            idle_since=since,
            drained_by=drained_by,
            # Silent, and perhaps at work all the same; one that is refused has nothing.
            worker=None if worker is None or worker.state in {"stopping", "refused"} else worker.name,
        )
    return Machine(
        name=instance.name,
        state=_state(worker, drain),
        idle_since=None if worker.runs else worker.idle_since,
        utilisation_percent=worker.utilisation_percent(),
        drained_by=drained_by,
        worker=worker.name,
    )


def _state(worker: WorkerRecord, drain: DrainRequest | None) -> MachineState:
    if worker.state == "drained" and drain is not None:
        return "drained"
    if worker.state in {"draining", "drained"} or drain is not None:
        # Asked to, and not done yet; or about to be taken back.
        return "draining"
    return "busy" if worker.runs else "idle"


def _is_fresh(worker: WorkerRecord, *, at: datetime, patience: Patience) -> bool:
    return (at - worker.updated_at).total_seconds() < patience.lost_seconds
