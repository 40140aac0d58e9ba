"""Processes in the background of one machine, each with a file that says which process it is.

They outlive the command that started them. A number that another process has by now is told apart by its
start time. Each leads a session of its own, by which its children are found when it died without them.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
from pydantic import ValidationError

from trivia_render.errors import FleetError, WorkflowServerError
from trivia_render.models.base import Model

#: A worker hands its runs back within 10 s; the server writes its last events.
_STOP_SECONDS = 25.0
_KILL_SECONDS = 5.0
_START_SECONDS = 120.0
#: An interpreter that starts another process and ends.
_DETACH_SECONDS = 30.0
_EVIDENCE_LINES = 15
#: How far two readings of one start time may lie apart: they count from the boot, whose time is corrected.
_SAME_SECONDS = 1.0

#: What a worker puts into the environment of its flow runs: no process that outlives them is its own.
_OF_A_RUN = ("PREFECT__", "TRIVIA_WORKER_NAME", "TRIVIA_WORKER_BOARD", "WORKER_ID")


class Running(Model):
    """`fleet-local/{name}.json`: a process, when it was started, and which server it was started for."""

    pid: int
    created: float
    api_url: str


class Part(NamedTuple):
    """A background process: its name and its command line."""

    name: str
    command: tuple[str, ...]


class LocalProcesses:
    """The background processes whose files lie in a folder."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def log_file(self, name: str) -> Path:
        """Return where a process writes its log."""
        return self._folder / f"{name}.log"

    def is_running(self, name: str) -> bool:
        """Tell whether a process runs."""
        return self.running(name) is not None

    def names(self, prefix: str) -> list[str]:
        """Return the names of the processes that were started and not stopped, running or not."""
        return sorted(file.stem for file in self._folder.glob("*.json") if file.name.startswith(prefix))

    def start(
        self, part: Part, *, api_url: str, extra: Mapping[str, str], folder: Path | None = None
    ) -> bool:
        """Start a process unless it runs; tell whether it was started. `folder`: where; default: here.

        It is nobody's child: whoever ends this process with all that it has started does not end that one.
        What an earlier one that died has left of its session is ended first. Raises FleetError.
        """
        if self.is_running(part.name):
            return False
        self._end_leftovers(part.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        log, state = self.log_file(part.name), self._file(part.name)
        state.unlink(missing_ok=True)
        detach = (sys.executable, "-m", "trivia_render.fleet.detach", "start", str(log), str(state))
        try:
            done = subprocess.run(
                [*detach, *part.command],
                env={**self._environment, **extra, "PREFECT_API_URL": api_url},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_DETACH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FleetError(
                f"The {part.name} process has not started within {_DETACH_SECONDS:g} s.",
                evidence=_indented(_text(error.stderr)[-500:]) or self._last_lines(part.name),
                remedy=f"The machine is overloaded, or the disk of {log.parent} hangs. Try again later.",
            ) from error
        deadline = time.monotonic() + _DETACH_SECONDS
        while not state.exists():
            if done.returncode != 0 or time.monotonic() > deadline:
                raise FleetError(
                    f"The {part.name} process could not be started.",
                    evidence=_indented(_text(done.stderr)[-500:]) or self._last_lines(part.name),
                    remedy=f"See {log}.",
                )
            time.sleep(0.02)
        return True

    def wait_for(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a started process is ready. Raises WorkflowServerError if it ends or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if not self.is_running(name):
                raise self._failure(name, "has ended")
            if time.monotonic() > deadline:
                raise self._failure(name, f"is not ready after {_START_SECONDS:.0f} s")
            time.sleep(0.3)

    def stop(self, *names: str) -> list[str]:
        """End processes with their descendants, side by side; return the names of those that ran.

        Of one that died, what it has left of its session is ended: then it counts as one that ran.
        """
        running = {name: found for name in names if (found := self.running(name)) is not None}
        family: list[psutil.Process] = []
        for found in running.values():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(found.pid)
                family += [process, *process.children(recursive=True)]
                process.send_signal(signal.SIGTERM)
        left = _wait_for_end(family, seconds=_STOP_SECONDS)
        for straggler in left:
            with suppress(psutil.NoSuchProcess):
                straggler.kill()
        _wait_for_end(left, seconds=_KILL_SECONDS)
        orphaned = {name for name in names if self._end_leftovers(name)}
        for name in names:
            self._file(name).unlink(missing_ok=True)
        return [name for name in names if name in running or name in orphaned]

    def running(self, name: str) -> Running | None:
        """Return what is known of a process, or None where it does not run."""
        recorded = self._recorded(name)
        return recorded if recorded is not None and _leader(recorded) == "alive" else None

    def listens_at(self, name: str) -> tuple[str, int] | None:
        """Return the address and port that a process itself listens on, or None where it does on none."""
        running = self.running(name)
        if running is None:
            return None
        try:
            connections = psutil.Process(running.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return None
        listening = (found.laddr for found in connections if found.status == psutil.CONN_LISTEN)
        return next(((where.ip, where.port) for where in listening), None)

    def _recorded(self, name: str) -> Running | None:
        try:
            return Running.model_validate_json(self._file(name).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _end_leftovers(self, name: str) -> bool:
        """End what a process that died has left of its session; tell whether there was anything."""
        recorded = self._recorded(name)
        if recorded is None:
            return False
        found = False
        deadline = time.monotonic() + _KILL_SECONDS
        # Looked for again until there is none: one may start another meanwhile.
        while (left := _leftovers(recorded)) and time.monotonic() < deadline:
            found = True
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)
        return found

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _failure(self, name: str, what: str) -> WorkflowServerError:
        return WorkflowServerError(
            f"The {name} process {what}.",
            evidence=self._last_lines(name),
            remedy=f"See {self.log_file(name)}; `trivia down`, then `trivia up` starts all anew.",
        )

    def _last_lines(self, name: str) -> str:
        try:
            content = self.log_file(name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return _indented("\n".join(content.splitlines()[-_EVIDENCE_LINES:]))


def _leader(recorded: Running) -> Literal["alive", "gone", "replaced"]:
    """Tell what has become of a process. `replaced`: its number is another one's by now."""
    try:
        process = psutil.Process(recorded.pid)
        if abs(process.create_time() - recorded.created) >= _SAME_SECONDS:
            return "replaced"
        return "gone" if process.status() == psutil.STATUS_ZOMBIE else "alive"
    except psutil.NoSuchProcess:
        return "gone"


def _leftovers(recorded: Running) -> list[psutil.Process]:
    """Return the living processes of the session that a process led, where it is gone itself."""
    # No number is given anew while a session bears it: once it is replaced, none of its session is left.
    if _leader(recorded) != "gone":
        return []
    left = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) != recorded.pid:
                continue
            process = psutil.Process(pid)
            # Another session may have had the number since, and have lost its leader too.
            ours = process.environ().get("PREFECT_API_URL") == recorded.api_url
            if ours and process.create_time() > recorded.created - _SAME_SECONDS:
                left.append(process)
    return left


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace").strip()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def environment_for_processes(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for processes that outlive whoever starts them, a flow run perhaps. Pure."""
    return {name: value for name, value in inherited.items() if not name.startswith(_OF_A_RUN)}


def _wait_for_end(processes: Sequence[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; return those that have not.

    A dead one that nobody has asked about yet, being nobody's child here, has ended all the same.
    """
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left := [process for process in left if _lives(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
