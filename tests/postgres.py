"""A real PostgreSQL server for tests, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.programs import require

_START_SECONDS = 30
#: Tests lose nothing by a power cut.
_FAST = {"max_connections": "200", "fsync": "off"}


class Postgres:
    """A server on a free port. It may be killed and started again; its data stays."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] = _FAST) -> None:
        self._folder = folder
        self._settings = [f"{name}={value}" for name, value in settings.items()]
        self._data = folder / "data"
        self._binaries = require("postgres").resolve().parent
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the main process."""
        assert self._process is not None, "PostgreSQL does not run"
        return self._process.pid

    @property
    def url(self) -> str:
        """For Prefect's server."""
        return f"postgresql+asyncpg://prefect@127.0.0.1:{self._port}/postgres"

    def create(self) -> None:
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user)
        subprocess.run(
            [
                *(str(self._binaries / "initdb"), "-D", str(self._data), "-U", "prefect"),
                *("--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            user=self._user,
            group=self._user,
            cwd="/",
            check=True,
            capture_output=True,
            timeout=120,
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self._port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._data}"),
                *(word for setting in self._settings for word in ("-c", setting)),
            ],
            user=self._user,
            group=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for whoever has started it, which stops it last.
            start_new_session=True,
        )
        deadline = time.monotonic() + _START_SECONDS
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False, timeout=10).returncode != 0:
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            assert self._process.poll() is None, "PostgreSQL ended at its start"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once, as a restart of the service does: sessions are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server."""
    # Not below pytest's own temporary folders: those are closed to other users, this server's among them.
    with tempfile.TemporaryDirectory(prefix="trivia-postgres-") as folder:
        server = Postgres(Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
