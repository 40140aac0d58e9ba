"""The server: requests and answers are checked against the published API, and fail to order."""

import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.cloud.compute import discovery
from tests.cloud.compute.group import ManualClock
from tests.cloud.compute.service import Refusal, Service

Kind = Literal[
    "status",  # answer `value` instead of doing anything
    "reset",  # hang up instead of doing anything
    "lose_answer",  # do it, then hang up without a word
    "stall",  # say nothing for `value` seconds, then hang up
    "garble",  # do it, and answer what is no JSON
]
FOR_EVER = 1 << 30


class Fault(NamedTuple):
    """What goes wrong with requests whose method's id holds the pattern, after `skip` good ones."""

    kind: Kind
    pattern: str
    value: float
    times: int
    skip: int
    reason: str | None
    message: str


class ComputeServer(Service):
    """A Compute Engine that is running. Its methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._clock = clock
        self.url = ""
        #: The methods that were called, with their query and body, whatever became of them.
        self.log: list[tuple[str, dict[str, str], Any]] = []
        #: What the published API does not know: each is the caller's defect, or this server's.
        self.violations: list[str] = []
        self.stopping = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    @property
    def clock(self) -> ManualClock:
        """The clock, where it is one to be set."""
        assert isinstance(self._clock, ManualClock)
        return self._clock

    def inject(
        self,
        kind: Kind,
        pattern: str,
        *,
        value: float = 0,
        times: int = 1,
        skip: int = 0,
        reason: str | None = None,
        message: str = "injected",
    ) -> None:
        """Order a fault. Each request has the first order that fits and is not used up."""
        with self._lock:
            self._faults.append(Fault(kind, pattern, value, times, skip, reason, message))

    def calls(self, pattern: str) -> int:
        """Return how many requests called a method whose id holds the pattern."""
        with self._lock:
            return sum(bool(re.search(pattern, method)) for method, _, _ in self.log)

    def fault_for(self, method: str) -> Fault | None:
        """Take the order that is due for a request, if any."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if re.search(fault.pattern, method):
                    if fault.skip:
                        self._faults[place] = fault._replace(skip=fault.skip - 1)
                        continue
                    left = [fault._replace(times=fault.times - 1)] if fault.times > 1 else []
                    self._faults[place : place + 1] = left
                    return fault
        return None

    def find(self, http_method: str, target: str, body: Any) -> tuple[discovery.Match, dict[str, str]]:
        """Return the method that a request calls, and its query. Raises Refusal for what the API lacks."""
        split = urlsplit(target)
        query = parse_qs(split.query, keep_blank_values=True)
        match = discovery.find(http_method, split.path)
        if match is None:
            self._violated(f"there is no {http_method} {split.path}")
            raise Refusal(404, f"{split.path} was not found")
        flat = {name: values[0] for name, values in query.items()}
        with self._lock:
            self.log.append((match.method.id, flat, body))
        problems = [
            *discovery.query_problems(match.method, query),
            *discovery.body_problems(match.method.request, body),
        ]
        for problem in problems:
            self._violated(problem)
        if problems:
            raise Refusal(400, "; ".join(problems))
        return match, flat

    def answer(self, match: discovery.Match, query: dict[str, str], body: Any) -> dict[str, Any]:
        """Do what a request asks for and return its answer. Raises Refusal."""
        if match.method.id.endswith("Operations.wait") and self.hold_operations:
            # The real one answers after two minutes at the latest.
            self.stopping.wait(0.05)
        with self._lock:
            answer = self.perform(match, query, body)
        for problem in discovery.body_problems(match.method.response, answer):
            self._violated(f"this server's answer to {match.method.id}: {problem}")
        return answer

    def _violated(self, problem: str) -> None:
        with self._lock:
            self.violations.append(problem)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are sent apart: each answer would wait 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    server: "_Server"

    def handle_one_request(self) -> None:
        """As the base does, but a client that has hung up is nothing to speak of."""
        with suppress(ConnectionError):
            super().handle_one_request()
            return
        self.close_connection = True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        compute = self.server.compute
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(data) if data else None
            match, query = compute.find(self.command, self.path, body)
            fault = compute.fault_for(match.method.id)
            if fault is not None and self._done_with(fault):
                return
            answer = compute.answer(match, query, body)
        except Refusal as refusal:
            self._send(refusal.status, json.dumps(refusal.body).encode())
            return
        if fault is not None and fault.kind == "lose_answer":
            self._hang_up()
        else:
            self._send(200, b"<html>" if fault is not None else json.dumps(answer).encode())

    def _done_with(self, fault: Fault) -> bool:
        """Let a fault take a request's place, if it is of this kind. Raises Refusal."""
        match fault.kind:
            case "status":
                raise Refusal(int(fault.value), fault.message, reason=fault.reason)
            case "reset":
                self._hang_up()
            case "stall":
                self.server.compute.stopping.wait(fault.value)
                self._hang_up()
            case _:
                return False
        return True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `ComputeServer.log` holds it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, compute: ComputeServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.compute = compute
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._open.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A defect of this server must not pass for a fault that the caller bears.
        self.compute.violations.append(f"this server failed: {sys.exception()!r}")
        super().handle_error(request, client_address)

    def hang_up_all(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def compute_server(clock: Callable[[], float] | None = None) -> Iterator[ComputeServer]:
    """Run a server in threads of this process. Fails at its end for what the published API does not know."""
    compute = ComputeServer(clock or ManualClock())
    with _Server(compute) as server:
        compute.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield compute
        finally:
            compute.stopping.set()
            server.shutdown()
            thread.join()
            server.hang_up_all()
    assert not compute.violations, compute.violations
