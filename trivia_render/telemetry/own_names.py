"""Keeps the endpoints from web pages of others: who asks must ask for this machine.

The endpoints have no log-in. A page from elsewhere cannot read their answers, since none of them allows other
origins, unless its own name resolves to this machine's address (DNS rebinding). Then the browser asks in the
name of that page, and gets no answer here.
"""

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from trivia_render.models.hosts import is_allowed

#: Ends of names that nobody can have on the internet (RFC 6761, RFC 6762, ICANN's `.internal`).
_PRIVATE_ENDS: Final = (".internal", ".local", ".localhost")
#: For answers that are no page; a page brings its own policy.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_REFUSAL: Final = (
    "This machine does not answer under that name. Ask by its address, or add the name to "
    "TRIVIA_ENDPOINT_HOSTS on it.\n"
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def is_own_name(host: str, *, names: Sequence[str]) -> bool:
    """Tell whether a Host header can be meant for a private machine: an address, a name of no domain. Pure.

    `names`: further ones, as `models.hosts` reads them.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE_ENDS) or is_allowed(name, names)
    return True


class OwnNamesOnly:
    """Answers 421 to requests in another's name, and lets no browser take an answer for something else."""

    def __init__(self, app: App, *, names: Sequence[str] = ()) -> None:
        self._app = app
        self._names = tuple(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        # A browser always says which host it asks; a health check may not.
        if all(is_own_name(host, names=self._names) for host in Headers(scope=scope).getlist("host")):
            await self._app(scope, receive, send_with_headers)
        else:
            refusal = PlainTextResponse(_REFUSAL, status_code=421)
            await refusal(scope, receive, send_with_headers)
