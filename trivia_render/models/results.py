"""What was made: clip results, status and manifest. Small JSON, kept in the store."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.config import Priority
from trivia_render.models.formats import FormatName
from trivia_render.models.plan import EncoderSpec, Fallback, VoiceSpec
from trivia_render.models.timeline import Timeline


class ObjectRef(Model):
    """An object in the store and what it must be. `crc32c` is base64, big-endian, as GCS gives it."""

    key: str
    size_bytes: int = Field(ge=0)
    crc32c: str


class ClipResult(Model):
    """A rendered clip: where its pictures and its sound are."""

    clip_key: str
    label: str
    frames: int
    timeline: Timeline
    video: ObjectRef
    audio: ObjectRef
    parameter_sets_sha256: str = Field(description="Hash of the stream's SPS and PPS.")
    seconds: dict[str, float] = Field(description="Wall seconds per stage.")
    rendered_at: datetime


class Chapter(Model):
    """A chapter of the finished video; its title never gives an answer away."""

    title: str
    start_seconds: float
    end_seconds: float


class Lease(Model):
    """`lease.json`: who renders the job. It fences writes; it never selects work."""

    owner: str = Field(description="Random token of this claim; read back when an answer was lost.")
    worker_id: str
    flow_run_id: str | None
    attempt: int = Field(ge=1, description="The fencing token: grows with every claim.")
    host: str
    pid: int
    expires_at: datetime


JobState = Literal["pending", "running", "completed", "failed"]


class JobStatus(Model):
    """`status.json`: what the job is doing, for people and for other machines."""

    channel: str
    job_id: str
    state: JobState
    attempt: int = Field(ge=0, description="The fencing token of the last claim; grows with each.")
    retry: int = Field(default=0, ge=0, description="How often an operator has asked for it again.")
    priority: Priority = "default"
    crashes: int = Field(default=0, ge=0, description="Runs that died with it since it was submitted.")
    crash_of: str | None = Field(
        default=None, description="The last run counted in `crashes`, with its start: counted once."
    )
    worker_id: str | None = None
    flow_run_id: str | None = None
    clips_done: int = Field(default=0, ge=0)
    clips_total: int = Field(default=0, ge=0)
    config_sha256: str | None = Field(default=None, description="Of the config as the parser sees it.")
    error_code: str | None = None
    error_message: str | None = None
    error_remedy: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    updated_at: datetime
    finished_at: datetime | None = None
    manifest_uri: str | None = None
    video_uris: dict[FormatName, str] = Field(default_factory=dict)
    seconds: float | None = Field(default=None, description="Wall seconds of the run that completed it.")
    cost_usd: float | None = Field(default=None, description="None where the machine's price is not known.")


class Cost(Model):
    """What a run cost by the price table, in US dollars. `total_usd` is of what is known."""

    machine_usd: float | None = Field(
        description="From claim to commit, as if the machine had done nothing else. None where its price is "
        "not known."
    )
    speech_usd: float = Field(description="What the voice's vendor asks; 0 for the offline voice.")
    storage_usd: float = Field(
        description="The published files' first 30 days, and about as many writes as the run made."
    )
    total_usd: float
    usd_per_hour: float | None
    prices_as_of: date
    notes: tuple[str, ...] = Field(default=(), description="What was assumed.")


class VideoRecord(Model):
    """One finished video in the manifest."""

    format: FormatName
    width: int
    height: int
    frames: int
    duration_seconds: float
    video: ObjectRef
    sha256: str = Field(description="Of the video file, hex.")
    captions: dict[str, ObjectRef]
    thumbnail: ObjectRef
    chapters: tuple[Chapter, ...]
    integrated_lufs: float | None = Field(description="Measured on the AAC; None for a silent job.")
    true_peak_dbtp: float | None
    silent: bool
    clip_keys: tuple[str, ...]
    cost_usd: float | None = Field(
        default=None, description="Its share of the job's `cost_usd`, by its frames."
    )


class Manifest(Model):
    """`manifest.json`: the commit of a job. Readers follow nothing else."""

    channel: str
    job_id: str
    attempt: int
    title: str
    config_sha256: str
    plan_sha256: str = Field(description="Of all that shapes the videos: equal means nothing to do.")
    engine_version: str
    encoder: EncoderSpec
    strategy: Literal["full", "spliced"]
    voice: VoiceSpec
    language: str
    fallbacks: tuple[Fallback, ...]
    videos: tuple[VideoRecord, ...]
    stage_seconds: dict[str, float] = Field(description="Wall seconds; of clips side by side, their sum.")
    stage_cost_usd: dict[str, float] | None = Field(
        description="`cost_usd` by stage: the machine's by their seconds, the voice's price in `speech`, and "
        "`storage`."
    )
    speech: dict[str, int] = Field(
        description="What the voice did for this run: requests, cache hits and so on."
    )
    clips_rendered: int
    clips_reused: int
    cost_usd: float | None = Field(
        description="`cost.total_usd`; None where the machine's price is not known, since the rest alone "
        "would pass for the whole."
    )
    cost: Cost | None = Field(default=None, description="None in manifests of older versions.")
    worker_id: str
    flow_run_id: str | None
    published_at: datetime
    metadata: dict[str, Any]
