"""A Secret Manager on loopback: reads of secrets' versions, held to the published API.

The document is the one that google-api-python-client ships. What it does not know is a violation, of the
caller's or of this server's, and fails the test.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import google_crc32c
import googleapiclient  # type: ignore[import-untyped]

Kind = Literal["status", "reset", "stall", "garble", "damage"]
FOR_EVER = 1 << 30
#: As Google's services say them: https://cloud.google.com/apis/design/errors
_STATUS_NAMES = {
    400: "FAILED_PRECONDITION",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@cache
def document() -> dict[str, Any]:
    """Return the discovery document."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    loaded: dict[str, Any] = json.loads((folder / "secretmanager.v1.json").read_text(encoding="utf-8"))
    return loaded


@cache
def access_method() -> dict[str, Any]:
    """Return how a version is read."""
    versions = document()["resources"]["projects"]["resources"]["secrets"]["resources"]["versions"]
    method: dict[str, Any] = versions["methods"]["access"]
    return method


class Fault(NamedTuple):
    """What goes wrong with the next requests."""

    kind: Kind
    value: int
    times: int


class SecretServer:
    """A Secret Manager that is running. `payloads`: by the version's name."""

    def __init__(self) -> None:
        self.url = ""
        self.payloads: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.violations: list[str] = []
        self.stopping = threading.Event()
        self._fault: Fault | None = None

    def inject(self, kind: Kind, *, value: int = 0, times: int = 1) -> None:
        """Order a fault."""
        self._fault = Fault(kind, value, times)

    def take_fault(self) -> Fault | None:
        """Return the fault that is due, and count it."""
        fault = self._fault
        if fault is not None:
            self._fault = fault._replace(times=fault.times - 1) if fault.times > 1 else None
        return fault

    def name_of(self, target: str) -> str | None:
        """Return the version that a request reads; None, with a violation, for what the API does not have."""
        split = urlsplit(target)
        method = access_method()
        # `{+name}` may hold slashes; what it may hold otherwise is its own pattern.
        path = re.escape(method["path"]).replace(re.escape("{+name}"), "(.+)")
        found = re.fullmatch(document()["basePath"] + "/" + path, split.path)
        # A system parameter may have a dollar sign: https://cloud.google.com/apis/docs/system-parameters
        system = set(document()["parameters"])
        known = system | {f"${name}" for name in system} | set(method["parameters"])
        strange = {name for name, _ in parse_qsl(split.query, keep_blank_values=True)} - known
        if found is None or not re.match(method["parameters"]["name"]["pattern"], found[1]) or strange:
            self.violations.append(f"there is no GET {target}")
            return None
        self.asked.append(found[1])
        return found[1]

    def answer(self, name: str, payload: bytes, *, checksum: int) -> bytes:
        """Return the answer's body."""
        body = {
            "name": name,
            "payload": {"data": base64.b64encode(payload).decode(), "dataCrc32c": str(checksum)},
        }
        for schema, fields in (("AccessSecretVersionResponse", body), ("SecretPayload", body["payload"])):
            assert isinstance(fields, dict)
            if strange := set(fields) - set(document()["schemas"][schema]["properties"]):
                self.violations.append(f"this server's answer: {schema} has no {strange}")
        return json.dumps(body).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        secrets = self.server.secrets
        name = secrets.name_of(self.path)
        fault = secrets.take_fault()
        if name is None:
            self._refuse(404)
        elif fault is not None and fault.kind == "status":
            self._refuse(fault.value)
        elif fault is not None and fault.kind in ("reset", "stall"):
            if fault.kind == "stall":
                secrets.stopping.wait(fault.value)
            self.close_connection = True
        elif name not in secrets.payloads:
            self._refuse(404)
        else:
            payload = secrets.payloads[name]
            sent = payload[:-1] if fault is not None and fault.kind == "damage" else payload
            body = secrets.answer(name, sent, checksum=google_crc32c.value(payload))
            # Cut in the middle: it is no JSON any more, and holds most of the payload.
            self._send(200, body[:-10] if fault is not None and fault.kind == "garble" else body)

    def _refuse(self, status: int) -> None:
        error = {"code": status, "message": f"refused with {status}", "status": _STATUS_NAMES[status]}
        self._send(status, json.dumps({"error": error}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `SecretServer.asked` holds it."""


class _Server(ThreadingHTTPServer):
    # A client keeps its connection: its thread ends with the process.
    daemon_threads = True
    block_on_close = False

    def __init__(self, secrets: SecretServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secrets = secrets


@contextmanager
def secret_server() -> Iterator[SecretServer]:
    """Run a server in threads of this process. Fails at its end for what the published API does not know."""
    secrets = SecretServer()
    with _Server(secrets) as server:
        secrets.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield secrets
        finally:
            secrets.stopping.set()
            server.shutdown()
            thread.join()
    assert not secrets.violations, secrets.violations
