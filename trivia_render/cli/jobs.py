"""`trivia status`, `jobs` and `cancel`: what the store says of jobs, and what to do about it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import typer

from trivia_render.cli.console import print_json
from trivia_render.cli.fleet import use_fleet_server
from trivia_render.cli.inputs import check_id
from trivia_render.cli.outcome import FAILED
from trivia_render.errors import JobCancelledError
from trivia_render.models.config import ID_PATTERN
from trivia_render.models.jobs import JobName
from trivia_render.models.ports import Store
from trivia_render.models.results import JobState, JobStatus
from trivia_render.pipeline.handover import end_job
from trivia_render.pipeline.status import read_status_object
from trivia_render.pipeline.submission import unknown_job
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store

_READS = 8
_ID = ID_PATTERN.removeprefix("^").removesuffix("$")
_STATUS_KEY = re.compile(rf"jobs/{_ID}/{_ID}/status\.json")


def run_status(channel: str, job_id: str, *, as_json: bool) -> None:
    """Print all that is known of a job. Exits with 1 if it has failed."""
    job = name_of(channel, job_id)
    status, _ = read_status_object(make_store(load_settings()), channel=job.channel, job_id=job.job_id)
    if status is None:
        raise unknown_job(channel, job_id)
    if as_json:
        print_json(status.model_dump(mode="json"))
    else:
        for line in lines_of(status):
            typer.echo(line)
    if status.state == "failed":
        raise typer.Exit(FAILED)


def lines_of(status: JobStatus) -> list[str]:
    """Return a status as a person reads it. Pure."""
    lines = [f"{status.channel}/{status.job_id}: {_headline(status)}"]
    rows: list[tuple[str, object]] = [
        ("attempt", status.attempt or None),
        ("crashes", status.crashes or None),
        ("worker", status.worker_id),
        ("flow run", status.flow_run_id),
        ("submitted", _time(status.created_at)),
        ("started", _time(status.started_at)),
        ("ended", _time(status.finished_at)),
        ("seconds", status.seconds),
        ("cost", None if status.cost_usd is None else f"${status.cost_usd:.4f}"),
        *((f"video {name}", uri) for name, uri in status.video_uris.items()),
        ("manifest", status.manifest_uri),
        ("error", status.error_message and f"{status.error_code}: {status.error_message}"),
        ("remedy", status.error_remedy),
    ]
    return lines + [f"  {name:<10} {value}" for name, value in rows if value is not None]


def run_jobs(*, channel: str | None, state: JobState | None, most: int, as_json: bool) -> None:
    """List jobs, the last changed first."""
    if channel is not None:
        check_id(channel, option="--channel")
    found = list_jobs(make_store(load_settings()), channel=channel, state=state, most=most)
    for status in found:
        if as_json:
            print_json(status.model_dump(mode="json"))
        else:
            typer.echo(f"{_time(status.updated_at)}  {status.channel}/{status.job_id}  {_headline(status)}")
    if not found and not as_json:
        typer.echo("No such jobs.")


def list_jobs(store: Store, *, channel: str | None, state: JobState | None, most: int) -> list[JobStatus]:
    """Return at most so many jobs, the last changed first."""
    prefix = "jobs/" if channel is None else f"jobs/{channel}/"
    # What else lies there, a copy made by hand say, is no job.
    infos = [info for info in store.list(prefix) if _STATUS_KEY.fullmatch(info.key)]
    infos.sort(key=lambda info: info.updated, reverse=True)

    def read(key: str) -> JobStatus | None:
        _, its_channel, job_id, _ = key.split("/")
        return read_status_object(store, channel=its_channel, job_id=job_id)[0]

    found: list[JobStatus] = []
    with ThreadPoolExecutor(_READS) as pool:
        for start in range(0, len(infos), most):
            page = pool.map(read, (info.key for info in infos[start : start + most]))
            found += [status for status in page if status is not None and state in {None, status.state}]
            if len(found) >= most:
                break
    return found[:most]


def run_cancel(channel: str, job_id: str, *, as_json: bool) -> None:
    """Cancel a job: its run is ended, and the job is failed with the code `cancelled`."""
    settings = load_settings()
    job = name_of(channel, job_id)
    store = make_store(settings)
    if read_status_object(store, channel=channel, job_id=job_id)[0] is None:
        raise unknown_job(channel, job_id)
    use_fleet_server(settings)
    # The job first: whatever becomes of its run, it can publish nothing any more.
    was_open = end_job(
        store,
        channel=channel,
        job_id=job_id,
        flow_runs=None,
        now=datetime.now(UTC),
        error=JobCancelledError(
            "Cancelled by an operator.", remedy=f"`trivia retry {channel} {job_id}` starts it again."
        ),
    )
    from prefect.client.orchestration import get_client

    from trivia_render.workpool.submission import cancel_runs

    with get_client(sync_client=True) as client:
        runs = cancel_runs(client, job)
    if as_json:
        print_json(
            {"event": "cancelled", "job_was_open": was_open, "flow_runs": [str(run.id) for run in runs]}
        )
    elif was_open or runs:
        typer.echo(f"{job} is cancelled{''.join(f', flow run {run.id}' for run in runs)}.")
    else:
        typer.echo(f"{job} had ended already.")


def name_of(channel: str, job_id: str) -> JobName:
    """Return the job's name. Raises BadInputError where one of the two is no id."""
    check_id(channel, option="CHANNEL")
    check_id(job_id, option="JOB_ID")
    return JobName(channel=channel, job_id=job_id)


def _headline(status: JobStatus) -> str:
    match status.state:
        case "running":
            return f"running, {status.clips_done}/{status.clips_total} clips"
        case "failed":
            return f"failed ({status.error_code})"
        case "pending" if status.error_code is not None:
            return f"pending again ({status.error_code})"
        case _:
            return status.state


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
