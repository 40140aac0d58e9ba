"""A strict Cloud Storage that fails to order, for this process and for any other.

In a test:

    with fault_proxy(server_url) as proxy:
        proxy.inject("status", r"POST .*/o\\?", value=503, times=2)
        ...  # STORAGE_EMULATOR_HOST=proxy.url, here or in another process
        assert proxy.applied() == ["status", "status"]

From another process, `POST {url}/_proxy/faults` with the fields of a `Fault` as JSON orders one;
`DELETE` forgets those that are left; `GET {url}/_proxy/log` lists the requests so far. As a program of
its own, `python -m tests.cloud.fault_proxy` runs a server and a proxy and prints the proxy's URL.
"""

import json
import re
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

from tests.cloud.gcs_server import create_bucket, gcs_server
from tests.cloud.strict_gcs import Request, Response, StrictGcs

Kind = Literal[
    "status",  # answer `value` instead of doing anything; 429 with Retry-After: 1
    "stall",  # read nothing, say nothing for `value` seconds, then hang up
    "delay",  # wait `value` seconds, then do it
    "cut_upload",  # hang up after `value` bytes of the request's body
    "flip_upload",  # invert byte number `value` of the request's body, then do it
    "lose_answer",  # do it, then hang up without a word
    "truncate",  # leave out the last `value` bytes of the answer
    "flip",  # invert byte number `value` of the answer's body
]
FOR_EVER = 1 << 30
_CONTROL = "/_proxy/"
_NAME = re.compile(rb'"name":\s*"([^"]+)"')


class Fault(NamedTuple):
    """What goes wrong with requests whose `METHOD target` holds the pattern, after `skip` good ones."""

    kind: Kind
    pattern: str
    value: float = 0
    times: int = 1
    skip: int = 0


class Logged(NamedTuple):
    """A request and what was done to it."""

    line: str
    fault: Kind | None


class FaultProxy:
    """A proxy that is running. Its methods may be called from any thread."""

    def __init__(self, upstream: str) -> None:
        self.gcs = StrictGcs(upstream)
        self.url = ""
        self.log: list[Logged] = []
        self.stopping = threading.Event()
        self._orders: list[Fault] = []
        self._lock = threading.Lock()

    def inject(self, kind: Kind, pattern: str, *, value: float = 0, times: int = 1, skip: int = 0) -> None:
        """Order a fault. Each request has the first order that fits and is not used up."""
        self.order(Fault(kind, pattern, value, times, skip))

    def order(self, fault: Fault) -> None:
        """Order a fault."""
        re.compile(fault.pattern)
        with self._lock:
            self._orders.append(fault)

    def heal(self) -> None:
        """Forget the orders that are left, and the log."""
        with self._lock:
            self._orders.clear()
            self.log.clear()

    def applied(self) -> list[Kind]:
        """Return the faults so far, in order."""
        return [entry.fault for entry in self.log if entry.fault is not None]

    def lines(self, pattern: str = "") -> list[str]:
        """Return the requests so far that hold the pattern, as `METHOD target`."""
        return [entry.line for entry in self.log if re.search(pattern, entry.line)]

    def begin(self, line: str) -> Fault | None:
        """Log a request and return the fault that it meets."""
        with self._lock:
            met = None
            for number, order in enumerate(self._orders):
                if order.times > 0 and re.search(order.pattern, line):
                    if order.skip > 0:
                        self._orders[number] = order._replace(skip=order.skip - 1)
                    else:
                        self._orders[number] = order._replace(times=order.times - 1)
                        met = order
                    break
            self.log.append(Logged(line, None if met is None else met.kind))
            return met


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, kept open."""

    protocol_version = "HTTP/1.1"
    # Small answers at once: Nagle's algorithm would hold them back for 40 ms.
    disable_nagle_algorithm = True
    server: "_Server"

    def _serve(self) -> None:
        if self.path.startswith(_CONTROL):
            self._send(self._control(self._body()))
            return
        proxy = self.server.proxy
        fault = proxy.begin(f"{self.command} {self.path}{self._object_in_body()}")
        kind, value = (None, 0.0) if fault is None else (fault.kind, fault.value)
        if kind == "stall":
            proxy.stopping.wait(value)
            self._hang_up()
            return
        if kind == "cut_upload":
            self.rfile.read(min(int(value), int(self.headers.get("Content-Length", 0))))
            self._hang_up()
            return
        body = self._body()
        if kind == "flip_upload":
            body = _flipped(body, int(value))
        if kind == "status":
            self._send(_injected(int(value)))
            return
        if kind == "delay":
            proxy.stopping.wait(value)
        headers = {name.lower(): text for name, text in self.headers.items()}
        response = proxy.gcs.answer(Request(self.command, self.path, headers, body))
        if kind == "lose_answer":
            self._hang_up()
        elif kind == "truncate":
            self._send(response, leave_out=int(value))
        elif kind == "flip":
            self._send(response._replace(body=_flipped(response.body, int(value))))
        else:
            self._send(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _object_in_body(self) -> str:
        """Return ` name=…` for an upload that names its object in its body, so that a rule can mean it."""
        if "uploadType=multipart" not in self.path:
            return ""
        # Nothing is taken: whoever serves the request reads it all.
        found = _NAME.search(self.rfile.peek(2048))
        return f" name={found[1].decode()}" if found else ""

    def _control(self, body: bytes) -> Response:
        proxy = self.server.proxy
        answer: Any = {}
        match self.command, self.path.removeprefix(_CONTROL):
            case "POST", "faults":
                proxy.order(Fault(**json.loads(body)))
            case "DELETE", "faults":
                proxy.heal()
            case "GET", "log":
                answer = [entry._asdict() for entry in list(proxy.log)]
            case _:
                return Response(404, {}, b"")
        return Response(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, response: Response, *, leave_out: int = 0) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body[: max(0, len(response.body) - leave_out)])
        if leave_out:
            self.close_connection = True

    def _hang_up(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `FaultProxy.log` holds it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that gave up hangs up too. Anything else is a defect of the proxy, and shows.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up_all(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """Run a proxy in front of a fake-gcs-server, in threads of this process."""
    proxy = FaultProxy(upstream)
    with _Server(proxy) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.stopping.set()
            server.shutdown()
            thread.join()
            server.hang_up_all()


@contextmanager
def strict_gcs() -> Iterator[FaultProxy]:
    """Run a server and a proxy before it."""
    with gcs_server() as upstream, fault_proxy(upstream) as proxy:
        yield proxy


def _flipped(body: bytes, place: int) -> bytes:
    flipped = bytearray(body)
    if flipped:
        flipped[place % len(flipped)] ^= 0xFF
    return bytes(flipped)


def _injected(status: int) -> Response:
    body = json.dumps({"error": {"code": status, "message": "injected"}}).encode()
    headers = {"Content-Type": "application/json"}
    if status == 429:
        headers["Retry-After"] = "1"
    return Response(status, headers, body)


def _stop(_signal: int, _frame: Any) -> None:
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    with strict_gcs() as running, suppress(KeyboardInterrupt):
        for bucket in sys.argv[1:]:
            create_bucket(running.url, bucket)
        print(running.url, flush=True)
        threading.Event().wait()
