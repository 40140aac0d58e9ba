"""A fleet's day as processes in SimPy: machines start, render, are taken away, and run out.

What a controller sees is made by the product's own `observe` from what the group and the workers would tell.
"""

import math
import random
from collections import deque
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import simpy

from bench.simulate.arrivals import Day, Submission
from bench.simulate.control import Controller
from bench.simulate.inputs import DAY_SECONDS, Inputs
from trivia_render.fleet.machines import GroupState, Instance
from trivia_render.fleet.observation import Patience, is_stocked_out, observe
from trivia_render.models.fleet import DrainRequest, FleetSnapshot, Machine, WorkerRecord, WorkerState
from trivia_render.pipeline.ledger import MEASURED_JOBS
from trivia_render.settings import Settings

#: Any day will do.
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
_PATIENCE = Patience(
    lost_seconds=float(Settings.model_fields["worker_lost_seconds"].default),
    boot_seconds=float(Settings.model_fields["boot_seconds"].default),
)
#: Workers that have said nothing for so long are not read any more, as in production.
_RECORDS_SECONDS = 3600.0
_STOCK_RETRY_SECONDS = 30.0

_Events = Generator[simpy.Event, Any, None]


class Sample(NamedTuple):
    """The fleet at a tick. `machines`: paid for; `serving`: with a worker; `busy`: with a run."""

    at_seconds: float
    pending: int
    target: int
    machines: int
    serving: int
    busy: int


class _Shard:
    """A flow run on its way. `done_seconds`: of its current job, in clips that are kept."""

    __slots__ = ("done_seconds", "end", "next")

    def __init__(self, submission: Submission) -> None:
        self.next, self.end = submission.first, submission.end
        self.done_seconds = 0.0


class _Vm:
    """A place in the group: a machine is made anew in it when it was preempted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: simpy.Process | None = None
        self.life = 0
        self.paid_since: float | None = None
        self.serves_since: float | None = None
        self.idle_since = 0.0
        self.shard: _Shard | None = None
        self.busy_since = 0.0
        self.job_since: float | None = None
        self.busy_seconds = 0.0
        self.busy_at_tick = 0.0
        self.wake: simpy.Event | None = None
        self.draining = False
        self.drained = False
        self.out_of_stock = False
        self.last_words: WorkerRecord | None = None

    def busy_until(self, now: float) -> float:
        """Return the seconds that this place has had a run, so far."""
        return self.busy_seconds + (0.0 if self.shard is None else now - self.busy_since)


class World:
    """One simulated day. `run()` once; then the attributes hold what came of it."""

    def __init__(self, inputs: Inputs, day: Day, controller: Controller, *, seed: int, at_first: int) -> None:
        self.inputs, self.day = inputs, day
        self.begun_at: list[float] = [math.nan] * inputs.videos
        self.ended_at: list[float] = [math.nan] * inputs.videos
        self.samples: list[Sample] = []
        self.pending = 0
        self.pending_at_day_end = 0
        self.completed = 0
        self.preemptions = self.duds = self.grown = self.deleted = self.orders_given = 0
        self.paid_seconds = self.starting_seconds = self.busy_seconds = self.lost_seconds = 0.0
        self.ended_seconds = 0.0
        self._job_seconds = 0.0
        self._seconds: list[float] = day.seconds.tolist()
        self._controller = controller
        self._random = random.Random(f"world {seed}")  # noqa: S311 - not for secrets
        self._env = simpy.Environment()
        self._queue: deque[_Shard] = deque()
        self._waiting: dict[_Vm, None] = {}
        self._vms: dict[str, _Vm] = {}
        self._target = 0
        self._made = 0
        self._seen: tuple[Machine, ...] = ()
        self._over = self._env.event()
        self._grow(at_first)

    def run(self) -> "World":
        """Simulate until the last job has ended, or the limit."""
        env = self._env
        env.process(self._arrive())
        env.process(self._tick())
        env.process(self._day_end())
        limit = env.timeout(self.inputs.limit_hours * 3600)
        env.run(until=env.any_of([self._over, limit]))
        self.ended_seconds = env.now
        for vm in list(self._vms.values()):
            self._settle(vm)
        return self

    # Jobs

    def _arrive(self) -> _Events:
        for submission in self.day.submissions:
            pause = submission.at_seconds - self._env.now
            if pause > 0:
                yield self._env.timeout(pause)
            self.pending += submission.end - submission.first
            self._offer(_Shard(submission))

    def _offer(self, shard: _Shard, *, place: Literal["last", "first"] = "last") -> None:
        if place == "first":
            self._queue.appendleft(shard)
        else:
            self._queue.append(shard)
        waiting, self._waiting = self._waiting, {}
        for vm in waiting:
            _wake(vm)

    def _offer_later(self, shard: _Shard) -> _Events:
        yield self._env.timeout(self.inputs.hand_back_seconds)
        # Prefect hands out runs by their scheduled time, and this one keeps its own: before all that wait.
        self._offer(shard, place="first")

    def _day_end(self) -> _Events:
        yield self._env.timeout(self.inputs.hours * 3600)
        self.pending_at_day_end = self.pending

    # Machines

    def _live(self, vm: _Vm) -> _Events:
        while True:
            try:
                yield from self._create(vm)
                yield from self._boot()
                yield from self._serve(vm)
            except simpy.Interrupt as interrupt:
                self._settle(vm)
                if interrupt.cause == "deleted":
                    return

    def _create(self, vm: _Vm) -> _Events:
        while self._out_of_stock():
            vm.out_of_stock = True
            yield self._env.timeout(_STOCK_RETRY_SECONDS)
        vm.out_of_stock = False
        vm.paid_since = self._env.now
        vm.life += 1
        mean = self.inputs.lifetime_hours * 3600
        self._env.process(self._preempt(vm, vm.life, self._random.expovariate(1 / mean)))

    def _preempt(self, vm: _Vm, life: int, after_seconds: float) -> _Events:
        yield self._env.timeout(after_seconds)
        if vm.life == life and vm.paid_since is not None and vm.process is not None:
            self.preemptions += 1
            vm.process.interrupt("preempted")

    def _boot(self) -> _Events:
        if self._random.random() < self.inputs.dud_share:
            self.duds += 1
            yield self._env.event()
        yield self._env.timeout(self._random.uniform(*self.inputs.boot_seconds))

    def _serve(self, vm: _Vm) -> _Events:
        env = self._env
        vm.serves_since = vm.idle_since = env.now
        while True:
            if vm.draining or not self._queue:
                vm.drained = vm.draining
                vm.wake = env.event()
                if not vm.draining:
                    self._waiting[vm] = None
                yield vm.wake
                vm.drained = False
                continue
            yield env.timeout(self._random.random() * self.inputs.poll_seconds)
            if self._queue and not vm.draining:
                yield from self._render(vm, self._queue.popleft())

    def _render(self, vm: _Vm, shard: _Shard) -> _Events:
        env = self._env
        vm.shard, vm.busy_since = shard, env.now
        yield env.timeout(self.inputs.run_start_seconds)
        while shard.next < shard.end:
            job = shard.next
            self.pending -= 1
            if math.isnan(self.begun_at[job]):
                self.begun_at[job] = env.now
            vm.job_since = env.now
            yield env.timeout(self._seconds[job] - shard.done_seconds)
            self._job_seconds += env.now - vm.job_since
            vm.job_since = None
            self.ended_at[job] = env.now
            self.completed += 1
            shard.next, shard.done_seconds = job + 1, 0.0
        vm.busy_seconds = vm.busy_until(env.now)
        vm.shard, vm.idle_since = None, env.now
        if self.completed == self.inputs.videos:
            self._over.succeed()

    def _settle(self, vm: _Vm) -> None:
        """Account for a machine that is gone, and give back what it had begun."""
        now = self._env.now
        self._waiting.pop(vm, None)
        if vm.paid_since is not None:
            self.paid_seconds += now - vm.paid_since
            self.starting_seconds += (vm.serves_since or now) - vm.paid_since
        self.busy_seconds += vm.busy_until(now)
        if vm.shard is not None:
            self._give_back(vm.shard, now - vm.job_since if vm.job_since is not None else None)
        if vm.serves_since is not None:
            # A preempted worker says so, and nothing after that.
            vm.last_words = self._record(vm, "stopping", now)
        vm.paid_since = vm.serves_since = vm.shard = vm.job_since = vm.wake = None
        vm.busy_seconds = vm.busy_at_tick = 0.0
        vm.drained = False

    def _give_back(self, shard: _Shard, worked_seconds: float | None) -> None:
        if worked_seconds is not None:
            self.pending += 1
            clip = self._seconds[shard.next] / self.inputs.clips
            reached = shard.done_seconds + worked_seconds
            shard.done_seconds = math.floor(reached / clip) * clip
            self.lost_seconds += reached - shard.done_seconds
        self._env.process(self._offer_later(shard))

    # The group

    def _out_of_stock(self) -> bool:
        hour = self._env.now / 3600
        return any(
            out.begin_hour <= hour < out.begin_hour + out.minutes / 60 for out in self.inputs.stockouts
        )

    def _grow(self, size: int) -> None:
        for _ in range(size - self._target):
            self._made += 1
            vm = _Vm(f"render-{self._made:04d}")
            self._vms[vm.name] = vm
            vm.process = self._env.process(self._live(vm))
        self._target = max(self._target, size)

    def _tick(self) -> _Events:
        minute = 0
        while True:
            yield self._env.timeout(self.inputs.tick_seconds)
            minute += 1
            orders = self._controller(self._look(), minute=minute)
            if orders.drain or orders.delete or orders.grow_to is not None:
                self.orders_given += 1
            for name in orders.take_back:
                self._vms[name].draining = False
                _wake(self._vms[name])
            for name in orders.drain:
                vm = self._vms[name]
                vm.draining = True
                if vm in self._waiting:
                    del self._waiting[vm]
                    _wake(vm)
            for name in orders.delete:
                process = self._vms.pop(name).process
                if process is not None:
                    process.interrupt("deleted")
            self.deleted += len(orders.delete)
            self._target -= len(orders.delete)
            if orders.grow_to is not None:
                self.grown += max(0, orders.grow_to - self._target)
                self._grow(orders.grow_to)

    # What a controller sees

    def _look(self) -> FleetSnapshot:
        now = self._env.now
        at = MIDNIGHT + timedelta(seconds=now)
        vms = self._vms.values()
        group = GroupState(self._target, tuple(map(self._instance, vms)))
        records = [record for vm in vms if (record := self._record_of(vm)) is not None]
        drains = {
            vm.name: DrainRequest(worker_id=vm.name, by="autoscaler", at=at) for vm in vms if vm.draining
        }
        self._seen = observe(group, records, drains, before=self._seen, at=at, patience=_PATIENCE)
        busy = sum(vm.shard is not None for vm in vms)
        self.samples.append(
            Sample(
                at_seconds=now,
                pending=self.pending,
                target=self._target,
                machines=sum(vm.paid_since is not None for vm in vms),
                serving=sum(vm.serves_since is not None for vm in vms),
                busy=busy,
            )
        )
        for vm in vms:
            vm.busy_at_tick = vm.busy_until(now)
        return FleetSnapshot(
            at=at,
            pending={"default": self.pending},
            running={"default": busy},
            machines=self._seen,
            target_machines=self._target,
            stocked_out=is_stocked_out(group),
            videos_per_machine_per_day=self._measured(),
        )

    def _measured(self) -> float | None:
        """Return what production's ledger would say: the day's jobs by the time that they took."""
        if self.completed < MEASURED_JOBS:
            return None
        return self.completed / self._job_seconds * DAY_SECONDS

    def _instance(self, vm: _Vm) -> Instance:
        if vm.paid_since is None:
            problem = "ZONE_RESOURCE_POOL_EXHAUSTED" if vm.out_of_stock else None
            return Instance(vm.name, "starting", problem=problem)
        return Instance(vm.name, "running", MIDNIGHT + timedelta(seconds=vm.paid_since))

    def _record_of(self, vm: _Vm) -> WorkerRecord | None:
        if vm.serves_since is not None:
            state: WorkerState = "drained" if vm.drained else "draining" if vm.draining else "ready"
            return self._record(vm, state, self._env.now)
        words = vm.last_words
        at = MIDNIGHT + timedelta(seconds=self._env.now)
        if words is None or (at - words.updated_at).total_seconds() > _RECORDS_SECONDS:
            return None
        return words

    def _record(self, vm: _Vm, state: WorkerState, now: float) -> WorkerRecord:
        share = min(1.0, (vm.busy_until(now) - vm.busy_at_tick) / self.inputs.tick_seconds)
        return WorkerRecord(
            name=f"{vm.name}-{vm.life}",
            worker_id=vm.name,
            pool="render",
            state=state,
            started_at=MIDNIGHT + timedelta(seconds=vm.serves_since or 0.0),
            updated_at=MIDNIGHT + timedelta(seconds=now),
            runs=0 if vm.shard is None else 1,
            idle_since=None if vm.shard is not None else MIDNIGHT + timedelta(seconds=vm.idle_since),
            cpu_percent=share * self.inputs.busy_utilisation_percent,
        )


def _wake(vm: _Vm) -> None:
    if vm.wake is not None and not vm.wake.triggered:
        vm.wake.succeed()
