"""Prefect's API server as a child of the process that runs a flow: `python -m flows.embedded_server FD`.

FD is a listening socket. It says on standard output how far it is: `configured` and its end where Prefect
has a server already, else `starting`, then `ready`. It ends when standard input closes, so no server
outlives a flow process that was killed.
"""

import os
import socket
import sys
import threading

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import PREFECT_API_URL


class _Server(uvicorn.Server):
    """A server that tells when it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _say("ready")


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
