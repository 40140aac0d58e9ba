"""Run the programs of a deployment: each command is shown before it runs, and a failure names its step."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from infra.deploy.settings import ROOT
from infra.deploy.steps import Step
from trivia_render.errors import DeployError, ProgramMissingError

_TAIL_BYTES: Final = 8_000
_TAIL_LINES: Final = 15
#: A command whose fault passes is run again after so long, so many times: 11 minutes and more.
_AGAIN_SECONDS: Final = 60.0
_AGAIN_TIMES: Final = 12
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class Runner:
    """Runs commands in the project's folder. Raises DeployError at the first that fails."""

    def __init__(self, *, root: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._environment = dict(os.environ if environment is None else environment)
        self._place = ""
        self._step: Step | None = None

    def begin(self, step: Step, *, number: int, of: int) -> None:
        """Tell which step comes now; what fails from here on is its failure."""
        self._step, self._place = step, f"{number} of {of}"
        self.say(f"\n[{number}/{of}] {step.title}")

    def say(self, text: str) -> None:
        """Print a line of progress."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def show(self, argv: Sequence[str]) -> None:
        """Print a command as it could be typed."""
        self.say(f"  $ {shlex.join(argv)}")

    def run(
        self,
        argv: Sequence[str],
        *,
        secret_environment: Mapping[str, str] | None = None,
        passing: Sequence[str] = (),
    ) -> None:
        """Run a command. What it prints is passed on; it may ask on the terminal.

        One that fails with one of `passing` in its last words is run again, for some minutes.
        """
        for left in reversed(range(_AGAIN_TIMES)):
            self.show(argv)
            process = self._start(argv, stdin=None, extra=secret_environment)
            tail = _pass_on(process, sys.stdout)
            code = process.wait()
            if code == 0 or left == 0 or not any(text.encode() in tail for text in passing):
                break
            self.say(f"  That passes by itself: once more in {_AGAIN_SECONDS:.0f} s …")
            time.sleep(_AGAIN_SECONDS)
        self._check(argv, code, tail)

    def read(self, argv: Sequence[str], *, stdin: str | None = None) -> str:
        """Run a command and return what it prints, without the last line's end; nothing of it is shown.

        `stdin` may be a secret: it goes through a pipe and is in no argument list.
        """
        done = self._read(argv, stdin)
        self._check(argv, done.returncode, done.stderr)
        return done.stdout.decode().rstrip("\r\n")

    def try_read(self, argv: Sequence[str], *, refusals: Sequence[str]) -> str | None:
        """Do `read`; return None where the command fails and says one of these, such as `NOT_FOUND`."""
        done = self._read(argv, None)
        if done.returncode != 0 and any(refusal.encode() in done.stderr for refusal in refusals):
            return None
        self._check(argv, done.returncode, done.stderr)
        return done.stdout.decode().rstrip("\r\n")

    def start(self, argv: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a command in the background, in a group of its own, silent; the caller ends it."""
        self.show(argv)
        return subprocess.Popen(
            [self._path(argv[0]), *argv[1:]],
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def failed(self, what: str, *, evidence: str = "") -> DeployError:
        """Return the error of the step under way."""
        step = self._step
        where = "" if step is None else f"Step {self._place}, “{step.title}”: "
        return DeployError(
            f"{where}{what}",
            evidence=evidence,
            remedy="Correct what it says." if step is None else step.fix,
        )

    def _read(self, argv: Sequence[str], stdin: str | None) -> "subprocess.CompletedProcess[bytes]":
        self.show(argv)
        return subprocess.run(
            [self._path(argv[0]), *argv[1:]],
            cwd=self._root,
            env=self._environment,
            input=b"" if stdin is None else stdin.encode(),
            capture_output=True,
            check=False,
        )

    def _start(
        self, argv: Sequence[str], *, stdin: int | None, extra: Mapping[str, str] | None
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [self._path(argv[0]), *argv[1:]],
            cwd=self._root,
            env={**self._environment, **(extra or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _path(self, program: str) -> str:
        found = shutil.which(program, path=self._environment.get("PATH"))
        if found is None:
            raise ProgramMissingError(
                f"{program} is not on the PATH.", remedy=f"Install {program}; docs/operations.md says which."
            )
        return found

    def _check(self, argv: Sequence[str], code: int, tail: bytes) -> None:
        if code == 0:
            return
        text = _COLOURS.sub("", tail.decode(errors="replace"))
        lines = [line for line in text.splitlines() if line.strip()][-_TAIL_LINES:]
        raise self.failed(
            f"`{shlex.join(argv[:4])} …` exited with {code}.",
            evidence="\n".join(f"  {line}" for line in lines),
        )


def _pass_on(process: "subprocess.Popen[bytes]", to: TextIO) -> bytes:
    """Pass on what the process prints, questions without a line's end too; return the last of it."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    tail = b""
    while piece := os.read(process.stdout.fileno(), 65_536):
        to.write(piece.decode(errors="replace"))
        to.flush()
        tail = (tail + piece)[-_TAIL_BYTES:]
    process.stdout.close()
    return tail
