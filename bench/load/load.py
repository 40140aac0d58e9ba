"""The two loads of a mode: at a day's rate, and as fast as it goes."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from bench.load import counts, fleet
from bench.load.measure import (
    Busy,
    Database,
    Meter,
    Streams,
    growth,
    wait_until_written,
)
from bench.load.probe import Probe
from bench.load.results import (
    SECONDS_PER_DAY,
    SERVER_ROLES,
    Fast,
    Mode,
    ModeResult,
    Role,
    Setup,
    Steady,
)
from bench.load.servers import Servers, Started, running_servers
from trivia_render.errors import WorkflowServerError
from trivia_render.pipeline.ports import Ports
from trivia_render.workpool.names import RENDER_BATCH, RENDER_VIDEO
from trivia_render.workpool.submission import start_shard

#: Of a video, beside a clip a question: intro, outro, assembly, publishing, and its run's own in its shard.
_OTHER_TASK_RUNS = 5
_VIDEO_FLOW = RENDER_VIDEO.partition("/")[0]
_SHARD_FLOW = RENDER_BATCH.partition("/")[0]
#: Counting costs PostgreSQL some 10 ms.
_TICK_SECONDS = 2.0
_LINE_SECONDS = 10.0
_WARM_UP_JOBS = 2
_WARM_UP_SECONDS = 150.0
#: After the last submission: a shard's own time, several times over.
_REST_SECONDS = 300.0
_WRITTEN_SECONDS = 180.0
#: Longer shards where renders take no time: what is measured is not how often a worker looks for a run.
_FAST_SHARDS = 5
_FAST_POLL_SECONDS = 2.0


class Options(NamedTuple):
    """What was asked for."""

    minutes: float
    rate_per_day: float
    fast_minutes: float
    idle_seconds: float
    api_processes: int
    setup: Setup


def shard_times(*, rate_per_day: float, shard_size: int, minutes: float) -> list[float]:
    """Return when each shard is submitted, in seconds from the start: as many as fit, one at least. Pure."""
    interval = shard_size * SECONDS_PER_DAY / rate_per_day
    return [number * interval for number in range(max(1, round(minutes * 60 / interval)))]


def run_mode(
    mode: Mode, options: Options, *, folder: Path, say: Callable[[str], None]
) -> tuple[ModeResult, dict[str, str]]:
    """Run both loads over one set of servers; return the figures, and the versions of what ran.

    Raises WorkflowServerError.
    """
    folder.mkdir(parents=True)
    say(f"{mode}: starting the servers …")
    with ExitStack() as stack:
        servers = stack.enter_context(
            running_servers(
                mode, folder=folder, api_processes=options.api_processes, fsync=options.setup.fsync
            )
        )
        streams = None if servers.redis_port is None else Streams(servers.redis_port)
        if streams is not None:
            stack.callback(streams.close)
        client = stack.enter_context(fleet.client_of(servers.api_url))
        fleet.declare(client)
        fleet.check_declared(client)
        load = _Load(
            servers, options, client, Database(servers.database_dsn), streams, folder=folder, say=say
        )
        try:
            steady = load.steady()
            fast = load.fast() if options.fast_minutes > 0 else None
        except httpx.HTTPError as error:
            # Rather what ended the server than that it does not answer.
            servers.check()
            raise WorkflowServerError(
                "Prefect's server stopped answering.",
                evidence=f"  {type(error).__name__}: {error}",
                remedy="See its logs; with fewer --workers it has less to do.",
            ) from error
        versions = {"PostgreSQL": load.database.version()}
        if streams is not None:
            versions["Redis"] = streams.version()
    api = options.api_processes if mode == "split" else 1
    return ModeResult(mode=mode, api_processes=api, steady=steady, fast=fast), versions


class _Load:
    """What both loads of a mode share."""

    def __init__(
        self,
        servers: Servers,
        options: Options,
        client: SyncPrefectClient,
        database: Database,
        streams: Streams | None,
        *,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.database = database
        self._servers = servers
        self._options = options
        self._client = client
        self._streams = streams
        self._folder = folder
        self._say = say
        self._ports: Ports = fleet.store_ports(folder / "store")
        self._jobs = 0
        self._shards = 0

    def steady(self) -> Steady:
        """Submit shards at the rate of a day."""
        options, setup = self._options, self._options.setup
        times = shard_times(
            rate_per_day=options.rate_per_day, shard_size=setup.shard_size, minutes=options.minutes
        )
        with self._fleet("steady", clip_seconds=setup.clip_seconds, poll_seconds=fleet.POLL_SECONDS) as (
            workers,
            meter,
        ):
            first = self._warm_up(workers)
            idle_cores = self._idle(meter)
            before = self._counts(workers)
            delays_before = len(self.database.start_delays())
            late_before = self.database.late_runs()
            cpu_before, busy, started = meter.cpu(), Busy.now(), time.monotonic()
            creating = []
            with Probe(self._servers.api_url, flow_run_id=first.id, meter=meter) as probe:
                line = _Line(self._say, every=_LINE_SECONDS)
                submitted = 0
                deadline = started + times[-1] + _REST_SECONDS
                while True:
                    elapsed = time.monotonic() - started
                    if submitted < len(times) and elapsed >= times[submitted]:
                        creating.append(self._submit(setup.shard_size)[1])
                        submitted += 1
                        continue
                    ended = self.database.runs(_VIDEO_FLOW).ended - before.videos.ended
                    if submitted == len(times) and ended >= submitted * setup.shard_size:
                        break
                    if time.monotonic() > deadline:
                        self._say("  not all jobs have ended; going on without the rest")
                        break
                    line(
                        f"{elapsed:5.0f} s  submitted {submitted * setup.shard_size:4d}  ended {ended:4d}  "
                        f"API p95 {_ms(probe.latency().p95_ms)}"
                    )
                    self._check(workers)
                    due = times[submitted] - elapsed if submitted < len(times) else _TICK_SECONDS
                    time.sleep(min(max(due, 0.0), _TICK_SECONDS))
                seconds = time.monotonic() - started
                latency = probe.latency()
            backlog_seconds, _ = wait_until_written(
                self.database, self._streams, limit_seconds=_WRITTEN_SECONDS
            )
            backlog_left = 0 if self._streams is None else self._streams.backlog()
            span = time.monotonic() - started
            meter.note_memory()
            usage, whole = meter.usage(cpu_before, meter.cpu(), span), busy.until(Busy.now(), span)
            after = self._counts(workers)
            completed = after.videos.completed - before.videos.completed
            delays = self.database.start_delays()[delays_before:]
            return Steady(
                minutes=options.minutes,
                rate_per_day=options.rate_per_day,
                shards=submitted,
                submitted=submitted * setup.shard_size,
                completed=completed,
                seconds=seconds,
                submission_worst_ms=round(1000 * max(creating), 1),
                start_delay_p50_seconds=round(statistics.median(delays), 2) if delays else None,
                start_delay_worst_seconds=round(max(delays), 2) if delays else None,
                late_shards=self.database.late_runs() - late_before,
                idle_cores=idle_cores,
                usage=usage,
                whole=whole,
                latency=latency,
                database_bytes_per_video=_each(after.sizes.database - before.sizes.database, completed),
                wal_bytes_per_video=_each(after.sizes.wal - before.sizes.wal, completed),
                tables=growth(before.sizes, after.sizes, videos=completed),
                events_per_video=_each(after.sizes.events - before.sizes.events, completed),
                log_lines_per_video=_each(after.sizes.log_lines - before.sizes.log_lines, completed),
                task_runs=after.sizes.task_runs - before.sizes.task_runs,
                task_runs_expected=submitted * setup.shard_size * (setup.questions + _OTHER_TASK_RUNS),
                backlog_seconds=round(backlog_seconds, 1),
                backlog_left=backlog_left,
                errors=counts.errors(before, after),
            )

    def fast(self) -> Fast:
        """Let the flows go as fast as they can, with work always waiting."""
        options, setup = self._options, self._options.setup
        size = setup.shard_size * _FAST_SHARDS
        at_once = setup.workers * setup.runs_per_worker
        self._say("  as fast as it goes: submitting ahead …")
        first, *_ = [self._submit(size)[0] for _ in range(at_once + 1)]
        submitted = (at_once + 1) * size
        with self._fleet("fast", clip_seconds=0.0, poll_seconds=_FAST_POLL_SECONDS) as (workers, meter):
            base = self.database.runs(_VIDEO_FLOW).ended
            deadline = time.monotonic() + _WARM_UP_SECONDS
            while self.database.runs(_VIDEO_FLOW).ended < base + at_once:
                self._check(workers)
                if time.monotonic() > deadline:
                    raise workers[0].failure(f"has rendered nothing after {_WARM_UP_SECONDS:.0f} s")
                time.sleep(_TICK_SECONDS)
            before = self._counts(workers)
            cpu_before, busy, started = meter.cpu(), Busy.now(), time.monotonic()
            line = _Line(self._say, every=_LINE_SECONDS)
            with Probe(self._servers.api_url, flow_run_id=first.id, meter=meter) as probe:
                while (elapsed := time.monotonic() - started) < options.fast_minutes * 60:
                    ended = self.database.runs(_VIDEO_FLOW).ended
                    if submitted - (ended - base) < at_once * size:
                        self._submit(size)
                        submitted += size
                    line(
                        f"{elapsed:5.0f} s  ended {ended - before.videos.ended:5d}  "
                        f"API p95 {_ms(probe.latency().p95_ms)}"
                    )
                    self._check(workers)
                    time.sleep(_TICK_SECONDS)
                after = self._counts(workers)
                seconds = time.monotonic() - started
                usage = meter.usage(cpu_before, meter.cpu(), seconds)
                whole = busy.until(Busy.now(), seconds)
                latency = probe.latency()
        # The workers are gone: what is still written is what the server had put off.
        backlog_seconds, drained = wait_until_written(
            self.database, self._streams, limit_seconds=_WRITTEN_SECONDS
        )
        return Fast(
            minutes=options.fast_minutes,
            completed=after.videos.completed - before.videos.completed,
            seconds=seconds,
            usage=usage,
            whole=whole,
            latency=latency,
            backlog_seconds=round(backlog_seconds, 1),
            backlog_left=0 if self._streams is None else self._streams.backlog(),
            drained=drained,
            errors=counts.errors(before, after),
        )

    # -- steps

    @contextmanager
    def _fleet(
        self, phase: str, *, clip_seconds: float, poll_seconds: float
    ) -> Iterator[tuple[tuple[Started, ...], Meter]]:
        setup = self._options.setup
        with (
            fleet.running_workers(
                self._servers,
                phase=phase,
                workers=setup.workers,
                runs_per_worker=setup.runs_per_worker,
                folder=self._folder,
                clip_seconds=clip_seconds,
                clips_at_once=setup.clips_at_once,
                poll_seconds=poll_seconds,
            ) as workers,
            fleet.IdleWorkers(self._servers.api_url, workers=setup.emulated_workers),
        ):
            pids: dict[Role, Sequence[int]] = {role: [pid] for role, pid in self._servers.pids.items()}
            yield workers, Meter({**pids, "flows": [worker.pid for worker in workers]})

    def _submit(self, jobs: int) -> tuple[FlowRun, float]:
        """Submit a shard as `trivia batch` does; return its run, and the seconds that creating it took."""
        shard = fleet.store_shard(
            self._ports, first=self._jobs, jobs=jobs, questions=self._options.setup.questions
        )
        self._jobs += jobs
        self._shards += 1
        started = time.perf_counter()
        run = start_shard(
            self._client, self._ports, shard, name=f"load shard {self._shards}", priority="default"
        )
        return run, time.perf_counter() - started

    def _warm_up(self, workers: Sequence[Started]) -> FlowRun:
        """Have a small shard done, so that nothing is done for the first time later; return its run."""
        self._say("  warming up …")
        run, _ = self._submit(_WARM_UP_JOBS)
        deadline = time.monotonic() + _WARM_UP_SECONDS
        while True:
            state = self._client.read_flow_run(run.id).state
            if state is not None and state.is_final():
                break
            self._check(workers)
            if time.monotonic() > deadline:
                raise workers[0].failure(f"has not done its first shard after {_WARM_UP_SECONDS:.0f} s")
            time.sleep(_TICK_SECONDS)
        if self.database.runs(_VIDEO_FLOW).completed != _WARM_UP_JOBS:
            raise workers[0].failure("did not complete its first jobs")
        unused = (
            [] if self._streams is None else [k for k, used in self._streams.in_use().items() if not used]
        )
        if unused:
            raise WorkflowServerError(
                f"Prefect keeps nothing of its {' and '.join(unused)} in Redis.",
                remedy="Hold the names of the settings in bench/load/servers.py against Prefect's own.",
            )
        return run

    def _idle(self, meter: Meter) -> float:
        """Return how many cores Prefect's side uses while nothing is submitted."""
        seconds = self._options.idle_seconds
        # What is left of the warm-up is no idling.
        wait_until_written(self.database, self._streams, limit_seconds=60.0)
        before = meter.cpu()
        time.sleep(seconds)
        return _server_cores(before, meter.cpu(), seconds)

    def _counts(self, workers: Sequence[Started]) -> counts.Counts:
        return counts.take(
            self.database,
            video_flow=_VIDEO_FLOW,
            shard_flow=_SHARD_FLOW,
            servers=self._servers.logs(),
            workers=[worker.log for worker in workers],
        )

    def _check(self, workers: Sequence[Started]) -> None:
        self._servers.check()
        for worker in workers:
            worker.check()


class _Line:
    """Says something now and then."""

    def __init__(self, say: Callable[[str], None], *, every: float) -> None:
        self._say = say
        self._every = every
        self._next = time.monotonic() + every

    def __call__(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._say(f"  {text}")
            self._next += self._every


def _server_cores(before: Mapping[Role, float], after: Mapping[Role, float], seconds: float) -> float:
    used = sum(after[role] - before[role] for role in after if role in SERVER_ROLES)
    return round(max(used, 0.0) / seconds, 4)


def _each(total: float, videos: int) -> float:
    return round(total / max(videos, 1), 1)


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.0f} ms"
