"""PostgreSQL, Redis and Prefect's server processes, on loopback, and the end of all of them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from bench.load.results import Mode, Role
from tests.ports import free_port
from tests.postgres import Postgres
from tests.programs import find
from trivia_render.errors import WorkflowServerError
from trivia_render.workpool.local_fleet import SERVER_ENVIRONMENT

_START_SECONDS = 120.0
_STOP_SECONDS = 15.0
_EVIDENCE_LINES = 15
_FOREIGN = ("TRIVIA_", "PREFECT_", "GCS_BUCKET", "WORKER_ID", "GOOGLE_", "STORAGE_EMULATOR", "BENCH_")
#: Not PostgreSQL's defaults: room for the sessions of several API processes, and a cache of production's
#: kind.
_POSTGRES = {"max_connections": "200", "shared_buffers": "512MB", "max_wal_size": "4GB"}


class Setting(NamedTuple):
    """A variable of the server's processes, and why it is set."""

    name: str
    value: str
    why: str


_BATCHING = "Fewer and larger transactions: a video makes some fifty events."
_REASONS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "Nothing is sent anywhere.",
    "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "A config of 500 long questions is over the default of 512 KiB.",
}
#: Of every server process, in both modes.
COMMON: tuple[Setting, ...] = (
    *(Setting(name, value, _REASONS.get(name, _BATCHING)) for name, value in SERVER_ENVIRONMENT.items()),
    Setting(
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START",
        "false",
        "`prefect server database upgrade -y` does it, once, before they start: processes that start "
        "together on an empty or older database would each do it, and all but one end with an error.",
    ),
    Setting(
        "PREFECT_API_BLOCKS_REGISTER_ON_START",
        "false",
        "No flow uses block types, and several processes that register them at once collide.",
    ),
    Setting(
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD",
        "P1D",
        "Events are most of the database; the default keeps them seven days. A plain number of seconds "
        "keeps the server from starting.",
    ),
    Setting(
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED",
        "events,flow_runs",
        "By default only events are ever deleted, and runs, task runs, states and logs for ever kept.",
    ),
    Setting(
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD",
        "172800",
        "Runs go two days after their end, in seconds; what a job became is in the store.",
    ),
)
_ON_REDIS = "Several processes share it; the default lives in one process's memory."


def on_redis(*, host: str, port: int) -> tuple[Setting, ...]:
    """Return the settings of the split mode's processes. Pure."""
    return (
        Setting("PREFECT_MESSAGING_BROKER", "prefect_redis.messaging", _ON_REDIS),
        Setting("PREFECT_MESSAGING_CACHE", "prefect_redis.messaging", _ON_REDIS),
        Setting("PREFECT_SERVER_EVENTS_CAUSAL_ORDERING", "prefect_redis.ordering", _ON_REDIS),
        Setting("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE", "prefect_redis.lease_storage", _ON_REDIS),
        Setting("PREFECT_REDIS_MESSAGING_HOST", host, "Where Redis is."),
        Setting("PREFECT_REDIS_MESSAGING_PORT", str(port), "Where Redis is."),
        Setting("PREFECT_REDIS_MESSAGING_DB", "0", "Events."),
        Setting(
            "PREFECT_SERVER_DOCKET_URL",
            f"redis://{host}:{port}/1",
            "The queue of the server's own background work; the default lives in memory.",
        ),
    )


def settings_of(mode: Mode, *, redis_host: str, redis_port: int) -> tuple[Setting, ...]:
    """Return what the server's processes of a mode are told, without the database's address. Pure."""
    return (*COMMON, *(on_redis(host=redis_host, port=redis_port) if mode == "split" else ()))


def commands_of(mode: Mode, *, port: int, api_processes: int) -> dict[Role, list[str]]:
    """Return the command line of each role, in the order in which they start. Pure."""
    prefect = [sys.executable, "-m", "prefect", "server"]
    start = [*prefect, "start", "--host", "127.0.0.1", "--port", str(port)]
    if mode == "single":
        return {"server": start}
    return {
        "api": [*start, "--no-services", "--workers", str(api_processes)],
        "services": [*prefect, "services", "start"],
    }


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would change how Prefect or the product work."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


class Started:
    """A process with a session and a log of its own."""

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise WorkflowServerError if it has ended."""
        if self._process.poll() is not None:
            raise self.failure(f"has ended with exit code {self._process.returncode}")

    def failure(self, what: str) -> WorkflowServerError:
        """Return an error with the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_EVIDENCE_LINES:]
        return WorkflowServerError(
            f"{self.name} {what}.",
            evidence="\n".join(f"  {line}" for line in lines),
            remedy="Correct what its last lines say, and run the load test again.",
        )

    def end(self, *, seconds: float = _STOP_SECONDS) -> None:
        """End it with everything that it started, whatever session that is in."""
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            family = root.children(recursive=True)
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=5)
        # A child that was started meanwhile is in the group.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(5)


class Servers(NamedTuple):
    """What runs: where it answers, and the main process of each role."""

    mode: Mode
    api_url: str
    database_dsn: str
    redis_port: int | None
    pids: dict[Role, int]
    processes: tuple[Started, ...]
    environment: dict[str, str]

    def check(self) -> None:
        """Raise WorkflowServerError if one of Prefect's processes has ended."""
        for process in self.processes:
            process.check()

    def logs(self) -> tuple[Path, ...]:
        return tuple(process.log for process in self.processes)


def missing_programs(modes: Sequence[Mode]) -> list[str]:
    """Name the programs that the modes need and this machine lacks."""
    needed = ["postgres", *(["redis-server"] if "split" in modes else [])]
    return [name for name in needed if find(name) is None]


@contextmanager
def running_servers(
    mode: Mode, *, folder: Path, api_processes: int, fsync: Literal["on", "off"]
) -> Iterator[Servers]:
    """Run everything of a mode but its workers, with an empty database; end it all afterwards.

    Raises WorkflowServerError.
    """
    with ExitStack() as stack:
        database = stack.enter_context(_postgres(fsync))
        redis_port = free_port()
        pids: dict[Role, int] = {"postgres": database.pid}
        if mode == "split":
            redis = _redis(redis_port, folder)
            stack.callback(redis.end)
            pids["redis"] = redis.pid
        port = free_port()
        told = settings_of(mode, redis_host="127.0.0.1", redis_port=redis_port)
        environment = {
            **clean_environment(),
            "DO_NOT_TRACK": "1",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.url,
            **{setting.name: setting.value for setting in told},
        }
        api_url = f"http://127.0.0.1:{port}/api"
        _create_tables(environment)
        processes = []
        for role, command in commands_of(mode, port=port, api_processes=api_processes).items():
            process = Started(role, command, environment=environment, log=folder / f"{role}.log")
            stack.callback(process.end)
            processes.append(process)
            pids[role] = process.pid
            if role != "services":
                _wait_for_api(api_url, process)
        yield Servers(
            mode=mode,
            api_url=api_url,
            database_dsn=database.url.replace("+asyncpg", ""),
            redis_port=redis_port if mode == "split" else None,
            pids=pids,
            processes=tuple(processes),
            environment=environment,
        )


def _create_tables(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stdout.splitlines()[-_EVIDENCE_LINES:]
        raise WorkflowServerError(
            "Prefect's tables cannot be created.",
            evidence="\n".join(f"  {line}" for line in lines),
            remedy="Correct what the last lines say, and run the load test again.",
        )


@contextmanager
def _postgres(fsync: Literal["on", "off"]) -> Iterator[Postgres]:
    # Not in a folder of ours: PostgreSQL may run as another user, to whom that is closed.
    with tempfile.TemporaryDirectory(prefix="trivia-load-") as data:
        server = Postgres(Path(data), settings={**_POSTGRES, "fsync": fsync})
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _redis(port: int, folder: Path) -> Started:
    program = find("redis-server")
    if program is None:
        raise WorkflowServerError(
            "redis-server is missing.", remedy="Install the Debian package redis-server."
        )
    data = folder / "redis"
    data.mkdir(exist_ok=True)
    return Started(
        "redis",
        [
            *(str(program), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)),
            # Events are on their way only; nothing is lost that the store or PostgreSQL would not tell.
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        ],
        environment=clean_environment(),
        log=folder / "redis.log",
    )


def _wait_for_api(api_url: str, process: Started) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(f"{api_url}/health"):
        process.check()
        if time.monotonic() > deadline:
            raise process.failure(f"does not answer after {_START_SECONDS:.0f} s")
        time.sleep(0.3)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def scratch_folder(*, logs: Path) -> Iterator[Path]:
    """Make a folder for everything but the figures, and remove it; the log files are moved to `logs`."""
    folder = Path(tempfile.mkdtemp(prefix="trivia-load-"))
    try:
        yield folder
    finally:
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        for log in folder.rglob("*.log"):
            shutil.move(log, logs / f"{log.parent.name}-{log.name}")
        shutil.rmtree(folder, ignore_errors=True)
