"""What becomes of a job whose run ended without being able to say so itself.

A run of a vanished machine is given back or, when its job has killed too many runs, failed. Every change
is conditional on what was read, and may be done twice: a reaper can die half-way like anything else.
"""

from collections.abc import Container
from datetime import datetime
from typing import Any, Literal

from trivia_render import ENGINE_VERSION
from trivia_render.errors import (
    CrashLimitError,
    JobCancelledError,
    PreconditionFailedError,
    TriviaRenderError,
)
from trivia_render.models.fleet import LedgerEntry, Tally
from trivia_render.models.ports import Store
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.lease import expire_lease
from trivia_render.pipeline.ledger import count_settled, entry_id
from trivia_render.pipeline.status import read_status_object, run_key, write_status

#: What a job is after its run was taken away: to be run again, at its end, or another run's.
Handover = Literal["again", "completed", "failed", "elsewhere"]


def error_fields(error: Exception) -> dict[str, Any]:
    """Return what a status says of an error. Pure."""
    if isinstance(error, TriviaRenderError):
        evidence = f"\n{error.evidence.rstrip()}" if error.evidence else ""
        return {
            "error_code": error.code,
            "error_message": f"{error.message}{evidence}",
            "error_remedy": error.remedy,
        }
    return {
        "error_code": "internal_error",
        "error_message": f"{type(error).__name__}: {error}",
        "error_remedy": "This is a fault of the program: report it with the flow run's traceback.",
    }


def crash_limit_reached(status: JobStatus) -> CrashLimitError:
    """Return the error of a job that has killed its runs too often. Pure."""
    return CrashLimitError(
        f"{status.crashes} runs died while they rendered {status.channel}/{status.job_id}.",
        remedy="Find what they have in common (memory, an image, the machine's log); then `trivia retry`.",
    )


def give_back(
    store: Store,
    *,
    channel: str,
    job_id: str,
    flow_runs: Container[str],
    now: datetime,
    reason: str,
    code: Literal["worker_lost", "preempted", "crashed"],
    crash_of: str | None,
    max_crashes: int,
) -> Handover:
    """Take a job away from dead or ending flow runs, and make it pending, or failed at its limit.

    `flow_runs`: their ids, and the keys by which their job was submitted.
    `crash_of` names the run's start that crashed, so that it is counted once; None counts nothing: the run
    was preempted, say, and the job is innocent. A job that has gone on with another run is left alone.
    One that fails here is entered into the ledger. Raises the store's errors.
    """
    expire_lease(store, channel=channel, job_id=job_id, now=now, of_runs=flow_runs)
    while True:
        status, generation = read_status_object(store, channel=channel, job_id=job_id)
        if status is None:
            return "again"
        if status.state == "completed":
            return "completed"
        if status.state == "failed":
            return "failed"
        if not _is_of(status, flow_runs):
            return "elsewhere"
        counted = crash_of is not None and crash_of != status.crash_of
        if status.state == "pending" and not counted:
            # It says already why it waits.
            return "again"
        changed = status.model_copy(
            update={
                "state": "pending",
                "crashes": status.crashes + counted,
                "crash_of": crash_of or status.crash_of,
                "error_code": code,
                "error_message": reason,
                "error_remedy": "Nothing to do: it goes on from its last finished clip.",
                "updated_at": now,
            }
        )
        if changed.crashes >= max_crashes:
            error = crash_limit_reached(changed)
            changed = changed.model_copy(
                update={"state": "failed", "finished_at": now, **error_fields(error)}
            )
        if not _written(store, changed, if_generation=generation):
            continue
        if changed.state == "failed":
            count_settled(store, _failure(changed, now=now))
        return "failed" if changed.state == "failed" else "again"


def end_job(
    store: Store,
    *,
    channel: str,
    job_id: str,
    flow_runs: Container[str] | None,
    now: datetime,
    error: TriviaRenderError,
) -> bool:
    """Mark a job failed that nobody will render any more; tell whether it was open.

    `flow_runs`: only if the job is one of theirs; None: in any case. It is entered into the ledger, unless it
    was cancelled: that is no failure. Raises the store's errors.
    """
    while True:
        status, generation = read_status_object(store, channel=channel, job_id=job_id)
        if status is None or status.state == "completed":
            return False
        if flow_runs is not None and not _is_of(status, flow_runs):
            return False
        if status.state == "failed":
            # Whoever failed it may have died before this.
            expire_lease(store, channel=channel, job_id=job_id, now=now, of_runs=flow_runs)
            return False
        changed = status.model_copy(
            update={"state": "failed", "finished_at": now, "updated_at": now, **error_fields(error)}
        )
        if not _written(store, changed, if_generation=generation):
            continue
        if not isinstance(error, JobCancelledError):
            # Before the lease: should that fail, whoever is next finds the job failed, and enters nothing.
            count_settled(store, _failure(changed, now=now))
        expire_lease(store, channel=channel, job_id=job_id, now=now, of_runs=flow_runs)
        return True


def _written(store: Store, status: JobStatus, *, if_generation: int) -> bool:
    """Write the status; tell whether that is what is there now, or another was faster."""
    try:
        write_status(store, status, if_generation=if_generation)
    except PreconditionFailedError:
        # A write may have landed and its answer be lost.
        there, _ = read_status_object(store, channel=status.channel, job_id=status.job_id)
        return there == status
    return True


def _failure(status: JobStatus, *, now: datetime) -> LedgerEntry:
    """Return the ledger's entry of a job that was failed from outside its run: no time is known. Pure."""
    return LedgerEntry(
        id=entry_id("failed", run_key(status), str(status.attempt), status.crash_of or ""),
        channel=status.channel,
        job_id=status.job_id,
        outcome="failed",
        error_code=status.error_code,
        finished_at=now,
        engine=ENGINE_VERSION,
        tally=Tally(jobs_failed=1),
    )


def _is_of(status: JobStatus, flow_runs: Container[str]) -> bool:
    """Tell whether a job belongs to these runs: one of them has it, or it was never begun by any."""
    if status.flow_run_id is None:
        # With a higher attempt it was submitted anew, and its next run is about to be named: that one asks
        # for it by its key.
        return status.attempt == 0 or run_key(status) in flow_runs
    return status.flow_run_id in flow_runs
