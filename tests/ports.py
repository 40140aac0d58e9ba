"""Free ports of this machine."""

import socket


def free_port() -> int:
    """Return a port that nobody listens on. Another process may take it before it is used."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
