"""The fleet as its dashboard shows it: the document of `/status`, and what the metrics count."""

from datetime import date, datetime
from typing import Final, Literal, get_args

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.config import Priority
from trivia_render.models.fleet import (
    GpuReading,
    JobProgress,
    Machine,
    MachineState,
    Override,
    PastDecision,
    Pause,
    ScalingPolicy,
    Tally,
    Trigger,
    WorkerState,
)

#: Whoever reads `/status` checks it: it grows with every change that breaks a reader.
VERSION: Final = 1

#: A worker's own state, or that nothing was heard of it for too long.
ShownState = Literal[WorkerState, "lost"]
Source = Literal["store", "prefect"]

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
MACHINE_STATES: tuple[MachineState, ...] = get_args(MachineState)
WORKER_STATES: tuple[ShownState, ...] = (*get_args(WorkerState), "lost")


class SourceView(Model):
    """Whether a source of figures answers."""

    up: bool
    at: datetime | None = Field(default=None, description="When it answered last; None: not yet.")
    error: str | None = Field(default=None, description="What went wrong at the last try.")


class QueueView(Model):
    """The jobs of the render pool."""

    pending: dict[Priority, int] = Field(default_factory=dict, description="Jobs that have not begun.")
    running: dict[Priority, int] = Field(default_factory=dict, description="Jobs at work.")
    pending_jobs: int = 0
    running_jobs: int = 0
    at: datetime | None = Field(default=None, description="When they were counted; None: never.")
    counted_by: Literal["prefect", "decision", "nobody"] = Field(
        default="nobody", description="`decision`: by the autoscaler, for its last decision."
    )


class WorkerView(Model):
    """A worker of the render pool: the last start of each machine's."""

    id: str = Field(description="The machine's name.")
    name: str = Field(description="The name of this start.")
    state: ShownState
    reason: str | None = None
    refused_code: str | None = Field(default=None, description="Why its GPU must not be given work.")
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_seconds: float = Field(ge=0, description="When the store was read.")
    runs: int
    jobs: tuple[JobProgress, ...] = ()
    idle_since: datetime | None = None
    gpus: tuple[GpuReading, ...] = ()
    cpu_percent: float | None = None
    encodes_on: Literal["gpu", "cpu"] = "cpu"
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None
    version: str | None = Field(default=None, description="The engine's.")
    last_error: str | None = None


class HistoryPoint(Model):
    """The fleet at the moment of a decision."""

    at: datetime
    pending_jobs: int
    running_jobs: int
    workers: int = Field(description="Machines with a worker.")
    target_machines: int


class Today(Model):
    """What was done since midnight UTC, by the ledger."""

    day: date
    videos: int = 0
    video_seconds: float = 0.0
    jobs_completed: int = 0
    jobs_failed: int = 0
    usd: float = Field(default=0.0, description="Machines, speech and storage together.")
    machine_usd: float = Field(default=0.0, description="Machines for as long as they were up, idle or not.")
    speech_usd: float = 0.0
    storage_usd: float = 0.0
    usd_per_video: float | None = Field(
        default=None, description="None: no video yet, or the price of a machine that was up is not known."
    )
    unpriced_seconds: float = Field(default=0.0, description="Up-time of machines whose price is not known.")
    reused_share: float | None = Field(default=None, description="Clips that were there already, 0 to 1.")
    speech_requests: int = 0
    preemptions: int = 0
    crashes: int = 0


class Throughput(Model):
    """How fast the fleet is, as measured over today and yesterday."""

    videos_per_machine_per_day: float | None = Field(default=None, description="None: not measured yet.")
    due_seconds: float | None = Field(
        default=None,
        description="When all that waits or is at work should be rendered, with the workers of now.",
    )


class FleetView(Model):
    """The document of `/status`. Times are UTC; what is not known is null."""

    version: Literal[1] = VERSION
    at: datetime = Field(description="When it was put together.")
    fleet: Literal["none", "local", "gce"] | None = None
    queue: QueueView = QueueView()
    machines: tuple[Machine, ...] = Field(default=(), description="Of the last decision.")
    machines_by_state: dict[MachineState, int] = Field(default_factory=dict)
    workers: tuple[WorkerView, ...] = ()
    target_machines: int | None = Field(default=None, description="What the last decision wants.")
    stocked_out: bool = False
    policy: ScalingPolicy | None = None
    override: Override | None = Field(default=None, description="While it holds.")
    pause: Pause | None = None
    decision: PastDecision | None = Field(default=None, description="The last one.")
    last_success_at: datetime | None = Field(
        default=None, description="Of the autoscaler: its last pass without an error."
    )
    decisions: tuple[PastDecision, ...] = Field(
        default=(),
        description="Those of the last 24 h that changed or could not change anything, newest first.",
    )
    history: tuple[HistoryPoint, ...] = Field(default=(), description="The last 24 h, the oldest first.")
    today: Today
    throughput: Throughput = Throughput()
    sources: dict[Source, SourceView]


class FleetCounts(Model):
    """What the metrics count. It begins at zero with the process, and only grows while that lives."""

    tally: Tally = Tally()
    machine_usd: float = Field(default=0.0, description="Of machines for as long as they were up.")
    unpriced_seconds: float = Field(default=0.0, description="Up-time of machines whose price is not known.")
    preemptions: int = 0
    crashes: int = 0
    decisions: dict[Trigger, int] = Field(default_factory=dict)
