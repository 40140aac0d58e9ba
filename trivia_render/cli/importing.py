"""`trivia import`: questions of other formats into job configs."""

import json
import re
from pathlib import Path

import typer

from trivia_render.cli.console import print_json, say
from trivia_render.cli.inputs import check_id, is_stdin, read_input
from trivia_render.cli.outputs import output_folder, writing
from trivia_render.errors import BadInputError
from trivia_render.importers import SourceFormat, import_questions, to_job_configs
from trivia_render.models.parse import parse_job_config


def run_import(
    file: Path,
    *,
    out: Path,
    channel: str,
    per_video: int,
    source_format: SourceFormat,
    title: str | None,
    as_json: bool,
) -> None:
    """Write `{channel}-0001.json` and so on into `out`; tell each question that was left out and why.

    Raises BadInputError where no question can be used.
    """
    check_id(channel, option="--channel")
    source = "standard input" if is_stdin(file) else str(file)
    report = import_questions(read_input(file), format=source_format, source=source)
    for problem in report.rejected:
        if as_json:
            print_json({"event": "rejected", **problem.model_dump()})
        else:
            say(f"left out: {problem}")
    if not report.questions:
        raise BadInputError(
            f"{source} holds no question that can be used.",
            remedy="See what was left out above, or name the --format.",
        )
    configs = to_job_configs(report.questions, channel=channel, per_video=per_video, title=title)
    # Checked before the first file is written: a bad channel or title spoils all of them alike.
    texts = [json.dumps(config, ensure_ascii=False, indent=2) + "\n" for config in configs]
    for text in texts:
        parse_job_config(text, source="an imported config")
    output_folder(out)
    for number, text in enumerate(texts, start=1):
        path = out / f"{channel}-{number:04d}.json"
        with writing(path):
            path.write_text(text, encoding="utf-8")
        if as_json:
            print_json({"event": "written", "file": str(path)})
        else:
            typer.echo(str(path))
    _tell_others(out, channel=channel, written=len(texts), as_json=as_json)
    if not as_json:
        say(f"{len(report.questions)} questions in {len(texts)} configs; {len(report.rejected)} left out.")


def _tell_others(out: Path, *, channel: str, written: int, as_json: bool) -> None:
    """Say which configs of the channel an earlier import left in `out`: a batch would take them too."""
    number_of = re.compile(rf"{re.escape(channel)}-(\d{{4,}})\.json")
    found = (number_of.fullmatch(path.name) for path in out.iterdir())
    others = sorted(match[0] for match in found if match and int(match[1]) > written)
    if not others:
        return
    span = others[0] if len(others) == 1 else f"{others[0]} to {others[-1]} ({len(others)} files)"
    message = f"{out} also holds {span}, which this import did not write."
    if as_json:
        print_json({"event": "note", "message": message, "files": [str(out / name) for name in others]})
    else:
        say(f"note: {message}")
