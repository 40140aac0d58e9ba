"""What holds for every decision on the fleet's size, and for a fleet that is under one load for hours."""

from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.fleet.truth_table import NOW
from trivia_render.fleet.decision import decide
from trivia_render.models.fleet import (
    Decision,
    FleetSnapshot,
    Machine,
    MachineState,
    Override,
    PastDecision,
    ScalingPolicy,
    Trigger,
)

ZONES = [None, UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]
MOMENTS = st.one_of(
    st.integers(-900, 7200).map(lambda seconds: NOW - timedelta(seconds=seconds)),
    st.datetimes(
        timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))])
    ),
)
MACHINES = st.builds(
    Machine,
    name=st.text("abcdef", min_size=1, max_size=4),
    state=st.sampled_from(get_args(MachineState)),
    idle_since=st.none() | MOMENTS,
    utilisation_percent=st.none() | st.floats(0, 100),
    drained_by=st.sampled_from([None, "operator", "autoscaler"]),
)
PAST = st.builds(
    PastDecision,
    at=MOMENTS,
    trigger=st.sampled_from(get_args(Trigger)),
    machines_before=st.integers(-1, 30),
    target_machines=st.integers(-1, 30),
    pending_jobs=st.just(0),
    running_jobs=st.integers(-1, 30),
    workers=st.integers(-1, 30),
    utilisation_percent=st.none() | st.floats(0, 100),
    reason=st.just("Earlier."),
    acted=st.booleans(),
)
SNAPSHOTS = st.builds(
    FleetSnapshot,
    at=st.just(NOW) | MOMENTS,
    pending=st.dictionaries(
        st.sampled_from(["high", "default", "low"]), st.integers(0, 8) | st.integers(-3, 10**6), max_size=3
    ),
    running=st.dictionaries(st.sampled_from(["high", "default", "low"]), st.integers(0, 3), max_size=1),
    machines=st.lists(MACHINES, max_size=8, unique_by=lambda machine: machine.name).map(tuple),
    target_machines=st.integers(0, 12) | st.integers(0, 10**6),
    stocked_out=st.booleans(),
    videos_per_machine_per_day=st.none() | st.floats(0, exclude_min=True),
    override=st.none()
    | st.builds(Override, machines=st.integers(0, 40), at=MOMENTS, until=st.none() | MOMENTS),
    history=st.lists(PAST, max_size=3).map(tuple),
)
#: Every policy that the models take, sensible or not, and the two that are meant.
POLICIES = st.one_of(
    st.sampled_from([ScalingPolicy(), ScalingPolicy(name="measured")]),
    st.builds(
        ScalingPolicy,
        name=st.sampled_from(["operator", "measured"]),
        min_machines=st.integers(0, 30),
        max_machines=st.integers(1, 30),
        videos_per_machine=st.floats(0, exclude_min=True),
        planned_share=st.floats(0, 1, exclude_min=True),
        scale_up_pending=st.integers(0, 1000),
        scale_up_utilisation_percent=st.floats(0, 100),
        scale_down_pending=st.integers(0, 1000),
        scale_down_utilisation_percent=st.floats(0, 100),
        idle_seconds=st.floats(0),
        utilisation_step=st.integers(1, 30),
        cooldown_seconds=st.floats(0),
        drain_seconds=st.floats(0, exclude_min=True),
    ),
)


def busy_in(snapshot: FleetSnapshot) -> set[str]:
    return {machine.name for machine in snapshot.machines if machine.state == "busy"}


@settings(max_examples=600)
@given(SNAPSHOTS, POLICIES)
def test_whatever_is_seen_a_decision_keeps_within_the_bounds_and_away_from_busy_machines(
    snapshot: FleetSnapshot, policy: ScalingPolicy
) -> None:
    decision = decide(snapshot, policy)
    busy = busy_in(snapshot)
    assert min(policy.min_machines, policy.max_machines) <= decision.target_machines <= policy.max_machines
    assert decision.target_machines >= min(len(busy), policy.max_machines)
    assert not busy & set(decision.remove)
    assert len(set(decision.remove)) == len(decision.remove) <= len(snapshot.machines) - len(busy)
    assert set(decision.remove) <= {
        machine.name for machine in snapshot.machines if machine.state != "leaving"
    }
    assert decision.reason.endswith(".")
    assert decide(snapshot, policy) == decision
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


@settings(max_examples=400)
@given(
    SNAPSHOTS, POLICIES, st.integers(0, 10) | st.integers(0, 3000), st.integers(0, 10) | st.integers(0, 3000)
)
def test_more_waiting_jobs_never_make_a_smaller_fleet_nor_remove_more(
    snapshot: FleetSnapshot, policy: ScalingPolicy, pending: int, more: int
) -> None:
    few = decide(snapshot.model_copy(update={"pending": {"default": pending}}), policy)
    many = decide(snapshot.model_copy(update={"pending": {"default": pending + more}}), policy)
    assert few.target_machines <= many.target_machines
    assert set(many.remove) <= set(few.remove)


@settings(max_examples=400)
@given(SNAPSHOTS, POLICIES)
def test_longer_idle_machines_go_first(snapshot: FleetSnapshot, policy: ScalingPolicy) -> None:
    decision = decide(snapshot, policy)
    by_name = {machine.name: machine for machine in snapshot.machines}
    idle = [
        machine
        for name in decision.remove
        if (machine := by_name[name]).state == "idle" and machine.drained_by is None
    ]
    since = [aware(machine.idle_since) for machine in idle]
    assert since == sorted(since)
    stays = [
        aware(machine.idle_since)
        for machine in snapshot.machines
        if machine.state == "idle"
        and machine.drained_by is None
        and machine.idle_since is not None
        and machine.name not in decision.remove
    ]
    assert not since or not stays or max(since) <= min(stays)


@settings(max_examples=300)
@given(SNAPSHOTS, POLICIES)
def test_the_order_in_which_the_group_lists_its_machines_plays_no_part_in_the_size(
    snapshot: FleetSnapshot, policy: ScalingPolicy
) -> None:
    reverse = snapshot.model_copy(update={"machines": snapshot.machines[::-1]})
    one, other = decide(snapshot, policy), decide(reverse, policy)
    assert (one.target_machines, one.trigger) == (other.target_machines, other.trigger)


@settings(max_examples=300)
@given(SNAPSHOTS, POLICIES, st.integers(0, 40))
def test_a_size_set_by_hand_is_reached_whatever_the_rules_say(
    snapshot: FleetSnapshot, policy: ScalingPolicy, machines: int
) -> None:
    by_hand = snapshot.model_copy(update={"override": Override(machines=machines, at=snapshot.at)})
    decision = decide(by_hand, policy)
    bounded = min(max(machines, policy.min_machines), policy.max_machines)
    assert decision.target_machines >= bounded
    if machines >= snapshot.target_machines and machines >= len(busy_in(snapshot)):
        assert decision.target_machines == bounded


def aware(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# A fleet that is under one load.

STEP_SECONDS = 10
DECISION_SECONDS = 60
SETTLING = timedelta(hours=2)
WATCHED = timedelta(hours=4)

Dispatch = Literal["first", "in turn"]


class Load(NamedTuple):
    """Jobs that come at one pace. `offered`: how many machines they keep busy for ever.

    `dispatch`: which idle machine takes the next job. `first`: always the same ones, so that the last is
    used least; `in turn`: the one that was idle for longest. `reading`: the utilisation of a busy machine.
    """

    offered: float
    job_seconds: float
    dispatch: Dispatch = "first"
    reading: float = 95.0
    boot_seconds: float = 180.0


class SimulatedMachine:
    """A machine of the simulated group. Times are in seconds since the start."""

    def __init__(self, name: str, *, serves_at: float) -> None:
        self.name = name
        self.serves_at = serves_at
        self.busy_until = 0.0
        self.idle_since = serves_at
        self.asked_to_drain = False

    def seen(self, now: float, load: Load) -> Machine:
        state: MachineState
        if now < self.serves_at:
            state = "starting"
        elif now < self.busy_until:
            state = "draining" if self.asked_to_drain else "busy"
        else:
            state = "drained" if self.asked_to_drain else "idle"
        working = now < self.busy_until
        return Machine(
            name=self.name,
            state=state,
            idle_since=None if working else at(self.idle_since),
            utilisation_percent=load.reading if working else 0.0,
            drained_by="autoscaler" if self.asked_to_drain else None,
            worker=None if state == "starting" else self.name,
        )


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def sizes_over_time(
    load: Load, policy: ScalingPolicy, *, start: int = 1, burst: int = 0, remembers: bool = True
) -> list[tuple[float, int]]:
    """Run a fleet under a load; return the time and the size that was decided on, minute by minute."""
    fleet = [SimulatedMachine(f"m{number:04}", serves_at=0) for number in range(start)]
    made, aim, waiting, come = start, start, burst, 0
    history: deque[PastDecision] = deque(maxlen=60)
    sizes: list[tuple[float, int]] = []
    for now in range(0, int((SETTLING + WATCHED).total_seconds()), STEP_SECONDS):
        arrived = int(now * load.offered / load.job_seconds)
        waiting, come = waiting + arrived - come, arrived
        waiting -= take_jobs(fleet, waiting, now, load)
        if now % DECISION_SECONDS:
            continue
        snapshot = FleetSnapshot(
            at=at(now),
            pending={"default": waiting},
            running={"default": sum(now < machine.busy_until for machine in fleet)},
            machines=tuple(machine.seen(now, load) for machine in fleet),
            target_machines=aim,
            videos_per_machine_per_day=86_400 / load.job_seconds,
            history=tuple(history) if remembers else (),
        )
        decision = decide(snapshot, policy)
        gone = act(fleet, decision, snapshot)
        aim -= len(gone)
        for _ in range(max(0, decision.target_machines - aim)):
            fleet.append(SimulatedMachine(f"m{made:04}", serves_at=now + load.boot_seconds))
            made += 1
        aim = max(aim, decision.target_machines)
        history.append(past(decision, snapshot))
        sizes.append((now, decision.target_machines))
    return sizes


def take_jobs(fleet: list[SimulatedMachine], waiting: int, now: float, load: Load) -> int:
    for machine in fleet:
        if machine.idle_since < machine.busy_until <= now:
            machine.idle_since = machine.busy_until
    free = [
        machine
        for machine in fleet
        if machine.serves_at <= now and machine.busy_until <= now and not machine.asked_to_drain
    ]
    if load.dispatch == "in turn":
        free.sort(key=lambda machine: machine.idle_since)
    taken = free[:waiting]
    for machine in taken:
        machine.busy_until = now + load.job_seconds
    return len(taken)


def act(fleet: list[SimulatedMachine], decision: Decision, snapshot: FleetSnapshot) -> list[SimulatedMachine]:
    """Delete what is drained or does not serve, ask the others to drain, take back who is wanted again."""
    states = {machine.name: machine.state for machine in snapshot.machines}
    gone = [
        machine
        for machine in fleet
        if machine.name in decision.remove and states[machine.name] in {"drained", "starting", "failing"}
    ]
    for machine in gone:
        assert machine.busy_until <= (snapshot.at - NOW).total_seconds(), "a machine was deleted at work"
        fleet.remove(machine)
    for machine in fleet:
        machine.asked_to_drain = machine.name in decision.remove
    return gone


def past(decision: Decision, snapshot: FleetSnapshot) -> PastDecision:
    return PastDecision(
        at=decision.at,
        trigger=decision.trigger,
        machines_before=decision.machines_before,
        target_machines=decision.target_machines,
        pending_jobs=decision.pending_jobs,
        running_jobs=sum(snapshot.running.values()),
        workers=sum(machine.worker is not None for machine in snapshot.machines),
        utilisation_percent=decision.utilisation_percent,
        reason=decision.reason,
    )


def changes(sizes: list[tuple[float, int]], *, after: timedelta) -> list[tuple[float, int, int]]:
    return [
        (when / 3600, before, size)
        for (_, before), (when, size) in pairwise(sizes)
        if when >= after.total_seconds() and size != before
    ]


#: A job that keeps the whole fleet busy for longer than a cooldown, once in a while, is no constant load to
#: the rules: it is a rise and a fall of its own.
LOADS = [
    Load(0.02, 10, "first"),
    Load(0.17, 120, "first"),
    Load(0.3, 60, "first"),
    Load(0.3, 240, "in turn"),
    Load(0.85, 240, "first"),
    Load(1.05, 60, "in turn", reading=60),
    Load(1.9, 240, "first"),
    Load(2.05, 240, "first"),
    Load(3.1, 120, "first"),
    Load(4.5, 60, "first"),
    Load(7.05, 900, "in turn"),
    Load(12.6, 60, "first"),
]


def text_of(load: Load) -> str:
    return f"{load.offered:g}x{load.job_seconds:g}s-{load.dispatch.replace(' ', '-')}-{load.reading:g}"


@pytest.mark.parametrize("load", LOADS, ids=text_of)
@pytest.mark.parametrize("start", [1, 20])
@pytest.mark.parametrize("name", ["operator", "measured"])
def test_under_one_load_a_fleet_keeps_one_size(
    name: Literal["operator", "measured"], start: int, load: Load
) -> None:
    sizes = sizes_over_time(load, ScalingPolicy(name=name), start=start)
    assert len(changes(sizes, after=SETTLING)) <= 1
    assert sizes[-1][1] >= int(load.offered)


def test_without_its_memory_the_same_fleet_would_swing() -> None:
    sizes = sizes_over_time(Load(0.3, 60), ScalingPolicy(), remembers=False)
    assert len(changes(sizes, after=SETTLING)) > 10


@pytest.mark.parametrize("name", ["operator", "measured"])
def test_after_a_burst_the_fleet_goes_back_to_its_lower_bound_and_stays(
    name: Literal["operator", "measured"],
) -> None:
    sizes = [size for _, size in sizes_over_time(Load(0, 60), ScalingPolicy(name=name), burst=3000)]
    top = sizes.index(20)
    assert sizes[: top + 1] == sorted(sizes[: top + 1])
    assert sizes[top:] == sorted(sizes[top:], reverse=True)
    assert sizes[-1] == 1


def test_a_fleet_that_was_too_large_keeps_the_machines_for_its_load() -> None:
    # Five machines work at a time, at 95 %: six are 79 % busy, five would be 95 %.
    assert sizes_over_time(Load(4.5, 60), ScalingPolicy(), start=20)[-1][1] == 6


def test_a_load_that_utilisation_does_not_show_makes_the_fleet_grow_by_what_waits_and_never_shrink() -> None:
    sizes = [size for _, size in sizes_over_time(Load(7.5, 60, reading=60), ScalingPolicy())]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 7
