"""The commands and their options. Each calls one module that does the work."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

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


class FormatOption(StrEnum):
    """The frame formats as choices of an option that may be given several times."""

    LANDSCAPE = "16:9"
    PORTRAIT = "9:16"
    SQUARE = "1:1"


def _names(formats: list[FormatOption] | None) -> tuple[FormatName, ...] | None:
    return tuple(dict.fromkeys(choice.value for choice in formats)) if formats else None


Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


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
