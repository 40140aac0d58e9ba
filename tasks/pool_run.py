"""How a run that a worker started behaves towards the other runs of its pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import Abort
from prefect.states import AwaitingRetry

from trivia_render.errors import JobGivenBackError, JobHeldError, LeaseLostError
from trivia_render.settings import load_settings


class _Start(NamedTuple):
    """One start of the run that a worker started in this process."""

    run_id: UUID
    number: int


_starts: list[_Start] = []


@contextmanager
def pool_run() -> Iterator[None]:
    """Put it around all that a flow does. It matters only where a worker started the flow.

    A run that meets a job held by another one, or a fault of this machine, puts itself back for later. A
    run that was given up (its machine was frozen, say) and started elsewhere leaves without a word: the
    state is the other's to set.
    Outside of a work pool, and inside a batch, the errors go on to the caller.
    """
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    # A subflow has no deployment: the run around it does.
    of_pool = run is not None and run.deployment_id is not None
    if run is not None and of_pool:
        _starts[:] = [_Start(run.id, run.run_count)]
    try:
        yield
    except (JobHeldError, JobGivenBackError) as error:
        if of_pool:
            come_back_later(error.message)
        raise
    except LeaseLostError as error:
        leave_if_given_away()
        if of_pool:
            # Still ours, so nobody has ended it: the lease ran out in an outage, or another run was faster.
            come_back_later(error.message)
        raise


def in_pool() -> bool:
    """Tell whether a worker started the run that this process works for."""
    return bool(_starts)


def come_back_later(message: str) -> None:
    """Put the run that a worker started here back into its pool, to start again after a while.

    Raises Abort, which ends the process without another word about the run.
    """
    start = datetime.now(UTC) + timedelta(seconds=load_settings().requeue_seconds)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(
            _starts[0].run_id, AwaitingRetry(scheduled_time=start, message=message), force=True
        )
    raise Abort(message)


def leave_if_given_away() -> None:
    """Raise Abort if the run that a worker started here is no longer this process's to end."""
    if not _starts:
        return
    mine = _starts[0]
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(mine.run_id)
    if run.state is None or not run.state.is_running() or run.run_count != mine.number:
        raise Abort("This run was given up and is another process's now.")
