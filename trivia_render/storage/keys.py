"""The name of every object. Pure functions; the one place that knows the storage layout.

Only checked ids, hashes, format slugs and numbers become part of a name: no other text of a user does.
"""

import re
from datetime import date, datetime
from typing import Literal

from trivia_render.errors import BadInputError, StoreError
from trivia_render.models.config import ID_PATTERN
from trivia_render.models.formats import FORMATS, FormatName

VideoFile = Literal["video.mp4", "captions.srt", "captions.vtt", "thumbnail.jpg"]

_ID = re.compile(ID_PATTERN)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,16}(?:[.-][a-z0-9]{1,64}){0,3}")
# A part never starts with a dot: that rules out `.` and `..` and leaves hidden names to adapters.
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")

#: Longest object name that Cloud Storage takes, in bytes.
MAX_KEY_BYTES = 1024

#: Prefect's task results live under this prefix.
RESULTS_PREFIX = "results/"
#: Objects under this prefix may go after a day.
TMP_PREFIX = "tmp/"
#: What the autoscale flow decided last.
FLEET_DECISION_KEY = "fleet/decision.json"
#: So many machines, whatever the rules say.
FLEET_OVERRIDE_KEY = "fleet/override.json"
#: While it is there, the autoscaler decides and does nothing.
FLEET_PAUSE_KEY = "fleet/pause.json"
WORKERS_PREFIX = "fleet/workers/"
DRAINS_PREFIX = "fleet/drains/"
HISTORY_PREFIX = "fleet/history/"
LEDGER_PREFIX = "fleet/ledger/"


def config_key(channel: str, job_id: str) -> str:
    """Return where a job's config lies, as submitted."""
    return f"jobs/{_job(channel, job_id)}/config.json"


def status_key(channel: str, job_id: str) -> str:
    """Return where a job's `JobStatus` lies."""
    return f"jobs/{_job(channel, job_id)}/status.json"


def lease_key(channel: str, job_id: str) -> str:
    """Return where it says who renders a job."""
    return f"jobs/{_job(channel, job_id)}/lease.json"


def manifest_key(channel: str, job_id: str) -> str:
    """Return where a job's `Manifest` lies: its commit."""
    return f"videos/{_job(channel, job_id)}/manifest.json"


def video_key(channel: str, job_id: str, *, format: FormatName, attempt: int, name: VideoFile) -> str:
    """Return where one file of one attempt at one video lies. Attempts count from 1."""
    if attempt < 1:
        raise StoreError(f"{attempt} is not an attempt.", remedy="Attempts count from 1.")
    return f"videos/{_job(channel, job_id)}/{FORMATS[format].slug}/{attempt}/{name}"


def clip_key(clip_sha256: str, extension: str) -> str:
    """Return where a part of a rendered clip lies: `.json` its `ClipResult`, `.mp4` its pictures."""
    return f"clips/{_addressed(clip_sha256, extension)}"


def speech_key(speech_sha256: str, extension: str) -> str:
    """Return where narration lies, by the hash of all that shapes it."""
    return f"speech/{_addressed(speech_sha256, extension)}"


def asset_key(content_sha256: str, extension: str) -> str:
    """Return where an image that configs use lies, by the hash of its bytes."""
    return f"assets/{_addressed(content_sha256, extension)}"


def worker_key(name: str) -> str:
    """Return where a worker says how it is. A worker's name is new at each of its starts."""
    return f"{WORKERS_PREFIX}{_part(name)}.json"


def drain_key(worker_id: str) -> str:
    """Return where it says that a machine shall take no more work."""
    return f"{DRAINS_PREFIX}{_part(worker_id)}.json"


def history_key(at: datetime) -> str:
    """Return where the decisions of an hour lie. `at` in UTC."""
    return f"{HISTORY_PREFIX}{at:%Y-%m-%dT%H}.json"


def ledger_key(day: date, worker: str) -> str:
    """Return where it says what a worker did on a day, in UTC."""
    return f"{LEDGER_PREFIX}{day:%Y-%m-%d}/{_part(worker)}.json"


def turn_key(name: str) -> str:
    """Return where it says whose turn something is that only one process at a time does."""
    return f"fleet/turns/{_part(name)}.json"


def check_key(key: str) -> str:
    """Return the key if a store may use it.

    Raises StoreError for anything but a relative path of `[A-Za-z0-9._-]` parts, none empty and none
    that starts with a dot.
    """
    if len(key) > MAX_KEY_BYTES or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise StoreError(
            f"{key[:200]!r} is not an object name.",
            remedy="Use parts of A-Z a-z 0-9 . _ - that do not start with a dot, joined by single slashes.",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return the prefix if a store may list it: empty, or the start of a key. Raises StoreError."""
    # Completing it to a key checks every part, also a last one that is cut short.
    check_key(f"{prefix}x")
    return prefix


def _job(channel: str, job_id: str) -> str:
    return f"{_identifier(channel, what='channel')}/{_identifier(job_id, what='job id')}"


def _part(name: str) -> str:
    if not _PART.fullmatch(name):
        raise StoreError(f"{name[:200]!r} cannot be part of a name.", remedy="Use A-Z a-z 0-9 . _ - alone.")
    return name


def _identifier(text: str, *, what: str) -> str:
    # Configs are checked where they are read. This is the second door, for ids that came another way.
    if not _ID.fullmatch(text):
        raise BadInputError(
            f"{text[:200]!r} is not a {what}.",
            remedy="Use 1 to 63 of A-Z a-z 0-9 _ - and start with a letter or a digit.",
        )
    return text


def _addressed(sha256: str, extension: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise StoreError(f"{sha256[:200]!r} is not a SHA-256.", remedy="Pass 64 lower-case hex digits.")
    if not _EXTENSION.fullmatch(extension):
        raise StoreError(
            f"{extension[:200]!r} is not a file extension.", remedy="Pass a dot and letters, such as `.json`."
        )
    return f"{sha256}{extension}"
