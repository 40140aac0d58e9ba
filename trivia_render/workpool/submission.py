"""Start the runs of submitted jobs, and cancel them."""

import hashlib
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from trivia_render.errors import WorkflowServerError
from trivia_render.models.config import Priority
from trivia_render.models.jobs import JobName
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.submission import Submission, note_run
from trivia_render.workpool.names import RENDER_BATCH, RENDER_VIDEO
from trivia_render.workpool.runs import is_open, known_runs, named_runs, set_state

#: Status writes side by side: each waits for the store.
_WRITES = 8


def start_run(client: SyncPrefectClient, ports: Ports, submission: Submission) -> FlowRun:
    """Create the run of a submitted job, or return the one that there is.

    Runs of a config that was replaced are cancelled. Raises WorkflowServerError.
    """
    status = submission.status
    name = JobName(channel=status.channel, job_id=status.job_id)
    run = _create(
        client,
        RENDER_VIDEO,
        parameters=name.model_dump(),
        name=str(name),
        key=submission.run_key,
        priority=status.priority,
    )
    note_run(ports, submission, flow_run_id=str(run.id))
    if submission.superseded:
        cancel_runs(client, name, except_for=run.id)
    return run


def start_shard(
    client: SyncPrefectClient, ports: Ports, shard: Sequence[Submission], *, name: str, priority: Priority
) -> FlowRun:
    """Create the run of a shard of submitted jobs, or return the one that there is.

    Raises WorkflowServerError.
    """
    keys = "\n".join(submission.run_key for submission in shard)
    jobs = [{"channel": item.status.channel, "job_id": item.status.job_id} for item in shard]
    run = _create(
        client,
        RENDER_BATCH,
        parameters={"jobs": jobs},
        name=name,
        key=f"shard/{hashlib.sha256(keys.encode()).hexdigest()}",
        priority=priority,
    )
    with ThreadPoolExecutor(_WRITES) as pool:
        list(pool.map(partial(note_run, ports, flow_run_id=str(run.id)), shard))
    return run


def cancel_runs(client: SyncPrefectClient, job: JobName, *, except_for: UUID | None = None) -> list[FlowRun]:
    """Cancel the open runs of a job and return them; a batch that it is part of goes on without it."""
    runs = [run for run in _own_runs(client, job) if is_open(run) and run.id != except_for]
    for run in runs:
        begun = run.state is not None and (run.state.is_running() or run.state.is_pending())
        # A begun one is ended by its worker, which then says Cancelled.
        set_state(client, run.id, Cancelling() if begun else Cancelled())
    return runs


def without_run(client: SyncPrefectClient, statuses: Sequence[JobStatus]) -> list[JobStatus]:
    """Return the jobs whose run Prefect's server does not know. Raises WorkflowServerError."""
    try:
        known = known_runs(client, [status.flow_run_id for status in statuses if status.flow_run_id])
        return [status for status in statuses if not _has_run(client, status, known)]
    except httpx.HTTPError as error:
        raise WorkflowServerError(
            "Prefect's server did not say which runs there are.",
            evidence=f"  {type(error).__name__}: {error}",
            remedy="Nothing was changed; run it again.",
        ) from error


def _has_run(client: SyncPrefectClient, status: JobStatus, known: Container[str]) -> bool:
    if status.flow_run_id is not None:
        return status.flow_run_id in known
    # Submitted by somebody who was gone before the run was named, or is naming it just now.
    job = JobName(channel=status.channel, job_id=status.job_id)
    return any(is_open(run) for run in _own_runs(client, job))


def _own_runs(client: SyncPrefectClient, job: JobName) -> Iterator[FlowRun]:
    return (run for run in named_runs(client, str(job)) if run.deployment_id is not None)


def _create(
    client: SyncPrefectClient,
    deployment: str,
    *,
    parameters: dict[str, Any],
    name: str,
    key: str,
    priority: Priority,
) -> FlowRun:
    try:
        found = client.read_deployment_by_name(deployment)
        return client.create_flow_run_from_deployment(
            found.id, parameters=parameters, name=name, idempotency_key=key, work_queue_name=priority
        )
    except ObjectNotFound as error:
        raise WorkflowServerError(
            f"Prefect's server has no deployment {deployment}.", remedy="Declare it with `trivia deploy`."
        ) from error
    except httpx.HTTPError as error:
        raise WorkflowServerError(
            "Prefect's server did not take the run.",
            evidence=f"  {type(error).__name__}: {error}",
            remedy="The job is in the store: submit it again, and nothing is done twice.",
        ) from error
