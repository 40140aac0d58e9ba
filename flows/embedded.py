"""Run flows from a plain process: quietly, and with a server of their own where none is configured.

Imports no Prefect, since Prefect reads its settings at import: call `prepare_prefect` first.
"""

import atexit
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trivia_render.errors import WorkflowServerError, WorkflowServerRefusedError
from trivia_render.models.redaction import redacted_url, without_users
from trivia_render.settings import load_settings

#: What a server that is there needs to answer a request without work.
HEALTH_TIMEOUT_SECONDS = 5.0
#: The first start creates Prefect's database: 10 to 20 s on two slow cores. Later ones take 5.
START_TIMEOUT_SECONDS = 120.0
_STOP_TIMEOUT_SECONDS = 15.0
_SERVER = Path(__file__).with_name("embedded_server.py")

_QUIET = {
    # Runs log to Prefect, where the UI shows them, and not between a command's own lines.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
_FOR_THE_SERVER = {
    # Prefect refuses parameters over 512 KiB; a config of 500 long questions is larger.
    "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "0",
    # No flow of ours uses block types. Registering them makes the first start 2 s longer.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    # Seconds. With 5, the default, each end would leave more to store.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


def prepare_prefect() -> None:
    """Do `start_prefect` and wait until Prefect can be used. Raises WorkflowServerError."""
    start_prefect()()


def start_prefect() -> Callable[[], None]:
    """Keep Prefect quiet, and start a server for this process unless one is configured.

    Returns at once with what waits until the server answers and raises WorkflowServerError if it does
    not, a configured one too; call that before Prefect is imported. The server stores in Prefect's own
    database, so its runs stay visible to any later server of this user. It ends with this process,
    however that ends.
    """
    quiet_prefect()
    configured = load_settings().prefect_api_url
    if configured is not None:
        return lambda: check_server(configured)
    # An empty one counts as unset here, but Prefect would take it for an address.
    os.environ.pop("PREFECT_API_URL", None)
    server = _Server()
    # Runs after Prefect has sent its last events: it hooks in before `atexit` does.
    atexit.register(server.stop)
    return server.wait


def quiet_prefect() -> None:
    """Keep Prefect from printing and from sending anything anywhere, unless the environment asks for it."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def check_server(api_url: str, *, auth: str | None = None) -> None:
    """Ask the server whether it is well and lets us in. Raises WorkflowServerError where it does not.

    `auth`: `user:password`; by default that of PREFECT_API_AUTH_STRING.
    """
    # It takes as long to import as a command's help; only runs with Prefect need it.
    import httpx  # noqa: PLC0415

    url = f"{api_url.rstrip('/')}/health"
    shown = redacted_url(url)
    try:
        # Nothing secret is sent or believed. Prefect itself checks the certificate, by its own settings.
        status = httpx.get(url, timeout=HEALTH_TIMEOUT_SECONDS, verify=False).status_code  # noqa: S501
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        evidence = f"  {shown}: {redacted_url(str(error)) or type(error).__name__}"
    else:
        # Prefect Cloud has no such page for a workspace, and a proxy may ask for a password here.
        cloud = "/workspaces/" in api_url
        if status == httpx.codes.OK and not cloud:
            _check_password(api_url, auth=auth)
        if status < 500 and (status != 404 or cloud):
            return
        evidence = f"  {shown} answers {status}"
    raise WorkflowServerError(
        f"Prefect's server at {redacted_url(api_url)} does not answer as one.",
        evidence=evidence,
        remedy="Start it, correct PREFECT_API_URL (it ends in /api), unset it to have a server started for "
        "the run, or render with --direct.",
    )


def _check_password(api_url: str, *, auth: str | None) -> None:
    """Raise WorkflowServerRefusedError if the server refuses the password, or asks for one and there is none.

    It says that it is well to anybody; all else only to those who know the password, where it has one.
    """
    import httpx  # noqa: PLC0415

    if auth is None:
        known = load_settings().prefect_api_auth_string
        auth = None if known is None else known.get_secret_value()
    url = f"{api_url.rstrip('/')}/admin/version"
    user, _, password = (auth or "").partition(":")
    try:
        # Unlike above, the certificate is checked: this request has the password.
        answer = httpx.get(
            url, timeout=HEALTH_TIMEOUT_SECONDS, auth=None if auth is None else (user, password)
        )
    except httpx.HTTPError:
        # Prefect has settings of its own for certificates, and says itself what is wrong.
        return
    # Another server in front of it may refuse us by rules that only Prefect's own settings meet.
    if answer.status_code != httpx.codes.UNAUTHORIZED or "exception_message" not in answer.text:
        return
    raise WorkflowServerRefusedError(
        f"Prefect's server at {redacted_url(api_url)} asks for a password, and "
        + ("PREFECT_API_AUTH_STRING is not set." if auth is None else "refuses the one it was given."),
        evidence=f"  {redacted_url(url)} answers {answer.status_code}",
        remedy="Set PREFECT_API_AUTH_STRING to its user:password; on Google Cloud that is the newest version "
        "of the secret trivia-prefect-auth.",
    )


class _Server:
    """The child process that serves Prefect's API."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + START_TIMEOUT_SECONDS
        self._in_use = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - read if the server does not start
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            self._url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
            # A session of its own: Ctrl-C is for the flow, which still has its end to report.
            self._process = subprocess.Popen(
                # -P: a folder `flows` where the user happens to be is not ours.
                [sys.executable, "-P", str(_SERVER), str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**_FOR_THE_SERVER, **os.environ},
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until it answers, and make it this process's server."""
        if self._next_word() == "configured":
            from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL  # noqa: PLC0415

            check_server(str(PREFECT_API_URL.value()), auth=PREFECT_API_AUTH_STRING.value())
            return
        self._in_use = True
        os.environ["PREFECT_API_URL"] = self._url
        # Both import at the same time: this takes about as long as the server still needs.
        import prefect.main  # noqa: F401, PLC0415

        self._next_word()

    def stop(self) -> None:
        """End it and wait until it has stored what it was told. One never used ends by itself."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - it was started with pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.close()
        if not self._in_use:
            return
        try:
            process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _next_word(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it was started with pipes
        pipe = self._process.stdout
        line = b""
        while not line.endswith(b"\n"):
            left = self._deadline - time.monotonic()
            readable = select.select([pipe], [], [], max(left, 0))[0]
            # One byte at a time: two words may be waiting.
            letter = os.read(pipe.fileno(), 1) if readable else b""
            if not letter:
                raise self._did_not_start(
                    f"no answer within {START_TIMEOUT_SECONDS:.0f} s" if left <= 0 else ""
                )
            line += letter
        return line.decode().strip()

    def _did_not_start(self, reason: str) -> WorkflowServerError:
        self._in_use = False
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if reason else _STOP_TIMEOUT_SECONDS)
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        lines = without_users(self._log.read().decode(errors="replace")).splitlines()
        return WorkflowServerError(
            f"Prefect's embedded server did not start: {reason or f'exit code {self._process.returncode}'}.",
            evidence="\n".join(f"  {line}" for line in lines[-10:]),
            remedy="Correct the cause, set PREFECT_API_URL to a running server, or render with --direct.",
        )
