"""A server over TLS on this machine that sends, byte by byte, what a test tells it to."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import httpcore
import trustme

HOST = "images.example.com"
#: A public address; the tests' connections to it end at the server on this machine.
ADDRESS = "93.184.215.14"
OTHER_ADDRESS = "93.184.215.15"

#: Answers on an open connection.
Answer = Callable[[ssl.SSLSocket], object]


def sends(*pieces: bytes) -> Answer:
    """An answer of these bytes."""
    return lambda connection: [connection.sendall(piece) for piece in pieces]


def page(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Answer:
    """A whole answer with its length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]
    return sends(b"\r\n".join(lines))


class Server:
    """The server while it runs: what was asked, and by which name."""

    def __init__(
        self, authority: trustme.CA, answers: dict[str, Answer | list[Answer]], *, name: str
    ) -> None:
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self.connected_to: list[str] = []
        self._answers = answers
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self._context.sni_callback = self._note_name  # type: ignore[assignment]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def connect(self, address: str, _port: int, seconds: float) -> httpcore.NetworkStream:
        """Connect to the server, whatever the address is."""
        self.connected_to.append(address)
        port = self._listener.getsockname()[1]
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", port, seconds)

    def close(self) -> None:
        """Cut every connection, and wait until nothing runs any more."""
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _note_name(self, _connection: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        self.server_names.append(name)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(plain)
            thread = threading.Thread(target=self._answer, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, plain: socket.socket) -> None:
        # The client may go at any moment: that is what many of these tests are about.
        with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            self._open.append(connection)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(4096)
                if not piece:
                    return
                request += piece
            self.requests.append(request)
            answer = self._answers[request.split(b" ")[1].decode()]
            (answer.pop(0) if isinstance(answer, list) else answer)(connection)


@contextmanager
def https_server(
    authority: trustme.CA, answers: dict[str, Answer | list[Answer]], *, name: str = HOST
) -> Iterator[Server]:
    """Serve answers by path. A list is given out one by one. `name`: whom the certificate is for."""
    server = Server(authority, answers, name=name)
    try:
        yield server
    finally:
        server.close()


class Names(NamedTuple):
    """A name server: each look-up gives the next list; the last one stays."""

    answers: list[list[str]]
    asked: list[str]

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def names(*answers: list[str]) -> Names:
    return Names(list(answers), [])
