"""Prefect's API server as a child of the process that runs a flow: `python embedded_server.py FD`.

FD is a listening socket. It says on standard output how far it is: `configured` and its end where Prefect
has a server already, else `starting`, then `ready`. It ends when standard input closes, so no server
outlives a flow process that was killed.
"""

import asyncio
import fcntl
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.utilities.messaging.memory import Topic
from prefect.settings import PREFECT_API_URL, PREFECT_HOME
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

_DRAIN_SECONDS = 10.0


class _Server(uvicorn.Server):
    """A server that tells when it answers, and that ends with everything stored."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        with _one_at_a_time():
            await super().startup(sockets)
        if self.started:
            _say("ready")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._is_receiving() or _is_storing():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            # The runs and their states are stored by their own requests; what is missing are the last
            # task states, which the page of the run would show as running.
            sys.stderr.write("Prefect's embedded server ended before it had stored every event.\n")
        await super().shutdown(sockets)

    def _is_receiving(self) -> bool:
        # Events come by websocket, and its end after the last of them.
        return any(type(open_) is AutoWebSocketsProtocol for open_ in self.server_state.connections)


def _is_storing() -> bool:
    # Prefect 3.8 drops at its end what is still in these queues: task runs would seem to run for ever.
    return any(subscription._queue.qsize() for subscription in Topic.by_name("events")._subscriptions)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold back other servers of this user: two that create the same database at once break it."""
    home = PREFECT_HOME.value()
    home.mkdir(parents=True, exist_ok=True)
    with (home / "embedded-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(descriptor: int) -> None:
    """Serve until standard input closes."""
    if PREFECT_API_URL.value() is not None:
        _say("configured")
        return
    _say("starting")
    # ephemeral: the services that record runs and events, without the scheduler and without the UI.
    app = create_app(ephemeral=True, final=True)
    server = _Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    threading.Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    with socket.socket(fileno=descriptor) as listener:
        server.run(sockets=[listener])
    # All is flushed and closed. Taking a thousand modules apart would keep the parent waiting for 1.5 s.
    os._exit(0)


def _stop_with_parent(server: uvicorn.Server) -> None:
    # Returns at the end of file, which the system sends however the parent ended.
    os.read(sys.stdin.fileno(), 1)
    server.should_exit = True


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
