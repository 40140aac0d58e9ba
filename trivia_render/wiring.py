"""The one place that turns settings into adapters. Cloud clients and voices are imported when first used."""

import atexit
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.errors import BadInputError, StoreError
from trivia_render.models.plan import Provider
from trivia_render.models.ports import Store
from trivia_render.pipeline.lease import process_exists
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import Report, silent
from trivia_render.settings import Settings, load_settings
from trivia_render.speech.cache import CachedVoice
from trivia_render.speech.resolve import google_credentials_present
from trivia_render.speech.usage import CountingVoice
from trivia_render.storage.local import LocalStore


def make_store(settings: Settings) -> Store:
    """Return the store that the settings name: the local folder."""
    if settings.gcs_bucket is not None:
        raise BadInputError(
            f"GCS_BUCKET is {settings.gcs_bucket!r}, but this release keeps its work in a local folder.",
            remedy="Unset GCS_BUCKET; TRIVIA_HOME names the folder.",
        )
    return LocalStore(settings.data_folder.absolute())


def make_ports(settings: Settings, *, report: Report = silent, asset_root: Path | None = None) -> Ports:
    """Put together what the pipeline needs. `asset_root`: where a config's images lie; default: here.

    Raises ProgramMissingError, BadInputError, StoreError.
    """
    store = make_store(settings)
    scratch = make_scratch(settings.data_folder.absolute() / "tmp", host=settings.host)
    return Ports(
        store=store,
        work_store=store,
        voice=_voices(settings, store, scratch),
        google_credentials=google_credentials_of(settings),
        ffmpeg=Ffmpeg(find_ffmpeg(settings.ffmpeg), stall_timeout_seconds=settings.encode_stall_seconds),
        encoder=settings.encoder,
        scratch=scratch,
        asset_root=asset_root or Path.cwd(),
        worker_id=settings.worker_id,
        host=settings.host,
        pid=os.getpid(),
        parallel_clips=settings.parallel_clips,
        usd_per_hour=settings.usd_per_hour,
        now=lambda: datetime.now(UTC),
        report=report,
    )


_current: list[Ports] = []


def use_ports(ports: Ports) -> None:
    """Let the flows and tasks of this process work with these ports."""
    _current[:] = [ports]


def current_ports() -> Ports:
    """Return this process's ports, made from the environment at first use."""
    if not _current:
        use_ports(make_ports(load_settings()))
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
    """Tell whether Google credentials are set on this machine, without asking the network."""
    return google_credentials_present(
        application_credentials=settings.google_credentials, config_folder=settings.gcloud_config
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
        from trivia_render.speech.google import GoogleVoice
        from trivia_render.speech.rate_limit import FileRateLimit

        limit = FileRateLimit(
            settings.data_folder.absolute() / "tmp",
            name="google-speech",
            requests_per_minute=settings.speech_requests_per_minute,
        )
        return CachedVoice(GoogleVoice(rate_limit=limit), store=store, scratch=scratch)

    return voice
