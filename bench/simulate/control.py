"""Who says how many machines there are: the product's own policies, or the oracle."""

from collections import deque
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from bench.simulate.oracle import Foresight
from trivia_render.fleet.decision import decide
from trivia_render.models.fleet import FleetSnapshot, Machine, PastDecision, ScalingPolicy
from trivia_render.pipeline.autoscaling import plan_steps

_HISTORY = timedelta(hours=1)


class Orders(NamedTuple):
    """What is to be done about the group now, by machine names."""

    drain: tuple[str, ...] = ()
    take_back: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    grow_to: int | None = None


class Controller(Protocol):
    """Looks at a fleet once a minute."""

    def __call__(self, snapshot: FleetSnapshot, *, minute: int) -> Orders:
        """Return what is to be done now. The snapshot has no history."""
        ...


class ByPolicy:
    """The product's decisions and the steps that it makes of them, with the history that it keeps."""

    def __init__(self, policy: ScalingPolicy) -> None:
        self._policy = policy
        self._history: deque[PastDecision] = deque()

    def __call__(self, snapshot: FleetSnapshot, *, minute: int) -> Orders:
        """Decide as the autoscaler does in production."""
        del minute
        self._forget(snapshot.at)
        decision = decide(snapshot.model_copy(update={"history": tuple(self._history)}), self._policy)
        steps = plan_steps(decision, snapshot.machines)
        deleted = tuple(machine.name for machine in steps.delete)
        self._history.append(
            PastDecision(
                at=decision.at,
                trigger=decision.trigger,
                machines_before=decision.machines_before,
                target_machines=decision.target_machines,
                removed=tuple(sorted(deleted)),
                pending_jobs=decision.pending_jobs,
                running_jobs=sum(snapshot.running.values()),
                workers=sum(machine.worker is not None for machine in snapshot.machines),
                utilisation_percent=decision.utilisation_percent,
                reason=decision.reason,
            )
        )
        left = snapshot.target_machines - len(deleted)
        grow_to = decision.target_machines if decision.target_machines > left else None
        return Orders(steps.drain, steps.take_back, deleted, grow_to)

    def _forget(self, now: datetime) -> None:
        while self._history and self._history[0].at <= now - _HISTORY:
            self._history.popleft()


class ByForesight:
    """Follows what the oracle says; also a busy machine is drained, and ends its shard first."""

    def __init__(self, foresight: Foresight, *, least: int, most: int) -> None:
        self._foresight = foresight
        self._least, self._most = least, most

    def __call__(self, snapshot: FleetSnapshot, *, minute: int) -> Orders:
        """Bring the fleet to the oracle's number."""
        wanted = self._foresight.machines(minute, snapshot.pending_jobs, most=self._most)
        wanted = max(wanted, self._least)
        gone = [machine for machine in snapshot.machines if _is_gone(machine)]
        staying = [machine for machine in snapshot.machines if not _is_gone(machine)]
        surplus = len(staying) - wanted
        delete = tuple(machine.name for machine in gone if machine.state in {"drained", "failing"})
        if surplus > 0:
            order = ("starting", "idle", "leaving", "busy")
            leaving = sorted(staying, key=lambda machine: order.index(machine.state))[:surplus]
            drain = tuple(machine.name for machine in leaving if machine.state in {"idle", "busy"})
            delete += tuple(machine.name for machine in leaving if machine.state == "starting")
            return Orders(drain=drain, delete=delete)
        back = tuple(machine.name for machine in gone if machine.state in {"draining", "drained"})[:-surplus]
        delete = tuple(name for name in delete if name not in back)
        target = snapshot.target_machines - len(delete)
        needed = target - surplus - len(back)
        return Orders(take_back=back, delete=delete, grow_to=needed if needed > target else None)


def _is_gone(machine: Machine) -> bool:
    return machine.state == "failing" or machine.drained_by is not None
