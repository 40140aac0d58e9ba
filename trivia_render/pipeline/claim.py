"""Claim a job: who may render it, what there is to do, and how it ends whatever happens."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from trivia_render.errors import (
    MACHINE_FAULTS,
    OUTAGES,
    BadInputError,
    CrashLimitError,
    JobCancelledError,
    JobGivenBackError,
    LeaseLostError,
    NvencSessionsExhaustedError,
    ObjectMissingError,
    StoreError,
    StoreUnavailableError,
    TriviaRenderError,
)
from trivia_render.models.config import JobConfig
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.parse import parse_job_config
from trivia_render.models.plan import JobPlan
from trivia_render.models.problems import Problem
from trivia_render.models.results import JobStatus, Manifest
from trivia_render.pipeline.costing import Outcome
from trivia_render.pipeline.handover import crash_limit_reached, error_fields
from trivia_render.pipeline.job import (
    JobRun,
    artefacts,
    attempt_of,
    discard_unpublished,
    published_fields,
    read_manifest,
    unplanned_entry,
)
from trivia_render.pipeline.lease import HeldLease, hold_lease
from trivia_render.pipeline.plan import make_plan
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import JobEnded, JobFound, JobStarted, MachineFaulted
from trivia_render.pipeline.status import StatusWriter, read_status, read_status_object
from trivia_render.storage import keys
from trivia_render.telemetry.log_context import log_context


@contextmanager
def open_job(
    ports: Ports,
    *,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None = None,
    formats: Sequence[FormatName] | None = None,
    flow_run_id: str | None = None,
    pool_start: str | None = None,
) -> Iterator[JobRun]:
    """Claim the job, plan it, and keep its status true until the block ends.

    `config` None: the one in the store is used. `formats` replaces the config's own.
    Leaving by an exception marks the job failed; leaving by an interrupt leaves it pending, so that
    the next run goes on. `pool_start` names the start of the run that a worker of a fleet has started: then
    an outage of a service, and up to the limit of crashes a fault of this machine, leave it pending too, a
    cancelled job is refused, and crashes are left to the fleet's reaper to count.

    Raises JobHeldError, JobCancelledError, JobGivenBackError, CrashLimitError, ConfigInvalidError and what
    planning raises.
    """
    seen = read_status(ports, channel=channel, job_id=job_id)
    with (
        log_context(channel=channel, job_id=job_id, flow_run_id=flow_run_id, worker_id=ports.worker_id),
        hold_lease(
            ports,
            channel=channel,
            job_id=job_id,
            flow_run_id=flow_run_id,
            min_attempt=1 + max(seen.attempt if seen else 0, _last_attempt(ports, channel, job_id)),
        ) as lease,
        log_context(attempt=lease.attempt),
    ):
        # Read again: from here on, only who takes the job away writes it too, and that is noticed.
        before, generation = read_status_object(ports.store, channel=channel, job_id=job_id)
        status = StatusWriter(
            ports,
            _status_of_claim(
                ports,
                channel,
                job_id,
                before,
                attempt=lease.attempt,
                flow_run_id=flow_run_id,
                counted=pool_start is None,
            ),
            generation=generation,
        )
        run: JobRun | None = None
        if pool_start is not None:
            _check_cancelled(before)
        try:
            run = _start(ports, channel, job_id, config, formats, lease=lease, status=status, before=before)
            yield run
        except LeaseLostError:
            # The status belongs to whoever holds the lease now.
            discard_unpublished(run)
            _enter(ports, run, status, "given_back")
            raise
        except (*MACHINE_FAULTS, *OUTAGES) as error:
            discard_unpublished(run)
            if pool_start is None:
                _note_failure(ports, status, error)
                _enter(ports, run, status, "failed", error)
                raise
            ending = _give_back(ports, status, error, pool_start=pool_start)
            if isinstance(error, MACHINE_FAULTS):
                # Its worker looks for this, and ends its runs where a GPU is lost.
                ports.report(MachineFaulted(error.code, error.message, error.evidence, error.remedy))
            outcome: Outcome = "failed" if isinstance(ending, CrashLimitError) else "given_back"
            _enter(ports, run, status, outcome, ending)
            raise ending from error
        except Exception as error:
            discard_unpublished(run)
            _note_failure(ports, status, error)
            _enter(ports, run, status, "failed", error)
            raise
        except BaseException:
            discard_unpublished(run)
            _enter(ports, run, status, "given_back")
            # A status that cannot be written, or was taken over, is put right by whoever is next.
            with suppress(StoreError, LeaseLostError):
                status.update(
                    state="pending", error_code="interrupted", error_message="The run was interrupted."
                )
            raise


def _check_cancelled(before: JobStatus | None) -> None:
    """Refuse a job that was cancelled. Raises JobCancelledError."""
    if before is not None and before.state == "failed" and before.error_code == JobCancelledError.code:
        raise JobCancelledError(
            f"{before.channel}/{before.job_id} was cancelled.", remedy=before.error_remedy or ""
        )


def _status_of_claim(
    ports: Ports,
    channel: str,
    job_id: str,
    before: JobStatus | None,
    *,
    attempt: int,
    flow_run_id: str | None,
    counted: bool,
) -> JobStatus:
    now = ports.now()
    status = before or JobStatus(
        channel=channel, job_id=job_id, state="pending", attempt=0, created_at=now, updated_at=now
    )
    return status.model_copy(
        update={
            "state": "running",
            "attempt": attempt,
            # The claim proves that a run which still counts as running is dead.
            "crashes": status.crashes + (counted and status.state == "running"),
            "worker_id": ports.worker_id,
            "flow_run_id": flow_run_id,
            "clips_done": 0,
            "clips_total": 0,
            "error_code": None,
            "error_message": None,
            "error_remedy": None,
            "started_at": now,
            "updated_at": now,
            "finished_at": None,
            "seconds": None,
            "cost_usd": None,
        }
    )


def _last_attempt(ports: Ports, channel: str, job_id: str) -> int:
    """Return the highest attempt that has files: they outlive status and lease, and are never overwritten."""
    folder = keys.manifest_key(channel, job_id).removesuffix("manifest.json")
    return max((attempt_of(info.key) or 0 for info in ports.store.list(folder)), default=0)


def _start(
    ports: Ports,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None,
    formats: Sequence[FormatName] | None,
    *,
    lease: HeldLease,
    status: StatusWriter,
    before: JobStatus | None,
) -> JobRun:
    if before is None or before.state != "completed":
        # Written first, so that a job that fails on its config says so too. A completed job stays that
        # until it is known that something is left to do.
        status.update()
    parsed, warnings = _config_of(ports, channel, job_id, config)
    config_sha256 = parsed.digest()
    if formats is not None:
        parsed = parsed.model_copy(update={"formats": _checked_formats(formats)})
    plan = make_plan(ports, parsed, channel=channel, job_id=job_id)
    key = keys.manifest_key(channel, job_id)
    manifest, generation = read_manifest(ports, key)
    published = manifest if manifest is not None and _is_current(ports, manifest, plan) else None
    total = sum(len(video.clips) for video in plan.videos)
    status.update(
        config_sha256=config_sha256,
        clips_total=total,
        **(
            {
                "state": "completed",
                "clips_done": total,
                "finished_at": published.published_at,
                **published_fields(ports, published),
            }
            if published
            else {}
        ),
    )
    ports.report(JobFound(title=plan.title) if published else JobStarted(title=plan.title, clips_total=total))
    return JobRun(
        ports,
        plan=plan,
        config=parsed,
        warnings=warnings,
        lease=lease,
        status=status,
        published=published,
        manifest_generation=generation,
        published_attempt=(manifest.attempt if manifest is not None else 0 if generation == 0 else None),
    )


def _checked_formats(formats: Sequence[str]) -> tuple[FormatName, ...]:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise BadInputError(
            f"`formats` is {list(formats)}.", remedy=f"Name one or more of {', '.join(FORMATS)}."
        )
    return tuple(name for name in FORMATS if name in formats)


def _config_of(
    ports: Ports, channel: str, job_id: str, config: Mapping[str, Any] | None
) -> tuple[JobConfig, tuple[Problem, ...]]:
    key = keys.config_key(channel, job_id)
    if config is None:
        try:
            data, _ = ports.store.read(key)
        except ObjectMissingError as error:
            raise BadInputError(
                f"There is no config for {channel}/{job_id}: {ports.store.uri(key)} does not exist.",
                remedy="Pass a config, or correct the channel and the job id.",
            ) from error
        parsed, warnings = parse_job_config(data, source=key)
    else:
        parsed, warnings = parse_job_config(config)
        data = json.dumps(config, ensure_ascii=False, indent=2).encode()
        ports.store.write(key, data, content_type="application/json")
    if parsed.channel != channel:
        raise BadInputError(
            f"$.channel is {parsed.channel!r}, but the job was started for channel {channel!r}.",
            remedy="Make the two equal.",
        )
    return parsed, warnings


def _is_current(ports: Ports, manifest: Manifest, plan: JobPlan) -> bool:
    if manifest.plan_sha256 != plan.digest():
        return False
    refs = [ref for video in manifest.videos for ref in artefacts(video)]
    infos = [ports.store.stat(ref.key) for ref in refs]
    return all(
        info is not None and (info.size_bytes, info.crc32c) == (ref.size_bytes, ref.crc32c)
        for ref, info in zip(refs, infos, strict=True)
    )


def _give_back(ports: Ports, status: StatusWriter, error: Exception, *, pool_start: str) -> TriviaRenderError:
    """Leave the job to another machine; return what ends this run. At the limit of crashes the job fails."""
    # An outage is nobody's fault, and has no limit: the job waits it out. So with a GPU that is busy.
    counted = isinstance(error, MACHINE_FAULTS) and not isinstance(error, NvencSessionsExhaustedError)
    crashes = status.status.crashes + counted
    if crashes >= ports.max_crashes:
        limit = crash_limit_reached(status.status.model_copy(update={"crashes": crashes}))
        reached = CrashLimitError(limit.message, evidence=f"The last one: {error}", remedy=limit.remedy)
        status.update(
            state="failed",
            crashes=crashes,
            crash_of=pool_start,
            finished_at=ports.now(),
            **error_fields(reached),
        )
        return reached
    # This start is accounted for: whoever finds the run dead counts nothing.
    # During an outage of the store the status says running until the next run claims the job.
    with suppress(StoreUnavailableError):
        status.update(state="pending", crashes=crashes, crash_of=pool_start, **error_fields(error))
    job = f"{status.status.channel}/{status.status.job_id}"
    return JobGivenBackError(
        f"{status.status.worker_id} cannot render {job} now: {error}",
        remedy="Nothing to do for the job: it is tried again. Mend what the message names.",
    )


def _enter(
    ports: Ports,
    run: JobRun | None,
    status: StatusWriter,
    outcome: Outcome,
    error: Exception | None = None,
) -> None:
    """Enter a run that did not end well into the ledger. Never raises."""
    code = None if error is None else error_fields(error)["error_code"]
    if run is not None:
        run.enter(outcome, error_code=code)
        return
    # It ended before there was a plan.
    ports.ledger(unplanned_entry(ports, status.status, outcome, error_code=code))


def _note_failure(ports: Ports, status: StatusWriter, error: Exception) -> None:
    fields = error_fields(error)
    started = status.status.started_at or ports.now()
    ports.report(
        JobEnded(
            "failed",
            round((ports.now() - started).total_seconds(), 3),
            fields["error_code"],
            fields["error_message"],
            fields["error_remedy"],
        )
    )
    try:
        status.update(state="failed", finished_at=ports.now(), **fields)
    except (StoreError, LeaseLostError) as second:
        error.add_note(f"status.json could not be written either: {second}")
