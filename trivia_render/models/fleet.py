"""The fleet as the store knows it: workers, requests to them, decisions on their number, the ledger."""

from bisect import bisect_left
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.config import Priority
from trivia_render.models.gpu import Refusal

#: `draining` finishes what it has begun and takes no more; `drained` has nothing left and waits for its end;
#: `stopping` hands everything back at once; `refused` takes no work since its GPU does not encode, or
#: until that is known.
WorkerState = Literal["ready", "draining", "drained", "stopping", "refused"]


class GpuReading(Model):
    """What NVML tells of a GPU. Its utilisation does not include the encoder's."""

    name: str
    memory_used_bytes: int = Field(ge=0)
    memory_total_bytes: int = Field(ge=0)
    utilisation_percent: float = Field(ge=0, le=100)
    encoder_utilisation_percent: float = Field(ge=0, le=100)


class JobProgress(Model):
    """A job that a worker renders now."""

    channel: str
    job_id: str
    flow_run_id: str | None = None
    stage: str
    clips_done: int = Field(ge=0)
    clips_total: int = Field(ge=0)
    started_at: datetime


class WorkerRecord(Model):
    """`fleet/workers/{name}.json`: one start of one worker, and its heartbeat. A name is never used again."""

    name: str
    worker_id: str = Field(description="The machine's name; another start of it has the same.")
    pool: str
    state: WorkerState
    reason: str | None = None
    refusal: Refusal | None = Field(default=None, description="Where it is `refused`; None: not looked yet.")
    started_at: datetime
    updated_at: datetime
    runs: int = Field(default=0, ge=0, description="Flow runs that have a process here now.")
    jobs: tuple[JobProgress, ...] = ()
    idle_since: datetime | None = Field(default=None, description="None while a run is at work.")
    gpus: tuple[GpuReading, ...] = ()
    cpu_percent: float | None = Field(
        default=None, description="Of all usable cores, by this worker's processes, over the last minute."
    )
    encodes_on: Literal["gpu", "cpu"] = "cpu"
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    last_error: str | None = None
    status_url: str | None = Field(default=None, description="Where its own endpoints answer.")

    def utilisation_percent(self) -> float | None:
        """Return the highest of GPU and encoder; of the CPU where that encodes. None: nothing was read."""
        readings = [
            value for gpu in self.gpus for value in (gpu.utilisation_percent, gpu.encoder_utilisation_percent)
        ]
        if self.encodes_on == "cpu" and self.cpu_percent is not None:
            readings.append(min(self.cpu_percent, 100.0))
        return max(readings, default=None)


class DrainRequest(Model):
    """`fleet/drains/{worker_id}.json`: this machine shall finish what it has begun and take no more."""

    worker_id: str
    by: Literal["operator", "autoscaler"]
    at: datetime


class Override(Model):
    """`fleet/override.json`: so many machines, whatever the rules say."""

    machines: int = Field(ge=0)
    at: datetime
    until: datetime | None = Field(default=None, description="None: until it is taken back.")


class Pause(Model):
    """`fleet/pause.json`: while it is there, the autoscaler decides and does nothing."""

    at: datetime


#: What a machine is to the autoscaler. `leaving`: the group is taking it away; `failing`: it should serve and
#: does not.
MachineState = Literal["starting", "idle", "busy", "draining", "drained", "failing", "leaving"]


#: States in which a machine's worker has been heard of lately.
_HEARD_STATES = frozenset({"idle", "busy", "draining", "drained"})


class Machine(Model):
    """A machine of the group, with what its worker says."""

    name: str
    state: MachineState
    idle_since: datetime | None = None
    utilisation_percent: float | None = Field(default=None, ge=0, le=100)
    drained_by: Literal["operator", "autoscaler"] | None = None
    worker: str | None = Field(
        default=None, description="The name of this start of its worker, also of one that has fallen silent."
    )


#: Why a decision is what it is.
Trigger = Literal["manual", "pending", "utilisation", "idle", "drained", "replace", "bounds", "none"]


class PastDecision(Model):
    """A decision as history keeps it."""

    at: datetime
    trigger: Trigger
    machines_before: int
    target_machines: int
    removed: tuple[str, ...] = Field(default=(), description="Machines that were deleted.")
    pending_jobs: int
    running_jobs: int = 0
    workers: int = 0
    utilisation_percent: float | None = None
    reason: str
    acted: bool = Field(default=True, description="False while paused, or where nothing could be done.")
    error: str | None = None


class FleetSnapshot(Model):
    """All that a decision is made of."""

    at: datetime
    pending: dict[Priority, int] = Field(
        default_factory=dict,
        description="Jobs that have not begun; those of running shards included.",
    )
    running: dict[Priority, int] = Field(default_factory=dict, description="Jobs at work.")
    machines: tuple[Machine, ...] = ()
    target_machines: int = Field(ge=0, description="What the group aims at now.")
    stocked_out: bool = Field(default=False, description="The cloud has no machine to give now.")
    videos_per_machine_per_day: float | None = Field(
        default=None, gt=0, description="What a busy machine was measured to do; None: not yet."
    )
    override: Override | None = None
    history: tuple[PastDecision, ...] = Field(default=(), description="Recent decisions, the oldest first.")

    @property
    def pending_jobs(self) -> int:
        """Jobs that have not begun."""
        return sum(self.pending.values())


class ScalingPolicy(Model):
    """The numbers of the rules; the defaults are the operator's."""

    name: Literal["operator", "measured"] = "operator"
    min_machines: int = Field(default=1, ge=0, le=1000)
    max_machines: int = Field(default=20, ge=1, le=1000)
    videos_per_machine: float = Field(default=200.0, gt=0)
    planned_share: float = Field(default=0.5, gt=0, le=1)
    scale_up_pending: int = Field(default=100, ge=0)
    scale_up_utilisation_percent: float = Field(default=80.0, ge=0, le=100)
    scale_down_pending: int = Field(default=5, ge=0)
    scale_down_utilisation_percent: float = Field(default=30.0, ge=0, le=100)
    idle_seconds: float = Field(default=600.0, ge=0)
    utilisation_step: int = Field(default=1, ge=1)
    cooldown_seconds: float = Field(
        default=300.0, ge=0, description="After a step by utilisation, and between growing and shrinking."
    )
    drain_seconds: float = Field(default=900.0, gt=0, description="`measured`: what waits is to begin in.")


class Decision(Model):
    """How many machines the group should have, which idle ones go, and why."""

    at: datetime
    policy: Literal["operator", "measured"]
    trigger: Trigger
    machines_before: int
    target_machines: int
    remove: tuple[str, ...] = Field(
        default=(), description="Machines to drain and, once drained, to delete. Never a busy one."
    )
    pending_jobs: int
    utilisation_percent: float | None
    reason: str


class DecisionRecord(Model):
    """`fleet/decision.json`: the last decision, what it was made of, and what was done about it."""

    fleet: Literal["none", "local", "gce"]
    snapshot: FleetSnapshot = Field(description="Without the history, which is kept by the hour.")
    policy: ScalingPolicy
    decision: Decision
    paused: bool = False
    asked_to_drain: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = Field(default=(), description="Drains that were cancelled.")
    deleted: tuple[str, ...] = ()
    grown_to: int | None = None
    finished_at: datetime | None = Field(default=None, description="None while it is acted upon.")
    error: str | None = None

    def as_past(self) -> PastDecision:
        """Return it as history keeps it."""
        decision, snapshot = self.decision, self.snapshot
        return PastDecision(
            at=decision.at,
            trigger=decision.trigger,
            machines_before=decision.machines_before,
            target_machines=decision.target_machines,
            removed=self.deleted,
            pending_jobs=decision.pending_jobs,
            running_jobs=sum(snapshot.running.values()),
            workers=sum(machine.state in _HEARD_STATES for machine in snapshot.machines),
            utilisation_percent=decision.utilisation_percent,
            reason=decision.reason,
            acted=self.fleet != "none"
            and not self.paused
            and (self.error is None or bool(self.deleted) or self.grown_to is not None),
            error=self.error,
        )


class HistoryHour(Model):
    """`fleet/history/{hour}.json`: the decisions of an hour, the oldest first."""

    decisions: tuple[PastDecision, ...] = ()


class QueueCounts(Model):
    """Jobs in the render pool by priority, not flow runs: a shard holds many."""

    pending: dict[Priority, int] = Field(default_factory=dict)
    running: dict[Priority, int] = Field(default_factory=dict)


#: Upper bounds of a histogram's counts, in seconds, each included.
HISTOGRAM_BOUNDS_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_COUNTS = len(HISTOGRAM_BOUNDS_SECONDS) + 1


class Histogram(Model):
    """Counts of durations: `counts[i]` of at most `HISTOGRAM_BOUNDS_SECONDS[i]`, above the bound before.

    The last count is of longer ones. No counts at all: nothing was counted.
    """

    counts: tuple[int, ...] = ()
    total_seconds: float = 0.0

    @classmethod
    def of(cls, seconds: float) -> "Histogram":
        """Return the histogram of one duration."""
        place = bisect_left(HISTOGRAM_BOUNDS_SECONDS, seconds)
        return cls(counts=tuple(int(index == place) for index in range(_COUNTS)), total_seconds=seconds)

    def __add__(self, other: "Histogram") -> "Histogram":
        if not self.counts or not other.counts:
            return self if self.counts else other
        return Histogram(
            counts=tuple(mine + its for mine, its in zip(self.counts, other.counts, strict=True)),
            total_seconds=round(self.total_seconds + other.total_seconds, 3),
        )


class Tally(Model):
    """What was done: by one run of a job, or for one channel, on one day, by one worker."""

    jobs_completed: int = 0
    jobs_failed: int = 0
    runs_given_back: int = Field(
        default=0, description="Runs that ended before their job did: preempted, cancelled, given back."
    )
    videos: int = 0
    video_seconds: float = 0.0
    clips_rendered: int = 0
    clips_reused: int = 0
    speech_requests: int = 0
    speech_characters: int = 0
    speech_reused: int = Field(default=0, description="Lines that were spoken before.")
    stored_bytes: int = Field(default=0, description="Of the published files.")
    machine_seconds: float = Field(default=0.0, description="Of jobs from claim to end.")
    stage_seconds: dict[str, float] = Field(default_factory=dict)
    machine_usd: float = Field(default=0.0, description="0 where the machine's price is not known.")
    speech_usd: float = 0.0
    storage_usd: float = 0.0
    stage_usd: dict[str, float] = Field(
        default_factory=dict,
        description="Each stage's share of the machine, the speech's own price, and `storage`. Of all stages "
        "together: `usd`.",
    )
    job_durations: Histogram = Field(default=Histogram(), description="Of completed jobs.")
    stage_durations: dict[str, Histogram] = Field(default_factory=dict, description="The same, by stage.")

    @property
    def usd(self) -> float:
        """Machine, speech and storage together."""
        return self.machine_usd + self.speech_usd + self.storage_usd

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: _sum(getattr(self, name), getattr(other, name)) for name in Tally.model_fields})


def _sum(mine: Any, its: Any) -> Any:
    if isinstance(mine, dict):
        return {
            key: _sum(mine[key], its[key]) if key in mine and key in its else mine.get(key, its.get(key))
            for key in (*mine, *(key for key in its if key not in mine))
        }
    # Dust of binary fractions is left out, so that sums read as they are written.
    return round(mine + its, 8) if isinstance(mine, float) else mine + its


class LedgerEntry(Model):
    """What one run of a job did. It is counted once, by its id."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    channel: str
    job_id: str
    outcome: Literal["completed", "failed", "given_back"]
    error_code: str | None = None
    finished_at: datetime
    engine: str = Field(description="The engine's version.")
    tally: Tally


class LedgerPage(Model):
    """`fleet/ledger/{day}/{worker}.json`: one worker's day. Nothing deletes it: kept for 400 days."""

    day: date = Field(description="UTC.")
    worker: str
    channels: dict[str, Tally] = Field(default_factory=dict, description="By the day on which runs ended.")
    up_seconds: float = Field(default=0.0, description="How long its machine was paid for this day.")
    usd_per_hour: float | None = None
    preemptions: int = 0
    crashes: int = 0
    folded: tuple[str, ...] = Field(
        default=(), description="Entries in it that may come again, since they were not removed yet."
    )
    updated_at: datetime
