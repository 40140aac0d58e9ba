"""The commands and their options. Each calls one module that does the work."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from trivia_render.cli.fleet_app import fleet_app
from trivia_render.cli.options import AsJson, Debug
from trivia_render.cli.outcome import reported
from trivia_render.models.formats import FormatName

app = typer.Typer(
    name="trivia",
    help="Narrated trivia videos from JSON job configs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(fleet_app, name="fleet")


class FormatOption(StrEnum):
    """The frame formats as choices of an option that may be given several times."""

    LANDSCAPE = "16:9"
    PORTRAIT = "9:16"
    SQUARE = "1:1"


def _names(formats: list[FormatOption] | None) -> tuple[FormatName, ...] | None:
    return tuple(dict.fromkeys(choice.value for choice in formats)) if formats else None


@app.command()
def render(
    config: Annotated[Path, typer.Argument(help="Job config (JSON); - reads standard input.")],
    *,
    channel: Annotated[str | None, typer.Option(help="Channel; default: the config's.")] = None,
    job_id: Annotated[str | None, typer.Option(help="Job id; default: made of the file's name.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Copy the finished files here: a folder, or a name ending in .mp4.")
    ] = None,
    format: Annotated[
        list[FormatOption] | None, typer.Option(help="Frame format; may be given several times.")
    ] = None,
    encoder: Annotated[
        Literal["auto", "h264_nvenc", "libx264"] | None, typer.Option(help="Force an encoder.")
    ] = None,
    direct: Annotated[bool, typer.Option("--direct", help="Render without Prefect: same cache.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Render a video. Run again after an interruption, and only what is missing is made."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.render import RenderRequest, run_render

        run_render(
            RenderRequest(
                config=config,
                channel=channel,
                job_id=job_id,
                out=out,
                formats=_names(format),
                encoder=encoder,
                direct=direct,
            ),
            as_json=as_json,
        )


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Job configs: .json, .jsonl; - reads standard input.")],
    *,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check job configs and list every problem of each. Renders nothing."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.validate import run_validate

        run_validate(files, as_json=as_json)


@app.command()
def preview(
    config: Annotated[Path, typer.Argument(help="Job config (JSON); - reads standard input.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the PNG files.")],
    format: Annotated[
        list[FormatOption] | None, typer.Option(help="Frame format; may be given several times.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Draw a still of each stage of each question as PNG. Speaks and encodes nothing."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.preview import run_preview

        run_preview(config, out=out, formats=_names(format))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Questions; - reads standard input.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the job configs.")],
    channel: Annotated[str, typer.Option(help="Channel of the job configs.")],
    questions: Annotated[int, typer.Option(min=1, max=500, help="Questions a video.")] = 10,
    format: Annotated[
        Literal["auto", "opentriviaqa", "opentdb", "csv"], typer.Option(help="Format of the file.")
    ] = "auto",
    title: Annotated[str | None, typer.Option(help="Title of the videos.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn OpenTriviaQA text, Open Trivia DB JSON or CSV into job configs."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.importing import run_import

        run_import(
            file,
            out=out,
            channel=channel,
            per_video=questions,
            source_format=format,
            title=title,
            as_json=as_json,
        )


@app.command()
def doctor(*, as_json: AsJson = False, debug: Debug = False) -> None:
    """Check this machine: encoder, GPU, voice, fonts, store, Prefect. Each finding has its remedy."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.doctor import run_doctor

        run_doctor(as_json=as_json)


Channel = Annotated[str, typer.Argument(help="The channel.")]
JobId = Annotated[str, typer.Argument(help="The job id.")]
PriorityOption = Annotated[
    Literal["high", "default", "low"] | None,
    typer.Option("--priority", help="Work queue; default: the config's priority."),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace another config under the same id, and cancel its run.")
]


@app.command()
def submit(
    channel: Channel,
    job_id: JobId,
    config: Annotated[Path, typer.Argument(help="Job config (JSON); - reads standard input.")],
    *,
    priority: PriorityOption = None,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hand a job to the fleet. The same again is the same run."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.submit import run_submit

        run_submit(channel, job_id, config, priority=priority, force=force, as_json=as_json)


@app.command()
def batch(
    file: Annotated[Path, typer.Argument(help="Jobs, one a line (JSON lines); - reads standard input.")],
    *,
    shard_size: Annotated[
        int, typer.Option(min=1, max=1000, help="Jobs that one process renders, one after the other.")
    ] = 20,
    priority: PriorityOption = None,
    force: Force = False,
    quote: Annotated[
        bool, typer.Option("--quote", help="Check the file, tell what it will cost, submit nothing.")
    ] = False,
    budget: Annotated[
        float | None, typer.Option(min=0, help="US dollars: submit nothing if it is quoted at more.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Hand many jobs to the fleet: all of them, or none while a line is bad."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.submit import BatchRequest, run_batch

        run_batch(BatchRequest(file, shard_size, priority, force, quote, budget), as_json=as_json)


@app.command()
def cost(
    *,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=400, help="The last days, today included; default: 7.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="First day (UTC), such as 2026-05-01.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day (UTC); default: today.")] = None,
    by: Annotated[Literal["day", "channel", "stage"], typer.Option(help="What a row is.")] = "day",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tell what videos cost, and what machines cost that had nothing to do."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.cost import CostRequest, run_cost

        run_cost(CostRequest(channel, days, since, until, by), as_json=as_json)


@app.command()
def status(channel: Channel, job_id: JobId, *, as_json: AsJson = False, debug: Debug = False) -> None:
    """Tell how a job is. Exits with 1 if it has failed."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.jobs import run_status

        run_status(channel, job_id, as_json=as_json)


@app.command()
def jobs(
    *,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    state: Annotated[
        Literal["pending", "running", "completed", "failed"] | None, typer.Option(help="Only these.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List jobs, the last changed first."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.jobs import run_jobs

        run_jobs(channel=channel, state=state, most=most, as_json=as_json)


@app.command()
def cancel(channel: Channel, job_id: JobId, *, as_json: AsJson = False, debug: Debug = False) -> None:
    """End a job's run; what is rendered of it stays for a retry."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.jobs import run_cancel

        run_cancel(channel, job_id, as_json=as_json)


@app.command()
def retry(
    channel: Annotated[
        str | None, typer.Argument(help="The channel; with --failed and the like, all where it is left out.")
    ] = None,
    job_id: Annotated[str | None, typer.Argument(help="The job id, for one job.")] = None,
    *,
    failed: Annotated[
        bool, typer.Option("--failed", help="All failed jobs, but not cancelled ones.")
    ] = False,
    completed: Annotated[
        bool, typer.Option("--completed", help="All completed jobs: rendered again where they would change.")
    ] = False,
    lost: Annotated[
        bool, typer.Option("--lost", help="All jobs that wait for a run that Prefect does not know.")
    ] = False,
    code: Annotated[str | None, typer.Option(help="Of the failed ones, those with this error code.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Changed since then (UTC), such as 2026-05-01 or 2026-05-01T12:30.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the jobs.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Start ended jobs again, one or many. Finished clips are not rendered again."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.retrying import RetryRequest, run_retry

        run_retry(
            RetryRequest(channel, job_id, failed, completed, lost, code, since, dry_run), as_json=as_json
        )


@app.command()
def up(*, debug: Debug = False) -> None:
    """Start a fleet on this machine: Prefect's server, the dashboard, workers as they are needed."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.fleet import run_up

        run_up()


@app.command()
def down(*, debug: Debug = False) -> None:
    """Stop what `up` started. Renders under way go on after the next `up`."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.fleet import run_down

        run_down()


@app.command()
def deploy(*, debug: Debug = False) -> None:
    """Declare work pools, queues, deployments and automations on Prefect's server."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.fleet import run_deploy

        run_deploy()


@app.command()
def worker(
    *,
    pool: Annotated[str, typer.Option(help="Work pool to serve: gpu-t4 or control.")] = "gpu-t4",
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Runs at once; default: 1 render, or as many flows as cores."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a work pool: the main process of a machine of the fleet."""
    with reported(as_json=False, debug=debug):
        from trivia_render.cli.fleet import run_worker

        run_worker(pool=pool, limit=limit)


@app.command()
def themes(*, as_json: AsJson = False, debug: Debug = False) -> None:
    """List the themes."""
    with reported(as_json=as_json, debug=debug):
        from trivia_render.cli.themes import run_themes

        run_themes(as_json=as_json)


def main() -> None:
    """Run the command that the process was started with."""
    # Text from configs may hold any character; a terminal that cannot show one must not end the run.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
