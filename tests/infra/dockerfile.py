"""A Dockerfile as its instructions."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    """An instruction, such as COPY, and what it is given. `stage`: the number of its FROM, from 0."""

    name: str
    text: str
    stage: int

    @property
    def words(self) -> list[str]:
        """What it is given, by word; the exec form's list as it is."""
        _, bracket, rest = self.text.partition("[")
        if bracket and self.name in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
            parsed: list[str] = json.loads(bracket + rest)
            return parsed
        return shlex.split(self.text)


def instructions(text: str) -> tuple[Instruction, ...]:
    """Return the instructions in their order, lines joined and comments left out."""
    lines = (line for line in text.splitlines() if not re.match(r"\s*#", line))
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found: list[Instruction] = []
    stage = -1
    for line in joined.splitlines():
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        stage += name == "FROM"
        found.append(Instruction(name.upper(), re.sub(r"\s+", " ", rest).strip(), stage))
    return tuple(found)


def copies(parsed: tuple[Instruction, ...]) -> Iterator[tuple[list[str], str]]:
    """Yield sources and destination of each COPY out of the build's context."""
    for item in parsed:
        if item.name == "COPY" and not item.text.startswith("--from="):
            *sources, destination = item.words
            yield sources, destination
