"""One pass of the autoscaler: look, decide, act, write down.

Each step may be done twice, and a pass that was cut off leaves nothing for the next one to know: that looks
at what is there and decides anew.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from trivia_render.errors import FleetError, TriviaRenderError
from trivia_render.fleet.decision import decide
from trivia_render.fleet.machines import GroupState, MachineGroup
from trivia_render.fleet.observation import Patience, group_of_workers, is_stocked_out, observe
from trivia_render.models.fleet import (
    Decision,
    DecisionRecord,
    DrainRequest,
    FleetSnapshot,
    Machine,
    QueueCounts,
    ScalingPolicy,
)
from trivia_render.models.ports import Store
from trivia_render.pipeline.fleet_records import (
    add_to_history,
    ask_to_drain,
    read_decision,
    read_drains,
    read_history,
    read_override,
    read_pause,
    read_workers,
    take_drain_back,
    write_model,
)
from trivia_render.storage import keys

#: How far back decisions matter: longer than any cooldown.
_HISTORY = timedelta(hours=1)
_REQUESTS = uuid.UUID("9d3b0c5e-1f0f-4a56-9a0c-6f1f0f7a4f5e")


class Autoscaler(NamedTuple):
    """What a pass works with. `group` None: nothing drives the fleet's size, and nothing is done."""

    store: Store
    fleet: Literal["none", "local", "gce"]
    group: MachineGroup | None
    policy: ScalingPolicy
    patience: Patience
    pool: str
    now: Callable[[], datetime]


def autoscale_once(
    scaler: Autoscaler, queue: QueueCounts, *, videos_per_machine_per_day: float | None
) -> DecisionRecord:
    """Look at the fleet, decide, act, and return the record of it, which is in the store then.

    Raises the errors of the store and of the group; a decision that could not be acted upon is recorded with
    its error all the same.
    """
    at = scaler.now()
    group = None if scaler.group is None else scaler.group.read()
    snapshot = _snapshot(scaler, queue, group, at=at, videos_per_machine_per_day=videos_per_machine_per_day)
    decision = decide(snapshot, scaler.policy)
    record = DecisionRecord(
        fleet=scaler.fleet,
        snapshot=snapshot.model_copy(update={"history": ()}),
        policy=scaler.policy,
        decision=decision,
        paused=read_pause(scaler.store) is not None,
    )
    write_model(scaler.store, keys.FLEET_DECISION_KEY, record)
    trouble: TriviaRenderError | None = None
    if scaler.group is not None and not record.paused:
        try:
            _refuse_foreign(group)
            record = _act(scaler, scaler.group, record)
        except TriviaRenderError as error:
            trouble = error
            record = record.model_copy(update={"error": str(error)})
    record = record.model_copy(update={"finished_at": scaler.now()})
    write_model(scaler.store, keys.FLEET_DECISION_KEY, record)
    add_to_history(scaler.store, record.as_past())
    if trouble is not None:
        raise trouble
    return record


def _snapshot(
    scaler: Autoscaler,
    queue: QueueCounts,
    group: GroupState | None,
    *,
    at: datetime,
    videos_per_machine_per_day: float | None,
) -> FleetSnapshot:
    store = scaler.store
    workers = [worker for worker in read_workers(store, since=at - _HISTORY) if worker.pool == scaler.pool]
    last = read_decision(store)
    if group is None:
        group = group_of_workers(workers, at=at, patience=scaler.patience)
    return FleetSnapshot(
        at=at,
        pending=queue.pending,
        running=queue.running,
        machines=observe(
            group,
            workers,
            read_drains(store),
            before=() if last is None else last.snapshot.machines,
            at=at,
            patience=scaler.patience,
        ),
        target_machines=group.target,
        stocked_out=is_stocked_out(group),
        videos_per_machine_per_day=videos_per_machine_per_day,
        override=read_override(store),
        history=tuple(read_history(store, since=at - _HISTORY, until=at)),
    )


def _act(scaler: Autoscaler, group: MachineGroup, record: DecisionRecord) -> DecisionRecord:
    """Bring the fleet a step nearer to what was decided. Raises the store's errors and the group's."""
    steps = plan_steps(record.decision, record.snapshot.machines)
    for name in steps.take_back:
        take_drain_back(scaler.store, name)
    for name in steps.drain:
        request = DrainRequest(worker_id=name, by="autoscaler", at=record.decision.at)
        ask_to_drain(scaler.store, request)
    if steps.delete:
        group.delete([machine.name for machine in steps.delete], request_id=_deletion_id(steps.delete))
    target = record.snapshot.target_machines - len(steps.delete)
    grown_to = record.decision.target_machines if record.decision.target_machines > target else None
    if grown_to is not None:
        # Its own number says which request it is: again, it asks for the same.
        group.grow(grown_to, request_id=str(uuid.uuid4()))
    # Last: a machine that was let off its drain before it was deleted could still take a job.
    gone = {machine.name for machine in steps.delete}
    there = {machine.name for machine in record.snapshot.machines} - gone
    for name in set(read_drains(scaler.store)) - there:
        take_drain_back(scaler.store, name)
    return record.model_copy(
        update={
            "asked_to_drain": steps.drain,
            "taken_back": steps.take_back,
            "deleted": tuple(sorted(gone)),
            "grown_to": grown_to,
        }
    )


class Steps(NamedTuple):
    """What a decision asks for now: drains to begin and to take back, and machines to delete."""

    drain: tuple[str, ...]
    take_back: tuple[str, ...]
    delete: tuple[Machine, ...]


def plan_steps(decision: Decision, machines: Sequence[Machine]) -> Steps:
    """Return what is to be done about each machine. Pure.

    Only what has nothing to do is deleted: a drained machine, or one without a worker. Everything else is
    drained first. A drain that the autoscaler began and no longer wants is taken back; an operator's stays.
    """
    remove = set(decision.remove)
    return Steps(
        drain=tuple(
            machine.name for machine in machines if machine.name in remove and machine.state == "idle"
        ),
        take_back=tuple(
            machine.name
            for machine in machines
            if machine.drained_by == "autoscaler" and machine.name not in remove
        ),
        delete=tuple(
            machine
            for machine in machines
            if machine.name in remove and machine.state in {"drained", "starting", "failing"}
        ),
    )


def _deletion_id(machines: Sequence[Machine]) -> str:
    """Name a deletion: the same machines, as they are now, are deleted once.

    A group makes a machine anew under its old name, so the name alone does not say which one is meant.
    """
    which = sorted(f"{machine.name} {machine.worker or machine.idle_since}" for machine in machines)
    return str(uuid.uuid5(_REQUESTS, "\n".join(["delete", *which])))


def _refuse_foreign(group: GroupState | None) -> None:
    if group is not None and group.foreign_autoscaler is not None:
        raise FleetError(
            f"Another autoscaler drives this group: {group.foreign_autoscaler}.",
            remedy="Delete it, or turn it off: two of them would undo each other's work.",
        )
