"""How many machines the fleet should have: the rules, case by case."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.scaling_table import DOCUMENT, with_table
from tests.unit.fleet.truth_table import CASES, NOW, Case, busy, decided, idle, looked, named, starting
from trivia_render.fleet.decision import decide, mean_utilisation, measured_formula, operator_formula
from trivia_render.models.fleet import (
    FleetSnapshot,
    GpuReading,
    Machine,
    Override,
    PastDecision,
    ScalingPolicy,
    WorkerRecord,
)
from trivia_render.settings import Settings

OPERATOR = ScalingPolicy()


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_the_truth_table(case: Case) -> None:
    snapshot = case.snapshot()
    decision = decide(snapshot, case.scaling_policy())
    assert (decision.target_machines, decision.trigger, decision.remove) == (
        case.target,
        case.trigger,
        case.removed,
    ), decision.reason
    assert decision.machines_before == snapshot.target_machines
    assert decision.pending_jobs == case.pending
    assert decision.policy == case.scaling_policy().name
    assert decision.at == NOW
    assert decision.reason


def test_no_two_rows_have_one_name() -> None:
    names = [name for name, _ in CASES]
    assert len(names) == len(set(names))


def test_the_document_has_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == with_table(text), "Run: python -m tests.scaling_table"


def test_the_document_tells_the_defaults_of_the_settings() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Settings")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(TRIVIA_\w+)` \| `?([^`|]+?)`? \|", section, re.MULTILINE))
    defaults = {
        str(field.validation_alias): "unset" if field.default is None else str(field.default)
        for field in Settings.model_fields.values()
    }
    assert told == {name: defaults[name] for name in told}
    assert len(told) == 15


def test_the_default_policy_is_the_operators() -> None:
    assert ScalingPolicy().model_dump() == {
        "name": "operator",
        "min_machines": 1,
        "max_machines": 20,
        "videos_per_machine": 200,
        "planned_share": 0.5,
        "scale_up_pending": 100,
        "scale_up_utilisation_percent": 80,
        "scale_down_pending": 5,
        "scale_down_utilisation_percent": 30,
        "idle_seconds": 600,
        "utilisation_step": 1,
        "cooldown_seconds": 300,
        "drain_seconds": 900,
    }


@pytest.mark.parametrize(
    ("pending", "machines"),
    [
        (0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (999, 10), (1000, 10), (1001, 11),
        (1899, 19), (1900, 19), (1901, 20), (2000, 20), (2001, 21), (80_000, 800), (10**9, 10**7),
    ],
)  # fmt: skip
def test_so_many_jobs_need_so_many_machines(pending: int, machines: int) -> None:
    assert operator_formula(pending, OPERATOR) == machines
    decision = decide(FleetSnapshot(at=NOW, pending={"default": pending}, target_machines=0), OPERATOR)
    assert decision.target_machines == min(max(machines, 1), 20)


def test_the_formula_is_exact_where_floats_are_not() -> None:
    assert 29 / (100 * 0.29) > 1
    policy = ScalingPolicy(videos_per_machine=100, planned_share=0.29)
    assert [operator_formula(pending, policy) for pending in (28, 29, 30)] == [1, 1, 2]


def test_the_formulas_take_every_number_that_a_policy_takes() -> None:
    smallest = ScalingPolicy(videos_per_machine=5e-324, planned_share=5e-324, drain_seconds=5e-324)
    largest = ScalingPolicy(videos_per_machine=float("inf"), drain_seconds=float("inf"))
    assert operator_formula(10**400, smallest) > 0
    assert measured_formula(10**400, smallest, 5e-324) > 0
    assert operator_formula(10**400, largest) == 0
    assert measured_formula(10**400, largest, 1.0) == 0


def test_what_was_measured_says_how_many_machines_render_all_that_waits_in_time() -> None:
    policy = ScalingPolicy(name="measured", drain_seconds=900)
    # 9,600 a day are 100 in 900 s.
    assert [measured_formula(pending, policy, 9600) for pending in (0, 1, 100, 101, 1000)] == [0, 1, 1, 2, 10]


def test_waiting_jobs_of_every_priority_count() -> None:
    snapshot = FleetSnapshot(
        at=NOW, pending={"high": 1, "default": 99, "low": 101}, machines=named(busy()), target_machines=1
    )
    assert decide(snapshot, OPERATOR).target_machines == 3


def gpu(utilisation: float, encoder: float) -> GpuReading:
    return GpuReading(
        name="T4",
        memory_used_bytes=0,
        memory_total_bytes=1,
        utilisation_percent=utilisation,
        encoder_utilisation_percent=encoder,
    )


@pytest.mark.parametrize(
    ("gpus", "cpu", "encodes_on", "percent"),
    [
        ([gpu(70, 10)], 99.0, "gpu", 70),
        ([gpu(10, 70)], 99.0, "gpu", 70),
        ([gpu(10, 20), gpu(30, 40)], 99.0, "gpu", 40),
        ([gpu(10, 20)], 60.0, "cpu", 60),
        ([gpu(10, 80)], 60.0, "cpu", 80),
        ([], 60.0, "cpu", 60),
        ([], 130.0, "cpu", 100),
        ([], 60.0, "gpu", None),
        ([], None, "cpu", None),
    ],
)
def test_utilisation_is_the_highest_of_gpu_encoder_and_the_cpu_that_encodes(
    gpus: list[GpuReading], cpu: float | None, encodes_on: str, percent: float | None
) -> None:
    record = WorkerRecord.model_validate(
        {
            "name": "w", "worker_id": "w", "pool": "p", "state": "ready", "started_at": NOW,
            "updated_at": NOW, "gpus": gpus, "cpu_percent": cpu, "encodes_on": encodes_on,
        }
    )  # fmt: skip
    assert record.utilisation_percent() == percent


@pytest.mark.parametrize(
    ("machine", "counts_as"),
    [
        (Machine(name="m", state="busy", utilisation_percent=70), 70),
        (Machine(name="m", state="busy"), None),
        (Machine(name="m", state="idle", utilisation_percent=9), 0),
        (Machine(name="m", state="draining", drained_by="autoscaler"), 0),
        (Machine(name="m", state="drained", drained_by="autoscaler"), 0),
        (Machine(name="m", state="busy", utilisation_percent=70, drained_by="autoscaler"), 70),
        (Machine(name="m", state="draining", drained_by="operator", utilisation_percent=70), None),
        (Machine(name="m", state="drained", drained_by="operator"), None),
        (Machine(name="m", state="starting"), None),
        (Machine(name="m", state="failing", drained_by="autoscaler"), None),
        (Machine(name="m", state="leaving", drained_by="autoscaler"), None),
    ],
)
def test_machines_that_serve_count_in_the_fleets_utilisation(
    machine: Machine, counts_as: float | None
) -> None:
    assert mean_utilisation([machine]) == counts_as
    assert mean_utilisation([machine, *named(busy(50))]) == (
        50 if counts_as is None else (counts_as + 50) / 2
    )


def test_a_decision_that_was_not_acted_upon_starts_no_cooldown() -> None:
    snapshot = Case("", 0, busy(90) * 2, 0, "none").snapshot()
    paused = snapshot.model_copy(update={"history": (decided("utilisation", 1, 2, 60, acted=False),)})
    assert decide(paused, OPERATOR).target_machines == 3


def test_a_decision_that_changed_nothing_starts_no_cooldown() -> None:
    assert decide(
        Case("", 0, busy(90) * 2, 0, "none", past=("none", 2, 2, 60)).snapshot(), OPERATOR
    ).trigger == ("utilisation")


def with_history(case: Case, *history: PastDecision) -> FleetSnapshot:
    return case.snapshot().model_copy(update={"history": history})


@pytest.mark.parametrize(("age_seconds", "target"), [(299, 1), (300, 2)])
def test_utilisation_is_the_mean_since_a_cooldown_ago(age_seconds: float, target: int) -> None:
    snapshot = with_history(Case("", 0, busy(90), 0, "none"), looked(age_seconds, workers=1, utilisation=0))
    decision = decide(snapshot, OPERATOR)
    assert (decision.target_machines, decision.utilisation_percent) == (target, 90)


def test_a_load_that_more_machines_share_now_is_lower_utilisation_of_each() -> None:
    was_full = looked(120, workers=1, utilisation=100)
    assert decide(with_history(Case("", 0, busy(90), 0, "none"), was_full), OPERATOR).target_machines == 2
    assert decide(with_history(Case("", 0, busy(90) * 2, 0, "none"), was_full), OPERATOR).target_machines == 2


@pytest.mark.parametrize(("age_seconds", "target"), [(599, 2), (600, 1)])
@pytest.mark.parametrize("policy", [OPERATOR, ScalingPolicy(name="measured")], ids=lambda policy: policy.name)
def test_as_many_machines_stay_as_were_needed_since_the_idle_time_began(
    policy: ScalingPolicy, age_seconds: float, target: int
) -> None:
    needed_two = looked(age_seconds, workers=2, utilisation=90, running=2)
    snapshot = with_history(Case("", 0, idle(601) * 2, 0, "none", rate=4800), needed_two)
    assert decide(snapshot, policy).target_machines == target


def test_utilisation_is_never_told_as_more_than_all() -> None:
    shared_by_three = looked(60, workers=3, utilisation=100)
    told = decide(with_history(Case("", 0, busy(100), 0, "none"), shared_by_three), OPERATOR).reason
    assert told == "Utilisation was 100.0 % of late, above 80 %: 2 machines."


def test_jobs_of_any_priority_at_work_keep_machines_whose_workers_are_silent() -> None:
    silent = Case("", 0, starting(601) * 4, 0, "none").snapshot()
    at_work = silent.model_copy(update={"running": {"default": 0, "low": 1}})
    assert decide(at_work, OPERATOR).remove == ()
    assert decide(silent, OPERATOR).remove != ()


def test_a_stockout_is_not_told_where_nothing_more_is_wanted() -> None:
    assert reason(Case("", 0, busy(), 0, "none", stocked_out=True)) == "0 jobs wait: the size stays at 1."


def test_a_machine_that_the_group_is_taking_away_is_not_removed_again() -> None:
    leaving = Machine(
        name="leaving-1", state="leaving", drained_by="autoscaler", idle_since=NOW - timedelta(hours=1)
    )
    snapshot = FleetSnapshot(at=NOW, machines=(leaving, *named(busy(20))), target_machines=1)
    assert decide(snapshot, OPERATOR).remove == ()


def test_a_busy_machine_is_not_removed_although_it_was_asked_to_drain() -> None:
    machine = Machine(name="b", state="busy", utilisation_percent=5, drained_by="autoscaler")
    snapshot = FleetSnapshot(at=NOW, machines=(machine, *named(idle(900))), target_machines=2)
    assert decide(snapshot, OPERATOR).remove == ("idle-1",)


def test_a_machine_that_never_tells_since_when_it_is_idle_goes_last_or_not_at_all() -> None:
    unknown = Machine(name="a", state="failing")
    snapshot = FleetSnapshot(
        at=NOW,
        pending={"default": 50},
        machines=(unknown, *Case("", 0, (), 0, "none").machines),
        target_machines=1,
    )
    assert decide(snapshot, OPERATOR).remove == ("a",)
    idle_one = Machine(name="b", state="idle")
    quiet = FleetSnapshot(at=NOW, machines=(idle_one, *named(busy(5))), target_machines=2)
    assert decide(quiet, OPERATOR).remove == ()


def test_equally_long_idle_machines_go_in_the_order_of_their_names() -> None:
    machines = [
        Machine(name=name, state="idle", idle_since=NOW - timedelta(seconds=900)) for name in ("c", "a", "b")
    ]
    snapshot = FleetSnapshot(at=NOW, machines=tuple(machines), target_machines=3)
    assert decide(snapshot, OPERATOR).remove == ("a", "b")


def test_times_with_and_without_a_zone_may_stand_side_by_side() -> None:
    east = timezone(timedelta(hours=2))
    machines = (
        Machine(name="a", state="idle", idle_since=datetime(2026, 1, 31, 11, 49, 59)),  # noqa: DTZ001
        Machine(name="b", state="idle", idle_since=datetime(2026, 1, 31, 13, 49, 58, tzinfo=east)),
        Machine(name="c", state="idle", idle_since=datetime(2026, 1, 31, 11, 51, tzinfo=UTC)),
    )
    snapshot = FleetSnapshot(at=NOW, machines=machines, target_machines=3)
    assert decide(snapshot, OPERATOR).remove == ("b", "a")


def test_what_never_ends_is_no_error() -> None:
    policy = ScalingPolicy(idle_seconds=float("inf"), cooldown_seconds=float("inf"))
    snapshot = Case("", 0, idle(10**6) * 2, 0, "none").snapshot()
    assert decide(snapshot, policy).remove == ()


def reason(case: Case) -> str:
    return decide(case.snapshot(), case.scaling_policy()).reason


def test_the_reason_tells_what_was_counted_and_each_limit_that_held() -> None:
    rows = dict(CASES)
    told = {
        "Waiting jobs: 99 wait": "99 jobs wait: the size stays at 1.",
        "Waiting jobs: 201 wait": "201 jobs wait, more than 100: 3 machines.",
        "Waiting jobs: one more than that": (
            "2001 jobs wait, more than 100: 21 machines. Bounded to 20 (1 to 20)."
        ),
        "Machines that are idle: from 0, anything that waits counts": "1 job waits, more than 0: 1 machine.",
        "Utilisation: just above 80 %: one more": ("Utilisation was 80.1 % of late, above 80 %: 3 machines."),
        "Utilisation: machines are still starting": (
            "Utilisation was 100.0 % of late, above 80 %; machines that were asked for are still starting."
        ),
        "Cooldowns: a step by utilisation 299 s ago": (
            "Utilisation was 90.0 % of late, above 80 %; the last change is not 300 s old."
        ),
        "Machines that are idle: idle for 601 s": (
            "0 jobs wait, fewer than 5; utilisation was 10.0 % of late; unused for more than 600 s: "
            "1 machine, which leaves 1."
        ),
        "By hand: fewer, with busy machines": "Set to 1 by hand. 3 are busy.",
        "Bounds: more busy ones than the upper bound": (
            "50 jobs wait: the size stays at 22. Bounded to 20 (1 to 20). "
            "2 more stay until they have nothing to do."
        ),
        "Draining: by an operator, drained: replaced": (
            "50 jobs wait: the size stays at 2. Drained by hand: drained-1."
        ),
        "Machines that fail: one fails: replaced": (
            "50 jobs wait: the size stays at 2. failing-1 does not serve: replaced."
        ),
        "Nothing in stock: many wait": (
            "5000 jobs wait, more than 100: 50 machines. The cloud has none to give: the size stays at 1."
        ),
        "The policy `measured`: nothing measured yet: by the constants": (
            "201 jobs wait, more than 100: 3 machines. Nothing was measured yet: by the constants."
        ),
        "The policy `measured`: 51 wait": (
            "51 jobs wait; a machine renders 4800 a day, 50.0 in 900 s: 2 machines."
        ),
        "The policy `measured`: idle for 601 s": (
            "0 jobs wait, fewer than 5; unused for more than 600 s: 2 machines, which leaves 2."
        ),
    }
    assert {name: reason(rows[name]) for name in told} == told


def test_the_reason_says_until_when_a_size_set_by_hand_holds() -> None:
    east = timezone(timedelta(hours=2))
    override = Override(machines=3, at=NOW, until=datetime(2026, 1, 31, 15, 0, tzinfo=east))
    snapshot = FleetSnapshot(at=NOW, target_machines=3, override=override)
    assert decide(snapshot, OPERATOR).reason == "Set to 3 by hand until 2026-01-31 15:00+02:00."
