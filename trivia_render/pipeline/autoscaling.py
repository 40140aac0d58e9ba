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
    #: Raises FleetError once another pass has taken over. Asked before each change of the group.
    hold_turn: Callable[[], None]


def autoscale_once(
    scaler: Autoscaler, queue: QueueCounts, *, videos_per_machine_per_day: float | None
) -> DecisionRecord:
    """Look at the fleet, decide, act, and return the record of it, which is in the store then.

    Raises the errors of the store and of the group; a decision that could not be acted upon is recorded with
    its error all the same.
    """
    at = scaler.now()
    group = None if scaler.group is None else scaler.group.read()
    look = _look(scaler, queue, group, at=at, videos_per_machine_per_day=videos_per_machine_per_day)
    decision = decide(look.snapshot, scaler.policy)
    record = DecisionRecord(
        fleet=scaler.fleet,
        snapshot=look.snapshot.model_copy(update={"history": ()}),
        policy=scaler.policy,
        decision=decision,
        paused=read_pause(scaler.store) is not None,
    )
    scaler.hold_turn()
    write_model(scaler.store, keys.FLEET_DECISION_KEY, record)
    trouble: TriviaRenderError | None = None
    # What is done is written down although what comes after it fails.
    done: dict[str, object] = {}
    if scaler.group is not None and group is not None and not record.paused:
        try:
            _refuse_foreign(group)
            _act(scaler, scaler.group, record, target=group.target, done=done)
            _forget_drains(scaler, look)
        except TriviaRenderError as error:
            trouble = error
            done["error"] = str(error)
    record = record.model_copy(update={**done, "finished_at": scaler.now()})
    write_model(scaler.store, keys.FLEET_DECISION_KEY, record)
    add_to_history(scaler.store, record.as_past())
    if trouble is not None:
        raise trouble
    return record


class _Look(NamedTuple):
    """What was seen. `heard`: the machines whose worker has spoken lately, of the group or not."""

    snapshot: FleetSnapshot
    heard: frozenset[str]


def _look(
    scaler: Autoscaler,
    queue: QueueCounts,
    group: GroupState | None,
    *,
    at: datetime,
    videos_per_machine_per_day: float | None,
) -> _Look:
    store = scaler.store
    records = read_workers(store, since=at - _HISTORY)
    workers = [worker for worker in records if worker.pool == scaler.pool]
    last = read_decision(store)
    heard = group_of_workers(records, at=at, patience=scaler.patience)
    if group is None:
        group = group_of_workers(workers, at=at, patience=scaler.patience)
    snapshot = FleetSnapshot(
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
        target_machines=max(group.target, owed_machines(last)),
        stocked_out=is_stocked_out(group),
        videos_per_machine_per_day=videos_per_machine_per_day,
        override=read_override(store),
        history=tuple(read_history(store, since=at - _HISTORY, until=at)),
    )
    return _Look(snapshot, frozenset(instance.name for instance in heard.instances))


def owed_machines(last: DecisionRecord | None) -> int:
    """Return the size that a pass was to keep which was cut off, or failed, after it had deleted. Pure.

    Such a pass has taken a machine away that it was to replace. What it was to grow by is decided anew.
    """
    if last is None or last.fleet == "none" or last.paused:
        return 0
    if last.finished_at is not None and last.error is None:
        return 0
    return min(last.decision.machines_before, last.decision.target_machines)


def _act(
    scaler: Autoscaler, group: MachineGroup, record: DecisionRecord, *, target: int, done: dict[str, object]
) -> None:
    """Bring the fleet a step nearer to what was decided, and put down in `done` what was done.

    `target`: what the group aims at now. Raises the store's errors and the group's.
    """
    steps = plan_steps(record.decision, record.snapshot.machines)
    for name in steps.take_back:
        take_drain_back(scaler.store, name)
    done["taken_back"] = steps.take_back
    for name in steps.drain:
        request = DrainRequest(worker_id=name, by="autoscaler", at=record.decision.at)
        ask_to_drain(scaler.store, request)
    done["asked_to_drain"] = steps.drain
    if steps.delete:
        scaler.hold_turn()
        group.delete([machine.name for machine in steps.delete], request_id=_deletion_id(steps.delete))
        done["deleted"] = tuple(sorted(machine.name for machine in steps.delete))
    if record.decision.target_machines > target - len(steps.delete):
        scaler.hold_turn()
        # Its own number says which request it is: again, it asks for the same.
        group.grow(record.decision.target_machines, request_id=str(uuid.uuid4()))
        done["grown_to"] = record.decision.target_machines


def _forget_drains(scaler: Autoscaler, look: _Look) -> None:
    """Forget the drains of machines that are gone.

    Not of those that were deleted just now, which still run for a while: let off, they could take a job. Nor
    of a worker beside the group, which nobody deletes.
    """
    there = {machine.name for machine in look.snapshot.machines} | look.heard
    for name in set(read_drains(scaler.store)) - there:
        take_drain_back(scaler.store, name)


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
