"""One file by https, from a public address, within limits of size and time."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import certifi
import httpcore

from trivia_render.errors import AssetInvalidError, AssetUnavailableError
from trivia_render.models.asset_reference import WebImage
from trivia_render.remote.addresses import is_public

PORT = 443

#: Name to IP addresses, in the order in which they are tried. Raises OSError.
Resolve = Callable[[str], Sequence[str]]
#: (IP address, port, seconds) -> an open connection. Raises httpcore.ConnectError and its kin.
Connect = Callable[[str, int, float], httpcore.NetworkStream]

_MOST_ADDRESSES = 4
_PASSING = {408, 425, 429, 500, 502, 503, 504}
# The rest of gaierror's numbers are faults of the resolver or of its configuration.
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_FAULTS = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class FetchLimits(NamedTuple):
    """How much is taken, and how long is waited for it."""

    max_bytes: int
    #: For all of it: every try, and every byte.
    total_seconds: float = 30.0
    connect_seconds: float = 5.0
    #: Between two bytes of an answer.
    read_seconds: float = 10.0
    tries: int = 3
    #: Before the second try; doubled before the next.
    pause_seconds: float = 0.5


def resolve(host: str) -> Sequence[str]:
    """Ask the system's resolver, which has a patience of its own: some 10 s a name server."""
    found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def connect(address: str, port: int, seconds: float) -> httpcore.NetworkStream:
    """Connect to an IP address. No proxy is asked, whatever the environment says."""
    return httpcore.SyncBackend().connect_tcp(address, port, seconds)


@cache
def public_trust() -> ssl.SSLContext:
    """Return the certificate authorities of the public web, TLS 1.2 at least."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class HttpsImages:
    """Fetches images by https.

    A name is resolved once, all its addresses must be public, and the connection goes to one of these very
    addresses: a name that resolves to another address the next time changes nothing. The certificate must be
    the name's. Redirects and packed answers are refused.
    """

    def __init__(
        self,
        limits: FetchLimits,
        *,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        trust: Callable[[], ssl.SSLContext] = public_trust,
    ) -> None:
        self._limits = limits
        self._resolve = resolve
        self._connect = connect
        self._trust = trust

    def fetch(self, image: WebImage) -> bytes:
        """Return the file's bytes. Raises AssetInvalidError, AssetUnavailableError."""
        deadline = time.monotonic() + self._limits.total_seconds
        addresses = self._public_addresses(image.host)
        pause = self._limits.pause_seconds
        for left in reversed(range(self._limits.tries)):
            try:
                return self._try(image, addresses, deadline)
            except AssetUnavailableError:
                if not left or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
            pause *= 2
        raise AssertionError("there is at least one try")

    def _public_addresses(self, host: str) -> Sequence[str]:
        try:
            found = list(dict.fromkeys(self._resolve(host)))
        except OSError as error:
            if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME:
                raise AssetInvalidError(f"there is no host {host}.", remedy="Correct the address.") from error
            raise AssetUnavailableError(
                f"the name {host} cannot be looked up now.",
                evidence=f"  {error}",
                remedy="Check this machine's network and name servers, and run it again.",
            ) from error
        # All of them: which one is connected to is not ours to choose.
        if not found or not all(is_public(address) for address in found):
            raise AssetInvalidError(
                f"{host} is not at a public address.",
                remedy="Images are fetched from the public internet alone: give the file, or put it into the "
                "bucket and name it gs://bucket/name.",
            )
        return found[:_MOST_ADDRESSES]

    def _try(self, image: WebImage, addresses: Sequence[str], deadline: float) -> bytes:
        try:
            with httpcore.HTTP11Connection(
                origin=httpcore.Origin(b"https", image.host.encode(), PORT),
                stream=self._open(image.host, addresses, deadline),
            ) as connection:
                return self._read(connection, image)
        except _FAULTS as error:
            _refuse_bad_certificate(error, image.host)
            reason = str(error) or type(error).__name__
            raise AssetUnavailableError(
                f"{image.host} did not answer as it should.",
                evidence=f"  {reason[:300]}",
                remedy=f"Run it again later: it must give the file within {self._limits.total_seconds:g} s.",
            ) from error

    def _open(self, host: str, addresses: Sequence[str], deadline: float) -> "_TimedStream":
        for number, address in enumerate(addresses, start=1):
            try:
                plain = self._connect(address, PORT, min(self._limits.connect_seconds, _left(deadline)))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
                continue
            # It closes the plain connection where that fails.
            secure = plain.start_tls(
                self._trust(),
                server_hostname=host,
                timeout=min(self._limits.connect_seconds, _left(deadline)),
            )
            return _TimedStream(secure, deadline=deadline, most_seconds=self._limits.read_seconds)
        raise AssertionError("there is at least one address")

    def _read(self, connection: httpcore.HTTP11Connection, image: WebImage) -> bytes:
        request = httpcore.Request(
            b"GET",
            httpcore.URL(scheme=b"https", host=image.host.encode(), port=PORT, target=image.target.encode()),
            headers=[
                (b"Host", image.host.encode()),
                (b"Accept", b"image/png, image/jpeg, image/webp"),
                (b"Accept-Encoding", b"identity"),
                (b"User-Agent", b"trivia-render"),
                (b"Connection", b"close"),
            ],
        )
        response = connection.handle_request(request)
        try:
            _check_status(response.status, image.host)
            self._check_headers({name.lower(): value for name, value in response.headers})
            content = bytearray()
            for piece in response.iter_stream():
                content += piece
                if len(content) > self._limits.max_bytes:
                    raise self._too_large(f"more than {self._limits.max_bytes:,}")
            return bytes(content)
        finally:
            response.close()

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        packed = headers.get(b"content-encoding", b"identity").strip().lower()
        if packed != b"identity":
            raise AssetInvalidError(
                "the server packs the file (Content-Encoding) although it was asked not to.",
                remedy="Let it give the file as it is, or give the file beside the config.",
            )
        length = headers.get(b"content-length", b"")
        # h11 has refused one that is no number, or not the only one.
        if length.isdigit() and int(length) > self._limits.max_bytes:
            raise self._too_large(f"{int(length):,}")

    def _too_large(self, size: str) -> AssetInvalidError:
        return AssetInvalidError(
            f"the file has {size} bytes; {self._limits.max_bytes:,} are allowed.",
            remedy="Save the image smaller; a frame is 1920x1080 at most.",
        )


class _TimedStream(httpcore.NetworkStream):
    """A connection on which nothing is waited for past a deadline, however little comes at a time."""

    def __init__(self, stream: httpcore.NetworkStream, *, deadline: float, most_seconds: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._most = most_seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - ours counts
        return self._stream.read(max_bytes, min(self._most, _left(self._deadline)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, min(self._most, _left(self._deadline)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for it is over")
    return left


def _check_status(status: int, host: str) -> None:
    if status == http.client.OK:
        return
    if status in _PASSING:
        raise AssetUnavailableError(f"{host} answers {status}.", remedy="Run it again later.")
    if 300 <= status < 400:
        raise AssetInvalidError(
            f"{host} answers {status}, which points to another address; such pointers are not followed.",
            remedy="Write the address at which the image itself is.",
        )
    raise AssetInvalidError(
        f"{host} answers {status}.", remedy="Correct the address; the image must be there for everybody."
    )


def _refuse_bad_certificate(error: Exception, host: str) -> None:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        raise AssetInvalidError(
            f"{host} has no certificate that is good for this name.",
            evidence=f"  {cause.verify_message}",
            remedy="Correct the address, or have the server's certificate renewed.",
        ) from error
