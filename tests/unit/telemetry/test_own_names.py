"""The endpoints answer who asks for this machine, and no page of others through somebody's browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette

from trivia_render.models.fleet import WorkerRecord
from trivia_render.settings import load_settings
from trivia_render.telemetry.endpoints import make_app, open_endpoints
from trivia_render.telemetry.fleet_service import make_fleet_app
from trivia_render.telemetry.own_names import is_own_name

RECORD = WorkerRecord(
    name="vm-1-0a1b", worker_id="vm-1", pool="gpu-t4", state="ready",
    started_at=datetime(2026, 5, 1, tzinfo=UTC), updated_at=datetime(2026, 5, 1, tzinfo=UTC),
)  # fmt: skip
APPS = {
    "worker": make_app(alive=lambda: True, record=lambda: RECORD, metrics=lambda: b"trivia_worker_up 1\n"),
    "dashboard": make_fleet_app(status=lambda: b"{}", metrics=lambda: b"trivia_up 1\n", alive=lambda: True),
}


@contextmanager
def served(app: Starlette, *names: str) -> Iterator[httpx.Client]:
    endpoints = open_endpoints("127.0.0.1", 0)
    endpoints.serve(app, names=names)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{endpoints.port}", trust_env=False) as client:
            yield client
    finally:
        endpoints.close()


@pytest.fixture(scope="module", params=list(APPS))
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with served(APPS[request.param], "Fleet.example.org", "*.ops.example.com") as client:
        yield client


OWN = [
    *(
        "127.0.0.1:4300",
        "10.128.0.7",
        "[::1]:4300",
        "[fd00::1]",
        "localhost:4300",
        "LOCALHOST",
        "trivia-control",
    ),
    *("trivia-control.c.my-project.internal:4310", "laptop.local", "fleet.localhost", "localhost."),
    *("fleet.example.org", "FLEET.example.org:443", "a.ops.example.com"),
]
ANOTHERS = [
    *("evil.example:4300", "127.0.0.1.evil.example", "localhost.evil.example", "internal.evil.example"),
    *("evil.example.", "ops.example.com", "fleet.example.org.evil.example", "xinternal.example"),
]


@pytest.mark.parametrize("host", OWN)
def test_who_asks_for_this_machine_is_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ANOTHERS)
@pytest.mark.parametrize("path", ["/status", "/metrics", "/healthz", "/"])
def test_a_page_whose_name_was_bent_to_this_machine_reads_nothing(
    client: httpx.Client, host: str, path: str
) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.text == (
        "This machine does not answer under that name. Ask by its address, or add the name to "
        "TRIVIA_ENDPOINT_HOSTS on it.\n"
    )


def test_without_further_names_no_domain_is_this_machine() -> None:
    assert not is_own_name("fleet.example.org", names=())
    assert is_own_name("", names=())


@pytest.mark.parametrize("path", ["/status", "/metrics", "/healthz"])
def test_no_answer_may_be_read_by_pages_of_other_origins(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Origin": "https://evil.example"})
    assert [name for name in answer.headers if name.startswith("access-control-")] == []
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    preflight = client.options(
        path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    )
    assert [name for name in preflight.headers if name.startswith("access-control-")] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("app", APPS)
def test_no_endpoint_changes_anything(app: str, method: str) -> None:
    with served(APPS[app]) as client:
        found = {
            route.path: client.request(method, route.path, content=b"{}").status_code  # type: ignore[attr-defined]
            for route in APPS[app].routes
        }
    assert set(found.values()) == {405}
    assert len(found) >= 3


def test_the_endpoints_listen_on_this_machine_alone_unless_a_setting_says_otherwise() -> None:
    settings = load_settings()
    assert (settings.worker_bind, settings.dashboard_bind) == ("127.0.0.1", "127.0.0.1")
    endpoints = open_endpoints(settings.worker_bind, 0)
    try:
        assert endpoints._listener.getsockname()[0] == "127.0.0.1"
    finally:
        endpoints.close()
