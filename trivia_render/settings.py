"""The one place that reads the environment."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from trivia_render.errors import BadInputError
from trivia_render.speech.endpoint import parse_endpoint

#: The machine's own namespace of process ids (PROC_PID_INIT_INO in Linux's proc_ns.h).
_WHOLE_MACHINE = 0xEFFFFFFC


def _default_host() -> str:
    """Return the host's name; in a container with the number of its namespace of process ids.

    Containers may share a name, and a process id means something in its own namespace alone.
    """
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return socket.gethostname()
    return socket.gethostname() if namespace == _WHOLE_MACHINE else f"{socket.gethostname()}-{namespace}"


def _default_worker_id() -> str:
    return f"worker-{os.getpid()}"


def _default_slots_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"trivia-slots-{os.getuid()}"


class Settings(BaseSettings):
    """Where things are kept and how much of this machine is used. Every field is one variable.

    A variable that is empty counts as unset.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    data_folder: Path = Field(
        default=Path(".trivia"),
        validation_alias="TRIVIA_HOME",
        description="Folder that stands for the bucket when GCS_BUCKET is not set.",
    )
    gcs_bucket: str | None = Field(
        default=None, validation_alias="GCS_BUCKET", description="Bucket for jobs, speech and videos."
    )
    work_bucket: str | None = Field(
        default=None,
        validation_alias="TRIVIA_WORK_BUCKET",
        description="Bucket for clips, results and temporary objects; default: GCS_BUCKET.",
    )
    project_id: str | None = Field(
        default=None, validation_alias="PROJECT_ID", description="Google Cloud project."
    )
    region: str | None = Field(default=None, validation_alias="REGION", description="Google Cloud region.")
    zone: str | None = Field(default=None, validation_alias="ZONE", description="Google Cloud zone.")
    worker_id: str = Field(
        default_factory=_default_worker_id,
        validation_alias="WORKER_ID",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="Name in status and manifest. On Google Cloud `trivia worker` takes the machine's own.",
    )
    encoder: Literal["auto", "h264_nvenc", "libx264"] = Field(
        default="auto",
        validation_alias="TRIVIA_ENCODER",
        description="auto takes NVENC where encoding a frame with it works, else libx264.",
    )
    ffmpeg: Path | None = Field(
        default=None,
        validation_alias="TRIVIA_FFMPEG",
        description="FFmpeg to use instead of the packaged one.",
    )
    parallel_clips: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=64,
        validation_alias="TRIVIA_PARALLEL_CLIPS",
        description="Clips rendered at once; default: one a core.",
    )
    encodes_per_gpu: int = Field(
        default=3,
        ge=1,
        le=16,
        validation_alias="TRIVIA_ENCODES_PER_GPU",
        description="NVENC encodes at once on each GPU, over all processes of the machine.",
    )
    slots_folder: Path = Field(
        default_factory=_default_slots_folder,
        validation_alias="TRIVIA_SLOTS_FOLDER",
        description="Folder of the encoding slots' locks; the same for all processes of the machine.",
    )
    visible_gpus: str | None = Field(
        default=None,
        validation_alias="CUDA_VISIBLE_DEVICES",
        description="GPUs to encode on, as CUDA reads it; unset: all.",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto",
        validation_alias="TRIVIA_LOG_FORMAT",
        description="Log lines: auto takes text on a terminal, else JSON for Cloud Logging.",
    )
    encode_stall_seconds: float = Field(
        default=60.0,
        gt=0,
        validation_alias="TRIVIA_ENCODE_STALL_SECONDS",
        description="FFmpeg is ended when it makes no progress for so long.",
    )
    speech_requests_per_minute: int = Field(
        default=900,
        ge=1,
        validation_alias="TRIVIA_SPEECH_REQUESTS_PER_MINUTE",
        description="This machine's share of the Text-to-Speech quota.",
    )
    speech_endpoint: str | None = Field(
        default=None,
        validation_alias="TRIVIA_SPEECH_ENDPOINT",
        description="Text-to-Speech as `host` or `host:port`, such as eu-texttospeech.googleapis.com; "
        "`http://host:port` is plaintext without credentials, for a stand-in in tests.",
    )
    speech_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        validation_alias="TRIVIA_SPEECH_TIMEOUT_SECONDS",
        description="A Text-to-Speech request that has no answer for so long is sent again.",
    )
    google_credentials: str | None = Field(
        default=None,
        validation_alias="GOOGLE_APPLICATION_CREDENTIALS",
        description="Service account key; without it gcloud's default credentials are looked for.",
    )
    gcloud_config: Path = Field(
        default_factory=lambda: Path.home() / ".config" / "gcloud",
        validation_alias="CLOUDSDK_CONFIG",
        description="Folder of the gcloud command's configuration.",
    )
    usd_per_hour: float | None = Field(
        default=None,
        ge=0,
        validation_alias="TRIVIA_USD_PER_HOUR",
        description="This machine's price, for the cost in the manifest.",
    )
    max_crashes: int = Field(
        default=3,
        ge=1,
        le=100,
        validation_alias="TRIVIA_MAX_CRASHES",
        description="A job is failed once so many of its runs died; announced preemptions don't count.",
    )
    worker_lost_seconds: float = Field(
        default=35.0,
        gt=0,
        validation_alias="TRIVIA_WORKER_LOST_SECONDS",
        description="A worker that has sent no heartbeat for so long is taken for lost.",
    )
    worker_heartbeat_seconds: float = Field(
        default=10.0,
        gt=0,
        validation_alias="TRIVIA_WORKER_HEARTBEAT_SECONDS",
        description="How often a worker sends its heartbeat to Prefect.",
    )
    worker_name: str | None = Field(
        default=None,
        validation_alias="TRIVIA_WORKER_NAME",
        description="Set by `trivia worker` for its runs: which start of which worker they belong to.",
    )
    requeue_seconds: float = Field(
        default=30.0,
        ge=1,
        validation_alias="TRIVIA_REQUEUE_SECONDS",
        description="How long a run waits whose process crashed, or whose job another run holds.",
    )
    metadata_host: str | None = Field(
        default=None,
        validation_alias="GCE_METADATA_HOST",
        description="Metadata server of a Google Cloud machine; unset: looked for on such machines.",
    )
    prefect_api_url: str | None = Field(
        default=None,
        validation_alias="PREFECT_API_URL",
        description="Prefect server; unset: one is started inside the process for the run.",
    )
    host: str = Field(
        default_factory=_default_host,
        validation_alias="TRIVIA_HOST",
        description="This machine in leases; default: its host name (in a container with a number).",
    )

    @field_validator("speech_endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str | None) -> str | None:
        if value is not None:
            parse_endpoint(value)
        return value


def load_settings() -> Settings:
    """Read the environment. Raises BadInputError naming each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = "\n".join(
            f"  {'.'.join(str(part) for part in detail['loc'])}={detail['input']!r}: {detail['msg']}"
            for detail in error.errors()
        )
        raise BadInputError(
            "The environment holds values that cannot be used:",
            evidence=lines,
            remedy="Correct or unset these variables.",
        ) from error
