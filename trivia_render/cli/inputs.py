"""Reading what a command is given."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivia_render.errors import BadInputError
from trivia_render.models.config import ID_PATTERN, JobConfig
from trivia_render.models.parse import parse_job_config
from trivia_render.models.problems import Problem


def is_stdin(path: Path) -> bool:
    """Tell whether the argument means standard input."""
    return str(path) == "-"


def read_input(path: Path) -> bytes:
    """Return the file's bytes, or those of standard input for `-`. Raises BadInputError."""
    if is_stdin(path):
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadInputError(f"There is no file {path}.", remedy="Correct the path.") from error
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror}.", remedy="Name a readable file."
        ) from error


def read_config(path: Path) -> tuple[JobConfig, Mapping[str, Any], tuple[Problem, ...]]:
    """Return a job config with its JSON as submitted and the warnings.

    Raises BadInputError, ConfigInvalidError.
    """
    data = read_input(path)
    config, warnings = parse_job_config(data, source="standard input" if is_stdin(path) else str(path))
    submitted: dict[str, Any] = json.loads(data.decode("utf-8-sig"))
    return config, submitted, warnings


def check_id(value: str, *, option: str) -> None:
    """Refuse what cannot be a channel or a job id. Raises BadInputError naming the option."""
    if not re.fullmatch(ID_PATTERN, value):
        raise BadInputError(
            f"{option} {value!r} is no id.",
            remedy="Give 1 to 63 letters, digits, - and _, starting with a letter or digit.",
        )


def job_id_for(path: Path, submitted: Mapping[str, Any]) -> str:
    """Return a job id made of the file's name: `ten_questions` for `ten_questions.json`.

    A config from standard input has no name: its content makes the id, so that no other one replaces it.
    """
    if is_stdin(path):
        content = json.dumps(submitted, sort_keys=True).encode()
        return f"stdin-{hashlib.sha256(content).hexdigest()[:12]}"
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_")[:63]
    return cleaned or "job"
