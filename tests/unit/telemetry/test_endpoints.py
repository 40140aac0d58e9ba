"""A worker's endpoints over real HTTP: whatever else hangs, /healthz answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn

import httpx
import pytest

from tests.ports import free_port
from trivia_render.errors import BadInputError
from trivia_render.models.fleet import GpuReading, WorkerRecord
from trivia_render.telemetry.endpoints import make_app, open_endpoints, url_of

RECORD = WorkerRecord(
    name="vm-1-0a1b", worker_id="vm-1", pool="gpu-t4", state="ready",
    started_at=datetime(2026, 5, 1, tzinfo=UTC), updated_at=datetime(2026, 5, 1, tzinfo=UTC),
    gpus=(GpuReading(
        name="Tesla T4", memory_used_bytes=1, memory_total_bytes=2, utilisation_percent=3,
        encoder_utilisation_percent=4,
    ),),
)  # fmt: skip


@contextmanager
def served(
    *,
    alive: Callable[[], bool] = lambda: True,
    record: Callable[[], WorkerRecord] = lambda: RECORD,
    metrics: Callable[[], bytes] = lambda: b"trivia_worker_up 1\n",
) -> Iterator[httpx.Client]:
    """Serve on a free port, and yield a client of it."""
    endpoints = open_endpoints("127.0.0.1", 0)
    endpoints.serve(make_app(alive=alive, record=record, metrics=metrics))
    try:
        url = url_of("127.0.0.1", endpoints.port, host="elsewhere")
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
            yield client
    finally:
        endpoints.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with served() as client:
        yield client


def test_a_worker_whose_loop_turns_is_healthy(client: httpx.Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


def test_a_machine_that_is_to_be_made_anew_is_not_and_says_why() -> None:
    endpoints = open_endpoints("127.0.0.1", 0)
    codes = ["gpu_lost", None]
    app = make_app(
        alive=lambda: True, record=lambda: RECORD, metrics=lambda: b"", refused=lambda: codes.pop(0)
    )
    endpoints.serve(app)
    try:
        url = f"{url_of('127.0.0.1', endpoints.port, host='elsewhere')}/healthz"
        refused, well = (httpx.get(url, trust_env=False, timeout=10) for _ in range(2))
    finally:
        endpoints.close()
    assert (refused.status_code, refused.json()) == (503, {"status": "refused", "code": "gpu_lost"})
    assert well.status_code == 200


def test_one_that_is_stuck_is_not() -> None:
    with served(alive=lambda: False) as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "stuck"})


def test_status_is_the_record_of_the_heartbeat(client: httpx.Client) -> None:
    answer = client.get("/status")
    assert answer.headers["content-type"] == "application/json"
    assert WorkerRecord.model_validate_json(answer.content) == RECORD


def test_metrics_have_the_type_that_prometheus_expects(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.content == b"trivia_worker_up 1\n"


@pytest.mark.parametrize("path", ["/healthz", "/status", "/metrics"])
def test_head_is_answered_without_a_body(client: httpx.Client, path: str) -> None:
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/statuses", 404), ("POST", "/status", 405)]
)
def test_nothing_else_is_there(client: httpx.Client, method: str, path: str, status: int) -> None:
    assert client.request(method, path).status_code == status


def test_a_record_that_hangs_does_not_keep_healthz_from_answering() -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def record() -> WorkerRecord:
        asked.release()
        go_on.wait(20)
        return RECORD

    with served(record=record) as client:
        # More than Starlette has threads.
        waiting = [
            threading.Thread(target=httpx.get, args=(f"{client.base_url}/status",), kwargs={"timeout": 30})
            for _ in range(50)
        ]
        for thread in waiting:
            thread.start()
        try:
            assert asked.acquire(timeout=10)
            for _ in range(3):
                assert client.get("/healthz", timeout=2).status_code == 200
        finally:
            go_on.set()
        for thread in waiting:
            thread.join(20)


def test_a_record_that_raises_is_an_error_of_status_alone(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> NoReturn:
        raise ValueError("no record")

    with served(record=broken, metrics=broken) as client:
        assert [client.get(path).status_code for path in ("/status", "/metrics")] == [500, 500]
        assert client.get("/healthz").status_code == 200
    assert caplog.text.count("ValueError: no record") == 2


def test_a_port_in_use_is_said_with_the_setting_that_chooses_it() -> None:
    taken = open_endpoints("127.0.0.1", 0)
    try:
        with pytest.raises(BadInputError, match=f"port {taken.port}") as raised:
            open_endpoints("127.0.0.1", taken.port)
    finally:
        taken.close()
    assert "TRIVIA_WORKER_PORT" in raised.value.remedy
    assert "in use" in raised.value.evidence


@pytest.mark.parametrize("bind", ["203.0.113.9", "no such host", "a" * 300, "300.1.1.1"])
def test_an_address_that_is_not_this_machines_is_said_too(bind: str) -> None:
    with pytest.raises(BadInputError) as raised:
        open_endpoints(bind, 0)
    assert "TRIVIA_WORKER_BIND" in raised.value.remedy


def test_a_closed_port_can_be_taken_again_at_once() -> None:
    port = free_port()
    for _ in range(3):
        endpoints = open_endpoints("127.0.0.1", port)
        endpoints.serve(make_app(alive=lambda: True, record=lambda: RECORD, metrics=lambda: b""))
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
        endpoints.close()


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9100"),
        ("0.0.0.0", "http://vm-1:9100"),
        ("::", "http://vm-1:9100"),
        ("::1", "http://[::1]:9100"),
    ],
)
def test_the_url_is_one_that_others_can_ask(bind: str, url: str) -> None:
    assert url_of(bind, 9100, host="vm-1") == url
