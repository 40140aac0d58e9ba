"""The deployment, the workers, and the polls of the workers that this machine has no room for."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_RETRY_EXTRA_CODES, temporary_settings

from bench.load.flows import CLIP_SECONDS, render_batch
from bench.load.servers import Servers, Started, clean_environment
from trivia_render.errors import WorkflowServerError
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.submission import Submission, submit_job
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports
from trivia_render.workpool.declare import declare_pools, read_declarations
from trivia_render.workpool.names import QUEUES, RENDER_BATCH, RENDER_POOL

ROOT = Path(__file__).parents[2]
CHANNEL = "load"
ENTRYPOINT = "bench.load.flows.render_batch"
#: What production's workers use: how often they look for runs, and say that they live.
POLL_SECONDS = 10.0
_WORKER_START_SECONDS = 90.0


@contextmanager
def client_of(api_url: str) -> Iterator[SyncPrefectClient]:
    """Open a client of the server."""
    with (
        temporary_settings({PREFECT_API_URL: api_url, PREFECT_CLIENT_RETRY_EXTRA_CODES: {500}}),
        get_client(sync_client=True) as client,
    ):
        yield client


def job_variables(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return how production's workers start a shard, as prefect.yaml says. Pure."""
    for deployment in declared["deployments"]:
        if deployment["entrypoint"] == "flows.render_batch.render_batch":
            return dict(deployment["work_pool"].get("job_variables", {}))
    raise KeyError("prefect.yaml declares no deployment of flows.render_batch.render_batch")


def declare(client: SyncPrefectClient) -> None:
    """Declare the pools and the deployment of shards: production's, but for the entrypoint."""
    declare_pools(client, read_declarations())
    flow_name, _, name = RENDER_BATCH.partition("/")
    client.create_deployment(
        client.create_flow_from_name(flow_name),
        name=name,
        entrypoint=ENTRYPOINT,
        work_pool_name=RENDER_POOL,
        work_queue_name="default",
        job_variables=job_variables(yaml.safe_load((ROOT / "prefect.yaml").read_text())),
        pull_steps=[],
        parameter_openapi_schema=render_batch.parameters.model_dump(),
        enforce_parameter_schema=True,
        tags=["render"],
    )


def store_ports(home: Path) -> Ports:
    """Return what submitting to the store in a folder needs."""
    settings = load_settings()
    return make_ports(
        settings.model_copy(
            update={"data_folder": home, "gcs_bucket": None, "work_bucket": None, "encoder": "libx264"}
        )
    )


def store_shard(ports: Ports, *, first: int, jobs: int, questions: int) -> list[Submission]:
    """Put the jobs of a shard into the store, as `trivia batch` does."""
    return [
        submit_job(ports, channel=CHANNEL, job_id=f"job-{number:06d}", config=config_of(number, questions))
        for number in range(first, first + jobs)
    ]


def config_of(number: int, questions: int) -> dict[str, Any]:
    """Return a config whose clips no other job has. Pure."""
    return {
        "channel": CHANNEL,
        "total_questions": questions,
        "title": f"Quiz of the day, number {number}",
        # Nobody speaks here; a voice would be loaded to plan for it.
        "narration": {"provider": "none"},
        "questions": [
            {
                "question": f"In which year of series {number} did event {index} take place in the capital?",
                "answer_a": str(1900 + index),
                "answer_b": str(1910 + index),
                "answer_c": str(1920 + index),
                "answer_d": str(1930 + index),
                "correct_answer": "ABCD"[index % 4],
            }
            for index in range(questions)
        ],
    }


def worker_environment(
    *,
    name: str,
    api_url: str,
    folder: Path,
    clip_seconds: float,
    clips_at_once: int,
    poll_seconds: float = POLL_SECONDS,
) -> dict[str, str]:
    """Return what a worker and its flows are told: production's settings, the store in the folder."""
    return {
        **clean_environment(),
        # Prefect's worker starts its flows with the `python` that it finds there.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": str(ROOT),
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(folder / "prefect-workers"),
        "PREFECT_API_URL": api_url,
        "PREFECT_LOGGING_SETTINGS_PATH": str(ROOT / "deployments" / "logging.yml"),
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
        # There it says which answers it asks again for; they are counted.
        "PREFECT_LOGGING_LOGGERS_PREFECT_CLIENT_LEVEL": "DEBUG",
        "PREFECT_WORKER_QUERY_SECONDS": f"{poll_seconds:g}",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": f"{POLL_SECONDS:g}",
        "TRIVIA_WORKER_NAME": name,
        "WORKER_ID": name,
        "TRIVIA_HOME": str(folder / "store"),
        "TRIVIA_SLOTS_FOLDER": str(folder / "slots"),
        "TRIVIA_LOG_FORMAT": "text",
        "TRIVIA_ENCODER": "libx264",
        "TRIVIA_PARALLEL_CLIPS": str(clips_at_once),
        CLIP_SECONDS: f"{clip_seconds:g}",
    }


@contextmanager
def running_workers(
    servers: Servers,
    *,
    phase: str,
    workers: int,
    runs_per_worker: int,
    folder: Path,
    clip_seconds: float,
    clips_at_once: int,
    poll_seconds: float = POLL_SECONDS,
) -> Iterator[tuple[Started, ...]]:
    """Run Prefect's own process workers until the block ends; what they run then ends with them.

    Raises WorkflowServerError.
    """
    with ExitStack() as stack:
        started = []
        for number in range(workers):
            name = f"load-{phase}-{number}"
            process = Started(
                name,
                [
                    *(sys.executable, "-m", "prefect", "worker", "start", "--type", "process"),
                    *("--pool", RENDER_POOL, "--name", name, "--limit", str(runs_per_worker)),
                ],
                environment=worker_environment(
                    name=name,
                    api_url=servers.api_url,
                    folder=folder,
                    clip_seconds=clip_seconds,
                    clips_at_once=clips_at_once,
                    poll_seconds=poll_seconds,
                ),
                log=folder / f"{name}.log",
            )
            stack.callback(process.end, seconds=5.0)
            started.append(process)
        _wait_for_workers(servers.api_url, started)
        yield tuple(started)


def _wait_for_workers(api_url: str, started: Sequence[Started]) -> None:
    deadline = time.monotonic() + _WORKER_START_SECONDS
    with client_of(api_url) as client:
        while True:
            known = {worker.name for worker in client.read_workers_for_work_pool(RENDER_POOL)}
            absent = [process for process in started if process.name not in known]
            if not absent:
                return
            for process in absent:
                process.check()
            if time.monotonic() > deadline:
                raise absent[0].failure(f"is not known to the server after {_WORKER_START_SECONDS:.0f} s")
            time.sleep(0.5)


class IdleWorkers:
    """The requests of workers that have nothing to do: looks for runs, and heartbeats.

    A fleet has twenty machines, and their polls are a part of the server's work.
    """

    def __init__(self, api_url: str, *, workers: int) -> None:
        self.failed = 0
        self._api_url = api_url
        self._names = [f"idle-{number:02d}" for number in range(workers)]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "IdleWorkers":
        if self._names:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._names:
            self._thread.join(30)

    def _run(self) -> None:
        with client_of(self._api_url) as client:
            while True:
                for name in self._names:
                    if self._ended.wait(POLL_SECONDS / len(self._names)):
                        return
                    try:
                        self._poll(client, name)
                    except httpx.HTTPError:
                        self.failed += 1

    @staticmethod
    def _poll(client: SyncPrefectClient, name: str) -> None:
        # Prefect's worker looks 10 s ahead. Looking reserves nothing, so no run is taken from the real ones.
        soon = datetime.now(UTC) + timedelta(seconds=POLL_SECONDS)
        client.get_scheduled_flow_runs_for_work_pool(
            RENDER_POOL, work_queue_names=list(QUEUES), scheduled_before=soon
        )
        client.read_work_pool(RENDER_POOL)
        client.send_worker_heartbeat(RENDER_POOL, name, heartbeat_interval_seconds=POLL_SECONDS)


def check_declared(client: SyncPrefectClient) -> None:
    """Raise WorkflowServerError unless the deployment can be found as production's code finds it."""
    found = client.read_deployment_by_name(RENDER_BATCH)
    if found.entrypoint != ENTRYPOINT:
        raise WorkflowServerError(
            f"{RENDER_BATCH} starts {found.entrypoint}.", remedy=f"It must be {ENTRYPOINT} here."
        )
