"""`trivia submit` and `trivia batch`: hand jobs to the fleet."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import typer

from trivia_render.cli.console import print_json, say
from trivia_render.cli.fleet import use_fleet_server
from trivia_render.cli.inputs import check_id, is_stdin, read_config, read_input
from trivia_render.errors import BadInputError
from trivia_render.models.batch import BadLine, BatchJob, read_batch
from trivia_render.models.config import Priority
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.submission import Submission, submit_job
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports

#: Uploads side by side: each waits for the store, not for this machine.
_UPLOADS = 8


class BatchRequest(NamedTuple):
    """What the command line asks for."""

    file: Path
    shard_size: int
    priority: Priority | None
    force: bool
    #: Make a quote and submit nothing.
    quote: bool = False
    budget_usd: float | None = None


def run_submit(
    channel: str, job_id: str, config: Path, *, priority: Priority | None, force: bool, as_json: bool
) -> None:
    """Put a job into the store and start its run. The same again is the same run."""
    check_id(channel, option="CHANNEL")
    check_id(job_id, option="JOB_ID")
    _, submitted, warnings = read_config(config)
    for warning in warnings:
        _tell({"event": "warning", **warning.model_dump()}, f"warning: {warning}", as_json=as_json)
    use_fleet_server(load_settings())
    ports = _ports_beside(config)
    submission = submit_job(
        ports, channel=channel, job_id=job_id, config=submitted, priority=priority, force=force
    )
    from prefect.client.orchestration import get_client

    from trivia_render.workpool.submission import start_run

    with get_client(sync_client=True) as client:
        run = start_run(client, ports, submission)
    state = run.state_name or "Scheduled"
    if as_json:
        print_json(
            {
                "event": "submitted",
                "channel": channel,
                "job_id": job_id,
                "flow_run_id": str(run.id),
                "flow_run_state": state,
                "job_state": submission.status.state,
                "superseded": submission.superseded,
            }
        )
        return
    typer.echo(f"{channel}/{job_id}: flow run {run.id} ({state}), work queue {submission.status.priority}")
    if submission.superseded:
        say("Another config was replaced; its run is cancelled.")
    if submission.status.state == "failed":
        say(f"This job has failed before: {submission.status.error_message}")
        say(f"`trivia retry {channel} {job_id}` starts it again.")


def run_batch(request: BatchRequest, *, as_json: bool) -> None:
    """Check every line, then submit all jobs in shards; while a line is bad, none is submitted."""
    name = "batch" if is_stdin(request.file) else request.file.stem
    jobs, bad = read_batch(read_input(request.file), name=name)
    if bad:
        raise _refusal(request.file, jobs, bad)
    if not jobs:
        raise BadInputError(f"{request.file} holds no job.", remedy="Write one job config a line.")
    settings = load_settings()
    if request.quote or request.budget_usd is not None:
        from trivia_render.cli.quoting import check_budget, quote_batch, show_quote

        # Also with --force, which replaces jobs of another config: those that ended with this one stay ended.
        quoted = quote_batch(settings, jobs, asset_root=_root_beside(request.file))
        if request.quote:
            show_quote(quoted.quote, as_json=as_json)
        if request.budget_usd is not None:
            check_budget(quoted, request.budget_usd)
        if request.quote:
            return
    use_fleet_server(settings)
    ports = _ports_beside(request.file)
    submissions = _submit_all(ports, jobs, request, as_json=as_json)
    # Of all jobs, also the ended ones: the same file again makes the same shards, which are there already.
    _start_shards(ports, submissions, request, name=name, as_json=as_json)
    states = Counter(item.status.state for item in submissions)
    if states["completed"] or states["failed"]:
        _tell(
            {"event": "passed_over", "completed": states["completed"], "failed": states["failed"]},
            f"Passed over: {states['completed']} completed before, {states['failed']} failed before "
            "(`trivia retry`).",
            as_json=as_json,
        )


def _refusal(file: Path, jobs: Sequence[BatchJob], bad: Sequence[BadLine]) -> BadInputError:
    lines = [f"  line {line.line}: {problem}" for line in bad for problem in line.problems]
    return BadInputError(
        f"{file}: {len(bad)} of {len(bad) + len(jobs)} lines cannot be rendered. Nothing was submitted.",
        evidence="\n".join(lines),
        remedy="Correct or remove these lines and submit the file again.",
    )


def _submit_all(
    ports: Ports, jobs: Sequence[BatchJob], request: BatchRequest, *, as_json: bool
) -> list[Submission]:
    def submit(job: BatchJob) -> Submission:
        return submit_job(
            ports,
            channel=job.job.channel,
            job_id=job.job.job_id,
            config=job.config,
            priority=request.priority,
            force=request.force,
        )

    submissions: list[Submission] = []
    with ThreadPoolExecutor(_UPLOADS) as pool:
        try:
            for submission in pool.map(submit, jobs):
                submissions.append(submission)
                if not as_json and len(submissions) % 500 == 0:
                    say(f"{len(submissions)} of {len(jobs)} jobs are stored …")
        except BaseException:
            # What is stored stays: submitted again, it is found there.
            pool.shutdown(cancel_futures=True)
            raise
    return submissions


def _start_shards(
    ports: Ports, submissions: Sequence[Submission], request: BatchRequest, *, name: str, as_json: bool
) -> None:
    from prefect.client.orchestration import get_client

    from trivia_render.workpool.submission import start_shard

    with get_client(sync_client=True) as client:
        for number, (priority, shard) in enumerate(shards(submissions, size=request.shard_size), start=1):
            run = start_shard(client, ports, shard, name=f"{name} {number}", priority=priority)
            _tell(
                {
                    "event": "submitted",
                    "shard": number,
                    "jobs": len(shard),
                    "flow_run_id": str(run.id),
                    "queue": priority,
                },
                f"shard {number}: {len(shard)} jobs, flow run {run.id} ({run.state_name}), queue {priority}",
                as_json=as_json,
            )


def shards(
    submissions: Sequence[Submission], *, size: int
) -> Iterator[tuple[Priority, Sequence[Submission]]]:
    """Divide jobs into shards of one priority each, in their order. Pure."""
    order: tuple[Priority, ...] = ("high", "default", "low")
    for priority in order:
        chosen = [item for item in submissions if item.status.priority == priority]
        for start in range(0, len(chosen), size):
            yield priority, chosen[start : start + size]


def _ports_beside(config: Path) -> Ports:
    """Return the ports; images are looked for beside the config."""
    return make_ports(load_settings(), asset_root=_root_beside(config))


def _root_beside(config: Path) -> Path:
    return Path.cwd() if is_stdin(config) else config.absolute().parent


def _tell(record: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        typer.echo(text)
