"""The main process of a worker's machine: it runs Prefect's worker and answers for what the worker runs.

Prefect's own worker, told to stop, kills its runs and leaves them running for ever in the server's books.
Here they are handed back: on SIGTERM, on SIGINT, and when the machine is about to be taken away. A worker
that dies is started anew, under a new name, since its old one would pass for the start that died.
"""

import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Set
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from trivia_render.errors import TriviaRenderError, WorkflowServerError
from trivia_render.models.fleet import WorkerRecord
from trivia_render.models.ports import Store
from trivia_render.pipeline.workers import write_worker
from trivia_render.workpool.processes import WORKER_MARK, Engine, find_engines, kill_trees
from trivia_render.workpool.runs import WORKER_LABEL, is_open, read_runs
from trivia_render.workpool.settling import Policy, hand_back

log = logging.getLogger("trivia_render.worker")

#: A spot machine has 30 s from its notice to its end; what is not handed back by then the reaper finds.
DRAIN_SECONDS = 10.0
_TICK_SECONDS = 0.25
_HTTP_SECONDS = 4.0
#: A worker that dies at once is not started anew at once.
_RESTART_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
_STEADY_SECONDS = 60.0


def worker_command(*, pool: str, name: str, limit: int) -> list[str]:
    """Return the command line of Prefect's process worker. Pure."""
    return [
        *(sys.executable, "-m", "prefect", "worker", "start"),
        *("--type", "process", "--pool", pool, "--name", name, "--limit", str(limit)),
    ]


def worker_environment(
    inherited: Mapping[str, str], *, name: str, worker_id: str, home: Path, heartbeat_seconds: float
) -> dict[str, str]:
    """Return the environment of the worker, which its flow runs inherit. Pure."""
    program_folder = str(Path(sys.executable).parent)
    return {
        **inherited,
        WORKER_MARK: name,
        "WORKER_ID": worker_id,
        # Runs start in the worker's folder or in another one: the store is where it is.
        "TRIVIA_HOME": str(home),
        "PATH": os.pathsep.join([program_folder, inherited.get("PATH", os.defpath)]),
        "PREFECT_WORKER_HEARTBEAT_SECONDS": f"{heartbeat_seconds:g}",
        # What a server says whose database is being restarted.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    }


class Supervisor:
    """Runs one worker after the other until it is told to stop."""

    def __init__(
        self,
        *,
        pool: str,
        worker_id: str,
        limit: int,
        store: Store,
        home: Path,
        policy: Policy,
        heartbeat_seconds: float,
        environment: Mapping[str, str],
    ) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._limit = limit
        self._store = store
        self._home = home
        self._policy = policy
        self._heartbeat_seconds = heartbeat_seconds
        self._environment = environment
        self._stop = threading.Event()
        self._record_lock = threading.Lock()
        self._reason = ""

    def stop(self, reason: str) -> None:
        """Hand everything back and end. Safe from signal handlers and threads, and more than once."""
        self._reason = self._reason or reason
        self._stop.set()

    def run(self) -> None:
        """Run until `stop`. Raises WorkflowServerError where the server never answered."""
        failures = 0
        while not self._stop.is_set():
            started = time.monotonic()
            name = f"{self._worker_id}-{secrets.token_hex(4)}"
            self._serve(name)
            if self._stop.is_set():
                return
            failures = 0 if time.monotonic() - started > _STEADY_SECONDS else failures + 1
            self._stop.wait(_RESTART_SECONDS[min(failures, len(_RESTART_SECONDS) - 1)])

    def _serve(self, name: str) -> None:
        """Run one worker from its start to its end, whatever ends it."""
        record = self._record_of(name)
        worker = subprocess.Popen(
            worker_command(pool=self._pool, name=name, limit=self._limit),
            env=worker_environment(
                self._environment,
                name=name,
                worker_id=self._worker_id,
                home=self._home,
                heartbeat_seconds=self._heartbeat_seconds,
            ),
            stdin=subprocess.DEVNULL,
        )
        log.info("Worker %s serves the pool %s.", name, self._pool)
        ended = threading.Event()
        # In a thread of its own: a server that does not answer must not keep this one from anything.
        _background(self._keep_books, name, ended)
        _background(self._send_heartbeats, record, ended)
        try:
            self._watch(record, worker, ended)
        finally:
            ended.set()

    def _watch(self, record: WorkerRecord, worker: subprocess.Popen[bytes], ended: threading.Event) -> None:
        name = record.name
        seen = _clock()
        while not self._stop.wait(_TICK_SECONDS):
            if worker.poll() is not None:
                log.error("Worker %s ended by itself with exit code %d.", name, worker.returncode)
                ended.set()
                # Prefect's worker gives up where its server is away for long: no job is to blame then.
                self._drain(
                    record, worker, reason="The worker's process ended.", announced=not _server_answers()
                )
                return
            now = _clock()
            if now - seen > self._policy.lost_seconds:
                # Frozen or suspended for so long that others render its jobs now: nothing is ours any more.
                log.error("Worker %s was frozen for %.0f s and gives up its runs.", name, now - seen)
                _kill_all(worker, name)
                return
            seen = now
        log.info("Worker %s stops: %s", name, self._reason)
        ended.set()
        self._drain(record, worker, reason=self._reason, announced=True)

    def _keep_books(self, name: str, ended: threading.Event) -> None:
        books = Books(name, pool=self._pool)
        while not ended.wait(self._policy.lost_seconds):
            try:
                for flow_run_id in books.orphans():
                    self._hand_back(name, flow_run_id, reason="Its process ended.", counted=True)
            except Exception:
                # Whatever a proxy may answer: nobody else looks after the orphans of a worker that lives.
                log.exception("The books of worker %s could not be kept; tried again.", name)

    def _send_heartbeats(self, record: WorkerRecord, ended: threading.Event) -> None:
        """Tell the store that this worker lives, for when Prefect's server cannot hear it."""
        while True:
            with self._record_lock:
                # Not after the last word has been said.
                if ended.is_set():
                    return
                _note(self._store, record.model_copy(update={"updated_at": datetime.now(UTC)}))
            ended.wait(self._heartbeat_seconds)

    def _say_stopping(self, record: WorkerRecord, reason: str) -> None:
        with self._record_lock:
            update = {"state": "stopping", "reason": reason, "updated_at": datetime.now(UTC)}
            _note(self._store, record.model_copy(update=update))

    def _record_of(self, name: str) -> WorkerRecord:
        now = datetime.now(UTC)
        return WorkerRecord(
            name=name,
            worker_id=self._worker_id,
            pool=self._pool,
            state="ready",
            started_at=now,
            updated_at=now,
        )

    def _drain(
        self, record: WorkerRecord, worker: subprocess.Popen[bytes], *, reason: str, announced: bool
    ) -> None:
        """End the renders with all that they started, and hand their runs back.

        `announced`: nothing counts against their jobs.
        """
        begun = time.monotonic()
        # A run may have had several processes: what it started inherits its environment.
        runs = sorted({engine.flow_run_id for engine in _kill_all(worker, record.name)})
        # Side by side: a store that does not answer must not keep the server from being told. Whatever is
        # not done in time is left behind with this process, and the reaper does it.
        steps = [
            *([_background(self._say_stopping, record, reason)] if announced else []),
            _background(
                self._hand_back_rest, record.name, frozenset(runs), reason=reason, counted=not announced
            ),
            *(
                _background(self._hand_back, record.name, run, reason=reason, counted=not announced)
                for run in runs
            ),
        ]
        for step in steps:
            step.join(max(0.0, DRAIN_SECONDS - (time.monotonic() - begun)))
        if late := sum(step.is_alive() for step in steps):
            log.error("%d of %d steps were not done in time; the reaper will.", late, len(steps))
        log.info(
            "Worker %s drained: %d runs ended, %.1f s.", record.name, len(runs), time.monotonic() - begun
        )

    def _hand_back_rest(self, name: str, known: Set[str], *, reason: str, counted: bool) -> None:
        """Hand back what the server takes for this worker's and had no process yet."""
        for flow_run_id in sorted(Books(name, pool=self._pool).entries() - known):
            self._hand_back(name, flow_run_id, reason=reason, counted=counted)

    def _hand_back(self, name: str, flow_run_id: str, *, reason: str, counted: bool) -> None:
        try:
            with _client() as client:
                run = client.read_flow_run(UUID(flow_run_id))
                if not is_open(run) or run.labels.get(WORKER_LABEL) not in {None, name}:
                    # Over, or given to another worker meanwhile.
                    return
                done = hand_back(
                    client,
                    self._store,
                    run,
                    reason=reason,
                    counted=counted,
                    policy=self._policy,
                    # A worker that lives may still hold it for a moment.
                    delay_seconds=self._policy.requeue_seconds if counted else 0.0,
                )
            log.info("Flow run %s: %s.", flow_run_id, done, extra={"flow_run_id": flow_run_id})
        except ObjectNotFound:
            log.warning("Flow run %s is unknown to the server.", flow_run_id)
        except (TriviaRenderError, httpx.HTTPError) as error:
            # Not the end: its worker sends no heartbeat any more, so the reaper hands it back.
            log.error(  # noqa: TRY400 - where it was raised tells nothing that its words do not
                "Flow run %s could not be handed back: %s", flow_run_id, error
            )


def _server_answers() -> bool:
    try:
        with _client() as client:
            return client.api_healthcheck() is None
    except httpx.HTTPError:
        return False


class Books:
    """The runs that the server takes for this worker's and that no process runs any more.

    A worker tells the server when a run's process dies. Where the server did not hear it, being away itself,
    the run would stay in its books for ever: its worker lives, so no reaper comes for it.
    """

    def __init__(self, name: str, *, pool: str) -> None:
        self._name = name
        self._pool = pool
        self._missing: set[str] = set()

    def entries(self) -> set[str]:
        """Return the runs that are this worker's by the server's books; none where it does not answer."""
        try:
            with _client() as client:
                runs = read_runs(client, pool=self._pool, states=[StateType.RUNNING, StateType.PENDING])
                return {str(run.id) for run in runs if run.labels.get(WORKER_LABEL) == self._name}
        except httpx.HTTPError as error:
            log.warning("Prefect's server did not say what runs here: %s", error)
            return set()

    def orphans(self) -> set[str]:
        """Look, and return the runs that had no process at this look and the one before."""
        # The server first: a run that ends in between has its process still, or its end in the books.
        entries = self.entries()
        missing = entries - {engine.flow_run_id for engine in find_engines(self._name)}
        orphans = missing & self._missing
        self._missing = missing - orphans
        return orphans


def check_pool(pool: str) -> None:
    """Raise WorkflowServerError unless the server answers and has the pool."""
    try:
        with _client() as client:
            client.read_work_pool(pool)
    except ObjectNotFound as error:
        raise WorkflowServerError(
            f"Prefect's server has no work pool {pool}.",
            remedy="Declare it with `trivia deploy`, or name another --pool.",
        ) from error
    except httpx.HTTPError as error:
        raise WorkflowServerError(
            "Prefect's server does not answer.",
            evidence=f"  {type(error).__name__}: {error}",
            remedy="Start it, or correct PREFECT_API_URL (it ends in /api).",
        ) from error


def _client() -> SyncPrefectClient:
    return get_client(sync_client=True, httpx_settings={"timeout": _HTTP_SECONDS})


def _kill_all(worker: subprocess.Popen[bytes], name: str) -> list[Engine]:
    """Kill the worker, so that it takes no more work, then its runs; return the runs."""
    worker.kill()
    worker.wait()
    engines = find_engines(name)
    kill_trees(engine.process for engine in engines)
    # One that the worker was just starting.
    rest = find_engines(name)
    kill_trees(engine.process for engine in rest)
    return [*engines, *rest]


def _note(store: Store, record: WorkerRecord) -> None:
    try:
        write_worker(store, record)
    except TriviaRenderError as error:
        log.warning("The store does not know that worker %s is %s: %s", record.name, record.state, error)


def _background(work: Callable[..., None], *arguments: object, **options: object) -> threading.Thread:
    """Start a thread that does not keep this process from ending."""
    thread = threading.Thread(target=work, args=arguments, kwargs=options, daemon=True)
    thread.start()
    return thread


def _clock() -> float:
    """Seconds that go on while the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


def default_limit(pool: str, *, render_pool: str) -> int:
    """Return how many runs a worker takes at once: a render takes every core; scheduled flows wait."""
    return 1 if pool == render_pool else max(2, psutil.cpu_count() or 1)
