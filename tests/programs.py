"""Programs that tests need and no Python package holds.

`require` skips a test, visibly, where its program is missing; with TRIVIA_REQUIRE_ALL=1 the test
fails instead. `python -m tests.programs` installs what is missing where it can (Debian, as root).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

#: A slow mirror may take minutes; a dead one must not hold the tests up for ever.
APT_TIMEOUT_SECONDS = 400


class Program(NamedTuple):
    """A program, the Debian package that holds it, and what is not tested without it."""

    name: str
    package: str
    purpose: str


PROGRAMS = (
    Program("postgres", "postgresql", "Prefect's server on PostgreSQL"),
    Program("chromium", "chromium", "playing finished videos in a browser"),
    Program("chromedriver", "chromium-driver", "playing finished videos in a browser"),
    Program("promtool", "prometheus", "the metrics' names and the alert rules"),
    Program("redis-server", "redis-server", "Prefect's server in several processes"),
)


def require(name: str) -> Path:
    """Return the program's path; skip the test that asks, or fail it, where there is none."""
    found = find(name)
    if found is not None:
        return found
    program = next(program for program in PROGRAMS if program.name == name)
    message = f"{name} is missing: install the Debian package {program.package} (`make test` does, as root)."
    if os.environ.get("TRIVIA_REQUIRE_ALL") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def find(name: str) -> Path | None:
    """Return the program's path, or None. Debian keeps PostgreSQL's servers off the PATH, by version."""
    if found := shutil.which(name):
        return Path(found)
    return max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), default=None)


def missing() -> tuple[Program, ...]:
    """Return the programs that are not on this machine."""
    return tuple(program for program in PROGRAMS if find(program.name) is None)


def install(packages: Sequence[str]) -> str | None:
    """Install Debian packages. Return why that did not work, or None where it did."""
    apt = shutil.which("apt-get")
    if apt is None:
        return "there is no apt-get on this machine"
    if os.geteuid() != 0:
        return "apt-get needs root"
    quiet = ["-qq", "-o", "DPkg::Lock::Timeout=60"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        failure = _run([apt, *quiet, *arguments], environment=environment)
        if failure is not None:
            return failure
    return None


def _run(command: list[str], *, environment: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=APT_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = (done.stderr or done.stdout).strip().splitlines()
    return f"{Path(command[0]).name} exited {done.returncode}: {' / '.join(lines[-2:])}"


def main() -> None:
    """Install what is missing, or say what will be skipped. Never fails: the tests themselves tell."""
    absent = missing()
    if not absent:
        return
    packages = sorted({program.package for program in absent})
    print(f"Installing {', '.join(packages)} for the tests (a minute or so, once) …", flush=True)
    reason = install(packages)
    for program in missing():
        print(f"Not tested: {program.purpose}, as {program.name} is missing ({reason}).", file=sys.stderr)


if __name__ == "__main__":
    main()
