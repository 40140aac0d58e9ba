"""What there is at one moment, in the database and the logs, and what went wrong between two."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.load.measure import Database, LogErrors, Runs, Sizes, client_retries, server_errors
from bench.load.results import Errors


class Counts(NamedTuple):
    """Everything that only grows."""

    sizes: Sizes
    videos: Runs
    shards: Runs
    server: LogErrors
    clients: LogErrors


def take(
    database: Database, *, video_flow: str, shard_flow: str, servers: Iterable[Path], workers: Iterable[Path]
) -> Counts:
    """Count now. `servers` and `workers` are log files."""
    return Counts(
        sizes=database.sizes(),
        videos=database.runs(video_flow),
        shards=database.runs(shard_flow),
        server=server_errors(servers),
        clients=client_retries(workers),
    )


def errors(before: Counts, after: Counts) -> Errors:
    """Return what went wrong in between. Pure."""
    known = {*before.server.samples, *before.clients.samples}
    return Errors(
        runs_not_completed=after.videos.otherwise - before.videos.otherwise,
        shards_not_completed=after.shards.otherwise - before.shards.otherwise,
        server_log_lines=after.server.lines - before.server.lines,
        client_retries=after.clients.lines - before.clients.lines,
        deadlocks=after.sizes.deadlocks - before.sizes.deadlocks,
        samples=tuple(line for line in (*after.server.samples, *after.clients.samples) if line not in known),
    )
