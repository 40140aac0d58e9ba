"""The truth table of the fleet's size: the tests go through it, and docs/scaling.md is made from it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Literal, NamedTuple

from trivia_render.models.fleet import (
    FleetSnapshot,
    Machine,
    MachineState,
    Override,
    PastDecision,
    ScalingPolicy,
    Trigger,
)

DrainedBy = Literal["operator", "autoscaler"]

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class Case(NamedTuple):
    """A row: what is given, and what has to come of it.

    `current` None: the group aims at as many machines as are listed. `override`: machines, and for how many
    minutes still (None: for ever). `past`: trigger, size before, size after, age in seconds. `looks`: the
    utilisation of as many machines one minute ago, two minutes ago and so on. `jobs_before`: how many jobs
    ran a minute ago. `policy`: what differs from the default policy. `removed`: names as `snapshot` gives
    them, in their order.
    """

    name: str
    pending: int
    machines: tuple[Machine, ...]
    target: int
    trigger: Trigger
    removed: tuple[str, ...] = ()
    current: int | None = None
    running: int = 0
    override: tuple[int, float | None] | None = None
    past: tuple[Trigger, int, int, float] | None = None
    looks: tuple[float, ...] = ()
    jobs_before: int | None = None
    stocked_out: bool = False
    rate: float | None = None
    policy: Mapping[str, Any] = {}

    def snapshot(self) -> FleetSnapshot:
        """Machines are named by what they are and their number: `idle-1`, `idle-2`."""
        return FleetSnapshot(
            at=NOW,
            pending={"default": self.pending},
            running={"default": self.running},
            machines=named(self.machines),
            target_machines=len(self.machines) if self.current is None else self.current,
            stocked_out=self.stocked_out,
            videos_per_machine_per_day=self.rate,
            override=self._override(),
            history=tuple(sorted(self._history(), key=lambda past: past.at)),
        )

    def _history(self) -> Iterator[PastDecision]:
        if self.past is not None:
            yield decided(*self.past)
        for minutes, utilisation in enumerate(self.looks, start=1):
            yield looked(60 * minutes, workers=len(self.machines), utilisation=utilisation)
        if self.jobs_before is not None:
            yield looked(60, workers=len(self.machines), running=self.jobs_before)

    def scaling_policy(self) -> ScalingPolicy:
        return ScalingPolicy(**self.policy)

    def _override(self) -> Override | None:
        if self.override is None:
            return None
        machines, minutes = self.override
        until = None if minutes is None else NOW + timedelta(minutes=minutes)
        return Override(machines=machines, at=NOW - timedelta(hours=1), until=until)


def busy(utilisation: float | None = 60.0) -> tuple[Machine, ...]:
    return (Machine(name="busy", state="busy", utilisation_percent=utilisation),)


def idle(seconds: float) -> tuple[Machine, ...]:
    return _unused("idle", seconds)


def starting(seconds: float = 60.0, *, drained_by: DrainedBy | None = None) -> tuple[Machine, ...]:
    return _unused("starting", seconds, drained_by)


def failing(seconds: float = 900.0, *, drained_by: DrainedBy | None = None) -> tuple[Machine, ...]:
    return _unused("failing", seconds, drained_by)


def draining(by: DrainedBy) -> tuple[Machine, ...]:
    return (Machine(name="draining", state="draining", drained_by=by),)


def drained(by: DrainedBy) -> tuple[Machine, ...]:
    return (Machine(name="drained", state="drained", drained_by=by),)


def _unused(state: MachineState, seconds: float, drained_by: DrainedBy | None = None) -> tuple[Machine, ...]:
    since = NOW - timedelta(seconds=seconds)
    return (Machine(name=state, state=state, idle_since=since, drained_by=drained_by),)


def named(machines: tuple[Machine, ...]) -> tuple[Machine, ...]:
    """Give each machine its name: its state and its number among those of that state."""
    counts: dict[str, int] = {}
    found = []
    for machine in machines:
        counts[machine.state] = counts.get(machine.state, 0) + 1
        found.append(machine.model_copy(update={"name": f"{machine.state}-{counts[machine.state]}"}))
    return tuple(found)


def decided(
    trigger: Trigger, before: int, after: int, age_seconds: float, *, acted: bool = True
) -> PastDecision:
    return PastDecision(
        at=NOW - timedelta(seconds=age_seconds),
        trigger=trigger,
        machines_before=before,
        target_machines=after,
        pending_jobs=0,
        reason="Earlier.",
        acted=acted,
    )


def looked(
    age_seconds: float, *, workers: int, utilisation: float | None = None, running: int = 0
) -> PastDecision:
    """A decision that changed nothing, with what was seen then."""
    seen = {"workers": workers, "utilisation_percent": utilisation, "running_jobs": running}
    return decided("none", workers, workers, age_seconds).model_copy(update=seen)


def numbered(state: MachineState, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{state}-{number}" for number in numbers)


MEASURED = {"name": "measured"}

#: The sections of the table, in its order.
SECTIONS: dict[str, tuple[Case, ...]] = {
    "Waiting jobs": (
        Case("nothing waits", 0, busy(), 1, "none"),
        Case("4 wait", 4, busy(), 1, "none"),
        Case("5 wait", 5, busy(), 1, "none"),
        Case("99 wait", 99, busy(), 1, "none"),
        Case("at the threshold", 100, busy(), 1, "none"),
        Case("above the threshold", 101, busy(), 2, "pending"),
        Case("200 wait", 200, busy(), 2, "pending"),
        Case("201 wait", 201, busy(), 3, "pending"),
        Case("1,900 wait", 1900, busy(), 19, "pending"),
        Case("1,901 wait", 1901, busy(), 20, "pending"),
        Case("as many as 20 machines are for", 2000, busy(), 20, "pending"),
        Case("one more than that", 2001, busy(), 20, "pending"),
        Case("a whole day waits", 80_000, busy(), 20, "pending"),
        Case("a threshold of 500", 500, busy(), 1, "none", policy={"scale_up_pending": 500}),
        Case("above a threshold of 500", 501, busy(), 6, "pending", policy={"scale_up_pending": 500}),
        Case("no size is left to grow to", 80_000, busy() * 20, 20, "pending"),
        Case("fewer are needed than there are", 201, busy() * 5, 5, "none"),
        Case("machines on their way count", 201, busy() + starting() * 2, 3, "none"),
        Case("the fleet's first machine", 0, (), 1, "bounds"),
        Case("the first machines at once", 300, (), 3, "pending"),
    ),
    "Utilisation": (
        Case("just below 80 %", 0, busy(79.9) * 2, 2, "none"),
        Case("at 80 %", 0, busy(80) * 2, 2, "none"),
        Case("just above 80 %: one more", 0, busy(80.1) * 2, 3, "utilisation"),
        Case("however high, one more", 0, busy(100) * 2, 3, "utilisation"),
        Case("the mean of all machines counts", 0, busy(100) * 2 + idle(60), 3, "none"),
        Case("a larger step", 0, busy(100) * 2, 5, "utilisation", policy={"utilisation_step": 3}),
        Case("machines are still starting", 0, busy(100) + starting(), 2, "none"),
        Case("at the upper bound", 0, busy(100) * 20, 20, "utilisation"),
        Case("nothing is known of it", 0, busy(None) * 2, 2, "none"),
        Case("a silent machine does not count", 0, busy(None) + busy(90), 3, "utilisation"),
        Case("nothing is known, and 101 wait", 101, busy(None), 2, "pending"),
        Case("above 80 % for five minutes", 0, busy(95), 2, "utilisation", looks=(95, 95, 95, 95)),
        Case("one look above 80 % among five", 0, busy(95), 1, "none", looks=(0, 0, 0, 0)),
        Case("a pause in five full minutes", 0, busy(50) * 2, 3, "utilisation", looks=(95, 95, 95, 95)),
    ),
    "Waiting jobs and utilisation together": (
        Case("both ask, pending for more", 500, busy(90) * 2, 5, "pending"),
        Case("both ask, utilisation for more", 201, busy(90) * 3, 4, "utilisation"),
        Case("both ask for the same", 201, busy(90) * 2, 3, "utilisation"),
        Case("many wait, utilisation is low", 500, idle(900) * 2, 5, "pending"),
        Case("few wait, utilisation is high", 4, busy(90) + idle(900), 2, "none"),
        Case("few wait, every machine is busy", 4, busy(90), 2, "utilisation"),
        Case("at both thresholds", 100, busy(80), 1, "none"),
    ),
    "Machines that are idle": (
        Case("idle for exactly 600 s", 0, busy(20) + idle(600), 2, "none"),
        Case("idle for 601 s", 0, busy(20) + idle(601), 1, "idle", numbered("idle", 1)),
        Case("4 wait", 4, busy(20) + idle(601), 1, "idle", numbered("idle", 1)),
        Case("5 wait", 5, busy(20) + idle(601), 2, "none"),
        Case("utilisation just below 30 %", 0, busy(59.8) + idle(601), 1, "idle", numbered("idle", 1)),
        Case("utilisation at 30 %", 0, busy(60) + idle(601), 2, "none"),
        Case("utilisation just above 30 %", 0, busy(60.2) + idle(601), 2, "none"),
        Case("the longest idle one goes first", 0, idle(700) + idle(900) + idle(800), 1, "idle",
             numbered("idle", 2, 3)),
        Case("the lower bound holds", 0, idle(601), 1, "none"),
        Case("a lower bound of 3", 0, idle(601) * 5, 3, "idle", numbered("idle", 1, 2),
             policy={"min_machines": 3}),
        Case("a lower bound of 0", 0, idle(601), 0, "idle", numbered("idle", 1), policy={"min_machines": 0}),
        Case("from 0, anything that waits counts", 1, (), 1, "pending", policy={"min_machines": 0}),
        Case("at 0, nothing waits", 0, (), 0, "none", policy={"min_machines": 0}),
        Case("too few would be too busy again", 0, busy(100) + idle(601) * 3, 2, "idle",
             numbered("idle", 1, 2)),
        Case("one was needed within 10 min", 0, busy(10) + idle(601), 2, "none", looks=(5, 5, 5, 60)),
        Case("busy machines stay", 0, busy(10) * 3 + idle(601), 3, "idle", numbered("idle", 1)),
        Case("a machine that never came", 0, busy(20) + starting(601), 1, "idle",
             numbered("starting", 1)),
        Case("machines that never came, none serves", 0, starting(601) * 4, 1, "idle",
             numbered("starting", 1, 2, 3)),
        Case("nothing is known of the busy one", 0, busy(None) + starting(601), 2, "none"),
        Case("none serves, and yet jobs run", 0, starting(601) * 4, 4, "none", running=2),
    ),
    "By hand": (
        Case("more", 0, busy(), 7, "manual", override=(7, None)),
        Case("more, against the rule for idle ones", 0, idle(900) * 2, 4, "manual", override=(4, 30)),
        Case("fewer, against waiting jobs", 5000, idle(5) * 3, 2, "manual", numbered("idle", 1),
             override=(2, 30)),
        Case("fewer, however short they were idle", 0, idle(0) + idle(2) + busy(90), 1, "manual",
             numbered("idle", 2, 1), override=(1, None)),
        Case("fewer, with busy machines", 0, busy(90) * 3 + idle(5), 3, "manual", numbered("idle", 1),
             override=(1, None)),
        Case("as many as there are", 5000, busy(90) * 2, 2, "manual", override=(2, None)),
        Case("its time ends now", 0, busy(), 1, "none", override=(7, 0)),
        Case("its time is over", 201, busy(), 3, "pending", override=(7, -1)),
        Case("above the upper bound", 0, busy(), 20, "manual", override=(50, None)),
        Case("below the lower bound", 0, idle(5) * 2, 1, "manual", numbered("idle", 1), override=(0, None)),
        Case("no cooldown", 0, busy(), 7, "manual", override=(7, None), past=("utilisation", 1, 2, 60)),
        Case("nothing in stock: asked for all the same", 0, busy(), 7, "manual", override=(7, None),
             stocked_out=True),
    ),
    "Bounds": (
        Case("more than the upper bound", 50, busy() * 19 + idle(5) * 3, 20, "bounds",
             numbered("idle", 1, 2)),
        Case("the same in a quiet time", 0, busy(10) * 19 + idle(0) + idle(700) + idle(0.5), 20, "idle",
             numbered("idle", 2, 3)),
        Case("more busy ones than the upper bound", 50, busy() * 22, 20, "bounds"),
        Case("more busy ones than the group aims at", 0, busy() * 3, 3, "bounds", current=2),
        Case("fewer than the lower bound", 0, busy(), 3, "bounds", policy={"min_machines": 3}),
        Case("bounds that exclude each other: the upper one", 0, busy(), 2, "bounds",
             policy={"min_machines": 5, "max_machines": 2}),
        Case("an upper bound of 4", 80_000, busy(), 4, "pending", policy={"max_machines": 4}),
    ),
    "Cooldowns": (
        Case("a step by utilisation 299 s ago", 0, busy(90) * 2, 2, "none", past=("utilisation", 1, 2, 299)),
        Case("a step by utilisation 300 s ago", 0, busy(90) * 2, 3, "utilisation",
             past=("utilisation", 1, 2, 300)),
        Case("shrunk lately: no step by utilisation", 0, busy(90) * 2, 2, "none", past=("idle", 3, 2, 60)),
        Case("shrunk lately: waiting jobs still count", 201, busy(60) * 2, 3, "pending",
             past=("idle", 3, 2, 60)),
        Case("grown lately: waiting jobs still count", 301, busy(90) * 3, 4, "pending",
             past=("pending", 1, 3, 60)),
        Case("grown 299 s ago: nothing goes", 0, idle(601) * 2, 2, "none", past=("pending", 1, 2, 299)),
        Case("grown 300 s ago", 0, idle(601) * 2, 1, "idle", numbered("idle", 1),
             past=("pending", 1, 2, 300)),
        Case("shrunk lately: more may go", 0, idle(601) * 2, 1, "idle", numbered("idle", 1),
             past=("idle", 3, 2, 60)),
    ),
    "Draining": (
        Case("begun, and nothing to do since", 0, busy(20) + draining("autoscaler"), 1, "idle",
             numbered("draining", 1)),
        Case("drained: deleted", 0, busy(20) + drained("autoscaler"), 1, "idle", numbered("drained", 1)),
        Case("begun, and grown since: ended all the same", 0, busy(20) + drained("autoscaler"), 1, "idle",
             numbered("drained", 1), past=("pending", 1, 2, 60)),
        Case("5 wait: taken back", 5, busy(20) + drained("autoscaler"), 2, "none"),
        Case("many wait: taken back, and grown", 201, busy(60) + drained("autoscaler"), 3, "pending"),
        Case("utilisation is back: taken back", 0, busy(70) + draining("autoscaler"), 2, "none"),
        Case("drained ones go before idle ones", 0,
             idle(900) + draining("autoscaler") + drained("autoscaler"), 1, "idle",
             ("drained-1", "draining-1")),
        Case("by an operator, still at work", 0, busy() + draining("operator"), 2, "none"),
        Case("by an operator, its worker is gone", 0, busy(20) + starting(601, drained_by="operator"), 2,
             "none"),
        Case("begun, and the load is back at times", 0, busy(10) + draining("autoscaler"), 1, "idle",
             numbered("draining", 1), looks=(5, 5, 5, 60)),
        Case("by an operator, drained: replaced", 50, busy() + drained("operator"), 2, "drained",
             numbered("drained", 1)),
        Case("the same, and more are needed", 301, busy() + drained("operator"), 4, "pending",
             numbered("drained", 1)),
        Case("the same, and fewer are wanted", 0, busy() + drained("operator") + idle(5), 2, "manual",
             numbered("drained", 1), override=(2, None)),
    ),
    "Machines that fail": (
        Case("one fails: replaced", 50, busy() + failing(), 2, "replace", numbered("failing", 1)),
        Case("two fail: the longer one first", 50, busy() + failing(900) + failing(950), 3, "replace",
             numbered("failing", 2)),
        Case("one was replaced lately", 50, busy() + failing(), 2, "none", past=("replace", 2, 2, 299)),
        Case("one was replaced 300 s ago", 50, busy() + failing(), 2, "replace", numbered("failing", 1),
             past=("replace", 2, 2, 300)),
        Case("one fails, and more are needed", 301, busy() + failing(), 4, "pending",
             numbered("failing", 1)),
        Case("failing ones go first, all at once", 0, idle(900) * 2 + failing(700) * 2, 1, "idle",
             numbered("failing", 1, 2) + numbered("idle", 1)),
        Case("none serves and nothing waits", 0, failing() * 3, 1, "idle", numbered("failing", 1, 2)),
        Case("one was being drained", 0, busy(20) + failing(drained_by="autoscaler"), 1, "idle",
             numbered("failing", 1)),
        Case("its worker went while it drained", 0, busy(20) + starting(5, drained_by="autoscaler"), 1,
             "idle", numbered("starting", 1)),
    ),
    "Nothing in stock": (
        Case("many wait", 5000, busy(), 1, "none", stocked_out=True),
        Case("utilisation is high", 0, busy(90), 1, "none", stocked_out=True),
        Case("idle ones go all the same", 0, busy(20) + idle(601), 1, "idle", numbered("idle", 1),
             stocked_out=True),
        Case("the lower bound is asked for", 5000, (), 1, "bounds", stocked_out=True),
        Case("a drain is taken back", 201, busy(60) + draining("autoscaler"), 2, "none", stocked_out=True),
    ),
    "The policy `measured`": (
        Case("nothing measured yet: by the constants", 201, busy(), 3, "pending", policy=MEASURED),
        Case("the same, utilisation is high", 0, busy(90), 2, "utilisation", policy=MEASURED),
        Case("the same, in a quiet time", 0, busy(100) + idle(601) * 3, 2, "idle", numbered("idle", 1, 2),
             policy=MEASURED),
        Case("50 wait, 50 are rendered in 900 s", 50, busy(), 1, "none", rate=4800, policy=MEASURED),
        Case("51 wait", 51, busy(), 2, "pending", rate=4800, policy=MEASURED),
        Case("a slower machine", 50, busy(), 5, "pending", rate=960, policy=MEASURED),
        Case("a longer time", 50, busy(), 3, "pending", rate=960,
             policy={"name": "measured", "drain_seconds": 1800}),
        Case("fewer than 5 wait, and more are needed", 4, busy(), 2, "pending", rate=288, policy=MEASURED),
        Case("jobs ran a minute ago", 0, idle(601) + idle(30) * 2, 3, "none", rate=4800, policy=MEASURED,
             jobs_before=2),
        Case("one job ran a minute ago", 0, idle(601) + idle(30) * 2, 2, "idle", numbered("idle", 1),
             rate=4800, policy=MEASURED, jobs_before=1),
        Case("utilisation is not known", 0, busy(None) + idle(601) * 2, 2, "idle", numbered("idle", 1),
             rate=4800, policy=MEASURED),
        Case("utilisation does not count", 0, busy(99), 1, "none", rate=4800, policy=MEASURED),
        Case("idle for 601 s", 0, busy(99) + idle(601) * 2, 2, "idle", numbered("idle", 1), rate=4800,
             policy=MEASURED),
        Case("idle for exactly 600 s", 0, busy(99) + idle(600) * 2, 3, "none", rate=4800, policy=MEASURED),
        Case("5 wait", 5, busy(99) + idle(601) * 2, 3, "none", rate=4800, policy=MEASURED),
        Case("grown lately: nothing goes", 0, idle(601) * 3, 3, "none", rate=4800, policy=MEASURED,
             past=("pending", 1, 3, 60)),
        Case("a whole day waits", 80_000, busy(), 20, "pending", rate=4800, policy=MEASURED),
        Case("nothing in stock", 51, busy(), 1, "none", rate=4800, policy=MEASURED, stocked_out=True),
        Case("by hand", 51, busy(), 4, "manual", rate=4800, policy=MEASURED, override=(4, None)),
    ),
}  # fmt: skip

CASES: tuple[tuple[str, Case], ...] = tuple(
    (f"{section}: {case.name}", case) for section, cases in SECTIONS.items() for case in cases
)


def as_markdown() -> str:
    """The whole table, a heading and a table for each section."""
    return "\n\n".join(_section(title, cases) for title, cases in SECTIONS.items())


def _section(title: str, cases: tuple[Case, ...]) -> str:
    rows = [
        f"| {case.name} | {case.pending:,} | {_machines_text(case)} | {_besides(case)} | {case.target} "
        f"| `{case.trigger}` | {', '.join(f'`{name}`' for name in case.removed)} |"
        for case in cases
    ]
    head = [
        "| Case | Waiting | Machines | Besides | Target | Trigger | Removed |",
        "|---|--:|---|---|--:|---|---|",
    ]
    return "\n".join([f"### {title}", "", *head, *rows])


def _machines_text(case: Case) -> str:
    parts = [
        f"{count} {words}" if (count := len(list(group))) > 1 else words
        for words, group in groupby(_machine_text(machine) for machine in case.machines)
    ]
    listed = ", ".join(parts) or "none"
    return listed if case.current is None else f"{listed}; the group aims at {case.current}"


def _machine_text(machine: Machine) -> str:
    if machine.state == "busy":
        known = machine.utilisation_percent
        return "busy, silent" if known is None else f"busy at {known:g} %"
    if machine.idle_since is not None:
        drain = "" if machine.drained_by is None else f", asked to drain by the {machine.drained_by}"
        return f"{machine.state} for {(NOW - machine.idle_since).total_seconds():g} s{drain}"
    return f"{machine.state} (by the {machine.drained_by})"


def _besides(case: Case) -> str:
    return "; ".join(_facts(case))


def _facts(case: Case) -> Iterator[str]:
    if case.override is not None:
        machines, minutes = case.override
        yield f"by hand: {machines}" + ("" if minutes is None else f", for {minutes:g} min")
    if case.past is not None:
        trigger, before, after, age = case.past
        yield f"`{trigger}` {age:.0f} s ago: {before} to {after}"
    if case.looks:
        yield "utilisation minute by minute before: " + ", ".join(f"{look:g}" for look in case.looks) + " %"
    if case.jobs_before is not None:
        yield f"{case.jobs_before} jobs ran a minute ago"
    if case.stocked_out:
        yield "nothing in stock"
    if case.running:
        yield f"{case.running} jobs run"
    if case.rate is not None:
        yield f"{case.rate:,.0f} videos a machine and day"
    for key, value in case.policy.items():
        if key != "name":
            yield f"`{key}` {value}"
