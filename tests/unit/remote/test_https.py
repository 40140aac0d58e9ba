"""Images by https: from the checked address alone, and never more or longer than is allowed."""

import socket
import ssl
import time
from collections.abc import Callable

import httpcore
import pytest
import trustme

from tests.unit.remote.https_server import (
    ADDRESS,
    HOST,
    OTHER_ADDRESS,
    Answer,
    Names,
    Server,
    https_server,
    names,
    page,
    sends,
)
from trivia_render.errors import AssetInvalidError, AssetUnavailableError, TriviaRenderError
from trivia_render.models.asset_reference import WebImage
from trivia_render.remote.https import FetchLimits, HttpsImages, public_trust, resolve

IMAGE = WebImage(HOST, "/a.png?v=2")
BODY = bytes(range(256)) * 8
LIMITS = FetchLimits(max_bytes=4096, total_seconds=1.0, read_seconds=0.3, connect_seconds=0.5, tries=1)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> Callable[[], ssl.SSLContext]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return lambda: context


Fetch = Callable[..., bytes]


@pytest.fixture
def fetch(trust: Callable[[], ssl.SSLContext]) -> Fetch:
    def fetch(server: Server, *, looked_up: Names | None = None, **limits: float) -> bytes:
        images = HttpsImages(
            LIMITS._replace(**limits),  # type: ignore[arg-type]
            resolve=looked_up or names([ADDRESS]),
            connect=server.connect,
            trust=trust,
        )
        return images.fetch(IMAGE)

    return fetch


def refusal(authority: trustme.CA, fetch: Fetch, answer: Answer, **limits: float) -> TriviaRenderError:
    with (
        https_server(authority, {IMAGE.target: answer}) as server,
        pytest.raises(TriviaRenderError) as caught,
    ):
        fetch(server, **limits)
    assert len(server.requests) == 1
    return caught.value


def test_an_image_is_fetched_by_its_name_from_the_address_that_was_checked(
    authority: trustme.CA, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with https_server(authority, {IMAGE.target: page(BODY)}) as server:
        assert fetch(server) == BODY
    assert server.connected_to == [ADDRESS]
    assert server.server_names == [HOST]
    (request,) = server.requests
    assert request.startswith(b"GET /a.png?v=2 HTTP/1.1\r\nHost: images.example.com\r\n")
    assert b"Accept-Encoding: identity\r\n" in request
    assert b"ookie" not in request
    assert b"uthorization" not in request


def test_chunks_make_one_file(authority: trustme.CA, fetch: Fetch) -> None:
    answer = sends(CHUNKED, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")
    with https_server(authority, {IMAGE.target: answer}) as server:
        assert fetch(server) == b"abcde"


@pytest.mark.parametrize("addresses", [["10.0.0.7"], [ADDRESS, "169.254.169.254"], ["::ffff:127.0.0.1"], []])
def test_a_host_with_any_address_that_is_not_public_is_not_connected_to(
    authority: trustme.CA, fetch: Fetch, addresses: list[str]
) -> None:
    with https_server(authority, {}) as server, pytest.raises(AssetInvalidError, match="not at a public"):
        fetch(server, looked_up=names(addresses))
    assert server.connected_to == []


def test_a_name_is_looked_up_once_also_when_it_is_tried_again(authority: trustme.CA, fetch: Fetch) -> None:
    """The next look-up would give the metadata server's address."""
    looked_up = names([ADDRESS], ["169.254.169.254"])
    answers: list[Answer] = [page(b"", status=b"503 Busy"), page(BODY)]
    with https_server(authority, {IMAGE.target: answers}) as server:
        assert fetch(server, looked_up=looked_up, tries=2, pause_seconds=0.01) == BODY
    assert looked_up.asked == [HOST]
    assert server.connected_to == [ADDRESS, ADDRESS]


def test_the_next_address_is_tried_where_one_does_not_answer(
    authority: trustme.CA, trust: Callable[[], ssl.SSLContext]
) -> None:
    tried = []
    with https_server(authority, {IMAGE.target: page(BODY)}) as server:

        def connect(address: str, port: int, seconds: float) -> httpcore.NetworkStream:
            tried.append(address)
            if address == ADDRESS:
                raise httpcore.ConnectError("refused")
            return server.connect(address, port, seconds)

        images = HttpsImages(LIMITS, resolve=names([ADDRESS, OTHER_ADDRESS]), connect=connect, trust=trust)
        assert images.fetch(IMAGE) == BODY
        assert tried == [ADDRESS, OTHER_ADDRESS]


def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, fetch: Fetch) -> None:
    with (
        https_server(authority, {IMAGE.target: page(BODY)}, name="evil.example.net") as server,
        pytest.raises(AssetInvalidError, match="no certificate that is good") as caught,
    ):
        fetch(server)
    assert "images.example.com" in caught.value.evidence
    assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    with https_server(authority, {IMAGE.target: page(BODY)}) as server:
        images = HttpsImages(LIMITS, resolve=names([ADDRESS]), connect=server.connect)
        with pytest.raises(AssetInvalidError, match="no certificate that is good"):
            images.fetch(IMAGE)
    assert server.requests == []


def test_the_public_webs_authorities_are_trusted_and_old_tls_is_not_spoken() -> None:
    context = public_trust()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) > 50


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_not_followed(authority: trustme.CA, fetch: Fetch, status: bytes) -> None:
    answer = page(b"", b"Location: https://images.example.com/b.png", status=status)
    error = refusal(authority, fetch, answer)
    assert isinstance(error, AssetInvalidError)
    assert "not followed" in error.message


@pytest.mark.parametrize("status", [b"204 None", b"206 Part", b"401 No", b"403 No", b"404 No", b"501 No"])
def test_an_answer_that_is_no_image_is_final(authority: trustme.CA, fetch: Fetch, status: bytes) -> None:
    error = refusal(authority, fetch, page(b"", status=status))
    assert isinstance(error, AssetInvalidError)
    assert status[:3].decode() in error.message


@pytest.mark.parametrize("status", [b"429 Slow down", b"500 Oh", b"503 Busy"])
def test_a_passing_fault_may_be_tried_again(authority: trustme.CA, fetch: Fetch, status: bytes) -> None:
    error = refusal(authority, fetch, page(b"", status=status))
    assert isinstance(error, AssetUnavailableError)
    assert error.retryable


def test_a_file_that_says_it_is_too_large_is_not_read(authority: trustme.CA, fetch: Fetch) -> None:
    error = refusal(authority, fetch, sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n"))
    assert isinstance(error, AssetInvalidError)
    assert "4,097 bytes" in error.message


def test_a_file_that_does_not_say_it_is_too_large_is_read_to_the_limit_alone(
    authority: trustme.CA, fetch: Fetch
) -> None:
    sent = []

    def endless(connection: ssl.SSLSocket) -> None:
        connection.sendall(CHUNKED)
        while True:
            connection.sendall(b"400\r\n" + bytes(1024) + b"\r\n")
            sent.append(1024)
            time.sleep(0.001)

    error = refusal(authority, fetch, endless)
    assert isinstance(error, AssetInvalidError)
    assert "more than 4,096 bytes" in error.message
    assert sum(sent) < 1_000_000


@pytest.mark.parametrize("packing", [b"gzip", b"br", b"deflate", b"zstd", b"identity, gzip"])
def test_a_packed_file_is_never_unpacked(authority: trustme.CA, fetch: Fetch, packing: bytes) -> None:
    error = refusal(authority, fetch, page(b"x", b"Content-Encoding: " + packing))
    assert isinstance(error, AssetInvalidError)
    assert "Content-Encoding" in error.message


def drips(connection: ssl.SSLSocket) -> None:
    """Always in time for the next byte, and never done."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drips_headers(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.05)


def drips_interim_answers(connection: ssl.SSLSocket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [drips, drips_headers, drips_interim_answers])
def test_a_server_that_sends_slowly_is_left_at_the_end_of_the_time(
    authority: trustme.CA, fetch: Fetch, answer: Answer
) -> None:
    start = time.monotonic()
    error = refusal(authority, fetch, answer, total_seconds=0.5, tries=3)
    assert isinstance(error, AssetUnavailableError)
    assert time.monotonic() - start < 3


def test_a_server_that_says_nothing_is_left_after_a_short_while(authority: trustme.CA, fetch: Fetch) -> None:
    error = refusal(authority, fetch, lambda connection: connection.recv(1), read_seconds=0.1)
    assert isinstance(error, AssetUnavailableError)


def test_a_server_that_never_ends_its_handshake_is_left(trust: Callable[[], ssl.SSLContext]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        images = HttpsImages(
            LIMITS._replace(connect_seconds=0.1),
            resolve=names([ADDRESS]),
            connect=lambda _address, _port, seconds: httpcore.SyncBackend().connect_tcp(
                "127.0.0.1", mute.getsockname()[1], seconds
            ),
            trust=trust,
        )
        with pytest.raises(AssetUnavailableError):
            images.fetch(IMAGE)


@pytest.mark.parametrize(
    "answer",
    [
        sends(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000),
        sends(b"220 mail ready\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
        sends(CHUNKED, b"zz\r\nabc\r\n"),
        sends(),
    ],
    ids=["endless header", "no http", "cut short", "two lengths", "negative length", "bad chunk", "nothing"],
)
def test_a_server_that_breaks_the_rules_is_refused(
    authority: trustme.CA, fetch: Fetch, answer: Answer
) -> None:
    assert isinstance(refusal(authority, fetch, answer), AssetUnavailableError)


def test_a_name_that_does_not_exist_is_the_configs_fault_and_an_outage_is_not() -> None:
    def fails(error: OSError) -> Callable[[str], list[str]]:
        def resolve(_host: str) -> list[str]:
            raise error

        return resolve

    absent = HttpsImages(LIMITS, resolve=fails(socket.gaierror(socket.EAI_NONAME, "unknown")))
    with pytest.raises(AssetInvalidError, match=r"no host images\.example\.com"):
        absent.fetch(IMAGE)
    away = HttpsImages(LIMITS, resolve=fails(socket.gaierror(socket.EAI_AGAIN, "try again")))
    with pytest.raises(AssetUnavailableError, match="looked up"):
        away.fetch(IMAGE)


def test_the_systems_resolver_is_asked_and_its_loopback_is_refused() -> None:
    assert set(resolve("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(AssetInvalidError, match="not at a public"):
        HttpsImages(LIMITS, resolve=lambda _host: resolve("localhost")).fetch(IMAGE)
