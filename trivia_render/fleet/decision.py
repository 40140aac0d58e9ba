"""How many machines a fleet should have, and which idle ones may go. Pure.

The rules of the policy `operator`, in the order of their precedence:

1. An override by hand, while it lasts, is all that counts.
2. While more than 100 jobs wait, the fleet grows to `ceil(pending / (200 * 0.5))`. Above 80 % utilisation it
   grows by one, and again after a cooldown. The larger of the two counts.
3. While fewer than 5 jobs wait, and utilisation is below 30 %, machines that were idle for more than 10
   minutes go.
4. Bounds come last: 1 to 20 machines.

`measured` puts the fleet's own throughput in the place of the constants, and looks at no utilisation. Under
both a busy machine never goes, and a cloud that has nothing to give is asked for nothing more.

docs/scaling.md has the truth table of these rules.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Literal, NamedTuple

from trivia_render.models.fleet import (
    Decision,
    FleetSnapshot,
    Machine,
    MachineState,
    PastDecision,
    ScalingPolicy,
    Trigger,
)

_DAY_SECONDS = 86_400


class Wish(NamedTuple):
    """A number of machines, and why. `idle_seconds`: how long a machine must have been idle to go."""

    machines: int
    trigger: Trigger
    reason: str
    idle_seconds: float = 0.0


def decide(snapshot: FleetSnapshot, policy: ScalingPolicy) -> Decision:
    """Decide how many machines there should be, and which idle ones go. Never raises."""
    utilisation = mean_utilisation(snapshot.machines)
    wish = _by_hand(snapshot) or _by_rules(snapshot, policy, utilisation)
    wish = _bounded(snapshot, policy, _within_stock(snapshot, wish))
    forced = tuple(_forced(snapshot, policy))
    surplus = max(0, snapshot.target_machines - wish.machines)
    chosen = _removable(snapshot, wish, except_for=forced)[: max(0, surplus - len(forced))]
    remove = (*forced, *chosen)
    left = snapshot.target_machines - len(remove)
    if left > wish.machines:
        kept = f" {left - wish.machines} more stay until they have nothing to do."
        wish = wish._replace(machines=min(left, policy.max_machines), reason=wish.reason + kept)
    if forced and wish.machines == snapshot.target_machines:
        wish = _replacing(wish, forced)
    return Decision(
        at=snapshot.at,
        policy=policy.name,
        trigger=wish.trigger,
        machines_before=snapshot.target_machines,
        target_machines=wish.machines,
        remove=tuple(machine.name for machine in remove),
        pending_jobs=snapshot.pending_jobs,
        utilisation_percent=utilisation,
        reason=wish.reason,
    )


def operator_formula(pending_jobs: int, policy: ScalingPolicy) -> int:
    """Return `ceil(pending / (200 * 0.5))`, without bounds."""
    return _quotient(pending_jobs, policy.videos_per_machine, policy.planned_share)


def measured_formula(pending_jobs: int, policy: ScalingPolicy, videos_per_machine_per_day: float) -> int:
    """Return how many machines render all that waits within `drain_seconds`, without bounds."""
    return _quotient(pending_jobs * _DAY_SECONDS, videos_per_machine_per_day, policy.drain_seconds)


def _quotient(amount: float, *per_machine: float) -> int:
    """Return the amount divided by the product of the rest, rounded up.

    As decimals: in floats 29 / (100 * 0.29) is more than 1, and would need two machines.
    """
    if math.inf in per_machine:
        return 0
    return math.ceil(Fraction(str(amount)) / math.prod(Fraction(str(factor)) for factor in per_machine))


def mean_utilisation(machines: Sequence[Machine]) -> float | None:
    """Return the mean over the machines that serve, in percent; None where nothing is known of any.

    A machine that has nothing to do counts as 0, also one that the autoscaler is draining: it is still there
    to be taken back. A busy one that says nothing does not count.
    """
    values = [value for machine in machines if (value := _utilisation(machine)) is not None]
    return sum(values) / len(values) if values else None


def _utilisation(machine: Machine) -> float | None:
    if machine.state == "busy":
        return machine.utilisation_percent
    return 0.0 if machine.state == "idle" or _is_retiring(machine) else None


def _by_hand(snapshot: FleetSnapshot) -> Wish | None:
    override = snapshot.override
    if override is None or (override.until is not None and _age_seconds(override.until, snapshot) >= 0):
        return None
    until = "" if override.until is None else f" until {override.until.isoformat(' ', 'minutes')}"
    return Wish(override.machines, "manual", f"Set to {override.machines} by hand{until}.")


def _by_rules(snapshot: FleetSnapshot, policy: ScalingPolicy, utilisation: float | None) -> Wish:
    measured = snapshot.videos_per_machine_per_day if policy.name == "measured" else None
    if measured is not None:
        needed = measured_formula(snapshot.pending_jobs, policy, measured)
        wish = _up_by_measure(snapshot, policy, needed, measured)
        quiet, loads = True, _loads_by_jobs(snapshot, policy.idle_seconds)
        utilisation = None
    else:
        if utilisation is not None:
            utilisation = _smoothed(snapshot, policy)
        needed = operator_formula(snapshot.pending_jobs, policy)
        wish = _up_by_operator(snapshot, policy, needed, utilisation)
        quiet, loads = _is_quiet(snapshot, policy, utilisation), _loads(snapshot, policy.idle_seconds)
    if wish.machines <= snapshot.target_machines and quiet:
        # As many as would not soon be too busy again: a fleet that is under one load has one size.
        for_load = _quotient(max(loads), max(policy.scale_up_utilisation_percent, 1.0))
        wish = _down(snapshot, policy, needed, for_load, utilisation) or wish
    if policy.name == "measured" and measured is None:
        wish = wish._replace(reason=f"{wish.reason} Nothing was measured yet: by the constants.")
    return wish


def _loads(snapshot: FleetSnapshot, seconds: float) -> list[float]:
    """Return what all machines have to do in percent of one, now and at the decisions since `seconds` ago."""
    now = sum(_utilisation(machine) or 0.0 for machine in snapshot.machines)
    return [now] + [
        past.utilisation_percent * past.workers
        for past in snapshot.history
        if past.utilisation_percent is not None and _age_seconds(past.at, snapshot) < seconds
    ]


def _loads_by_jobs(snapshot: FleetSnapshot, seconds: float) -> list[float]:
    """Return the same where a machine that is at work counts as 100 %."""
    return [100.0 * _busy(snapshot)] + [
        100.0 * min(past.running_jobs, past.workers)
        for past in snapshot.history
        if _age_seconds(past.at, snapshot) < seconds
    ]


def _smoothed(snapshot: FleetSnapshot, policy: ScalingPolicy) -> float:
    """Return the utilisation of the machines that serve now, by the mean load since a cooldown ago.

    A single look finds a machine at work or not: of one job an hour it would make 100 % now and then.
    """
    loads = _loads(snapshot, policy.cooldown_seconds)
    serving = sum(_utilisation(machine) is not None for machine in snapshot.machines)
    return min(sum(loads) / len(loads) / serving, 100.0)


def _is_quiet(snapshot: FleetSnapshot, policy: ScalingPolicy, utilisation: float | None) -> bool:
    if utilisation is not None:
        return utilisation < policy.scale_down_utilisation_percent
    # No machine serves, and nothing shows that one that is silent is at work.
    return not _busy(snapshot) and not any(snapshot.running.values())


def _up_by_operator(
    snapshot: FleetSnapshot, policy: ScalingPolicy, needed: int, utilisation: float | None
) -> Wish:
    pending, current = snapshot.pending_jobs, snapshot.target_machines
    wish = Wish(current, "none", f"{_jobs_wait(pending)}: the size stays at {current}.")
    if utilisation is not None and utilisation > policy.scale_up_utilisation_percent:
        said = f"Utilisation was {utilisation:.1f} % of late, above {policy.scale_up_utilisation_percent:g} %"
        if any(machine.state == "starting" for machine in snapshot.machines):
            wish = wish._replace(reason=f"{said}; machines that were asked for are still starting.")
        elif _changed_lately(snapshot, policy, "any"):
            wish = wish._replace(
                reason=f"{said}; the last change is not {policy.cooldown_seconds:.0f} s old."
            )
        else:
            wanted = current + policy.utilisation_step
            wish = Wish(wanted, "utilisation", f"{said}: {_machines(wanted)}.")
    # A fleet without a machine has none that could get too busy: anything that waits starts one.
    if (pending > policy.scale_up_pending or current == 0) and needed > wish.machines:
        limit = policy.scale_up_pending if pending > policy.scale_up_pending else 0
        wish = Wish(needed, "pending", f"{_jobs_wait(pending)}, more than {limit}: {_machines(needed)}.")
    return wish


def _up_by_measure(snapshot: FleetSnapshot, policy: ScalingPolicy, needed: int, measured: float) -> Wish:
    current = snapshot.target_machines
    share = measured / _DAY_SECONDS * policy.drain_seconds
    said = (
        f"{_jobs_wait(snapshot.pending_jobs)}; a machine renders {measured:.0f} a day, "
        f"{share:.1f} in {policy.drain_seconds:.0f} s"
    )
    if needed > current:
        return Wish(needed, "pending", f"{said}: {_machines(needed)}.")
    return Wish(current, "none", f"{said}: the size stays at {current}.")


def _down(
    snapshot: FleetSnapshot, policy: ScalingPolicy, needed: int, for_load: int, utilisation: float | None
) -> Wish | None:
    pending, current = snapshot.pending_jobs, snapshot.target_machines
    if pending >= policy.scale_down_pending:
        return None
    # What was begun is ended; only a new beginning waits for the cooldown, and asks what the load needs.
    retiring = sum(_is_retiring(machine) for machine in snapshot.machines)
    if not retiring and _changed_lately(snapshot, policy, "grown"):
        return None
    spare = retiring + len(_unused(snapshot, policy.idle_seconds))
    for_load = min(for_load, current - retiring)
    wanted = max(current - spare, needed, for_load, policy.min_machines)
    if wanted >= current:
        return None
    low = "" if utilisation is None else f"; utilisation was {utilisation:.1f} % of late"
    reason = (
        f"{_jobs_wait(pending)}, fewer than {policy.scale_down_pending}{low}; unused for more than "
        f"{policy.idle_seconds:.0f} s: {_machines(spare)}, which leaves {wanted}."
    )
    return Wish(wanted, "idle", reason, policy.idle_seconds)


def _within_stock(snapshot: FleetSnapshot, wish: Wish) -> Wish:
    if not snapshot.stocked_out or wish.trigger == "manual" or wish.machines <= snapshot.target_machines:
        return wish
    held = f" The cloud has none to give: the size stays at {snapshot.target_machines}."
    return Wish(snapshot.target_machines, "none", wish.reason + held)


def _bounded(snapshot: FleetSnapshot, policy: ScalingPolicy, wish: Wish) -> Wish:
    busy = _busy(snapshot)
    trigger: Trigger = "bounds" if wish.trigger == "none" else wish.trigger
    if wish.machines < busy:
        wish = wish._replace(machines=busy, trigger=trigger, reason=f"{wish.reason} {busy} are busy.")
    machines = min(max(wish.machines, policy.min_machines), policy.max_machines)
    if machines == wish.machines:
        return wish
    return wish._replace(
        machines=machines,
        trigger=trigger,
        reason=f"{wish.reason} Bounded to {machines} ({policy.min_machines} to {policy.max_machines}).",
        # What is too many for the bounds goes as soon as it has nothing to do.
        idle_seconds=0.0 if machines < wish.machines else wish.idle_seconds,
    )


def _forced(snapshot: FleetSnapshot, policy: ScalingPolicy) -> Iterator[Machine]:
    """Yield the machines that go whatever the size is, to be replaced where it stays."""
    for machine in snapshot.machines:
        if machine.state == "drained" and machine.drained_by == "operator":
            yield machine
    # One at a time: what all machines fail of, a new one cures no better.
    if not any(past.trigger == "replace" for past in _recent(snapshot, policy)):
        yield from _longest_first(snapshot, {"failing"})[:1]


def _removable(snapshot: FleetSnapshot, wish: Wish, *, except_for: Sequence[Machine]) -> list[Machine]:
    """Return the machines that may go, those first whose end costs least."""
    retiring = [machine for machine in snapshot.machines if _is_retiring(machine)]
    drained_first = sorted(retiring, key=lambda machine: machine.state != "drained")
    failing = _longest_first(snapshot, {"failing"})
    unused = [machine for machine in _unused(snapshot, wish.idle_seconds) if machine not in failing]
    return [machine for machine in (*failing, *drained_first, *unused) if machine not in except_for]


def _unused(snapshot: FleetSnapshot, seconds: float) -> list[Machine]:
    """Return the machines that have had nothing to do for longer, the longest first.

    One that starts, or fails to serve, has nothing to do since it was asked for or last served. One whose
    worker has fallen silent may be at work: it has until it counts as failing.
    """
    return [
        machine
        for machine in _longest_first(snapshot, {"idle", "starting", "failing"})
        if machine.state == "failing" or machine.drained_by is None
        if machine.state != "starting" or machine.worker is None
        if machine.idle_since is not None
        if seconds == 0 or _age_seconds(machine.idle_since, snapshot) > seconds
    ]


def _is_retiring(machine: Machine) -> bool:
    """Tell whether a machine was asked by the autoscaler to drain, and can still be taken back."""
    there: set[MachineState] = {"starting", "draining", "drained"}
    return machine.drained_by == "autoscaler" and machine.state in there


def _busy(snapshot: FleetSnapshot) -> int:
    return sum(machine.state == "busy" for machine in snapshot.machines)


def _longest_first(snapshot: FleetSnapshot, states: set[MachineState]) -> list[Machine]:
    def order(machine: Machine) -> tuple[float, str]:
        since = machine.idle_since
        return (math.inf if since is None else -_age_seconds(since, snapshot), machine.name)

    return sorted((machine for machine in snapshot.machines if machine.state in states), key=order)


def _replacing(wish: Wish, forced: Sequence[Machine]) -> Wish:
    failing = [machine.name for machine in forced if machine.state == "failing"]
    if failing:
        return wish._replace(
            trigger="replace", reason=f"{wish.reason} {failing[0]} does not serve: replaced."
        )
    names = ", ".join(machine.name for machine in forced)
    return wish._replace(trigger="drained", reason=f"{wish.reason} Drained by hand: {names}.")


def _recent(snapshot: FleetSnapshot, policy: ScalingPolicy) -> list[PastDecision]:
    return [
        past
        for past in snapshot.history
        if past.acted and _age_seconds(past.at, snapshot) < policy.cooldown_seconds
    ]


def _changed_lately(snapshot: FleetSnapshot, policy: ScalingPolicy, how: Literal["grown", "any"]) -> bool:
    return any(
        past.target_machines > past.machines_before
        or (how == "any" and past.target_machines < past.machines_before)
        for past in _recent(snapshot, policy)
    )


def _age_seconds(moment: datetime, snapshot: FleetSnapshot) -> float:
    """Return how long ago that was; below zero: it is still to come. A time without a zone is in UTC."""
    then, now = (time if time.tzinfo else time.replace(tzinfo=UTC) for time in (moment, snapshot.at))
    return (now - then).total_seconds()


def _jobs_wait(pending: int) -> str:
    return "1 job waits" if pending == 1 else f"{pending} jobs wait"


def _machines(number: int) -> str:
    return "1 machine" if number == 1 else f"{number} machines"
