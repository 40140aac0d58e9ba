"""A stand-in for Google Cloud Text-to-Speech that fails to order, for this process and for any other.

In a test:

    with speech_stand_in() as speech:
        speech.inject("unavailable", times=2)
        ...  # TRIVIA_SPEECH_ENDPOINT=speech.endpoint, here or in another process
        assert speech.applied == ["unavailable", "unavailable"]

As a program of its own, `python -m tests.speech_stand_in` prints the endpoint and, on a second line, the
URL by which other processes order faults: `POST` a JSON object with the arguments of `inject`, `DELETE`
to forget those that are left, `GET` for the number of requests so far and the faults that they met.
"""

import json
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, TypeAlias, get_args

import grpc  # type: ignore[import-untyped]
from google.cloud import texttospeech_v1beta1 as api

from tests.google_speech import GoogleSpeech, RefusalError
from trivia_render.speech.google import SpeechClient, connect

Kind = Literal[
    "quota",  # the quota is used up: HTTP's 429
    "unavailable",  # the service is down: HTTP's 503
    "stall",  # no answer for as long as the client waits
]
#: Or any other status, or what the service says to a request that it cannot do.
Fault: TypeAlias = Kind | grpc.StatusCode | RefusalError
#: So many that no client outlives them.
FOR_EVER: Final = 100_000

_SERVICE = "google.cloud.texttospeech.v1beta1.TextToSpeech"
_STATUS: Final[dict[str, grpc.StatusCode]] = {
    "quota": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
}
#: Requests at once; those that stall count too.
_THREADS = 32


class SpeechStandIn(GoogleSpeech):
    """A stand-in that is running. Its methods may be called from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.address = ""
        self.requests: list[Any] = []
        self.applied: list[Fault] = []
        self.clients_made = 0
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def endpoint(self) -> str:
        """What TRIVIA_SPEECH_ENDPOINT takes."""
        return f"http://{self.address}"

    def inject(self, fault: Fault, *, times: int = 1) -> None:
        """Order a fault for so many of the next requests, after those that are ordered already."""
        if isinstance(fault, str) and fault not in get_args(Kind):
            raise ValueError(f"{fault!r} is no fault; there are {', '.join(get_args(Kind))}")
        with self._lock:
            self._faults.extend([fault] * times)

    def heal(self) -> None:
        """Forget the faults that are left. A request that stalls goes on stalling."""
        with self._lock:
            self._faults.clear()

    def make_client(self) -> SpeechClient:
        self.clients_made += 1
        return connect(self.endpoint)

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Meet the next fault, or speak."""
        fault = self._begin(request)
        try:
            if fault == "stall":
                self._stall(context)
                fault = grpc.StatusCode.UNAVAILABLE
            if isinstance(fault, RefusalError):
                raise fault
            if fault is not None:
                status = _STATUS[fault] if isinstance(fault, str) else fault
                context.abort(status, f"injected {status.name}")
            return self.synthesize(request)
        except RefusalError as refusal:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refusal))

    def stop_stalling(self) -> None:
        """Let all that stall end, now and from now on."""
        self._stopping.set()

    def _begin(self, request: Any) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            fault = self._faults.popleft() if self._faults else None
            if fault is not None:
                self.applied.append(fault)
            return fault

    def _stall(self, context: grpc.ServicerContext) -> None:
        given_up = threading.Event()
        # Called at the client's deadline, or when it is gone; False where that was before.
        if context.add_callback(given_up.set):
            while not given_up.wait(0.05) and not self._stopping.is_set():
                pass


@contextmanager
def speech_stand_in() -> Iterator[SpeechStandIn]:
    """Run the service on a free local port, in threads of this process."""
    service = SpeechStandIn()
    handler = grpc.unary_unary_rpc_method_handler(
        service.answer,
        request_deserializer=api.SynthesizeSpeechRequest.deserialize,
        response_serializer=api.SynthesizeSpeechResponse.serialize,
    )
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"SynthesizeSpeech": handler}),)
    )
    service.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield service
    finally:
        service.stop_stalling()
        server.stop(None).wait()


class _Control(BaseHTTPRequestHandler):
    """Orders of other processes."""

    server: "_ControlServer"

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        try:
            self.server.service.inject(**order)
        except (TypeError, ValueError) as error:
            self._send(400, {"error": str(error)})
        else:
            self._send(200, {})

    def do_DELETE(self) -> None:
        self.server.service.heal()
        self._send(200, {})

    def do_GET(self) -> None:
        service = self.server.service
        self._send(
            200, {"requests": len(service.requests), "applied": [str(fault) for fault in service.applied]}
        )

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _ControlServer(ThreadingHTTPServer):
    def __init__(self, service: SpeechStandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Control)
        self.service = service


def _stop(_signal: int, _frame: Any) -> None:
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    with speech_stand_in() as running, _ControlServer(running) as control, suppress(KeyboardInterrupt):
        print(running.endpoint, flush=True)
        print(f"http://127.0.0.1:{control.server_port}/", flush=True)
        control.serve_forever(poll_interval=0.05)
