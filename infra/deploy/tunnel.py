"""Wait for Prefect's API behind an IAP tunnel: nothing else reaches it from outside."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Final

from infra.deploy import steps
from infra.deploy.runner import Runner
from infra.deploy.settings import DeploySettings

_PAUSE_SECONDS: Final = 5.0
#: A tunnel to a machine that is still starting closes by itself, or stays without an answer.
_TRY_SECONDS: Final = 40.0
_STOP_SECONDS: Final = 10.0
#: A proxy knows nothing of this machine's own addresses.
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def api_url(runner: Runner, settings: DeploySettings) -> Iterator[str]:
    """Yield the address of Prefect's API on this machine. Raises DeployError if it never answers."""
    deadline = time.monotonic() + settings.wait_seconds
    while True:
        for machine, zone in machines_in(runner.read(steps.list_machines(settings))):
            port = _free_port()
            process = runner.start(steps.tunnel(settings, machine=machine, zone=zone, port=port))
            url = f"http://127.0.0.1:{port}/api"
            try:
                if _answers(url, process, until=min(deadline, time.monotonic() + _TRY_SECONDS)):
                    yield url
                    return
            finally:
                _end(process)
        if time.monotonic() > deadline:
            raise runner.failed(f"Prefect's API did not answer within {settings.wait_seconds:.0f} s.")
        runner.say("  Prefect's API does not answer yet: its machines are starting …")
        time.sleep(min(_PAUSE_SECONDS, settings.wait_seconds))


def machines_in(listed: str) -> list[tuple[str, str]]:
    """Return the name and the zone of each running machine. Pure."""
    found = []
    for line in listed.splitlines():
        url, _, status = line.partition("\t")
        parts = url.split("/")
        if status.strip() == "RUNNING" and "zones" in parts:
            found.append((parts[-1], parts[parts.index("zones") + 1]))
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _answers(url: str, process: "subprocess.Popen[bytes]", *, until: float) -> bool:
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError, HTTPException), _DIRECT.open(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return True
        time.sleep(0.2)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
