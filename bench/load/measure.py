"""What processes, PostgreSQL, Redis and log files say of themselves."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]
import psutil
import redis

from bench.load.results import Role, Table, Usage, Whole

_MOST_SAMPLES = 5
_LINE_CHARACTERS = 300

#: `12:34:56.789 | ERROR   | prefect.server - …`, Prefect's own form on a terminal.
_SERVER_ERROR = re.compile(r"\| (?:ERROR|CRITICAL) +\|")
#: What Prefect's client says before it asks again after a 408, 429, 500, 502 or 503.
_CLIENT_RETRY = re.compile(r"retryable status code|Another attempt will be made")
_FLOW_RUNS = """
select count(*) filter (where run.state_type = 'COMPLETED') as completed,
       count(*) filter (where run.state_type in ('FAILED', 'CRASHED', 'CANCELLED')) as otherwise
  from flow_run run join flow on flow.id = run.flow_id where flow.name = $1
"""
_DELAYS = """
select extract(epoch from run.start_time - run.expected_start_time)::float8 as seconds
  from flow_run run where run.deployment_id is not null and run.start_time is not null
 order by run.start_time
"""
_LATE = "select count(distinct flow_run_id) from flow_run_state where name = 'Late'"
_TABLES = """
select relname as name, pg_total_relation_size(oid)::float8 as bytes
  from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
"""
_SIZES = """
select pg_database_size(current_database())::float8 as database,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal,
       (select count(*) from events) as events,
       (select count(*) from log) as log_lines,
       (select count(*) from task_run where state_type = 'COMPLETED') as task_runs,
       (select deadlocks from pg_stat_database where datname = current_database()) as deadlocks
"""


class Sizes(NamedTuple):
    """What the database holds."""

    database: float
    wal: float
    events: int
    log_lines: int
    task_runs: int
    deadlocks: int
    tables: dict[str, float]


class Runs(NamedTuple):
    """Flow runs that have ended."""

    completed: int
    otherwise: int

    @property
    def ended(self) -> int:
        return self.completed + self.otherwise


class Database:
    """Prefect's database, asked directly, so that counting costs its server nothing."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def runs(self, flow: str) -> Runs:
        """Count the ended runs of a flow."""
        return Runs(**dict(self._rows(_FLOW_RUNS, flow)[0]))

    def sizes(self) -> Sizes:
        """Return how large everything is."""
        tables = {row["name"]: row["bytes"] for row in self._rows(_TABLES)}
        return Sizes(**dict(self._rows(_SIZES)[0]), tables=tables)

    def events(self) -> int:
        """Count the events that are written."""
        return int(self._rows("select count(*) as n from events")[0]["n"])

    def start_delays(self) -> list[float]:
        """Return the seconds from scheduled to running of every run that a worker started, in that order."""
        return [row["seconds"] for row in self._rows(_DELAYS)]

    def late_runs(self) -> int:
        """Count the runs that were ever marked late."""
        return int(self._rows(_LATE)[0]["count"])

    def version(self) -> str:
        """Return PostgreSQL's version."""
        return str(self._rows("show server_version")[0]["server_version"]).split(" ", maxsplit=1)[0]

    def _rows(self, query: str, *arguments: object) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self._dsn, timeout=10, command_timeout=30)
            try:
                return list(await connection.fetch(query, *arguments))
            finally:
                await connection.close()

        return asyncio.run(ask())


class Streams:
    """Redis, as far as the messages of Prefect's services go."""

    def __init__(self, port: int) -> None:
        self._events = redis.Redis(port=port, db=0, decode_responses=True)
        self._docket = redis.Redis(port=port, db=1, decode_responses=True)

    def backlog(self) -> int:
        """Count the messages of all streams that a group has yet to read or to acknowledge."""
        waiting = 0
        for stream in self._events.scan_iter(_type="stream"):
            for group in self._events.xinfo_groups(stream):
                waiting += int(group["pending"]) + int(group.get("lag") or 0)
        return waiting

    def in_use(self) -> dict[str, bool]:
        """Tell what Prefect's processes really keep in Redis."""
        streams = list(self._events.scan_iter(_type="stream"))
        return {
            "events": any(self._events.xinfo_groups(stream) for stream in streams),
            "docket": any(True for _ in self._docket.scan_iter("*")),
        }

    def version(self) -> str:
        return str(self._events.info("server")["redis_version"])

    def close(self) -> None:
        self._events.close()
        self._docket.close()


class Meter:
    """CPU seconds and memory of each role: its main process with all that it started."""

    def __init__(self, pids: Mapping[Role, Sequence[int]]) -> None:
        self._roots = {role: [psutil.Process(pid) for pid in numbers] for role, numbers in pids.items()}
        self._memory: dict[Role, int] = dict.fromkeys(pids, 0)

    def cpu(self) -> dict[Role, float]:
        """Return the CPU seconds of each role since its start, of its ended processes too."""
        return {role: sum(map(family_cpu_seconds, roots)) for role, roots in self._roots.items()}

    def note_memory(self) -> None:
        """Look how much memory each role has now, and remember the most."""
        for role, roots in self._roots.items():
            now = sum(memory_bytes(process) for root in roots for process in _family(root))
            self._memory[role] = max(self._memory[role], now)

    def usage(
        self, before: Mapping[Role, float], after: Mapping[Role, float], seconds: float
    ) -> dict[Role, Usage]:
        """Return what each role used between two readings."""
        return {
            role: Usage(
                processes=sum(len(_family(root)) for root in roots),
                cpu_seconds=round(max(after[role] - before[role], 0.0), 3),
                cores=round(max(after[role] - before[role], 0.0) / seconds, 4),
                memory_bytes=self._memory[role],
            )
            for role, roots in self._roots.items()
        }


class Busy(NamedTuple):
    """CPU seconds since their start: of the whole machine, and of this process alone."""

    machine: float
    own: float

    @classmethod
    def now(cls) -> "Busy":
        """Read both."""
        every = psutil.cpu_times()
        own = psutil.Process().cpu_times()
        return cls(sum(every) - every.idle - getattr(every, "iowait", 0.0), own.user + own.system)

    def until(self, later: "Busy", seconds: float) -> Whole:
        """Return the cores used between two readings."""
        return Whole(
            busy_cores=round(max(later.machine - self.machine, 0.0) / seconds, 4),
            own_cores=round(max(later.own - self.own, 0.0) / seconds, 4),
        )


def family_cpu_seconds(root: psutil.Process) -> float:
    """Return user and system seconds of a process and its descendants, the ended ones included.

    An ended process counts in its parent once that has waited for it. Those that die unwaited for with
    their parent are lost.
    """
    seconds = 0.0
    for process in _family(root):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def memory_bytes(process: psutil.Process) -> int:
    """Return a process's share of memory: what it shares with others is divided among them."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class LogErrors(NamedTuple):
    """What the logs of some processes complain of."""

    lines: int
    samples: tuple[str, ...]


def server_errors(logs: Iterable[Path]) -> LogErrors:
    """Count the error lines of the server's logs."""
    return _matching(logs, _SERVER_ERROR)


def client_retries(logs: Iterable[Path]) -> LogErrors:
    """Count the answers that made a worker or a flow ask again."""
    return _matching(logs, _CLIENT_RETRY)


def _matching(logs: Iterable[Path], pattern: re.Pattern[str]) -> LogErrors:
    found = [
        line[:_LINE_CHARACTERS]
        for log in logs
        for line in log.read_text(errors="replace").splitlines()
        if pattern.search(line)
    ]
    return LogErrors(len(found), tuple(found[-_MOST_SAMPLES:]))


def growth(before: Sizes, after: Sizes, *, videos: int) -> tuple[Table, ...]:
    """Return the five tables that grew most, by bytes a video. Pure."""
    grown = {name: size - before.tables.get(name, 0.0) for name, size in after.tables.items()}
    most = sorted(grown, key=lambda name: grown[name], reverse=True)[:5]
    return tuple(Table(name=name, bytes_per_video=round(grown[name] / max(videos, 1), 1)) for name in most)


def wait_until_written(
    database: Database, streams: Streams | None, *, limit_seconds: float, quiet_seconds: float = 6.0
) -> tuple[float, bool]:
    """Wait until no event is written any more and Redis holds none back.

    Return after how many seconds the last one came, and whether it was over within the limit.
    """
    started = last_growth = time.monotonic()
    seen = database.events()
    while time.monotonic() - started < limit_seconds:
        time.sleep(1.0)
        now = database.events()
        # Workers and services make a few events for ever: their heartbeats are no backlog.
        if now - seen > 3 or (streams is not None and streams.backlog() > 3):
            last_growth = time.monotonic()
        elif time.monotonic() - last_growth > quiet_seconds:
            return last_growth - started, True
        seen = now
    return time.monotonic() - started, False
