"""The one place that turns settings into adapters. Cloud clients and voices are imported when first used."""

import atexit
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.encode.gpus import find_gpus
from trivia_render.encode.preflight import preflight, refusal_of
from trivia_render.encode.slots import EncodingSlots, usable_cores
from trivia_render.errors import BadInputError, ProgramMissingError, StoreError
from trivia_render.fleet.prices import Rates, rates_for, read_prices, region_of
from trivia_render.gce import metadata_url
from trivia_render.models.asset_reference import BucketImage, WebImage
from trivia_render.models.gpu import Preflight
from trivia_render.models.hosts import parse_hosts
from trivia_render.models.plan import Provider
from trivia_render.models.ports import RemoteAssets, Store
from trivia_render.pipeline.assets import MAX_ASSET_BYTES
from trivia_render.pipeline.board import board_report
from trivia_render.pipeline.lease import process_exists
from trivia_render.pipeline.ledger import BoardLedger, Ledger, StoreLedger
from trivia_render.pipeline.log_report import LogReport
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import Report, silent, to_all
from trivia_render.remote.assets import AllowedAssets, RememberedAssets
from trivia_render.settings import Settings, load_settings
from trivia_render.speech.cache import CachedVoice
from trivia_render.speech.endpoint import parse_endpoint
from trivia_render.speech.resolve import google_credentials_present
from trivia_render.speech.usage import CountingVoice
from trivia_render.storage.local import LocalStore
from trivia_render.telemetry.gpu_readings import load_nvml
from trivia_render.telemetry.logs import make_formatter


class Stores(NamedTuple):
    """Where things are kept: what lasts, and what can be made again. Often one store."""

    store: Store
    work_store: Store


def make_stores(settings: Settings) -> Stores:
    """Return the stores that the settings name: the local folder, or the buckets."""
    if settings.gcs_bucket is None:
        if settings.work_bucket is not None:
            raise BadInputError(
                f"TRIVIA_WORK_BUCKET is {settings.work_bucket!r}, but GCS_BUCKET is not set.",
                remedy="Set GCS_BUCKET too, or unset both to keep the work in a local folder.",
            )
        local = LocalStore(settings.data_folder.absolute())
        return Stores(local, local)
    from trivia_render.storage.gcs import GcsStore, make_client

    # One client, made at first use: it finds its credentials then.
    client = cache(lambda: make_client(settings.project_id))
    store = GcsStore(settings.gcs_bucket, client=client)
    if settings.work_bucket in {None, settings.gcs_bucket}:
        return Stores(store, store)
    return Stores(store, GcsStore(settings.work_bucket, client=client))


def make_store(settings: Settings) -> Store:
    """Return the store of jobs, speech and videos."""
    return make_stores(settings).store


def make_ports(settings: Settings, *, report: Report = silent, asset_root: Path | None = None) -> Ports:
    """Put together what the pipeline needs. `asset_root`: where a config's images lie; default: here.

    Raises ProgramMissingError, BadInputError, StoreError.
    """
    store, work_store = make_stores(settings)
    rates = make_rates(settings)
    scratch = make_scratch(settings.data_folder.absolute() / "tmp", host=settings.host)
    return Ports(
        store=store,
        work_store=work_store,
        voice=_voices(settings, store, scratch),
        google_credentials=google_credentials_of(settings),
        ffmpeg=Ffmpeg(find_ffmpeg(settings.ffmpeg), stall_timeout_seconds=settings.encode_stall_seconds),
        slots=EncodingSlots(
            settings.slots_folder,
            gpus=lambda: find_gpus(visible=settings.visible_gpus),
            per_gpu=settings.encodes_per_gpu,
            cores=usable_cores(),
        ),
        encoder=settings.encoder,
        scratch=scratch,
        asset_root=asset_root or Path.cwd(),
        remote_assets=make_remote_assets(settings),
        worker_id=settings.worker_id,
        host=settings.host,
        pid=os.getpid(),
        parallel_clips=settings.parallel_clips,
        rates=rates,
        ledger=_ledger(settings, store, rates),
        max_crashes=settings.max_crashes,
        now=lambda: datetime.now(UTC),
        report=report,
    )


def needs_gpu(settings: Settings) -> bool:
    """Tell whether this machine must encode on its GPU: NVENC is forced, or a GPU is paid for."""
    return settings.encoder == "h264_nvenc" or (settings.encoder == "auto" and settings.gpu_type is not None)


def run_preflight(settings: Settings, *, scratch: Path) -> Preflight:
    """Find out whether this machine's GPUs encode. A fault of the machine is not raised, but the refusal."""
    try:
        ffmpeg = Ffmpeg(find_ffmpeg(settings.ffmpeg), stall_timeout_seconds=settings.encode_stall_seconds)
    except ProgramMissingError as error:
        return Preflight(refusal=refusal_of(error))
    return preflight(ffmpeg=ffmpeg, nvml=load_nvml(), scratch=scratch, visible=settings.visible_gpus)


def make_remote_assets(settings: Settings) -> RemoteAssets:
    """Return what fetches the images that configs name by gs:// and https://, from allowed places alone."""
    buckets = [settings.gcs_bucket] if settings.gcs_bucket else []
    if settings.asset_buckets is not None:
        buckets = [name.strip() for name in settings.asset_buckets.split(",")]

    @cache
    def client() -> Any:
        from trivia_render.storage.gcs import make_client

        return make_client(settings.project_id)

    def from_bucket(image: BucketImage) -> bytes:
        from trivia_render.storage.gcs_images import GcsImages

        return GcsImages(client=client, max_bytes=MAX_ASSET_BYTES).fetch(image)

    def from_web(image: WebImage) -> bytes:
        from trivia_render.remote.https import FetchLimits, HttpsImages

        return HttpsImages(FetchLimits(MAX_ASSET_BYTES)).fetch(image)

    return RememberedAssets(
        AllowedAssets(
            buckets=buckets,
            own_buckets={bucket for bucket in (settings.gcs_bucket, settings.work_bucket) if bucket},
            hosts=parse_hosts(settings.asset_hosts or ""),
            from_bucket=from_bucket,
            from_web=from_web,
        )
    )


def endpoint_names(settings: Settings) -> tuple[str, ...]:
    """Return the names under which the endpoints of this machine answer, beside its private ones."""
    return (settings.host, *parse_hosts(settings.endpoint_hosts or ""))


def make_rates(settings: Settings) -> Rates:
    """Return the prices that hold for this machine and its store. Raises BadInputError for a bad table."""
    return rates_for(
        read_prices(settings.prices),
        machine_type=settings.machine_type,
        gpu_type=settings.gpu_type,
        provisioning=settings.provisioning,
        region=region_of(region=settings.region, zone=settings.zone),
        usd_per_hour=settings.usd_per_hour,
        store="folder" if settings.gcs_bucket is None else "cloud",
    )


def _ledger(settings: Settings, store: Store, rates: Rates) -> Ledger:
    if settings.worker_board is not None:
        return BoardLedger(settings.worker_board)
    return StoreLedger(store, worker_id=settings.worker_id, usd_per_hour=rates.usd_per_hour)


def make_log_formatter() -> logging.Formatter:
    """Return the formatter of this process's log lines, as TRIVIA_LOG_FORMAT says.

    `deployments/logging.yml` names it. Never raises: Prefect would go on without any log. What is wrong with
    the environment, whatever needs the settings says itself.
    """
    try:
        return make_formatter(load_settings().log_format)
    except BadInputError:
        return make_formatter("auto")


def log_to_stdout() -> None:
    """Print this program's own log lines, from INFO on, on standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(make_log_formatter())
    logger = logging.getLogger("trivia_render")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


_current: list[Ports] = []


def use_ports(ports: Ports) -> None:
    """Let the flows and tasks of this process work with these ports."""
    _current[:] = [ports]


def current_ports() -> Ports:
    """Return this process's ports, made from the environment at first use."""
    if not _current:
        settings = load_settings()
        report: Report = LogReport()
        if settings.worker_board is not None:
            report = to_all(report, board_report(settings.worker_board))
        use_ports(make_ports(settings, report=report))
    return _current[0]


def make_scratch(folder: Path, *, host: str) -> Path:
    """Make this process's own folder for unfinished files; remove those of dead processes of this host.

    Raises StoreError where it cannot be made.
    """
    mine = re.sub(r"[^A-Za-z0-9_-]", "-", host)
    scratch = folder / f"work-{mine}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob(f"work-{mine}-*"):
            pid = other.name.rpartition("-")[2]
            if pid.isdigit() and not process_exists(int(pid)):
                shutil.rmtree(other, ignore_errors=True)
        scratch.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} for unfinished work cannot be made: {error.strerror}.",
            remedy="Set TRIVIA_HOME to a folder that can be written, or free the name.",
        ) from error
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return scratch


def check_google_credentials(settings: Settings) -> None:
    """Refuse a GOOGLE_APPLICATION_CREDENTIALS that cannot be credentials. Raises BadInputError.

    Unset is all right. Google itself is not asked.
    """
    if settings.google_credentials is None:
        return
    file = Path(settings.google_credentials)
    try:
        usable = isinstance(json.loads(file.read_bytes()), dict)
        reason = "which is no JSON object"
    except OSError as error:
        usable, reason = False, f"which cannot be read: {error.strerror}"
    except ValueError:
        usable, reason = False, "which is not JSON"
    if not usable:
        raise BadInputError(
            f"GOOGLE_APPLICATION_CREDENTIALS is {settings.google_credentials!r}, {reason}.",
            remedy="Name a service account's key file, or unset it: then the offline voice speaks English.",
        )


def google_credentials_of(settings: Settings) -> bool:
    """Tell whether Google's voices may be asked: credentials are set, or their endpoint takes none.

    Nothing is asked over the network.
    """
    endpoint = settings.speech_endpoint
    if endpoint is not None and parse_endpoint(endpoint).transport == "plaintext":
        return True
    return google_credentials_present(
        application_credentials=settings.google_credentials,
        config_folder=settings.gcloud_config,
        # A machine of Google Cloud has an identity of its own.
        attached_service_account=metadata_url(settings.metadata_host) is not None,
    )


def _voices(settings: Settings, store: Store, scratch: Path) -> Callable[[Provider], CountingVoice]:
    @cache
    def voice(provider: Provider) -> CountingVoice:
        if provider == "none":
            from trivia_render.speech.silent import SilentVoice

            return SilentVoice()
        if provider == "offline":
            from trivia_render.speech.offline import OfflineVoice

            return CachedVoice(OfflineVoice(), store=store, scratch=scratch)
        check_google_credentials(settings)
        from trivia_render.speech.google import GoogleVoice, RetryPolicy, connect
        from trivia_render.speech.rate_limit import FileRateLimit

        limit = FileRateLimit(
            settings.data_folder.absolute() / "tmp",
            name="google-speech",
            requests_per_minute=settings.speech_requests_per_minute,
        )
        google = GoogleVoice(
            make_client=lambda: connect(settings.speech_endpoint),
            rate_limit=limit,
            retry=RetryPolicy(request_timeout_seconds=settings.speech_timeout_seconds),
        )
        return CachedVoice(google, store=store, scratch=scratch)

    return voice
