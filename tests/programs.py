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
    """A program, the Debian package that holds it, and what is not tested without it.

    Where no package holds it, `source` says where to get it.
    """

    name: str
    package: str | None
    purpose: str
    source: str = ""

    @property
    def remedy(self) -> str:
        """What makes it be there."""
        if self.package is None:
            return f"put {self.name} into the PATH: {self.source}"
        return f"install the Debian package {self.package} (`make test` does, as root)"


PROGRAMS = (
    Program("postgres", "postgresql", "Prefect's server on PostgreSQL"),
    Program("chromium", "chromium", "playing finished videos in a browser"),
    Program("chromedriver", "chromium-driver", "playing finished videos in a browser"),
    Program("promtool", "prometheus", "the metrics' names and the alert rules"),
    Program("systemd-analyze", "systemd", "the systemd units of the machines"),
    Program("redis-server", "redis-server", "Prefect's server in several processes"),
    # Alone, the package gcc has no C library to link with.
    Program("gcc", "build-essential", "FFmpeg's NVENC, on a stand-in for NVIDIA's driver"),
    Program(
        "terraform",
        None,
        "the Terraform configuration",
        source="version 1.7 or newer, from developer.hashicorp.com/terraform/install",
    ),
)


def require(name: str) -> Path:
    """Return the program's path; skip the test that asks, or fail it, where there is none."""
    found = find(name)
    if found is not None:
        return found
    program = next(program for program in PROGRAMS if program.name == name)
    message = f"{name} is missing: {program.remedy}."
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
    packages = sorted({program.package for program in absent if program.package is not None})
    failure = None
    if packages:
        print(f"Installing {', '.join(packages)} for the tests (a minute or so, once) …", flush=True)
        failure = install(packages)
    for program in missing():
        reason = failure if program.package is not None else program.remedy
        print(f"Not tested: {program.purpose}, as {program.name} is missing ({reason}).", file=sys.stderr)


if __name__ == "__main__":
    main()
