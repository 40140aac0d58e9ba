"""A real PostgreSQL server for tests, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import require

_START_SECONDS = 30


class Postgres:
    """A server on a free port. It may be killed and started again; its data stays."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "postgres"
        self._binaries = require("postgres").resolve().parent
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For Prefect's server."""
        return f"postgresql+asyncpg://prefect@127.0.0.1:{self._port}/postgres"

    def create(self) -> None:
        self._data.mkdir(parents=True)
        if self._user is not None:
            shutil.chown(self._data, self._user, self._user)
            for folder in self._data.parents:
                # The folders that pytest makes are for its own user alone.
                if folder.stat().st_uid == os.geteuid() and folder != Path(folder.root):
                    folder.chmod(folder.stat().st_mode | 0o011)
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
                *("-c", "max_connections=200", "-c", "fsync=off"),
            ],
            user=self._user,
            group=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=(self._data.parent / "postgres.log").open("ab"),
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
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a server with its data in the folder."""
    server = Postgres(folder)
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()
