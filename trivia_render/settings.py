"""The one place that reads the environment."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from trivia_render.errors import BadInputError
from trivia_render.models.hosts import parse_hosts
from trivia_render.models.redaction import shown_value, without_users
from trivia_render.scaling_settings import ScalingSettings
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


class Settings(ScalingSettings):
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
    asset_hosts: str | None = Field(
        default=None,
        validation_alias="TRIVIA_ASSET_HOSTS",
        description="Hosts from which configs may name images by https, separated by commas: "
        "`images.example.com`, or `*.example.com` for all below it; unset: none. Below a domain where "
        "anybody gets a name, such as `*.github.io`, that is anybody.",
    )
    asset_buckets: str | None = Field(
        default=None,
        validation_alias="TRIVIA_ASSET_BUCKETS",
        pattern=r"^[a-z0-9][a-z0-9._-]+[a-z0-9](\s*,\s*[a-z0-9][a-z0-9._-]+[a-z0-9])*$",
        description="Buckets from which configs may name images by gs://, separated by commas; default: "
        "GCS_BUCKET. Of GCS_BUCKET and TRIVIA_WORK_BUCKET names below `uploads/` alone are taken, of other "
        "buckets all.",
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
        description="This machine's price, whatever the price table says.",
    )
    prices: Path | None = Field(
        default=None,
        validation_alias="TRIVIA_PRICES",
        description="Price table to use instead of the packaged one, `trivia_render/fleet/prices.yml`.",
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
    prefect_api_auth_string: SecretStr | None = Field(
        default=None,
        validation_alias="PREFECT_API_AUTH_STRING",
        description="`user:password`, where Prefect's server asks for one.",
    )
    fleet: Literal["none", "local", "gce"] = Field(
        default="none",
        validation_alias="TRIVIA_FLEET",
        description="What the autoscale flow drives: gce a managed instance group, local worker processes of "
        "this machine (`trivia up` sets it), none nothing: it only decides and records.",
    )
    machine_group: str | None = Field(
        default=None,
        validation_alias="TRIVIA_MACHINE_GROUP",
        pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="The managed instance group, of PROJECT_ID in REGION, or in ZONE where REGION is unset.",
    )
    compute_endpoint: str | None = Field(
        default=None,
        validation_alias="TRIVIA_COMPUTE_ENDPOINT",
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$",
        description="Compute Engine at another address; `http://host:port` goes without credentials, for a "
        "stand-in in tests.",
    )
    secrets: str | None = Field(
        default=None,
        validation_alias="TRIVIA_SECRETS",
        description="Variables that `trivia-with-secrets` reads from Secret Manager for its command: "
        "`NAME=projects/PROJECT/secrets/SECRET/versions/VERSION`, separated by commas.",
    )
    secrets_endpoint: str | None = Field(
        default=None,
        validation_alias="TRIVIA_SECRETS_ENDPOINT",
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$",
        description="Secret Manager at another address; `http://host:port` goes without credentials, for a "
        "stand-in in tests.",
    )
    worker_bind: str = Field(
        default="127.0.0.1",
        validation_alias="TRIVIA_WORKER_BIND",
        description="Address of a worker's /healthz, /status and /metrics; 0.0.0.0 lets others ask.",
    )
    worker_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        validation_alias="TRIVIA_WORKER_PORT",
        description="Port of the same; 0 takes a free one, which the heartbeat and the log name.",
    )
    worker_board: Path | None = Field(
        default=None,
        validation_alias="TRIVIA_WORKER_BOARD",
        description="Set by `trivia worker` for its runs: the folder in which they tell it what they do.",
    )
    dashboard_bind: str = Field(
        default="127.0.0.1",
        validation_alias="TRIVIA_DASHBOARD_BIND",
        description="Address of the fleet's dashboard, /status and /metrics.",
    )
    dashboard_port: int = Field(
        default=4300,
        ge=0,
        le=65535,
        validation_alias="TRIVIA_DASHBOARD_PORT",
        description="Port of the same.",
    )
    endpoint_hosts: str | None = Field(
        default=None,
        validation_alias="TRIVIA_ENDPOINT_HOSTS",
        description="Domain names under which dashboard and workers answer too, separated by commas; "
        "addresses, this machine's name and private names such as `*.internal` always do.",
    )
    machine_type: str | None = Field(
        default=None,
        validation_alias="TRIVIA_MACHINE_TYPE",
        description="Machine type by which this machine is priced, such as n1-standard-4; unset: its "
        "price is not known.",
    )
    gpu_type: str | None = Field(
        default=None,
        validation_alias="TRIVIA_GPU_TYPE",
        description="GPU by which it is priced, such as nvidia-tesla-t4; a render worker with one takes no "
        "work unless it encodes.",
    )
    provisioning: Literal["spot", "standard"] = Field(
        default="spot",
        validation_alias="TRIVIA_PROVISIONING",
        description="Whether this machine is paid for at spot or at standard prices.",
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

    @field_validator("prefect_api_url")
    @classmethod
    def _holds_no_password(cls, value: str | None) -> str | None:
        # Addresses are shown, logged and written to files; this one would be so with its password.
        if value is not None and "@" in value:
            raise ValueError(
                "write it without user and password, and set PREFECT_API_AUTH_STRING to user:password"
            )
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("write it with http:// or https://, such as http://127.0.0.1:4200/api")
        return value

    @field_validator("asset_hosts", "endpoint_hosts")
    @classmethod
    def _are_hosts(cls, value: str | None) -> str | None:
        if value is not None:
            parse_hosts(value)
        return value


def load_settings() -> Settings:
    """Read the environment. Raises BadInputError naming each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = "\n".join(
            f"  {name}={shown_value(name, detail['input'])}: {without_users(detail['msg'])}"
            for detail in error.errors()
            for name in [".".join(str(part) for part in detail["loc"])]
        )
        raise BadInputError(
            "The environment holds values that cannot be used:",
            evidence=lines,
            remedy="Correct or unset these variables.",
        ) from error
