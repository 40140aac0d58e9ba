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
from trivia_render.models.problems import Problem


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
    except BadInputError as error:
        problem = Problem(severity="error", path="$", message=error.message, remedy=error.remedy)
        yield Checked(source, (problem,))
        return
    if file.suffix.lower() in {".jsonl", ".ndjson"}:
        for number, outcome in parse_jsonl(data.splitlines()):
            problems = outcome.problems if isinstance(outcome, ConfigInvalidError) else outcome[1]
            yield Checked(f"{source}:{number}", problems)
        return
    try:
        _, warnings = parse_job_config(data, source=source)
    except ConfigInvalidError as error:
        yield Checked(source, error.problems)
    else:
        yield Checked(source, warnings)


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
