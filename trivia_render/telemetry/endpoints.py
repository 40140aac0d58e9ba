"""A worker's endpoints over HTTP: is it alive, how is it, and its metrics.

All three answer from memory: neither Prefect nor the store is asked.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trivia_render.errors import BadInputError
from trivia_render.models.fleet import WorkerRecord
from trivia_render.telemetry.own_names import OwnNamesOnly

log = logging.getLogger("trivia_render.worker")

_START_SECONDS = 10.0
_NO_STORE = {"Cache-Control": "no-store"}


def make_app(
    *,
    alive: Callable[[], bool],
    record: Callable[[], WorkerRecord],
    metrics: Callable[[], bytes],
    refused: Callable[[], str | None] = lambda: None,
) -> Starlette:
    """Return the application. `alive` and `refused` must not block; whatever the others do, /healthz answers.

    `refused` returns the code for which this machine is to be made anew, or None.
    """

    async def healthz(_request: Request) -> Response:
        if alive() and (code := refused()) is not None:
            return JSONResponse({"status": "refused", "code": code}, status_code=503, headers=_NO_STORE)
        if alive():
            return JSONResponse({"status": "ok"}, headers=_NO_STORE)
        return JSONResponse({"status": "stuck"}, status_code=503, headers=_NO_STORE)

    # Plain functions run in threads of Starlette's.
    def status(_request: Request) -> Response:
        return _told(lambda: record().model_dump_json(indent=2), content_type="application/json")

    def prometheus(_request: Request) -> Response:
        return _told(metrics, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/status", status),
            Route("/metrics", prometheus),
        ]
    )


def _told(make: Callable[[], str | bytes], *, content_type: str) -> Response:
    try:
        return Response(make(), headers={**_NO_STORE, "Content-Type": content_type})
    except Exception:
        # A fault of ours: whoever asked gets an answer, and the log says the rest.
        log.exception("The worker could not say how it is.")
        return JSONResponse({"status": "unknown"}, status_code=500, headers=_NO_STORE)


class Endpoints:
    """Serves an application from a thread of its own, until `close`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    def serve(self, app: Starlette, *, names: Sequence[str] = ()) -> None:
        """Begin to answer. Requests that came before wait until then.

        `names`: further ones under which this machine is asked, beside its addresses and private names.
        """
        config = uvicorn.Config(
            OwnNamesOnly(app, names=names),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            # Outside of the main thread it leaves signals alone.
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="endpoints",
            daemon=True,
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        if not self._server.started:
            log.error("The endpoints on port %d do not answer.", self.port)

    def close(self) -> None:
        """Answer no more."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(2.0)
        self._listener.close()


def open_endpoints(bind: str, port: int) -> Endpoints:
    """Take the port, 0 being a free one. Raises BadInputError where it cannot be had."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        return Endpoints(socket.create_server((bind, port), family=family))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadInputError(
            f"The worker cannot listen on {bind}, port {port}.",
            evidence=f"  {reason or error}",
            remedy="Set TRIVIA_WORKER_PORT to a free port (0 takes one) and TRIVIA_WORKER_BIND to an address "
            "of this machine.",
        ) from error


def url_of(bind: str, port: int, *, host: str) -> str:
    """Return where the endpoints answer. `host`: this machine's name, for when they do on every address."""
    name = host if bind in {"0.0.0.0", "::", ""} else bind  # noqa: S104 - compared, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
