"""What goes wrong with Compute Engine: which faults may pass, and each as one of our errors."""

import http.client
from collections.abc import Iterable

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import compute_v1
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]

from trivia_render.errors import FleetError, FleetUnavailableError
from trivia_render.fleet.compute_place import Limits, Place

#: All that the client and its transport raise.
FAULTS: tuple[type[Exception], ...] = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ParseError,
    OSError,
)

#: What is needed to read a group, its operations and its autoscaler, to resize it and to delete machines of
#: it. The predefined role with all of them, Compute Instance Admin, may change every machine of a project.
ROLE = (
    "a role with compute.instanceGroupManagers.get, .list and .update, compute.autoscalers.get and "
    "compute.regionOperations.get (or zoneOperations), as Terraform's fleet sizer has them"
)

_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
# Compute Engine's limits on requests come as 403 too, and a resource that is being changed as 400.
# https://cloud.google.com/compute/docs/api/troubleshooting-errors
_PASSING_REASONS = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
    "backendError",
    "resourceNotReady",
}
_PASSING = (
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError,
    auth.TransportError,
    auth.TimeoutError,
    ParseError,  # a damaged answer
)
_DISABLED_REASONS = {"accessNotConfigured", "SERVICE_DISABLED"}


def is_passing(error: Exception) -> bool:
    """Tell whether the same request may succeed a little later."""
    if isinstance(error, auth.RefreshError):
        # A VM's metadata server that does not answer comes as the cause.
        return bool(error.retryable) or isinstance(error.__cause__, auth.TransportError)
    return (
        isinstance(error, _PASSING)
        or _status_of(error) in _PASSING_STATUS
        or bool(_PASSING_REASONS & _reasons_of(error))
    )


def fleet_error(error: Exception, place: Place) -> FleetError:
    """Return what to raise for a fault that no further try will mend."""
    if isinstance(error, api.RetryError) and error.cause is not None:
        error = error.cause
    evidence = f"  {error}"[:1000]
    if is_passing(error):
        return _unavailable(place, evidence)
    if isinstance(error, auth.GoogleAuthError) or _status_of(error) == http.client.UNAUTHORIZED:
        return FleetError(
            "Compute Engine does not accept these credentials.",
            evidence=evidence,
            remedy="Run `gcloud auth application-default login` anew, or check the VM's service account.",
        )
    if _DISABLED_REASONS & _reasons_of(error):
        return FleetError(
            f"The Compute Engine API is not enabled in the project {place.project}.",
            evidence=evidence,
            remedy=f"Run `gcloud services enable compute.googleapis.com --project={place.project}`, "
            "or correct PROJECT_ID.",
        )
    if _status_of(error) == http.client.FORBIDDEN:
        return FleetError(
            f"This account may not do that with the machine group {place}.",
            evidence=evidence,
            remedy=f"Grant it {ROLE}, on the project that PROJECT_ID names, or correct PROJECT_ID.",
        )
    if _status_of(error) == http.client.NOT_FOUND:
        return FleetError(
            f"There is no machine group {place}.", evidence=evidence, remedy=_where_to_look(place)
        )
    return FleetError(
        f"Compute Engine refuses what was asked of the machine group {place}.",
        evidence=evidence,
        remedy="See its message and correct the cause, "
        "such as a wrong TRIVIA_MACHINE_GROUP, PROJECT_ID, REGION or ZONE.",
    )


def operation_error(operation: compute_v1.Operation, place: Place) -> FleetError | None:
    """Return what to raise for an operation that has ended with errors; None where it has none."""
    errors = [f"  {error.code}: {error.message}" for error in operation.error.errors]
    if not errors and operation.http_error_status_code >= http.client.BAD_REQUEST:
        errors = [f"  {operation.http_error_status_code} {operation.http_error_message}"]
    if not errors:
        return None
    evidence = "\n".join(errors)[:1000]
    if operation.http_error_status_code in _PASSING_STATUS:
        return _unavailable(place, evidence)
    return FleetError(
        f"Compute Engine has begun what was asked of the machine group {place}, and failed.",
        evidence=evidence,
        remedy=f"See its message, and `gcloud compute instance-groups managed list-errors {place.flags}`.",
    )


def too_late(place: Place, limits: Limits) -> FleetUnavailableError:
    """Return what to raise where there is no time left for another request."""
    return _unavailable(place, f"  not done after {limits.deadline_seconds:g} s")


def no_credentials(error: Exception) -> FleetError:
    """Return what to raise where this machine has no Google credentials."""
    return FleetError(
        "There are no Google credentials for Compute Engine.",
        evidence=f"  {error}",
        remedy="Run `gcloud auth application-default login`, or give the VM a service account "
        f"with {ROLE}. Without a fleet on Compute Engine, unset TRIVIA_FLEET.",
    )


def _unavailable(place: Place, evidence: str) -> FleetUnavailableError:
    return FleetUnavailableError(
        f"Compute Engine did not answer as it should for the machine group {place}.",
        evidence=evidence,
        remedy="Nothing is lost, the next pass tries again. If it lasts, check the network and the service's "
        "status.",
    )


def _where_to_look(place: Place) -> str:
    if place.scope == "region":
        return (
            "Correct TRIVIA_MACHINE_GROUP, PROJECT_ID or REGION. "
            "For a group of a single zone, unset REGION and set ZONE."
        )
    return "Correct TRIVIA_MACHINE_GROUP, PROJECT_ID or ZONE. For a group of a region, set REGION."


def _status_of(error: Exception) -> int | None:
    if isinstance(error, api.GoogleAPICallError) and error.code is not None:
        return int(error.code)
    return None


def _reasons_of(error: Exception) -> set[str]:
    if not isinstance(error, api.GoogleAPICallError):
        return set()
    errors: Iterable[object] = error.errors or ()
    reasons = {str(item.get("reason")) for item in errors if isinstance(item, dict)}
    return reasons | ({str(error.reason)} if error.reason else set())
