"""A whole fleet on one machine: Prefect's server, a control worker and a render worker, in the background.

Each is a process of its own that outlives the command that started it. A file says which process it is;
a number that another process has by now is told apart by its start time.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
from pydantic import ValidationError

from trivia_render.errors import WorkflowServerError
from trivia_render.models.base import Model
from trivia_render.workpool.names import CONTROL_POOL, RENDER_POOL

DEFAULT_API_URL = "http://127.0.0.1:4200/api"
#: Workers hand their runs back within 10 s; the server writes its last events.
_STOP_SECONDS = {"worker": 25.0, "control": 25.0, "server": 15.0}
_KILL_SECONDS = 5.0
_START_SECONDS = 120.0
_EVIDENCE_LINES = 15

#: What keeps the server's database small and its writes few (events are 4 KB each, some 50 a video).
SERVER_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Prefect refuses parameters over 512 KiB; a config of 500 long questions is larger.
    "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "0",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
}


class Running(Model):
    """`fleet-local/{name}.json`: a process, and when it was started."""

    pid: int
    created: float
    api_url: str


class Part(NamedTuple):
    """A process of the fleet: its name and its command line."""

    name: str
    command: tuple[str, ...]


def parts(*, api_url: str) -> tuple[Part, ...]:
    """Return the processes in the order in which they start. Pure."""
    address = urlsplit(api_url)
    prefect = (sys.executable, "-m", "prefect")
    trivia = (sys.executable, "-m", "trivia_render")
    host, port = address.hostname or "127.0.0.1", str(address.port or 4200)
    return (
        Part("server", (*prefect, "server", "start", "--host", host, "--port", port)),
        Part("control", (*trivia, "worker", "--pool", CONTROL_POOL)),
        Part("worker", (*trivia, "worker", "--pool", RENDER_POOL)),
    )


class LocalFleet:
    """The background processes whose files lie in a folder."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment

    def api_url(self) -> str | None:
        """Return where the fleet's own server answers, or None while none of its processes runs."""
        running = self._running("server")
        return None if running is None else running.api_url

    def log_file(self, name: str) -> Path:
        """Return where a process writes its log."""
        return self._folder / f"{name}.log"

    def is_running(self, name: str) -> bool:
        """Tell whether a process of the fleet runs."""
        return self._running(name) is not None

    def start(self, part: Part, *, api_url: str, extra: Mapping[str, str]) -> bool:
        """Start a process unless it runs; tell whether it was started."""
        if self.is_running(part.name):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log_file(part.name).open("ab") as log:
            process = subprocess.Popen(
                part.command,
                env={**self._environment, **extra, "PREFECT_API_URL": api_url},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C and the end of this terminal are not for it.
                start_new_session=True,
            )
        running = Running(pid=process.pid, created=psutil.Process(process.pid).create_time(), api_url=api_url)
        self._file(part.name).write_text(running.model_dump_json())
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

    def stop(self, name: str) -> bool:
        """End a process with its descendants; tell whether it ran."""
        running = self._running(name)
        if running is None:
            self._file(name).unlink(missing_ok=True)
            return False
        process = psutil.Process(running.pid)
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS[name])
        for straggler in left:
            straggler.kill()
        psutil.wait_procs(left, timeout=_KILL_SECONDS)
        self._file(name).unlink(missing_ok=True)
        return True

    def _running(self, name: str) -> Running | None:
        try:
            running = Running.model_validate_json(self._file(name).read_text())
            process = psutil.Process(running.pid)
            same = abs(process.create_time() - running.created) < 1.0
            alive = same and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValidationError, psutil.NoSuchProcess):
            return None
        return running if alive else None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _failure(self, name: str, what: str) -> WorkflowServerError:
        lines = self.log_file(name).read_text(errors="replace").splitlines()[-_EVIDENCE_LINES:]
        return WorkflowServerError(
            f"The {name} process {what}.",
            evidence="\n".join(f"  {line}" for line in lines),
            remedy=f"See {self.log_file(name)}; `trivia down`, then `trivia up` starts all anew.",
        )


def worker_id_of(part: str, *, host: str) -> str:
    """Return a name for a worker of this machine's own fleet. Pure."""
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{host}-{part}").lstrip("-")[:100] or part


def environment_of_this_process() -> dict[str, str]:
    """Return this process's environment, for the processes that it starts."""
    return dict(os.environ)
