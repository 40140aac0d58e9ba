"""A batch file: one job a line, each checked before the first one is submitted."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from trivia_render.errors import ConfigInvalidError
from trivia_render.models.config import ID_PATTERN, JobConfig
from trivia_render.models.jobs import JobName
from trivia_render.models.jsontext import read_json
from trivia_render.models.parse import parse_job_config
from trivia_render.models.problems import Problem, error, shown

_WRAPPER_KEYS = frozenset({"job_id", "config"})
_HASH_DIGITS = 12


class BatchJob(NamedTuple):
    """A line that can be rendered: its number from 1, the job's name, and the config as submitted."""

    line: int
    job: JobName
    config: Mapping[str, Any]
    parsed: JobConfig
    warnings: tuple[Problem, ...]


class BadLine(NamedTuple):
    """A line that cannot, with all that is wrong with it."""

    line: int
    problems: tuple[Problem, ...]


def read_batch(data: bytes, *, name: str) -> tuple[list[BatchJob], list[BadLine]]:
    """Return the jobs and the bad lines of a batch. Pure.

    A line is a job config, or `{"job_id": …, "config": …}`. A config without an id gets one of the batch's
    name and its own content: the same line is the same job wherever it stands. A line that repeats another
    one to the letter is passed over; another config under the same id is a bad line.
    """
    jobs: dict[JobName, BatchJob] = {}
    bad: list[BadLine] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = _read_line(number, line, name=name)
        except ConfigInvalidError as refusal:
            bad.append(BadLine(number, refusal.problems))
            continue
        first = jobs.setdefault(found.job, found)
        if first.parsed != found.parsed:
            message = f"is {found.job.job_id!r}, as in line {first.line}, but the configs differ."
            bad.append(BadLine(number, (error(("job_id",), message, "Give each job an id of its own."),)))
    return list(jobs.values()), bad


def _read_line(number: int, line: bytes, *, name: str) -> BatchJob:
    source = f"line {number}"
    value, problems = read_json(line, source=source)
    config, job_id = value, None
    if isinstance(value, dict) and "config" in value:
        problems = (*problems, *_wrapper_problems(value))
        config, job_id = value["config"], value.get("job_id")
        if not isinstance(config, dict):
            message = f"must be an object ({{…}}), not {shown(config)}."
            problems = (*problems, error(("config",), message, "Put one job config here."))
            raise ConfigInvalidError(problems, source=source)
    try:
        # Given as text where it stands alone: so the parser's own findings about the text are not lost.
        parsed, warnings = parse_job_config(line if config is value else config, source=source)
    except ConfigInvalidError as refusal:
        if config is value:
            raise
        raise ConfigInvalidError((*problems, *refusal.problems), source=source) from None
    if problems:
        raise ConfigInvalidError(problems, source=source)
    if job_id is None:
        content = json.dumps(config, sort_keys=True, ensure_ascii=False).encode(errors="replace")
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[: 62 - _HASH_DIGITS] or "job"
        job_id = f"{stem}-{hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]}"
    return BatchJob(number, JobName(channel=parsed.channel, job_id=job_id), config, parsed, warnings)


def _wrapper_problems(value: Mapping[str, Any]) -> Iterator[Problem]:
    for key in sorted(set(value) - _WRAPPER_KEYS):
        yield error((key,), "is not known beside `config`.", "Use `job_id` and `config` alone.")
    job_id = value.get("job_id")
    if job_id is not None and not (isinstance(job_id, str) and re.fullmatch(ID_PATTERN, job_id)):
        yield error(
            ("job_id",),
            f"is {shown(job_id)}, which is no id.",
            "Give 1 to 63 letters, digits, - and _, starting with a letter or digit.",
        )
