"""A fleet of real processes: Prefect's server, a control worker, render workers, a bucket.

Settings are those of production but shorter, so that a fault is noticed within seconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import SettingsContext, get_settings_context
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_RETRY_EXTRA_CODES, temporary_settings

from tests.cloud.fault_proxy import FaultProxy, strict_gcs
from tests.cloud.gcs_server import create_bucket
from tests.command import Commands, commands_of_a_fleet
from tests.ports import free_port
from tests.postgres import Postgres, postgres
from trivia_render.models.results import JobStatus, Manifest
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status
from trivia_render.pipeline.submission import Submission, submit_job
from trivia_render.settings import Settings
from trivia_render.storage.keys import manifest_key
from trivia_render.wiring import make_ports
from trivia_render.workpool.declare import (
    declare_automations,
    declare_deployments,
    declare_pools,
    read_declarations,
)
from trivia_render.workpool.local_fleet import SERVER_ENVIRONMENT
from trivia_render.workpool.names import CONTROL_POOL, MAINTENANCE, RENDER_POOL
from trivia_render.workpool.processes import Engine, find_engines
from trivia_render.workpool.reaper import live_workers
from trivia_render.workpool.runs import WORKER_LABEL
from trivia_render.workpool.submission import start_run

T = TypeVar("T")

BUCKET = "fleet"
CHANNEL = "faults"

#: Production's settings, shortened: heartbeat 10 s, lost after 35 s, requeued after 30 s, a look each 15 s.
SHORT = {
    "TRIVIA_WORKER_HEARTBEAT_SECONDS": "2",
    "TRIVIA_WORKER_LOST_SECONDS": "7",
    "TRIVIA_REQUEUE_SECONDS": "4",
    "TRIVIA_ENCODE_STALL_SECONDS": "6",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_PREFETCH_SECONDS": "1",
}
LOOK_SECONDS = 2
#: What a fleet uses that sets nothing.
PRODUCTION = {
    "TRIVIA_WORKER_HEARTBEAT_SECONDS": "10",
    "TRIVIA_WORKER_LOST_SECONDS": "35",
    "TRIVIA_REQUEUE_SECONDS": "30",
    "TRIVIA_ENCODE_STALL_SECONDS": "60",
    "PREFECT_WORKER_QUERY_SECONDS": "10",
    "PREFECT_WORKER_PREFETCH_SECONDS": "10",
}
_FOREIGN = ("TRIVIA_", "PREFECT_", "GCS_BUCKET", "WORKER_ID", "GOOGLE_", "STORAGE_EMULATOR")


class Line(NamedTuple):
    """A log line of a worker or of its flow runs."""

    worker: str
    fields: Mapping[str, Any]


class Worker:
    """A `trivia worker` process, in a process group of its own."""

    def __init__(self, name: str, *, pool: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.pool = pool
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", "trivia_render", "worker", "--pool", pool]
        self._environment = {**environment, "WORKER_ID": name}
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor, the worker and its flow runs at once."""
        os.killpg(self.process.pid, number)

    def engines(self) -> list[Engine]:
        return [engine for start in self.starts() for engine in find_engines(start)]

    def starts(self) -> set[str]:
        """The names that its Prefect workers have had."""
        words = (str(line.fields.get("message", "")).split() for line in self.lines())
        return {word[1] for word in words if word[:1] == ["Worker"] and word[2:3] == ["serves"]}

    def lines(self) -> list[Line]:
        found = []
        for text in self.log.read_text(errors="replace").splitlines():
            try:
                fields = json.loads(text)
            except ValueError:
                continue
            if isinstance(fields, dict):
                found.append(Line(self.name, fields))
        return found


class Fleet:
    """The processes, and what a test asks of them."""

    def __init__(self, folder: Path, *, gcs_url: str, database_url: str, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.gcs_url = gcs_url
        self.workers: list[Worker] = []
        self.api_url = f"http://127.0.0.1:{free_port()}/api"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)},
            **SHORT,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
            "TRIVIA_HOME": str(folder / "home"),
            "TRIVIA_SLOTS_FOLDER": str(folder / "slots"),
            "TRIVIA_ENCODER": "libx264",
            "TRIVIA_PARALLEL_CLIPS": "1",
            "GCS_BUCKET": BUCKET,
            "STORAGE_EMULATOR_HOST": gcs_url,
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
            **settings,
        }
        self._server: subprocess.Popen[bytes] | None = None
        self._commands: Commands | None = None
        self._talk: tuple[SettingsContext, SyncPrefectClient] | None = None
        self._open = ExitStack()
        self.ports: Ports = make_ports(
            Settings(
                data_folder=folder / "test",  # type: ignore[call-arg]
                gcs_bucket=BUCKET,
                encoder="libx264",
            )
        )

    # -- processes

    def start_server(self) -> None:
        port = self.api_url.rpartition(":")[2].removesuffix("/api")
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port],
                env={**self._environment, **SERVER_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._answers, seconds=120, what="Prefect's server")

    def kill_server(self) -> None:
        assert self._server is not None
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait(30)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api_url}/health", timeout=2) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except OSError:
            return False

    def declare(self) -> None:
        declared = read_declarations()
        with self.client() as client:
            declare_pools(client, declared)
            before = {name: os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME")}
            os.environ.update({name: self._environment[name] for name in before})
            try:
                declare_deployments()
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value
            declare_automations(client, declared)
            from prefect.client.schemas.actions import DeploymentUpdate

            for name, parameters in {MAINTENANCE: {"for_seconds": 57, "every_seconds": LOOK_SECONDS}}.items():
                found = client.read_deployment_by_name(name)
                client.update_deployment(found.id, DeploymentUpdate(parameters=parameters))
            # It costs a process a minute here and nothing waits for it.
            client.pause_deployment(client.read_deployment_by_name("autoscale/scheduled").id)

    def add_worker(self, name: str, *, pool: str = RENDER_POOL, **extra: str) -> Worker:
        """Start a worker and wait until the server knows it."""
        worker = self._start_worker(name, pool=pool, **extra)
        self.wait_for_worker(worker, pool=pool)
        return worker

    def start_workers(self, names: Sequence[str]) -> None:
        """Start the control worker and render workers side by side, and wait until the server knows them."""
        pools = {"control-1": CONTROL_POOL, **dict.fromkeys(names, RENDER_POOL)}
        for worker in [self._start_worker(name, pool=pool) for name, pool in pools.items()]:
            self.wait_for_worker(worker, pool=worker.pool)

    def _start_worker(self, name: str, *, pool: str, **extra: str) -> Worker:
        worker = Worker(name, pool=pool, environment={**self._environment, **extra}, folder=self.folder)
        self.workers.append(worker)
        return worker

    def start_maintenance(self) -> None:
        """Start the maintenance flow now: its schedule would within a minute."""
        with self.client() as client:
            found = client.read_deployment_by_name(MAINTENANCE)
            run = client.create_flow_run_from_deployment(found.id)

            def runs() -> bool:
                state = client.read_flow_run(run.id).state
                return state is not None and (state.is_running() or state.is_completed())

            until(runs, seconds=60, what="the maintenance flow", pause=0.2)

    def mend(self) -> None:
        """Start again what a test has ended."""
        for worker in self.workers:
            if worker.process.poll() is not None:
                for engine in worker.engines():
                    _kill(engine.process)
                worker.start()
                self.wait_for_worker(worker, pool=worker.pool)

    def wait_for_worker(self, worker: Worker, *, pool: str = RENDER_POOL) -> None:
        def ready() -> bool:
            assert worker.process.poll() is None, worker.log.read_text()[-3000:]
            with self.client() as client:
                live = live_workers(client, pool, lost_seconds=7)
            return any(name.startswith(f"{worker.name}-") for name in live)

        until(ready, seconds=60, what=f"worker {worker.name}", pause=0.2)

    def have_workers(self, *names: str) -> None:
        """End render workers of other names, as their machines' end would; start those that are missing."""
        for worker in [it for it in self.workers if it.pool == RENDER_POOL and it.name not in names]:
            worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(30)
            self.workers.remove(worker)
        for name in names:
            if all(worker.name != name for worker in self.workers):
                self.add_worker(name)

    def end(self) -> None:
        self._open.close()
        self._talk = None
        if self._commands is not None:
            self._commands.close()
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGCONT)
                for engine in worker.engines():
                    _kill(engine.process)
                with suppress(ProcessLookupError):
                    worker.signal_group(signal.SIGKILL)
                worker.process.wait(30)
        if self._server is not None and self._server.poll() is None:
            self.kill_server()

    # -- jobs

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client of the fleet's server, and Prefect's settings as its own processes have them.

        Both are made once: together they take 60 ms, which whoever waits would spend all the time.
        """
        if self._talk is None:
            chosen = {PREFECT_API_URL: self.api_url, PREFECT_CLIENT_RETRY_EXTRA_CODES: {500}}
            with temporary_settings(chosen):
                context = get_settings_context()
                self._talk = (context, self._open.enter_context(get_client(sync_client=True)))
        context, client = self._talk
        with SettingsContext(profile=context.profile, settings=context.settings):
            yield client

    def trivia(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as an operator of this fleet would."""
        environment = {**self._environment, "TRIVIA_HOME": str(self.folder / "operator")}
        if self._commands is None:
            self._commands = commands_of_a_fleet(environment)
        return self._commands.run(*arguments, stdin=stdin, environment=environment)

    def submit(self, job_id: str, config: Mapping[str, Any], *, force: bool = False) -> FlowRun:
        submission = self.store_job(job_id, config, force=force)
        with self.client() as client:
            return start_run(client, self.ports, submission)

    def store_job(self, job_id: str, config: Mapping[str, Any], *, force: bool = False) -> Submission:
        return submit_job(self.ports, channel=CHANNEL, job_id=job_id, config=config, force=force)

    def status(self, job_id: str) -> JobStatus | None:
        return read_status(self.ports, channel=CHANNEL, job_id=job_id)

    def manifest(self, job_id: str) -> Manifest | None:
        key = manifest_key(CHANNEL, job_id)
        if self.ports.store.stat(key) is None:
            return None
        return Manifest.model_validate_json(self.ports.store.read(key)[0])

    def run(self, run_id: Any) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(run_id)

    def worker_of(self, run_id: Any) -> Worker:
        """The worker that has the run now."""
        label = str(self.run(run_id).labels.get(WORKER_LABEL))
        return next(worker for worker in self.workers if label.startswith(f"{worker.name}-"))

    def lines(self, job_id: str) -> list[Line]:
        """What all workers have logged about a job, in the order of time."""
        found = [
            line for worker in self.workers for line in worker.lines() if line.fields.get("job_id") == job_id
        ]
        return sorted(found, key=lambda line: str(line.fields["time"]))

    def events(self, job_id: str, event: str) -> list[Mapping[str, Any]]:
        return [line.fields for line in self.lines(job_id) if line.fields.get("event") == event]

    def clips_started(self, job_id: str) -> list[str]:
        return [str(fields["clip"]) for fields in self.events(job_id, "clip_started")]

    def clips_rendered(self, job_id: str) -> list[str]:
        return [
            str(fields["clip"]) for fields in self.events(job_id, "clip_finished") if not fields.get("reused")
        ]

    def wait_for_run(self, run_id: Any, state: str) -> None:
        """Wait until a run is in a state, by its name."""
        until(
            lambda: self.run(run_id).state_name == state,
            seconds=90,
            what=f"a run that is {state}",
            pause=0.2,
        )

    def wait_until_ended(self, job_id: str, *, seconds: float = 120.0) -> JobStatus:
        def ended() -> JobStatus | None:
            status = self.status(job_id)
            return status if status is not None and status.state in {"completed", "failed"} else None

        return until(
            ended, seconds=seconds, what=f"the end of {job_id}, which is {self.status(job_id)}", pause=0.2
        )


class Running(NamedTuple):
    """A fleet with the bucket and the database it stands on."""

    fleet: Fleet
    bucket: FaultProxy
    database: Postgres


@contextmanager
def running_fleet(folder: Path, *, workers: Sequence[str], **settings: str) -> Iterator[Running]:
    """Run server, control worker and render workers, over PostgreSQL and an emulated bucket."""
    with strict_gcs() as bucket, postgres() as database:
        create_bucket(bucket.url, BUCKET)
        before = os.environ.get("STORAGE_EMULATOR_HOST")
        # For the store of the test itself.
        os.environ["STORAGE_EMULATOR_HOST"] = bucket.url
        fleet = Fleet(folder, gcs_url=bucket.url, database_url=database.url, settings=settings)
        try:
            fleet.start_server()
            fleet.declare()
            fleet.start_workers(workers)
            fleet.start_maintenance()
            yield Running(fleet, bucket, database)
        finally:
            fleet.end()
            if before is None:
                del os.environ["STORAGE_EMULATOR_HOST"]
            else:
                os.environ["STORAGE_EMULATOR_HOST"] = before


def until(ask: Callable[[], T | None], *, seconds: float, what: str, pause: float = 0.05) -> T:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(pause)
    return answer


def small_config(name: str, *, questions: int = 3) -> dict[str, Any]:
    """A job of short clips that no other job shares."""
    return {
        "channel": CHANNEL,
        "total_questions": questions,
        "title": name,
        "formats": ["1:1"],
        "narration": {"provider": "none"},
        "soundtrack": {"source": "none"},
        "timing": {
            "intro_seconds": 1,
            "countdown_seconds": 3,
            "reveal_seconds": 1,
            "outro_seconds": 1,
            "gap_seconds": 0,
        },
        "questions": [
            {
                "question": f"{name}: is it {number}?",
                "answer_a": "Yes",
                "answer_b": "No",
                "correct_answer": "Yes",
            }
            for number in range(questions)
        ],
    }


def quick_config(name: str, *, questions: int = 1) -> dict[str, Any]:
    """A job of the shortest clips there can be, the quickest to encode: for what waits for its end alone."""
    return {**small_config(name, questions=questions), "theme": "paper", "tts_speed": 4.0}


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
