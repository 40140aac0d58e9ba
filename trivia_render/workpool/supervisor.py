"""The main process of a worker's machine: it runs Prefect's worker and answers for what the worker runs.

Prefect's own worker, told to stop, kills its runs and leaves them running for ever in the server's books.
Here they are handed back: on SIGTERM, on SIGINT, and when the machine is about to be taken away. A worker
that dies is started anew, under a new name, since its old one would pass for the start that died. A machine
that is drained ends what it has begun: see `draining`.
"""

import logging
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Set
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from trivia_render.encode.slots import usable_cores
from trivia_render.errors import WorkflowServerError
from trivia_render.models.fleet import WorkerState
from trivia_render.models.gpu import Preflight
from trivia_render.models.ports import Store
from trivia_render.telemetry.endpoints import make_app, open_endpoints, url_of
from trivia_render.telemetry.gpu_readings import GpuReader, load_nvml
from trivia_render.telemetry.worker_metrics import WorkerMetrics
from trivia_render.workpool.admission import Admission
from trivia_render.workpool.background import background, clock
from trivia_render.workpool.books import Books, HandBack, server_answers
from trivia_render.workpool.cpu_meter import CpuMeter
from trivia_render.workpool.draining import Drain
from trivia_render.workpool.heartbeat import Heartbeat, OnHeartbeat, WorkerFacts
from trivia_render.workpool.output import OutputDoor
from trivia_render.workpool.readings import LOOK_SECONDS, Sampler
from trivia_render.workpool.settling import Policy
from trivia_render.workpool.worker_process import kill_all, worker_command, worker_environment

log = logging.getLogger("trivia_render.worker")

#: A spot machine has 30 s from its notice to its end; what is not handed back by then the reaper finds.
HAND_BACK_SECONDS = 10.0
#: A main process whose loop has not turned for so long is stuck.
ALIVE_SECONDS = 30.0
#: The processor's use is averaged over so many heartbeats: a minute, by default.
_CPU_HEARTBEATS = 6
_TICK_SECONDS = 0.25
#: How long a start waits for the store to say whether the machine is drained.
_FIRST_LOOK_SECONDS = 5.0
#: What others may take for the last word of a start.
_LAST_WORD_SECONDS = 5.0
#: A server that has said nothing for so long does not answer.
_SERVER_SECONDS = 5.0
#: A worker that dies at once is not started anew at once.
_RESTART_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0)
_STEADY_SECONDS = 60.0


class Listen(NamedTuple):
    """Where the endpoints listen, and this machine's name for those who ask from elsewhere."""

    bind: str
    port: int
    host: str
    #: Further names under which they answer.
    names: tuple[str, ...] = ()


#: How a start of the worker ended.
Outcome = Literal["stopped", "failed", "undrained"]


class _Start(NamedTuple):
    """One start of the worker. `ended` ends its threads; `worker`: none where it began drained.

    `draining`: whoever watches the drain keeps the books from then on.
    """

    name: str
    ended: threading.Event
    draining: threading.Event
    hand_back: HandBack
    worker: subprocess.Popen[bytes] | None


class Supervisor:
    """Runs one worker after the other until it is told to stop."""

    def __init__(
        self,
        *,
        facts: WorkerFacts,
        limit: int,
        store: Store,
        home: Path,
        scratch: Path,
        policy: Policy,
        heartbeat_seconds: float,
        environment: Mapping[str, str],
        listen: Listen,
        on_heartbeat: OnHeartbeat | None = None,
        preflight: Callable[[], Preflight] | None = None,
    ) -> None:
        """`scratch`: a folder of this process's own, for boards. `on_heartbeat`: see `WorkerBeat`.

        `preflight` must pass before work is taken; None: this machine needs no GPU.
        """
        self._pool = facts.pool
        self._worker_id = facts.worker_id
        self._limit = limit
        self._store = store
        self._home = home
        self._scratch = scratch
        self._policy = policy
        self._heartbeat_seconds = heartbeat_seconds
        self._environment = environment
        self._listen = listen
        # A plain flag: an event's lock may be held by the very thread that a signal interrupts.
        self._stopping = False
        self._reason = ""
        self._ticked_at = clock()
        self._admission = Admission(preflight, worker_id=facts.worker_id)
        self._sampler = Sampler(
            gpus=GpuReader(load_nvml()),
            disk=scratch,
            every_seconds=min(LOOK_SECONDS, heartbeat_seconds),
            cpu=CpuMeter(window_seconds=_CPU_HEARTBEATS * heartbeat_seconds, cores=len(usable_cores())),
        )
        self._heartbeat = Heartbeat(
            facts,
            store=store,
            every_seconds=heartbeat_seconds,
            readings=self._sampler.latest,
            on_heartbeat=on_heartbeat,
        )

    def stop(self, reason: str) -> None:
        """Hand everything back and end. Safe from signal handlers and threads, and more than once."""
        self._reason = self._reason or reason
        self._stopping = True

    def stop_preempted(self) -> None:
        """Do the same since the machine is taken away, and count that. For threads."""
        self._heartbeat.count("preemptions")
        self.stop("The machine is being preempted.")

    def is_alive(self) -> bool:
        """Tell whether the main loop turns. Never waits."""
        return clock() - self._ticked_at < ALIVE_SECONDS

    def run(self) -> None:
        """Run until `stop`. Raises BadInputError where the port of the endpoints cannot be had."""
        endpoints = open_endpoints(self._listen.bind, self._listen.port)
        ended = threading.Event()
        try:
            url = url_of(self._listen.bind, endpoints.port, host=self._listen.host)
            self._heartbeat.status_url = f"{url}/status"
            metrics = WorkerMetrics(self._heartbeat.record, self._heartbeat.counts)
            self._ticked_at = clock()
            endpoints.serve(
                make_app(
                    alive=self.is_alive,
                    record=self._heartbeat.record,
                    metrics=metrics.text,
                    refused=self._admission.unhealthy,
                ),
                names=(self._listen.host, *self._listen.names),
            )
            log.info("The worker's /healthz, /status and /metrics are at %s.", url)
            with self._heartbeat:
                background(self._sampler.run, ended)
                background(self._sampler.watch_gpus, ended)
                self._run()
        finally:
            ended.set()
            endpoints.close()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            started = time.monotonic()
            outcome = self._serve(f"{self._worker_id}-{secrets.token_hex(4)}")
            if outcome == "failed":
                steady = time.monotonic() - started > _STEADY_SECONDS
                failures = 0 if steady else failures + 1
                self._pause(_RESTART_SECONDS[min(failures, len(_RESTART_SECONDS) - 1)])

    def _serve(self, name: str) -> Outcome:
        """Run one worker from its start to its end, whatever ends it."""
        board = self._scratch / f"board-{name}"
        try:
            board.mkdir(mode=0o700, parents=True)
        except OSError as error:
            # A full disk, say. Tried again, as a render would be.
            log.error(  # noqa: TRY400 - where it was raised tells nothing that its words do not
                "Worker %s cannot start without its board: %s", name, error
            )
            return "failed"
        self._sampler.follow(name, board)
        self._heartbeat.begin(name, board)
        ended = threading.Event()
        door = OutputDoor(board)
        door.open()
        try:
            drained = self._is_drained_at_first()
            hand_back = HandBack(name, store=self._store, policy=self._policy)
            start = _Start(name, ended, threading.Event(), hand_back, None)
            if drained:
                self._admission.rest()
            else:
                self._admission.begin(self._heartbeat)
            # In threads of their own: neither a server nor a store that does not answer must keep this one
            # from anything.
            background(self._heartbeat.run, ended)
            background(self._heartbeat.tell_others, ended)
            turn = partial(self._turn, start)
            outcome = "drain" if drained else self._admission.wait(self._heartbeat, turn)
            if outcome == "on":
                start = start._replace(worker=self._start_worker(name, board))
                outcome = self._watch(start)
            return self._drain(start) if outcome == "drain" else outcome
        finally:
            ended.set()
            self._ticked_at = clock()
            background(self._heartbeat.tell, ended=True).join(_LAST_WORD_SECONDS)
            door.close()
            shutil.rmtree(board, ignore_errors=True)

    def _is_drained_at_first(self) -> bool:
        """Ask the store, but not for long: a machine that came back under its name may still be drained."""
        look = background(self._heartbeat.look_for_drain)
        deadline = time.monotonic() + _FIRST_LOOK_SECONDS
        while look.is_alive() and time.monotonic() < deadline and not self._stopping:
            self._ticked_at = clock()
            look.join(_TICK_SECONDS)
        self._ticked_at = clock()
        if self._heartbeat.drain is None:
            return False
        # Before the first heartbeat, so that nobody takes this machine for one that serves.
        self._heartbeat.say("drained", self._why_drained())
        return True

    def _start_worker(self, name: str, board: Path) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(
            worker_command(pool=self._pool, name=name, limit=self._limit),
            env=worker_environment(
                self._environment,
                name=name,
                worker_id=self._worker_id,
                home=self._home,
                board=board,
                heartbeat_seconds=self._heartbeat_seconds,
            ),
            stdin=subprocess.DEVNULL,
        )
        log.info("Worker %s serves the pool %s.", name, self._pool)
        return worker

    def _watch(self, start: _Start) -> Literal["stopped", "failed", "drain"]:
        background(self._keep_books, start)
        while (turn := self._turn(start)) == "on":
            if start.worker is not None and (code := start.worker.poll()) is not None:
                log.error("Worker %s ended by itself with exit code %d.", start.name, code)
                # Prefect's worker gives up where its server is away for long: no job is to blame then.
                self._hand_everything_back(
                    start, reason="The worker's process ended.", announced=not _server_answers_soon()
                )
                return "failed"
            if self._heartbeat.drain is not None:
                return "drain"
            fault = self._sampler.fault(start.name) if self._admission.needs_gpu else None
            if fault is not None:
                log.error("Worker %s gives up its runs: %s", start.name, fault.message)
                self._admission.add_fault(fault)
                self._hand_everything_back(start, reason=fault.reason(), announced=True)
                return "failed"
        return turn

    def _drain(self, start: _Start) -> Outcome:
        """Let the runs end without their worker; then wait for whatever comes."""
        drain = Drain(
            start.name,
            pool=self._pool,
            hand_back=start.hand_back,
            look_seconds=self._heartbeat_seconds,
            on_crash=partial(self._heartbeat.count, "crashes"),
        )
        start.draining.set()
        log.info("Worker %s takes no more runs: %s", start.name, self._why_drained())
        if start.worker is None:
            drain.done.set()
        else:
            self._heartbeat.say("draining", self._why_drained())
            start.worker.kill()
            start.worker.wait()
            background(drain.run, start.ended)
        while (turn := self._turn(start)) == "on":
            wanted = self._heartbeat.drain is not None
            if wanted:
                # The record tells both: one that says it is drained must not name a run.
                left = not drain.done.is_set() or self._sampler.latest().runs > 0
                state: WorkerState = "draining" if left else "drained"
                self._heartbeat.say(state, self._why_drained())
            elif not drain.done.is_set():
                self._heartbeat.say("ready", "It takes runs again once those under way have ended.")
            else:
                log.info("Worker %s is no longer drained.", start.name)
                start.ended.set()
                self._heartbeat.say("stopping", "It goes on under another name.")
                background(self._heartbeat.write).join(_LAST_WORD_SECONDS)
                return "undrained"
        return turn

    def _why_drained(self) -> str:
        request = self._heartbeat.drain
        return "It is drained." if request is None else f"It is drained by the {request.by}."

    def _turn(self, start: _Start) -> Literal["on", "stopped", "failed"]:
        """Wait a moment; see to it that the start ends where it was told to or cannot go on."""
        time.sleep(_TICK_SECONDS)
        before, self._ticked_at = self._ticked_at, clock()
        if self._stopping:
            log.info("Worker %s stops: %s", start.name, self._reason)
            self._hand_everything_back(start, reason=self._reason, announced=True)
            return "stopped"
        if self._ticked_at - before > self._policy.lost_seconds:
            # Frozen or suspended for so long that others render its jobs now: nothing is ours any more.
            log.error(
                "Worker %s was frozen for %.0f s and gives up its runs.", start.name, self._ticked_at - before
            )
            start.ended.set()
            kill_all(start.worker, start.name)
            return "failed"
        return "on"

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping:
            time.sleep(_TICK_SECONDS)
            self._ticked_at = clock()

    def _keep_books(self, start: _Start) -> None:
        books = Books(start.name, pool=self._pool)
        while not start.ended.wait(self._policy.lost_seconds):
            if start.draining.is_set():
                return
            try:
                for flow_run_id in books.orphans():
                    self._hand_back(start, flow_run_id, reason="Its process ended.", counted=True)
            except WorkflowServerError as error:
                log.warning("The books of worker %s wait: %s", start.name, error)
            except Exception:
                # Whatever a proxy may answer: nobody else looks after the orphans of a worker that lives.
                log.exception("The books of worker %s could not be kept; tried again.", start.name)

    def _hand_everything_back(self, start: _Start, *, reason: str, announced: bool) -> None:
        """End the renders with all that they started, and hand their runs back.

        `announced`: nothing counts against their jobs.
        """
        begun = time.monotonic()
        self._ticked_at = clock()
        start.ended.set()
        # A run may have had several processes: what it started inherits its environment.
        runs = sorted({engine.flow_run_id for engine in kill_all(start.worker, start.name)})
        if announced:
            self._heartbeat.say("stopping", reason)
        # Side by side: a store that does not answer must not keep the server from being told. Whatever is
        # not done in time is left behind with this process, and the reaper does it.
        steps = [
            *([background(self._heartbeat.write)] if announced else []),
            background(self._hand_back_rest, start, frozenset(runs), reason=reason, counted=not announced),
            *(background(self._hand_back, start, run, reason=reason, counted=not announced) for run in runs),
        ]
        for step in steps:
            step.join(max(0.0, HAND_BACK_SECONDS - (time.monotonic() - begun)))
        if late := sum(step.is_alive() for step in steps):
            log.error("%d of %d steps were not done in time; the reaper will.", late, len(steps))
        log.info("Worker %s has ended %d runs in %.1f s.", start.name, len(runs), time.monotonic() - begun)

    def _hand_back_rest(self, start: _Start, known: Set[str], *, reason: str, counted: bool) -> None:
        """Hand back what the server takes for this worker's and had no process yet."""
        try:
            rest = Books(start.name, pool=self._pool).entries() - known
        except WorkflowServerError as error:
            log.warning("Worker %s does not know what else it was given: %s", start.name, error)
            return
        for flow_run_id in sorted(rest):
            self._hand_back(start, flow_run_id, reason=reason, counted=counted)

    def _hand_back(self, start: _Start, flow_run_id: str, *, reason: str, counted: bool) -> None:
        if start.hand_back(flow_run_id, reason=reason, counted=counted) and counted:
            self._heartbeat.count("crashes")


def _server_answers_soon() -> bool:
    answers: list[bool] = []
    background(lambda: answers.append(server_answers())).join(_SERVER_SECONDS)
    return answers == [True]
