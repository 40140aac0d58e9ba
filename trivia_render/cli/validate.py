"""`trivia validate`: every problem of every config, without rendering."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from trivia_render.cli.inputs import is_stdin, read_input
from trivia_render.cli.outcome import BAD_INPUT
from trivia_render.errors import BadInputError, ConfigInvalidError
from trivia_render.models.parse import parse_job_config, parse_jsonl
from trivia_render.models.problems import Problem, error


class Checked(NamedTuple):
    """A config that was looked at: where it came from and what was found."""

    source: str
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """No problem is an error."""
        return all(problem.severity == "warning" for problem in self.problems)


def run_validate(files: Iterable[Path], *, as_json: bool) -> None:
    """Print what is found. Exits with 2 if any config cannot be rendered."""
    checked = [result for file in files for result in _check_file(file)]
    for result in checked:
        _print(result, as_json=as_json)
    invalid = sum(not result.valid for result in checked)
    if not as_json and len(checked) > 1:
        typer.echo(f"{len(checked) - invalid} of {len(checked)} configs are valid.")
    if invalid:
        raise typer.Exit(BAD_INPUT)


def _check_file(file: Path) -> Iterator[Checked]:
    source = "standard input" if is_stdin(file) else str(file)
    try:
        data = read_input(file)
    except BadInputError as refusal:
        yield Checked(source, (error((), refusal.message, refusal.remedy),))
        return
    if file.suffix.lower() in {".jsonl", ".ndjson"} or (is_stdin(file) and looks_like_jsonl(data)):
        yield from _check_lines(data, source=source)
        return
    try:
        _, warnings = parse_job_config(data, source=source)
    except ConfigInvalidError as refusal:
        yield Checked(source, refusal.problems)
    else:
        yield Checked(source, warnings)


def looks_like_jsonl(data: bytes) -> bool:
    """Tell whether the text is several JSON objects, one a line, rather than one JSON document."""
    lines = [line.strip() for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    if len(lines) < 2:
        return False
    # One bad line among good ones must not hide that there are lines.
    first_is_whole = lines[0].startswith(b"{") and lines[0].endswith(b"}")
    if not first_is_whole and not all(line.startswith(b"{") for line in lines):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return True
    return False


def _check_lines(data: bytes, *, source: str) -> Iterator[Checked]:
    empty = True
    for number, outcome in parse_jsonl(data.splitlines()):
        empty = False
        problems = outcome.problems if isinstance(outcome, ConfigInvalidError) else outcome[1]
        yield Checked(f"{source}:{number}", problems)
    if empty:
        yield Checked(source, (error((), "holds no job config.", "Write one job config a line."),))


def _print(result: Checked, *, as_json: bool) -> None:
    if as_json:
        record = {
            "source": result.source,
            "valid": result.valid,
            "problems": [problem.model_dump() for problem in result.problems],
        }
        typer.echo(json.dumps(record, ensure_ascii=False))
        return
    typer.echo(f"{result.source}: {'valid' if result.valid else 'invalid'}")
    for problem in result.problems:
        typer.echo(f"  {problem.severity}: {problem}")
