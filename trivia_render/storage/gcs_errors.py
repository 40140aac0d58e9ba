"""What goes wrong with Cloud Storage: which faults may pass, and each as one of our errors."""

import errno
import http.client
from typing import NamedTuple

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import (  # type: ignore[import-untyped]
    DataCorruption,
    InvalidResponse,
)

from trivia_render.errors import BucketMissingError, ObjectDamagedError, StoreError, StoreUnavailableError

#: All that the client, its transport and the local disk raise.
FAULTS: tuple[type[Exception], ...] = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    InvalidResponse,
    DataCorruption,
    OSError,
)

#: All that `roles/storage.objectUser` holds: reading, writing, listing and deleting objects.
ROLE = "roles/storage.objectUser"

# https://cloud.google.com/storage/docs/retry-strategy
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_PASSING = (
    StoreUnavailableError,
    ConnectionError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.JSONDecodeError,  # a damaged answer
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    auth.TransportError,
    auth.TimeoutError,
)
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Limits(NamedTuple):
    """How long a call may take and how often it is tried."""

    #: No further try is begun so long after the first.
    deadline_seconds: float = 60.0
    #: These two hold for sending a body too, the first on a new connection: 8 MiB need 3.4 Mbit/s.
    connect_seconds: float = 20.0
    read_seconds: float = 20.0
    #: The wait before the n-th further try is random, up to `first * 2**n` and at most `longest`.
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 8.0
    #: Tries of a transfer whose bytes were lost or changed on the way.
    damaged_tries: int = 4
    #: Tries of a call that was answered 401: a token that expired is renewed between them.
    refused_tries: int = 6


DEFAULT_LIMITS = Limits()


class Patience:
    """Whether a fault of one call is worth another try. Counts those that are so only a few times."""

    def __init__(self, limits: Limits) -> None:
        self._damaged = limits.damaged_tries
        self._refused = limits.refused_tries

    def __call__(self, error: Exception) -> bool:
        """Tell whether to try again."""
        if isinstance(error, ObjectDamagedError):
            self._damaged -= 1
            return self._damaged > 0
        if _is_refused(error):
            self._refused -= 1
            return self._refused > 0
        return is_passing(error)


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, auth.RefreshError):
        # A VM's metadata server that does not answer comes as the cause.
        return bool(error.retryable) or isinstance(error.__cause__, auth.TransportError)
    return isinstance(error, _PASSING) or status_of(error) in _PASSING_STATUS


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that the error stands for, or None where there was no answer."""
    if isinstance(error, api.GoogleAPICallError):
        return None if error.code is None else int(error.code)
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    return None


def store_error(error: Exception, *, bucket: str, name: str) -> StoreError:
    """Return what to raise for a fault that no further try will mend. `name`: of the object or prefix."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    if isinstance(error, StoreError):
        return error
    evidence = f"gs://{bucket}/{name}: {error}"[:1000]
    if is_passing(error):
        return StoreUnavailableError(
            f"Cloud Storage did not answer as it should for gs://{bucket}/{name}.",
            evidence=evidence,
            remedy="Check the network and the service's status, and run it again.",
        )
    if _is_refused(error):
        return StoreError(
            "Cloud Storage does not accept these credentials.",
            evidence=evidence,
            remedy="Run `gcloud auth application-default login` anew, or check the VM's service account.",
        )
    if status_of(error) == http.client.FORBIDDEN:
        return StoreError(
            f"This account may not use the bucket {bucket}.",
            evidence=evidence,
            remedy=f"Grant it {ROLE} on the bucket that GCS_BUCKET or TRIVIA_WORK_BUCKET names.",
        )
    # google-auth and requests have errors that are OSErrors too; those of the local disk have a number.
    if isinstance(error, OSError) and error.errno is not None:
        return _disk_error(error, evidence=evidence)
    return StoreError(
        f"gs://{bucket}/{name} cannot be read or written.",
        evidence=evidence,
        remedy="See the service's message, correct its cause and run it again.",
    )


def no_credentials(error: Exception) -> StoreError:
    """Return what to raise where this machine has no Google credentials, or none that work."""
    return StoreError(
        "There are no Google credentials for Cloud Storage.",
        evidence=str(error),
        remedy="Run `gcloud auth application-default login`, or give the VM a service account"
        f" with {ROLE}. Without a bucket, unset GCS_BUCKET.",
    )


def no_bucket(bucket: str) -> BucketMissingError:
    """Return what to raise where the bucket itself is missing."""
    return BucketMissingError(
        f"There is no bucket {bucket}.",
        remedy="Create it, or correct GCS_BUCKET (TRIVIA_WORK_BUCKET for clips and results).",
    )


def _is_refused(error: Exception) -> bool:
    # InvalidOperation: anonymous credentials, which an emulator gets, were asked to renew after a 401.
    if isinstance(error, auth.RefreshError):
        return not is_passing(error)
    return isinstance(error, auth.InvalidOperation) or status_of(error) == http.client.UNAUTHORIZED


def _disk_error(error: OSError, *, evidence: str) -> StoreError:
    if error.errno in _FULL:
        return StoreError(
            "The disk for temporary files is full.",
            evidence=evidence,
            remedy="Free some space or set TRIVIA_HOME to a larger disk, then run it again.",
        )
    return StoreError(
        f"The local file {error.filename} cannot be read or written.",
        evidence=evidence,
        remedy="See the system's message, correct its cause and run it again.",
    )
