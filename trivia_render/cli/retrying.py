"""`trivia retry`: start one job again, or all that failed, were completed, or have lost their run."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import typer

from trivia_render.cli.console import print_json, say
from trivia_render.cli.fleet import use_fleet_server
from trivia_render.cli.inputs import check_id
from trivia_render.cli.jobs import list_jobs, name_of
from trivia_render.cli.outcome import FAILED
from trivia_render.errors import (
    BadInputError,
    JobCancelledError,
    StoreUnavailableError,
    TriviaRenderError,
    WorkflowServerError,
)
from trivia_render.models.results import JobState, JobStatus
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.submission import Submission, resubmit_job, retry_job, retry_seen_job
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports, make_store

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

#: Which jobs are started again. `lost`: they wait or are at work by the store, and have no run.
Which = Literal["failed", "completed", "lost"]

_STATES: Final[dict[Which, tuple[JobState, ...]]] = {
    "failed": ("failed",),
    "completed": ("completed",),
    "lost": ("pending", "running"),
}
#: More jobs than any store holds.
_ALL = 10_000_000
#: What concerns all jobs, and not the one that was tried.
_OUTAGES = (StoreUnavailableError, WorkflowServerError)


class RetryRequest(NamedTuple):
    """What the command line asks for: one job, or all of a kind."""

    channel: str | None
    job_id: str | None
    failed: bool
    completed: bool
    lost: bool
    code: str | None
    since: str | None
    dry_run: bool


def run_retry(request: RetryRequest, *, as_json: bool) -> None:
    """Start jobs again, with their crashes forgotten. Exits with 1 if one of many could not be."""
    which = kind_of(request)
    if which is not None:
        _retry_many(request, which, as_json=as_json)
        return
    settings = load_settings()
    job = name_of(request.channel or "", request.job_id or "")
    use_fleet_server(settings)
    ports = make_ports(settings)
    submission = retry_job(ports, channel=job.channel, job_id=job.job_id)
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        _start(client, ports, submission, as_json=as_json)


def kind_of(request: RetryRequest) -> Which | None:
    """Return which jobs are meant, None for the one that is named. Pure. Raises BadInputError."""
    asked: tuple[tuple[Which, bool], ...] = (
        ("failed", request.failed),
        ("completed", request.completed),
        ("lost", request.lost),
    )
    kinds = [kind for kind, wanted in asked if wanted]
    if len(kinds) > 1:
        raise BadInputError(
            f"{' and '.join(f'--{kind}' for kind in kinds)} are given at once.", remedy="Give one of them."
        )
    if not kinds:
        if request.code or request.since or request.dry_run:
            raise BadInputError(
                "--code, --since and --dry-run choose among many jobs.", remedy="Add --failed, say."
            )
        if request.channel is None or request.job_id is None:
            raise BadInputError(
                "Which jobs? A channel and a job id name one; --failed, --completed and --lost mean many.",
                remedy="Give CHANNEL and JOB_ID, or one of these options.",
            )
        return None
    if request.job_id is not None:
        raise BadInputError(
            f"--{kinds[0]} goes with no job id: it means all jobs of the channel.",
            remedy="Leave one of the two out.",
        )
    if request.code is not None and kinds[0] != "failed":
        raise BadInputError("--code goes with --failed alone.", remedy="Leave it out.")
    return kinds[0]


def chosen(
    statuses: Sequence[JobStatus], which: Which, *, code: str | None, since: datetime | None
) -> list[JobStatus]:
    """Return the jobs that are meant, the first submitted first. Pure.

    A job that somebody cancelled is meant by `code` alone.
    """
    meant = [
        status
        for status in statuses
        if status.state in _STATES[which]
        and (since is None or status.updated_at >= since)
        and (which != "failed" or _has_code(status, code))
    ]
    return sorted(meant, key=lambda status: status.created_at)


def _has_code(status: JobStatus, code: str | None) -> bool:
    return status.error_code == code if code is not None else status.error_code != JobCancelledError.code


def moment(text: str) -> datetime:
    """Read a day or a time, in UTC unless it says otherwise. Pure. Raises BadInputError."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            f"--since {text!r} is no time.", remedy="Write 2026-05-01 or 2026-05-01T12:30 (UTC)."
        ) from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def _retry_many(request: RetryRequest, which: Which, *, as_json: bool) -> None:
    since = None if request.since is None else moment(request.since)
    if request.channel is not None:
        check_id(request.channel, option="CHANNEL")
    settings = load_settings()
    everything = list_jobs(make_store(settings), channel=request.channel, state=None, most=_ALL)
    jobs = chosen(everything, which, code=request.code, since=since)
    # Which are lost, Prefect's server has to say.
    if which != "lost" and (request.dry_run or not jobs):
        _tell_only(jobs, which, as_json=as_json)
        return
    use_fleet_server(settings)
    ports = make_ports(settings)
    from prefect.client.orchestration import get_client

    from trivia_render.workpool.submission import without_run

    with get_client(sync_client=True) as client:
        if which == "lost":
            jobs = without_run(client, jobs)
            if request.dry_run or not jobs:
                _tell_only(jobs, which, as_json=as_json)
                return
        again = _resubmit if which == "lost" else _retry
        outcomes = [_one(client, ports, status, again, as_json=as_json) for status in jobs]
    failures = outcomes.count("refused")
    if not as_json:
        say(f"{outcomes.count('started')} of {len(jobs)} jobs are started again.")
    if failures:
        raise typer.Exit(FAILED)


def _one(
    client: "SyncPrefectClient",
    ports: Ports,
    status: JobStatus,
    again: Callable[[Ports, JobStatus], Submission | None],
    *,
    as_json: bool,
) -> Literal["started", "passed_over", "refused"]:
    job = f"{status.channel}/{status.job_id}"
    try:
        submission = again(ports, status)
        if submission is not None:
            _start(client, ports, submission, as_json=as_json)
            return "started"
    except _OUTAGES:
        # What is started stays; the same command goes on with the rest.
        raise
    except TriviaRenderError as error:
        if as_json:
            print_json({"event": "refused", "job": job, "code": error.code, "message": error.message})
        else:
            say(f"{job} cannot be started again: {error}")
        return "refused"
    if as_json:
        print_json({"event": "passed_over", "job": job})
    else:
        say(f"{job} is being rendered, or has changed just now: passed over.")
    return "passed_over"


def _retry(ports: Ports, status: JobStatus) -> Submission | None:
    return retry_seen_job(ports, seen=status)


def _resubmit(ports: Ports, status: JobStatus) -> Submission | None:
    return resubmit_job(ports, seen=status)


def _start(client: "SyncPrefectClient", ports: Ports, submission: Submission, *, as_json: bool) -> None:
    from trivia_render.workpool.submission import start_run

    run = start_run(client, ports, submission)
    status = submission.status
    job = f"{status.channel}/{status.job_id}"
    if as_json:
        print_json(
            {"event": "submitted", "job": job, "flow_run_id": str(run.id), "retry": submission.status.retry}
        )
    else:
        typer.echo(f"{job}: retry {submission.status.retry}, flow run {run.id}")


def _tell_only(jobs: Sequence[JobStatus], which: Which, *, as_json: bool) -> None:
    for status in jobs:
        if as_json:
            print_json({"event": "chosen", **status.model_dump(mode="json")})
        else:
            code = "" if status.error_code is None else f" ({status.error_code})"
            typer.echo(f"{status.channel}/{status.job_id}: {status.state}{code}")
    if not as_json:
        count = "1 job" if len(jobs) == 1 else f"{len(jobs) or 'No'} jobs"
        say(f"{count} of the kind: {which}. Nothing was started.")
