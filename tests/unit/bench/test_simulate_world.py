"""A simulated fleet: nothing is lost, nothing is done twice, and the product's own code decides."""

import itertools

import numpy as np
import pytest

from bench.simulate import control
from bench.simulate.arrivals import make_day
from bench.simulate.capacity import simulate, simulate_oracle
from bench.simulate.control import ByPolicy, Orders
from bench.simulate.inputs import Inputs, Stockout
from bench.simulate.outcome import keeps_up
from bench.simulate.world import World
from trivia_render.fleet.decision import decide
from trivia_render.models.fleet import Decision, DecisionRecord, FleetSnapshot, ScalingPolicy
from trivia_render.pipeline import autoscaling

CALM = Inputs(
    videos=1500, hours=3, bursts=1, burst_jobs=(300, 300), lifetime_hours=1e9, dud_share=0, stockouts=(),
    limit_hours=12,
)  # fmt: skip
POLICIES = [ScalingPolicy(name="operator"), ScalingPolicy(name="measured")]


def run(inputs: Inputs, policy: ScalingPolicy, seed: int = 1) -> World:
    day = make_day(inputs, seed)
    return World(inputs, day, ByPolicy(policy), seed=seed, at_first=policy.min_machines).run()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_job_is_rendered_once_after_it_came(policy: ScalingPolicy) -> None:
    world = run(CALM, policy)
    begun, ended = np.array(world.begun_at), np.array(world.ended_at)
    assert world.completed == 1500
    assert np.all(begun >= world.day.arrived_at)
    assert np.allclose(ended - begun, world.day.seconds)
    assert world.pending == 0


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_busy_machine_is_never_taken_away_by_a_policy(policy: ScalingPolicy) -> None:
    world = run(CALM, policy)
    assert world.grown > 0
    assert world.lost_seconds == 0
    runs = len(world.day.submissions)
    assert world.busy_seconds == pytest.approx(world.day.seconds.sum() + 4 * runs)


def test_what_is_paid_for_is_time_that_starts_renders_or_idles() -> None:
    outcome, _ = simulate(CALM, POLICIES[0], seed=1)
    assert outcome.busy_hours + outcome.starting_hours + outcome.idle_hours == pytest.approx(
        outcome.machine_hours
    )
    assert outcome.idle_hours > 0
    assert outcome.max_machines <= 20


def test_the_same_seed_gives_the_same_figures() -> None:
    rough = CALM.model_copy(update={"lifetime_hours": 1.0, "dud_share": 0.05})
    assert simulate(rough, POLICIES[1], seed=5)[0] == simulate(rough, POLICIES[1], seed=5)[0]
    assert simulate(rough, POLICIES[1], seed=5)[0] != simulate(rough, POLICIES[1], seed=6)[0]


def test_preempted_machines_lose_a_part_of_a_clip_and_no_job() -> None:
    rough = CALM.model_copy(update={"lifetime_hours": 0.25, "seconds_per_video": 60.0})
    world = run(rough, POLICIES[1])
    assert world.completed == 1500
    assert world.preemptions > 20
    longest_clip = world.day.seconds.max() / rough.clips
    assert 0 < world.lost_seconds <= world.preemptions * longest_clip


def test_a_machine_that_never_serves_is_replaced() -> None:
    bad = CALM.model_copy(update={"dud_share": 0.3})
    world = run(bad, POLICIES[0], seed=2)
    assert world.duds > 0
    assert world.deleted > 0
    assert world.completed == 1500


def test_no_machine_comes_while_the_cloud_has_none_and_the_policy_is_told_once_it_asks() -> None:
    inputs = CALM.model_copy(
        update={"stockouts": (Stockout(begin_hour=0.0, minutes=60),), "seconds_per_video": 60.0}
    )
    seen: list[FleetSnapshot] = []
    by_policy = ByPolicy(POLICIES[0])

    def watched(snapshot: FleetSnapshot, *, minute: int) -> Orders:
        seen.append(snapshot)
        return by_policy(snapshot, minute=minute)

    world = World(inputs, make_day(inputs, 1), watched, seed=1, at_first=1).run()
    early = [sample for sample in world.samples if sample.at_seconds < 3600]
    assert {sample.machines for sample in early} == {0}
    assert all(snapshot.stocked_out for snapshot in seen[:59])
    assert {snapshot.target_machines for snapshot in seen[:59]} == {1}
    assert max(sample.machines for sample in world.samples) > 1
    assert world.completed == 1500


def test_what_the_policy_is_told_to_wait_are_jobs_that_have_not_begun() -> None:
    counted: list[tuple[float, int]] = []
    by_policy = ByPolicy(POLICIES[0])

    def watched(snapshot: FleetSnapshot, *, minute: int) -> Orders:
        counted.append((minute * 60.0, snapshot.pending_jobs))
        return by_policy(snapshot, minute=minute)

    world = World(CALM, make_day(CALM, 1), watched, seed=1, at_first=1).run()
    begun = np.array(world.begun_at)
    for at, pending in counted[:120]:
        assert pending == int(((world.day.arrived_at <= at) & (begun > at)).sum())


def test_slow_machines_do_not_keep_up_and_fast_ones_do() -> None:
    few = ScalingPolicy(name="measured", max_machines=3)
    slow, fast = CALM.model_copy(update={"seconds_per_video": 60.0}), CALM
    assert not keeps_up(simulate(slow, few, seed=1)[0], slow)
    assert keeps_up(simulate(fast, few, seed=1)[0], fast)


def test_the_oracle_needs_less_machine_time_than_the_policies_and_as_good_as_keeps_its_promise() -> None:
    inputs = CALM.model_copy(update={"videos": 4000, "hours": 6.0, "seconds_per_video": 30.0})
    oracle, _ = simulate_oracle(inputs, POLICIES[0], seed=1, wait_seconds=1800)
    policies = [simulate(inputs, policy, seed=1)[0] for policy in POLICIES]
    assert oracle.completed == 4000
    assert oracle.machine_hours < min(item.machine_hours for item in policies)
    assert oracle.machine_hours > 4000 * 30 / 3600
    assert oracle.wait_p95_seconds < 1800 * 1.25


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_the_history_that_decisions_are_made_of_is_the_one_that_production_keeps(
    policy: ScalingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[FleetSnapshot, Decision]] = []

    def watched(snapshot: FleetSnapshot, policy: ScalingPolicy) -> Decision:
        made.append((snapshot, decide(snapshot, policy)))
        return made[-1][1]

    monkeypatch.setattr(control, "decide", watched)
    run(CALM, policy)
    assert len(made) > 150
    for (snapshot, decision), (after, _) in itertools.pairwise(made):
        steps = autoscaling.plan_steps(decision, snapshot.machines)
        record = DecisionRecord(
            fleet="gce",
            snapshot=snapshot,
            policy=policy,
            decision=decision,
            deleted=tuple(sorted(machine.name for machine in steps.delete)),
        )
        assert after.history[-1] == record.as_past()
        assert len(after.history) <= 60
