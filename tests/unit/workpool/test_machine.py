"""A machine's metadata server: its name, and the notice that the machine is taken away."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ports import free_port
from trivia_render import gce
from trivia_render.gce import metadata_url
from trivia_render.workpool import machine
from trivia_render.workpool.machine import instance_name, watch_preemption

SECONDS = 10.0
WELL = 200


class MetadataServer:
    """Answers as the real one does: at once, or when what is asked for changes."""

    def __init__(self) -> None:
        #: What the next requests are answered with, whatever they ask; WELL: as they should be.
        self.faults: list[int] = []
        self.preempted_by_a_fault = False
        self.requests: list[dict[str, str]] = []
        self.etags = True
        self._changed = threading.Condition()
        self._preempted = False
        self._closed = False
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                metadata.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def preempt(self) -> None:
        with self._changed:
            self._preempted = True
            self._changed.notify_all()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        with self._changed:
            self.requests.append(query)
            self._changed.notify_all()
            if request.headers.get("Metadata-Flavor") != "Google":
                return self._send(request, 403, "")
            if self.faults and (status := self.faults.pop(0)) != WELL:
                self._preempted = self._preempted or self.preempted_by_a_fault
                return self._send(request, status, "")
            if url.path == "/computeMetadata/v1/instance/name":
                return self._send(request, 200, "render-7f3a\n")
            if url.path != "/computeMetadata/v1/instance/preempted":
                return self._send(request, 404, "")
            if query.get("wait_for_change") == "true":
                known = query.get("last_etag", self._etag())
                self._changed.wait_for(lambda: self._etag() != known or self._closed, SECONDS)
            return self._send(request, 200, "TRUE" if self._preempted else "FALSE")

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, SECONDS), self.requests

    def _etag(self) -> str:
        return "bb" if self._preempted else "aa"

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: str) -> None:
        request.send_response(status)
        if self.etags:
            request.send_header("ETag", self._etag())
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    server = MetadataServer()
    yield server
    server.close()


@pytest.fixture
def url(server: MetadataServer) -> str:
    found = metadata_url(server.host)
    assert found is not None
    return found


@pytest.fixture
def notices(url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], threading.Semaphore]:
    """Start watching; the semaphore has one for each notice."""
    monkeypatch.setattr(machine, "_PAUSE_SECONDS", 0.01)

    def watch() -> threading.Semaphore:
        noticed = threading.Semaphore(0)
        watch_preemption(url, on_notice=noticed.release)
        return noticed

    return watch


def test_the_configured_server_is_asked_wherever_this_runs() -> None:
    assert metadata_url("10.0.0.1:8080") == "http://10.0.0.1:8080/computeMetadata/v1"


@pytest.mark.parametrize(
    ("product", "found"),
    [("Google Compute Engine\n", True), ("Google\n", True), ("KVM\n", False), (None, False)],
)
def test_only_a_google_machine_is_taken_to_have_one(
    product: str | None, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "product_name"
    if product is not None:
        file.write_text(product)
    monkeypatch.setattr(gce, "_PRODUCT", file)
    url = "http://metadata.google.internal/computeMetadata/v1"
    assert metadata_url(None) == (url if found else None)


def test_the_machine_says_its_name(url: str) -> None:
    assert instance_name(url) == "render-7f3a"


def test_a_server_that_is_not_there_or_not_well_gives_no_name(server: MetadataServer, url: str) -> None:
    server.faults = [503]
    assert instance_name(url) is None
    assert instance_name(f"http://127.0.0.1:{free_port()}/computeMetadata/v1") is None


def test_a_machine_that_is_being_preempted_already_is_noticed_at_once(
    server: MetadataServer, notices: Callable[[], threading.Semaphore]
) -> None:
    server.preempt()
    assert notices().acquire(timeout=SECONDS)
    assert server.requests == [{}]


@pytest.mark.parametrize("etags", [True, False])
def test_a_later_preemption_is_waited_for_and_noticed_once(
    server: MetadataServer, notices: Callable[[], threading.Semaphore], etags: bool
) -> None:
    server.etags = etags
    noticed = notices()
    server.wait_for_requests(2)
    assert server.requests[1]["wait_for_change"] == "true"
    assert not noticed.acquire(timeout=0.1)
    server.preempt()
    assert noticed.acquire(timeout=SECONDS)
    assert not noticed.acquire(timeout=0.1)
    assert len(server.requests) == 2


def test_a_server_that_was_not_well_at_first_is_asked_again(
    server: MetadataServer, notices: Callable[[], threading.Semaphore]
) -> None:
    server.faults = [503, 500, 503]
    noticed = notices()
    server.wait_for_requests(5)
    server.preempt()
    assert noticed.acquire(timeout=SECONDS)


def test_a_preemption_while_the_server_was_not_well_is_noticed_all_the_same(
    server: MetadataServer, notices: Callable[[], threading.Semaphore]
) -> None:
    server.faults = [WELL, 503]
    server.preempted_by_a_fault = True
    noticed = notices()
    assert noticed.acquire(timeout=SECONDS / 2), "what it waits for has happened before it asked"


def test_a_change_between_two_requests_is_told_by_what_was_seen_last(
    server: MetadataServer, notices: Callable[[], threading.Semaphore]
) -> None:
    notices()
    server.wait_for_requests(2)
    assert server.requests[1]["last_etag"] == "aa"
    server.preempt()
