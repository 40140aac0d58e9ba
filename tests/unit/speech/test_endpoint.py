"""Text-to-Speech at another address: regional, private, or a stand-in in plaintext."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials

from tests.speech_stand_in import SpeechStandIn, speech_stand_in
from trivia_render.cli.doctor import examine
from trivia_render.errors import BadInputError
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.timeline import Line
from trivia_render.pipeline.ports import Ports
from trivia_render.settings import load_settings
from trivia_render.speech.endpoint import Endpoint, parse_endpoint
from trivia_render.speech.google import GoogleVoice, RetryPolicy, connect
from trivia_render.wiring import google_credentials_of, make_ports

LINES = (Line(role="answer", text="The answer is Canberra."),)
VOICE = VoiceSpec(provider="google", name="en-US-Neural2-F", language="en-US", speed=1.0)


@pytest.fixture
def service() -> Iterator[SpeechStandIn]:
    with speech_stand_in() as running:
        yield running


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where nobody has logged in, and where looking for credentials is a mistake."""

    def default(*_: object, **__: object) -> NoReturn:
        pytest.fail("credentials were looked for")

    monkeypatch.setattr(google.auth, "default", default)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


def _ports(endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Ports:
    monkeypatch.setenv("TRIVIA_SPEECH_ENDPOINT", endpoint)
    monkeypatch.setenv("TRIVIA_HOME", str(folder / "home"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return make_ports(load_settings())


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("eu-texttospeech.googleapis.com", Endpoint("eu-texttospeech.googleapis.com", "tls")),
        ("texttospeech-vpc.p.googleapis.com:443", Endpoint("texttospeech-vpc.p.googleapis.com:443", "tls")),
        ("10.0.0.5:8443", Endpoint("10.0.0.5:8443", "tls")),
        ("http://127.0.0.1:50051", Endpoint("127.0.0.1:50051", "plaintext")),
        ("http://speech_stand-in:80", Endpoint("speech_stand-in:80", "plaintext")),
    ],
)
def test_an_endpoint_is_tls_unless_it_says_http(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://eu-texttospeech.googleapis.com", "without a scheme"),
        ("dns:///eu-texttospeech.googleapis.com", "without a scheme"),
        ("eu-texttospeech.googleapis.com/v1", "host:port"),
        ("user@host:443", "host:port"),
        ("host:", "host:port"),
        (" host", "host:port"),
        ("http://", "host:port"),
        ("http://127.0.0.1", "needs a port"),
        ("host:0", "ports go from 1 to 65535"),
        ("host:65536", "ports go from 1 to 65535"),
    ],
)
def test_what_is_no_endpoint_is_refused_naming_the_variable(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVIA_SPEECH_ENDPOINT", text)
    with pytest.raises(BadInputError) as raised:
        load_settings()
    assert f"TRIVIA_SPEECH_ENDPOINT={text!r}" in raised.value.evidence
    assert words in raised.value.evidence


@pytest.mark.usefixtures("no_credentials")
def test_a_plaintext_endpoint_is_used_without_credentials(
    service: SpeechStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = _ports(service.endpoint, tmp_path, monkeypatch)
    speech = ports.voice("google").synthesize(LINES, voice=VOICE)

    assert ports.google_credentials
    assert len(speech.samples[0]) > 0
    assert [spoken.text for spoken in service.spoken] == [LINES[0].text]


@pytest.mark.usefixtures("no_credentials")
def test_a_proxy_for_the_internet_is_not_asked_for_a_plaintext_endpoint(
    service: SpeechStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    hasty = RetryPolicy(deadline_seconds=0.1)
    GoogleVoice(make_client=lambda: connect(service.endpoint), retry=hasty).synthesize(LINES, voice=VOICE)

    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        (None, "texttospeech.googleapis.com:443"),
        ("eu-texttospeech.googleapis.com", "eu-texttospeech.googleapis.com:443"),
        ("10.0.0.5:8443", "10.0.0.5:8443"),
    ],
)
def test_another_endpoint_by_tls_has_the_credentials_of_the_machine(
    endpoint: str | None, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = AnonymousCredentials()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda **_: (mine, "project"))
    client: Any = connect(endpoint)
    with client:
        assert client.transport.host == target
        assert client.transport._credentials is mine


@pytest.mark.usefixtures("no_credentials")
def test_an_endpoint_by_tls_is_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_SPEECH_ENDPOINT", "eu-texttospeech.googleapis.com")
    assert not google_credentials_of(load_settings())


def test_a_plaintext_endpoint_stalls_no_longer_than_the_setting_says(
    service: SpeechStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = _ports(service.endpoint, tmp_path, monkeypatch, TRIVIA_SPEECH_TIMEOUT_SECONDS="0.5")
    service.inject("stall")
    started = time.monotonic()
    ports.voice("google").synthesize(LINES, voice=VOICE)

    assert 0.5 <= time.monotonic() - started < 10
    assert service.applied == ["stall"]
    assert len(service.requests) == 2


def test_doctor_tells_of_a_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_SPEECH_ENDPOINT", "http://127.0.0.1:50051")
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    voice = next(finding for finding in examine(load_settings()) if finding.subject == "voice")
    assert voice.state == "note"
    assert "http://127.0.0.1:50051" in voice.found


def test_another_process_can_be_the_stand_in_and_be_told_to_fail() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.speech_stand_in"], stdout=subprocess.PIPE, text=True
    )
    with program:
        try:
            assert program.stdout is not None
            endpoint, control = program.stdout.readline().strip(), program.stdout.readline().strip()
            hasty = RetryPolicy(request_timeout_seconds=0.5, first_wait_seconds=0.01)
            voice = GoogleVoice(make_client=lambda: connect(endpoint), retry=hasty)
            for fault in ("quota", "unavailable", "stall"):
                _call("POST", control, {"fault": fault})
            voice.synthesize(LINES, voice=VOICE)
            assert voice.usage.retries == 3
            assert _call("GET", control) == {"requests": 4, "applied": ["quota", "unavailable", "stall"]}

            _call("POST", control, {"fault": "unavailable", "times": 50})
            _call("DELETE", control)
            voice.synthesize(LINES, voice=VOICE)
            assert _call("GET", control)["requests"] == 5

            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                _call("POST", control, {"fault": "unavailble"})
            with refused.value:
                assert "'unavailble' is no fault" in json.load(refused.value)["error"]
        finally:
            program.terminate()
    assert program.returncode == 0


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found
