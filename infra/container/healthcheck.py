"""Ask a process of this container whether it is well: exit 0 if so, else 1 with a line that says why.

`healthcheck.py` asks the worker's /healthz; `healthcheck.py PORT PATH` asks another process of this machine.
It runs every few seconds, so it loads the standard library alone, and little of that.
"""

import http.client
import os
import sys

TIMEOUT_SECONDS = 4.0
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


def main(arguments: list[str]) -> int:
    """Ask, and return the exit code."""
    if arguments:
        host, port, path = "127.0.0.1", arguments[0], arguments[1]
    else:
        # The variables of the worker itself; the image sets a port.
        bind = os.environ.get("TRIVIA_WORKER_BIND", "")
        host = "127.0.0.1" if bind in _EVERY_ADDRESS else bind
        port, path = os.environ["TRIVIA_WORKER_PORT"], "/healthz"
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{host}:{port}{path} does not answer: {error}\n")
        return 1
    finally:
        connection.close()
    sys.stdout.write(f"{host}:{port}{path} answers {status}\n")
    return 0 if status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
