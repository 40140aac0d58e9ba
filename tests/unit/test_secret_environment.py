"""Secrets as variables of a command: read from Secret Manager over real HTTP, and never shown."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cloud.secret_server import FOR_EVER, Kind, SecretServer, secret_server
from tests.ports import free_port
from trivia_render.errors import BadInputError, SecretError, SecretUnavailableError
from trivia_render.secret_environment import SecretReference, parse_references, resolve
from trivia_render.secret_manager import ROLE, SecretManager

VERSION = "projects/quiz/secrets/trivia-prefect-auth/versions/3"
REFERENCE = SecretReference("PREFECT_API_AUTH_STRING", VERSION)
SECRET = "user:c0rrect-horse=battery,staple"  # noqa: S105


@pytest.fixture
def secrets() -> Iterator[SecretServer]:
    with secret_server() as running:
        running.payloads[VERSION] = SECRET.encode()
        yield running


@pytest.fixture
def manager(secrets: SecretServer) -> Iterator[SecretManager]:
    made = SecretManager(
        endpoint=secrets.url, deadline_seconds=0.8, request_seconds=0.3, first_delay_seconds=0.01
    )
    yield made
    made.close()


# What TRIVIA_SECRETS says.


def test_each_entry_is_a_variable_and_a_version_of_a_secret() -> None:
    text = f"PREFECT_API_AUTH_STRING={VERSION}, A1=projects/example.com:quiz/secrets/b_C/versions/latest"
    assert parse_references(text) == (
        REFERENCE,
        SecretReference("A1", "projects/example.com:quiz/secrets/b_C/versions/latest"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"prefect={VERSION}", "Entry 1 of TRIVIA_SECRETS does not begin with a variable's name"),
        (f"A={VERSION},", "Entry 2 of TRIVIA_SECRETS does not begin"),
        (f"A={VERSION},={VERSION}", "Entry 2 of TRIVIA_SECRETS does not begin"),
        (VERSION, "Entry 1 of TRIVIA_SECRETS does not begin"),
        ("A", "Entry 1 of TRIVIA_SECRETS, A, names no version"),
        ("A=projects/quiz/secrets/auth", "Entry 1 of TRIVIA_SECRETS, A, names no version"),
        ("A=projects/quiz/secrets/a/versions/1/../../b/versions/1", "A, names no version"),
        ("A=projects/quiz/locations/us/secrets/a/versions/1", "A, names no version"),
        (f"A={VERSION},A={VERSION}", "TRIVIA_SECRETS names A more than once"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_with_its_form(text: str, message: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(message)) as caught:
        parse_references(text)
    assert "NAME=projects/PROJECT/secrets/SECRET/versions/VERSION" in str(caught.value)


@pytest.mark.parametrize("text", [SECRET, f"A={SECRET}", f"A={VERSION},{SECRET}"])
def test_a_password_set_in_the_place_of_a_reference_is_not_repeated(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_references(text)
    assert not re.search("horse|battery|staple", str(caught.value))


# What a payload becomes.


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"user:pw", "user:pw"),
        (b"user:pw\n", "user:pw"),
        (b"user:pw\r\n", "user:pw"),
        (b"two\nlines\n", "two\nlines"),
        (b" kept \n\n", " kept \n"),
        ("schlüssel".encode(), "schlüssel"),
    ],
)
def test_a_payload_is_the_value_without_its_last_line_end(payload: bytes, value: str) -> None:
    assert resolve([REFERENCE], lambda _: payload) == {"PREFECT_API_AUTH_STRING": value}


@pytest.mark.parametrize(
    ("payload", "why"),
    [(b"pw\0rest", "zero byte"), (b"pw\xff", "no UTF-8"), (b"", "is empty"), (b"\n", "is empty")],
)
def test_a_payload_that_no_variable_can_hold_is_refused_and_not_shown(payload: bytes, why: str) -> None:
    with pytest.raises(SecretError, match=why) as caught:
        resolve([REFERENCE], lambda _: payload)
    assert VERSION in str(caught.value)
    assert "pw" not in str(caught.value)
    assert caught.value.__cause__ is None


# Secret Manager.


def test_the_named_version_is_read(secrets: SecretServer, manager: SecretManager) -> None:
    assert manager(VERSION) == SECRET.encode()
    assert secrets.asked == [VERSION]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("status", 503),
        ("status", 500),
        ("status", 429),
        ("reset", 0),
        ("stall", 1),
        ("garble", 0),
        ("damage", 0),
    ],
)
def test_a_fault_that_passes_is_outlasted(
    secrets: SecretServer, manager: SecretManager, kind: Kind, value: int
) -> None:
    secrets.inject(kind, value=value)
    assert manager(VERSION) == SECRET.encode()
    assert len(secrets.asked) == 2


@pytest.mark.parametrize(("kind", "value"), [("status", 503), ("stall", 30), ("damage", 0), ("garble", 0)])
def test_a_service_that_stays_away_is_given_up_in_time_without_a_word_of_the_secret(
    secrets: SecretServer, manager: SecretManager, kind: Kind, value: int
) -> None:
    secrets.inject(kind, value=value, times=FOR_EVER)
    begun = time.monotonic()
    with pytest.raises(SecretUnavailableError, match="trivia-prefect-auth") as caught:
        manager(VERSION)
    assert time.monotonic() - begun < 6
    assert caught.value.retryable
    assert "horse" not in str(caught.value)


def test_an_address_where_nobody_answers_is_a_service_that_stays_away() -> None:
    manager = SecretManager(endpoint=f"http://127.0.0.1:{free_port()}", deadline_seconds=0.2)
    with pytest.raises(SecretUnavailableError):
        manager(VERSION)
    manager.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            403,
            ["may not read", f"--role={ROLE}", "add-iam-policy-binding trivia-prefect-auth --project=quiz"],
        ),
        (404, ["There is no", "versions add trivia-prefect-auth --project=quiz", ROLE]),
        (400, ["disabled or destroyed", "versions add trivia-prefect-auth"]),
        (401, ["credentials", ROLE]),
    ],
)
def test_a_refusal_names_the_secret_and_the_way_out_and_is_not_tried_again(
    secrets: SecretServer, manager: SecretManager, status: int, words: list[str]
) -> None:
    secrets.inject("status", value=status)
    with pytest.raises(SecretError) as caught:
        manager(VERSION)
    assert not caught.value.retryable
    for word in (VERSION, *words):
        assert word in str(caught.value)
    assert len(secrets.asked) == 1


# The command.


def environment(**variables: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRIVIA_", "PREFECT_", "GOOGLE_"))
    }
    return {**kept, **variables}


def start(*command: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trivia_render.secret_environment", "--", *command],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_takes_this_processs_place_with_the_secrets_and_gets_its_signals(
    secrets: SecretServer,
) -> None:
    program = (
        "import json, os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7));"
        "print(json.dumps([os.getpid(), sys.argv[1:], dict(os.environ)]), flush=True); signal.pause()"
    )
    process = start(
        *(sys.executable, "-c", program, "a b", "--", "-x"),
        TRIVIA_SECRETS=f"PREFECT_API_AUTH_STRING={VERSION}",
        TRIVIA_SECRETS_ENDPOINT=secrets.url,
        # Google's client would log what it is answered.
        GOOGLE_SDK_PYTHON_LOGGING_SCOPE="google",
    )
    assert process.stdout is not None
    pid, arguments, its_environment = json.loads(process.stdout.readline())
    assert (pid, arguments) == (process.pid, ["a b", "--", "-x"])
    assert its_environment["PREFECT_API_AUTH_STRING"] == SECRET
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (7, "", "")


def test_without_secrets_the_command_is_started_at_once_and_google_is_not_loaded() -> None:
    listing = (
        "import trivia_render.secret_environment, sys;"
        "print(sorted(name for name in sys.modules if name.startswith('google')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True, env=environment()
    )
    assert loaded.stdout == "[]\n"
    process = start("echo", "hello")
    assert process.communicate(timeout=30) == ("hello\n", "")
    assert process.returncode == 0


def test_what_is_wrong_stands_in_the_log_in_its_form_and_the_command_is_not_started(
    secrets: SecretServer,
) -> None:
    secrets.inject("status", value=403, times=FOR_EVER)
    process = start(
        *("echo", "started"),
        TRIVIA_SECRETS=f"PREFECT_API_AUTH_STRING={VERSION}",
        TRIVIA_SECRETS_ENDPOINT=secrets.url,
        TRIVIA_LOG_FORMAT="json",
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    line = json.loads(err)
    assert line["severity"] == "ERROR"
    assert ROLE in line["message"]


@pytest.mark.parametrize(
    ("command", "variables", "code", "words"),
    [
        (("no-such-program",), {}, 127, "no-such-program cannot be started"),
        (("/",), {}, 126, "/ cannot be started"),
        (("",), {}, 2, "The command has no name"),
        ((), {}, 2, "TRIVIA_SECRETS names them"),
        (("echo",), {"TRIVIA_SECRETS": "A=b"}, 2, "Entry 1 of TRIVIA_SECRETS, A, names no version"),
        (("echo",), {"TRIVIA_ENCODER": "none"}, 2, "TRIVIA_ENCODER"),
    ],
)
def test_a_command_that_cannot_be_started_ends_as_a_shell_would_say_it(
    command: tuple[str, ...], variables: dict[str, str], code: int, words: str
) -> None:
    process = start(*command, **variables)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert words in err
