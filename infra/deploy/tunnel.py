"""Wait for Prefect's API behind an IAP tunnel: nothing else reaches it from outside."""

import base64
import os
import signal
import socket
import subprocess
import time
import urllib.error
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
def api_url(runner: Runner, settings: DeploySettings, *, password: str) -> Iterator[str]:
    """Yield the address of Prefect's API on this machine, once it answers from a database that is ready.

    `password`: `user:password`. Raises DeployError if that never comes.
    """
    deadline = time.monotonic() + settings.wait_seconds
    look = _Look(password)
    while True:
        for machine, zone in machines_in(runner.read(steps.list_machines(settings))):
            port = _free_port()
            process = runner.start(steps.tunnel(settings, machine=machine, zone=zone, port=port))
            url = f"http://127.0.0.1:{port}/api"
            try:
                if _answers(look, url, process, until=min(deadline, time.monotonic() + _TRY_SECONDS)):
                    yield url
                    return
            finally:
                _end(process)
        if time.monotonic() > deadline:
            raise runner.failed(
                f"Prefect's API did not answer as it must within {settings.wait_seconds:.0f} s.",
                evidence=f"  {look.last}",
            )
        runner.say(f"  Not yet: {look.last} …")
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


class _Look:
    """Asks the API for something that lies in its database; `last` says what became of it.

    Its health says nothing of that: the API answers before the control machine has made the tables.
    """

    def __init__(self, password: str) -> None:
        self._authorization = f"Basic {base64.b64encode(password.encode()).decode()}"
        self.last = "its machines are starting"

    def answers(self, url: str) -> bool:
        """Ask once, and tell whether it was answered."""
        request = urllib.request.Request(  # noqa: S310 - an address of this machine
            f"{url}/work_pools/filter",
            data=b"{}",
            headers={"Content-Type": "application/json", "Authorization": self._authorization},
        )
        try:
            with _DIRECT.open(request, timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            refused = error.code in {401, 403}
            self.last = (
                "the API refuses the password: its machines started before the secret changed"
                if refused
                else f"the API answers with {error.code}: its database is not ready"
            )
        except (OSError, HTTPException) as error:
            self.last = f"the API does not answer: {error}"
        return False


def _answers(look: _Look, url: str, process: "subprocess.Popen[bytes]", *, until: float) -> bool:
    while process.poll() is None and time.monotonic() < until:
        if look.answers(url):
            return True
        time.sleep(0.5)
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
