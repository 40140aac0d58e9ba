"""Runs of a plain process: no server is configured, or Prefect's settings name one."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.orchestration.conftest import FirstRun
from tests.orchestration.jobs import CHANNEL, JOB, LABELS, NAME
from trivia_render.errors import WorkflowServerError, WorkflowServerRefusedError


def python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def recorded(home: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What Prefect's database holds afterwards: flow runs and task runs, with their states."""
    with sqlite3.connect(home / "prefect.db") as database:
        flows = database.execute("SELECT name, state_name FROM flow_run").fetchall()
        tasks = database.execute("SELECT name, state_name FROM task_run").fetchall()
    return flows, tasks


RUN = f"""
from flows.render_video import render_video
manifest = render_video({CHANNEL!r}, {JOB!r})
print("attempt", manifest["attempt"])
"""


def test_the_flow_is_a_plain_function_call_where_no_server_is_configured(
    first_run: FirstRun, environment: dict[str, str], clean_home: Path
) -> None:
    shutil.copytree(first_run.home, environment["TRIVIA_HOME"])
    # Prefect's own 20 s are short on a machine that is busy with other tests.
    done = python(RUN, {**environment, "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "attempt 1\n"
    assert recorded(clean_home)[0] == [(NAME, "Completed")]


BURST = """
from prefect import flow, task

@task
def tick(number: int) -> int:
    return number

@flow
def burst() -> int:
    return sum(future.result() for future in [tick.submit(number) for number in range(100)])

assert burst() == 4950
"""


def test_a_prepared_run_is_quiet_and_stays_visible_to_its_last_task(
    first_run: FirstRun, environment: dict[str, str], clean_home: Path
) -> None:
    shutil.copytree(first_run.home, environment["TRIVIA_HOME"])
    Path(environment["TRIVIA_HOME"], f"videos/{NAME}/manifest.json").unlink()
    # The burst comes last: the process ends while the server still has its events to store.
    code = f"from flows.embedded import prepare_prefect; prepare_prefect()\n{RUN}\n{BURST}"
    done = python(code, environment)
    assert (done.stderr, done.stdout) == ("", "attempt 2\n")
    flows, tasks = recorded(clean_home)
    assert (NAME, "Completed") in flows
    ticks = [state for name, state in tasks if name.startswith("tick-")]
    assert ticks == ["Completed"] * 100
    assert sorted(task for task in tasks if not task[0].startswith("tick-")) == sorted(
        [(f"{NAME} {label}", "Cached") for label in LABELS]
        + [(f"{NAME} assemble 1:1", "Completed"), (f"{NAME} publish", "Completed")]
    )


def test_a_server_that_does_not_start_says_why_and_what_to_do(environment: dict[str, str]) -> None:
    code = """
from flows.embedded import prepare_prefect
from trivia_render.errors import WorkflowServerError
try:
    prepare_prefect()
except WorkflowServerError as error:
    print(error)
"""
    done = python(code, environment | {"PREFECT_SERVER_API_PORT": "harbour"})
    assert done.stderr == ""
    assert done.stdout.startswith("Prefect's embedded server did not start: exit code 1.\n")
    assert "harbour" in done.stdout
    assert "--direct" in done.stdout


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been run."""
    commands: list[list[str]] = []
    monkeypatch.setattr("flows.embedded.subprocess.Popen", lambda command, **_: commands.append(command))
    return commands


class Health(BaseHTTPRequestHandler):
    """Answers as the page of a Prefect server that says whether it is well."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that answers."""
    with served(Health) as url:
        yield url


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server and yield its address."""
    with HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_no_server_is_started_beside_a_configured_one(
    started: list[list[str]], server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.embedded import prepare_prefect

    monkeypatch.setenv("PREFECT_API_URL", f"{server}/api")
    prepare_prefect()
    assert started == []


@pytest.mark.parametrize("path", ["/elsewhere", ":no-port/api"])
def test_a_configured_address_without_a_prefect_server_is_refused(
    path: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.embedded import prepare_prefect

    monkeypatch.setenv("PREFECT_API_URL", f"{server}{path}")
    with pytest.raises(WorkflowServerError) as caught:
        prepare_prefect()
    assert "PREFECT_API_URL" in caught.value.remedy


def test_a_server_named_in_a_prefect_profile_is_used(environment: dict[str, str], server: str) -> None:
    profiles = Path(environment["PREFECT_HOME"], "profiles.toml")
    profiles.write_text(f'active = "ours"\n[profiles.ours]\nPREFECT_API_URL = "{server}/api"\n')
    code = """
from flows.embedded import prepare_prefect
prepare_prefect()
from prefect.settings import PREFECT_API_URL
print(PREFECT_API_URL.value())
"""
    done = python(code, environment)
    assert (done.stderr, done.stdout) == ("", f"{server}/api\n")


class Guarded(BaseHTTPRequestHandler):
    """Answers as a Prefect server with PREFECT_SERVER_API_AUTH_STRING=trivia:secret."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Basic " + b64encode(b"trivia:secret").decode()
        body = b'"3"' if known or self.path == "/api/health" else b'{"exception_message":"Unauthorized"}'
        self.send_response(401 if b"Unauthorized" in body else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("trivia:secret", None),
        ("trivia:old", "refuses the one"),
        (None, "PREFECT_API_AUTH_STRING is not set"),
    ],
)
def test_a_server_with_a_password_is_refused_at_once_where_the_password_is_missing_or_wrong(
    password: str | None, refusal: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.embedded import check_server

    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    if password is not None:
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", password)
    with served(Guarded) as url:
        if refusal is None:
            check_server(f"{url}/api")
            check_server(f"{url}/api", auth=password)
            return
        with pytest.raises(WorkflowServerRefusedError, match=refusal) as caught:
            check_server(f"{url}/api")
    assert "PREFECT_API_AUTH_STRING" in caught.value.remedy
    assert "trivia:" not in str(caught.value)


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.embedded import quiet_prefect

    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    quiet_prefect()
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "INFO"
    assert os.environ["DO_NOT_TRACK"] == "1"
