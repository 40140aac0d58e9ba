"""Hand a worker's own output streams to the processes of its runs.

Prefect's worker gives a run pipes that it reads itself. A run that outlives it would lose its log lines, and
each write would fail. So the runs take the streams of the worker's main process in their place, handed over
by descriptor through a socket in the worker's board: whatever those are (a file, a pipe, a journal's socket).
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger("trivia_render.worker")

_SOCKET = "output.sock"
#: The main process answers at once, unless it is frozen.
_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_STREAMS = (1, 2)


class OutputDoor:
    """Hands this process's standard output and error to whoever of this user asks at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listener: socket.socket | None = None
        self._closed = threading.Event()

    def open(self) -> None:
        """Start to answer. Where the system cannot do it, runs keep the pipes that they were given."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short_path(self._folder) as path:
                listener.bind(path)
            listener.listen(64)
        except OSError as error:
            listener.close()
            log.warning("The output of runs ends with Prefect's worker, also in a drain: %s", error)
            return
        self._listener = listener
        threading.Thread(target=self._answer, args=(listener,), name="output", daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._closed.set()
        if self._listener is not None:
            with suppress(OSError):
                # Closing alone would leave the thread waiting.
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            with suppress(OSError):
                # The board may be gone, and goes anyway.
                (self._folder / _SOCKET).unlink()

    def _answer(self, listener: socket.socket) -> None:
        while not self._closed.is_set():
            try:
                asking, _ = listener.accept()
            except OSError:
                # Closed; or this process has as many files open as it may, which passes.
                self._closed.wait(_PAUSE_SECONDS)
                continue
            with asking, suppress(OSError):
                socket.send_fds(asking, [b"."], list(_STREAMS))


def take_output(folder: Path) -> bool:
    """Write from now on where the worker's main process writes; tell whether that is so."""
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with asking:
        asking.settimeout(_ANSWER_SECONDS)
        try:
            with _short_path(folder) as path:
                asking.connect(path)
            _, given, _, _ = socket.recv_fds(asking, 1, len(_STREAMS))
        except OSError:
            return False
    if len(given) != len(_STREAMS):
        for theirs in given:
            os.close(theirs)
        return False
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    for theirs, mine in zip(given, _STREAMS, strict=True):
        os.dup2(theirs, mine)
        os.close(theirs)
    return True


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Yield a name of the socket in a folder. A socket's name has 107 bytes at most."""
    whole = str(folder / _SOCKET)
    if len(os.fsencode(whole)) < 100 or not Path("/proc/self/fd").is_dir():
        yield whole
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{_SOCKET}"
    finally:
        os.close(descriptor)
