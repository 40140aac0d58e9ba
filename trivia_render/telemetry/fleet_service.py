"""The fleet's own small service over HTTP: the dashboard, its figures, and metrics.

All answers come from memory: neither Prefect nor the store is asked, and nothing waits.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PAGE: Final = Path(__file__).with_name("page")

#: What the page may do: load its own files and figures; nothing from elsewhere, no markup made of data.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/dom.js": ("dom.js", "text/javascript"),
    "/parts.js": ("parts.js", "text/javascript"),
    "/words.js": ("words.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_NO_STORE: Final = {"Cache-Control": "no-store"}

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def make_fleet_app(
    *, status: Callable[[], bytes], metrics: Callable[[], bytes], alive: Callable[[], bool]
) -> Starlette:
    """Return the application. The callables must not block; `status` returns JSON."""

    async def healthz(_request: Request) -> Response:
        if alive():
            return JSONResponse({"status": "ok"}, headers=_NO_STORE)
        return JSONResponse({"status": "stuck"}, status_code=503, headers=_NO_STORE)

    async def status_json(_request: Request) -> Response:
        return Response(status(), media_type="application/json", headers=_NO_STORE)

    async def prometheus(_request: Request) -> Response:
        return Response(metrics(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, **_NO_STORE})

    return Starlette(
        routes=[
            *(_file_route(path, name, media_type) for path, (name, media_type) in _FILES.items()),
            Route("/healthz", healthz),
            Route("/status", status_json),
            Route("/metrics", prometheus),
        ],
        middleware=[Middleware(_SafeHeaders), Middleware(GZipMiddleware, minimum_size=1000)],
    )


def _file_route(path: str, name: str, media_type: str) -> Route:
    # Read once: the page goes with this version of the service.
    content = (PAGE / name).read_bytes()

    async def file(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return Route(path, file)


class _SafeHeaders:
    """Adds the headers that keep browsers from doing more than is meant to every answer."""

    def __init__(self, app: Callable[[_Scope, _Receive, _Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
