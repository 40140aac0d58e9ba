"""The figures of a load test as data: `bench/out/load.json`."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from trivia_render.models.base import Model

#: `split`: API processes, one process of services, Redis between them; `single`: all in one process.
Mode = Literal["split", "single"]
Role = Literal["api", "services", "server", "postgres", "redis", "flows"]
#: Whose CPU seconds are Prefect's side; `flows` are the workers with what they run.
SERVER_ROLES: tuple[Role, ...] = ("api", "services", "server", "postgres", "redis")
SECONDS_PER_DAY = 86_400


class Latency(Model):
    """Of one cheap call, once a second. Milliseconds; None where nothing was answered."""

    samples: int = Field(ge=0)
    failed: int = Field(ge=0, description="Answers of 500 and over, and none within 10 s.")
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    worst_ms: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float], *, failed: int) -> "Latency":
        """Sum up the seconds of the answered calls. Pure."""
        if not seconds:
            return cls(samples=0, failed=failed)
        return cls(
            samples=len(seconds),
            failed=failed,
            p50_ms=round(1000 * percentile(seconds, 50), 1),
            p95_ms=round(1000 * percentile(seconds, 95), 1),
            p99_ms=round(1000 * percentile(seconds, 99), 1),
            worst_ms=round(1000 * max(seconds), 1),
        )


class Table(Model):
    """How much a table grew, with its indexes."""

    name: str
    bytes_per_video: float


class Usage(Model):
    """What a role used within a span of time."""

    processes: int = Field(ge=0, description="Processes at its end, PostgreSQL's sessions included.")
    cpu_seconds: float = Field(ge=0)
    cores: float = Field(ge=0, description="CPU seconds a second.")
    memory_bytes: int = Field(ge=0, description="The most that was seen; shared pages count once.")


class Whole(Model):
    """What the whole machine did within a span of time, in cores."""

    busy_cores: float = Field(ge=0, description="Not idle, whoever used it; stolen time included.")
    own_cores: float = Field(ge=0, description="Used by the program that submits and measures.")

    def others_cores(self, usage: Mapping[Role, Usage]) -> float:
        """Return what programs used that have nothing to do with the load test."""
        return max(0.0, self.busy_cores - self.own_cores - sum(used.cores for used in usage.values()))


class Errors(Model):
    """Whatever went wrong."""

    runs_not_completed: int = Field(default=0, ge=0, description="Runs of jobs that ended otherwise.")
    shards_not_completed: int = Field(default=0, ge=0)
    server_log_lines: int = Field(default=0, ge=0, description="Lines of level ERROR or CRITICAL.")
    client_retries: int = Field(
        default=0, ge=0, description="Answers to workers and flows that were retried."
    )
    deadlocks: int = Field(default=0, ge=0, description="As PostgreSQL counts them.")
    samples: tuple[str, ...] = Field(default=(), description="The last of the log lines.")

    @property
    def total(self) -> int:
        """All of them together."""
        return (
            self.runs_not_completed
            + self.shards_not_completed
            + self.server_log_lines
            + self.client_retries
            + self.deadlocks
        )


class Steady(Model):
    """The load at a day's rate."""

    minutes: float
    rate_per_day: float
    shards: int
    submitted: int
    completed: int
    seconds: float = Field(gt=0, description="From the first submission to the last video's end.")
    submission_worst_ms: float = Field(description="Creating a shard's run and noting it at its jobs.")
    start_delay_p50_seconds: float | None = Field(description="Of shards: from scheduled to running.")
    start_delay_worst_seconds: float | None = None
    late_shards: int = Field(ge=0, description="Shards that Prefect marked late on their way.")
    idle_cores: float = Field(ge=0, description="Prefect's side before the first submission.")
    usage: dict[Role, Usage]
    whole: Whole
    latency: Latency
    database_bytes_per_video: float
    wal_bytes_per_video: float
    tables: tuple[Table, ...] = Field(description="The five that grew most.")
    events_per_video: float
    log_lines_per_video: float
    task_runs: int = Field(ge=0, description="That the server has as completed.")
    task_runs_expected: int = Field(ge=0)
    backlog_seconds: float = Field(
        ge=0, description="From the last video's end until the server had written all events."
    )
    backlog_left: int = Field(ge=0, description="Messages that Redis still held for the services then.")
    errors: Errors

    @property
    def server_cpu_per_video(self) -> float:
        """CPU seconds of Prefect's side a video, its idle work included."""
        return sum(usage.cpu_seconds for role, usage in self.usage.items() if role in SERVER_ROLES) / max(
            self.completed, 1
        )


class Fast(Model):
    """The load as fast as it goes: renders take no time, and work always waits."""

    minutes: float
    completed: int
    seconds: float = Field(gt=0)
    usage: dict[Role, Usage]
    whole: Whole
    latency: Latency
    backlog_seconds: float = Field(ge=0)
    backlog_left: int = Field(ge=0)
    drained: bool = Field(description="Whether all events were written within the time allowed.")
    errors: Errors

    @property
    def videos_per_second(self) -> float:
        """Videos completed a second."""
        return self.completed / self.seconds


class ModeResult(Model):
    """All of one mode."""

    mode: Mode
    api_processes: int = Field(ge=1)
    steady: Steady
    fast: Fast | None


class Machine(Model):
    """What all of it ran on."""

    cpu: str
    cores: int
    memory_bytes: int
    versions: dict[str, str]


class Setup(Model):
    """How it was run."""

    shard_size: int
    questions: int
    workers: int
    runs_per_worker: int
    clips_at_once: int
    clip_seconds: float
    emulated_workers: int
    fsync: Literal["on", "off"]


class LoadReport(Model):
    """`bench/out/load.json`."""

    at: datetime
    machine: Machine
    setup: Setup
    modes: tuple[ModeResult, ...]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed. Pure."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
