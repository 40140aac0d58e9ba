"""`trivia fleet serve` as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.fleet_day import seed_day
from tests.ports import free_port
from trivia_render.storage.local import LocalStore

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


def environment(folder: Path, port: int) -> dict[str, str]:
    return {**os.environ, "TRIVIA_HOME": str(folder), "TRIVIA_DASHBOARD_PORT": str(port)}


@contextmanager
def serving(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "trivia_render", "fleet", "serve"],
        env=environment(folder, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=_STOP_SECONDS)


def wait_until_healthy(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            if client.get("/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("The service did not answer.")


def test_it_serves_without_a_prefect_server_and_ends_when_told_to(tmp_path: Path) -> None:
    seed_day(LocalStore(tmp_path), limit=2)
    port = free_port()
    with (
        serving(tmp_path, port) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        wait_until_healthy(client, process)
        status = client.get("/status").json()
        assert status["version"] == 1
        assert status["sources"]["store"]["up"]
        assert not status["sources"]["prefect"]["up"]
        assert "trivia up" in status["sources"]["prefect"]["error"]
        assert status["queue"]["counted_by"] == "decision"
        assert 'trivia_fleet_source_up{source="prefect"} 0.0' in client.get("/metrics").text
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=_STOP_SECONDS)
        assert process.returncode == 0
        assert f"Dashboard: http://127.0.0.1:{port}" in errors


def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "trivia_render", "fleet", "serve"],
            env=environment(tmp_path, port),
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_SECONDS,
        )
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in done.stderr
    assert "TRIVIA_DASHBOARD_PORT" in done.stderr
