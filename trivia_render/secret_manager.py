"""Secrets of Google's Secret Manager. Importing this loads Google's client."""

import http.client
import time
from typing import Any

import google.auth
import google_crc32c
import requests
import urllib3
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]

from trivia_render.errors import SecretError, SecretUnavailableError

#: Reads the versions of a secret, and nothing else.
ROLE = "roles/secretmanager.secretAccessor"


class _DamagedError(Exception):
    """A payload is not what its checksum says."""


_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_FAULTS: tuple[type[Exception], ...] = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ParseError,
    OSError,
    _DamagedError,
)
_PASSING = (
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    auth.TransportError,
    auth.TimeoutError,
    ParseError,  # a damaged answer
    _DamagedError,
)


class SecretManager:
    """Reads secrets: `manager(resource)` returns a payload.

    `endpoint`: Secret Manager at another address; `http://host:port` goes without credentials. A request has
    `request_seconds`, a secret with all further tries `deadline_seconds`: a machine that has just started may
    be faster than its network, its metadata server and its roles.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        deadline_seconds: float = 60.0,
        request_seconds: float = 10.0,
        first_delay_seconds: float = 0.5,
    ) -> None:
        """Look for credentials, unless the endpoint needs none. Raises SecretError."""
        self._deadline_seconds = deadline_seconds
        self._request_seconds = request_seconds
        self._first_delay_seconds = first_delay_seconds
        self._client = secretmanager_v1.SecretManagerServiceClient(**_options(endpoint))

    def __call__(self, resource: str) -> bytes:
        """Return the payload of a secret's version. Raises SecretError, SecretUnavailableError."""
        until = time.monotonic() + self._deadline_seconds

        def attempt() -> bytes:
            left = max(0.01, min(self._request_seconds, until - time.monotonic()))
            answer = self._client.access_secret_version({"name": resource}, retry=None, timeout=left)
            data: bytes = answer.payload.data
            if "data_crc32c" in answer.payload and google_crc32c.value(data) != answer.payload.data_crc32c:
                raise _DamagedError
            return data

        retry = Retry(
            predicate=_is_passing,
            initial=self._first_delay_seconds,
            maximum=8.0,
            timeout=self._deadline_seconds,
        )
        try:
            payload: bytes = retry(attempt)()
        except _FAULTS as error:
            raise _secret_error(error, resource) from None
        return payload

    def close(self) -> None:
        """Close the connections."""
        self._client.transport.close()  # type: ignore[no-untyped-call]


def _options(endpoint: str | None) -> dict[str, Any]:
    where = {} if endpoint is None else {"client_options": {"api_endpoint": endpoint}}
    if endpoint is not None and endpoint.startswith("http://"):
        return {**where, "credentials": AnonymousCredentials(), "transport": "rest"}  # type: ignore[no-untyped-call]
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except auth.GoogleAuthError as error:
        raise SecretError(
            "There are no Google credentials for Secret Manager.",
            evidence=f"  {error}"[:1000],
            remedy=f"Give the machine a service account with {ROLE} on its secrets, or unset "
            "TRIVIA_SECRETS and set the variables themselves.",
        ) from error
    return {**where, "credentials": credentials, "transport": "rest"}


def _is_passing(error: Exception) -> bool:
    if isinstance(error, auth.RefreshError):
        # A metadata server that does not answer yet comes as the cause.
        return bool(error.retryable) or isinstance(error.__cause__, auth.TransportError)
    return isinstance(error, _PASSING) or _status_of(error) in _PASSING_STATUS


def _secret_error(error: Exception, resource: str) -> SecretError:
    """Return what to raise. Of what Secret Manager has said, its status and message alone: no payload."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    status = _status_of(error)
    project, secret = resource.split("/")[1], resource.split("/")[3]
    if _is_passing(error):
        return SecretUnavailableError(
            f"Secret Manager did not answer as it should for {resource}.",
            evidence=_evidence(error),
            remedy="Start it again. If it lasts, check the network, Private Google Access and the service's "
            "status.",
        )
    if status == http.client.FORBIDDEN:
        return SecretError(
            f"This machine's account may not read {resource}.",
            evidence=_evidence(error),
            remedy=f"Grant it {ROLE}: `gcloud secrets add-iam-policy-binding {secret} --project={project} "
            f"--role={ROLE} --member=serviceAccount:…`; or enable secretmanager.googleapis.com.",
        )
    if status == http.client.NOT_FOUND:
        return SecretError(
            f"There is no {resource}.",
            evidence=_evidence(error),
            remedy=f"Correct TRIVIA_SECRETS, or add it: `gcloud secrets versions add {secret} "
            f"--project={project} --data-file=-`. Reading it needs {ROLE}.",
        )
    if status == http.client.BAD_REQUEST:
        return SecretError(
            f"{resource} cannot be read: it may be disabled or destroyed.",
            evidence=_evidence(error),
            remedy=f"Enable it, or add another: `gcloud secrets versions add {secret} --project={project} "
            "--data-file=-`.",
        )
    return SecretError(
        f"{resource} cannot be read with this machine's credentials.",
        evidence=_evidence(error),
        remedy=f"Check the machine's service account; it needs {ROLE} on the secret.",
    )


def _evidence(error: Exception) -> str:
    if isinstance(error, _DamagedError):
        return "  The answer is damaged: it is not what its checksum says."
    if isinstance(error, ParseError):
        # Its words quote the answer, and so might hold a payload.
        return "  The answer is no message of Secret Manager's."
    return f"  {error}"[:1000]


def _status_of(error: Exception) -> int | None:
    if isinstance(error, api.GoogleAPICallError) and error.code is not None:
        return int(error.code)
    return None
