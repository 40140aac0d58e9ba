"""How a run that a worker started behaves towards the other runs of its pool."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, NoReturn
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Abort
from prefect.states import AwaitingRetry, Cancelled

from trivia_render.errors import (
    MACHINE_FAULTS,
    OUTAGES,
    JobCancelledError,
    JobGivenBackError,
    JobHeldError,
    LeaseLostError,
    WorkflowServerError,
)
from trivia_render.settings import load_settings
from trivia_render.workpool.runs import set_state, start_number


class _Start(NamedTuple):
    """One start of the run that a worker started in this process."""

    run_id: UUID
    run_count: int
    name: str


_starts: list[_Start] = []

#: How long a run that has just begun waits for a server that is being restarted.
_PATIENCE_SECONDS = 60.0


@contextmanager
def pool_run() -> Iterator[None]:
    """Put it around all that a flow does. It matters only where a worker started the flow.

    A run that meets a job held by another one, a fault of this machine or an outage, puts itself back for
    later. A run that was given up (its machine was frozen or cut off, say) and started elsewhere leaves
    without a word, whatever else has happened to it: the state is the other's to set.
    Outside of a work pool, and inside a batch, the errors go on to the caller.
    """
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    # A subflow has no deployment: the run around it does.
    of_pool = run is not None and run.deployment_id is not None
    if run is not None and of_pool:
        _starts[:] = [_Start(run.id, run.run_count, _start_name(run.id))]
    try:
        yield
    except (JobHeldError, JobGivenBackError, LeaseLostError) as error:
        leave_if_given_away()
        if of_pool:
            come_back_later(error.message)
        raise
    except JobCancelledError as error:
        if of_pool:
            with _or_leave(), get_client(sync_client=True) as client:
                set_state(client, _starts[0].run_id, Cancelled(message=error.message))
            raise Abort(error.message) from error
        raise
    except (httpx.HTTPError, *OUTAGES, *MACHINE_FAULTS) as error:
        # Outside of a claim: nothing has been said of it yet.
        leave_if_given_away()
        if of_pool:
            come_back_later(str(error))
        if not _starts:
            raise
        raise JobGivenBackError(
            f"Its run could not go on: {error}", remedy="Nothing to do: its batch comes back to it."
        ) from error
    except Exception:
        leave_if_given_away()
        raise


def _start_name(run_id: UUID) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with get_client(sync_client=True) as client:
                return start_number(client, run_id)
        except httpx.HTTPError as error:
            if time.monotonic() > deadline:
                raise Abort(f"Prefect's server did not answer: {error}") from error
            time.sleep(1.0)


def current_start() -> str | None:
    """Name the start of the run that a worker started here; None where no worker did."""
    return _starts[0].name if _starts else None


def started_here(run_id: UUID, *, run_count: int) -> bool:
    """Tell whether this start of a run is this process's, or belongs to no process of a pool at all."""
    return not _starts or _starts[0].run_id != run_id or _starts[0].run_count == run_count


def come_back_later(message: str) -> NoReturn:
    """Put the run that a worker started here back into its pool, to start again after a while.

    Raises Abort, which ends the process without another word about the run.
    """
    leave_if_given_away()
    start = datetime.now(UTC) + timedelta(seconds=load_settings().requeue_seconds)
    with _or_leave(), get_client(sync_client=True) as client:
        # Not by force: a run that was cancelled meanwhile stays that.
        client.set_flow_run_state(_starts[0].run_id, AwaitingRetry(scheduled_time=start, message=message))
    raise Abort(message)


def leave_if_given_away() -> None:
    """Raise Abort if the run that a worker started here is no longer this process's to end."""
    if not _starts:
        return
    mine = _starts[0]
    with _or_leave(), get_client(sync_client=True) as client:
        run = client.read_flow_run(mine.run_id)
    if run.state is None or not run.state.is_running() or run.run_count != mine.run_count:
        raise Abort("This run was given up and is another process's now.")


@contextmanager
def _or_leave() -> Iterator[None]:
    """Leave where the server cannot be asked: the worker's main process tells it once it is back."""
    try:
        yield
    except httpx.HTTPError as error:
        raise Abort(f"Prefect's server did not answer: {error}") from error


@contextmanager
def server_faults_as_outage() -> Iterator[None]:
    """Turn what Prefect's client raises while its server is away into our own error."""
    try:
        yield
    except httpx.HTTPError as error:
        raise WorkflowServerError(
            "Prefect's server does not answer.",
            evidence=f"  {type(error).__name__}: {error}",
            remedy="Nothing to do for the job: it is tried again once the server is back.",
        ) from error
