"""Every fault that a fleet meets, made on real processes: the job ends with one whole video."""

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.cloud.fault_proxy import FOR_EVER, FaultProxy
from tests.faults.rows import Case
from tests.fleet import CHANNEL, Fleet, Worker, small_config, until
from tests.postgres import Postgres
from tests.speech_stand_in import SpeechStandIn
from trivia_render.models.jobs import JobName
from trivia_render.pipeline.lease import live_lease
from trivia_render.pipeline.submission import retry_job
from trivia_render.storage import keys
from trivia_render.workpool.names import CONTROL_POOL
from trivia_render.workpool.runs import named_runs, subflow_runs
from trivia_render.workpool.submission import start_run, start_shard

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def kill_engine(case: Case, run_id: object) -> None:
    """SIGKILL the flow's process, and nothing else."""
    worker = case.fleet.worker_of(run_id)
    engine = next(engine for engine in worker.engines() if engine.flow_run_id == str(run_id))
    case.now()
    engine.process.kill()


def ffmpeg_of(case: Case, run_id: object) -> psutil.Process:
    """The FFmpeg that a run has started, once there is one."""
    worker = case.fleet.worker_of(run_id)

    def find() -> psutil.Process | None:
        for engine in worker.engines():
            if engine.flow_run_id != str(run_id):
                continue
            for child in engine.process.children(recursive=True):
                if "ffmpeg" in child.name():
                    return child
        return None

    return until(find, seconds=60, what="an FFmpeg", pause=0.005)


# -- the flow's process


@pytest.mark.parametrize(
    ("stage", "event", "fields", "count"),
    [
        ("before the first clip", "job_started", {}, 1),
        ("mid-clip", "clip_started", {}, 3),
        ("between clips", "clip_finished", {}, 2),
        ("in assembly", "stage_started", {"stage": "joining"}, 1),
    ],
    ids=["before_the_first_clip", "mid_clip", "between_clips", "in_assembly"],
)
def test_killed_process(case: Case, stage: str, event: str, fields: dict[str, str], count: int) -> None:
    run = case.submit()
    case.wait_for_event(event, count, **fields)
    kill_engine(case, run.id)
    case.came_through(f"SIGKILL of the flow's process {stage}", crashes=1)


def test_killed_process_in_publishing(case: Case, bucket: FaultProxy) -> None:
    # Its thumbnail is the last file before the manifest: held back, the run stands in publishing.
    bucket.inject("delay", rf"name=videos/{CHANNEL}/{case.job_id}/.*thumbnail", value=3, times=1)
    run = case.submit()
    until(
        lambda: bucket.lines(rf"name=videos/{CHANNEL}/{case.job_id}/.*thumbnail"),
        seconds=90,
        what="the thumbnail's upload",
    )
    kill_engine(case, run.id)
    assert case.fleet.manifest(case.job_id) is None
    case.came_through("SIGKILL of the flow's process in publishing", crashes=1)


def test_killed_process_after_publishing(case: Case, bucket: FaultProxy) -> None:
    # The status is written after the manifest: held back, the run stands between the two.
    manifest = keys.manifest_key(CHANNEL, case.job_id)
    run = case.submit()
    case.wait_for_event("stage_started", stage="publishing")
    bucket.inject("delay", rf"name=jobs/{CHANNEL}/{case.job_id}/status", value=3, times=5)
    until(lambda: case.fleet.ports.store.stat(manifest), seconds=60, what="the manifest", pause=0.01)
    kill_engine(case, run.id)
    bucket.heal()
    state = case.fleet.run(run.id).state
    assert state is not None
    assert not state.is_completed()
    published = case.came_through(
        "SIGKILL of the flow's process after publishing, before its state is set",
        outcome=lambda status, _: f"found published by attempt 1, attempt {status.attempt}",
    )
    assert published.attempt == 1


# -- the worker


def test_killed_worker(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_started", 3)
    worker = case.fleet.worker_of(run.id)
    case.now()
    worker.signal_group(signal.SIGKILL)
    case.came_through("SIGKILL of a worker with all it runs", crashes=1)


def test_killed_worker_that_is_back_within_5_seconds(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_started", 3)
    worker = case.fleet.worker_of(run.id)
    case.now()
    worker.signal_group(signal.SIGKILL)
    worker.process.wait(10)
    time.sleep(2)
    worker.start()
    case.came_through("The same, and the worker is back after 2 s under its old name", crashes=1)


def test_terminated_worker(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_started", 3)
    worker = case.fleet.worker_of(run.id)
    case.now()
    started = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(30)
    drained = time.monotonic() - started
    assert drained < 10
    assert worker.engines() == []
    case.came_through(
        "SIGTERM to a worker (30 s notice)",
        crashes=0,
        outcome=lambda status, _: (
            f"handed back in {drained:.1f} s, completed by {status.worker_id}, attempt {status.attempt}"
        ),
    )


def test_killed_worker_in_the_middle_of_a_shard(case: Case, fleet: Fleet) -> None:
    jobs = [f"shard-{number}" for number in range(3)]
    shard = [fleet.store_job(job, small_config(job, questions=2)) for job in jobs]
    case.job_id = jobs[1]
    with fleet.client() as client:
        run = start_shard(client, fleet.ports, shard, name="shard", priority="default")
    case.wait_for_event("clip_finished", 2)
    worker = fleet.worker_of(run.id)
    case.now()
    worker.signal_group(signal.SIGKILL)
    case.came_through("SIGKILL of a worker in the second of three jobs of a shard", crashes=1)
    fleet.wait_for_run(run.id, "Completed")
    assert "2 rendered, 1 published before" in str(fleet.run(run.id).state)
    for job in (jobs[0], jobs[2]):
        status = fleet.wait_until_ended(job)
        assert (status.state, status.crashes) == ("completed", 0)
    with fleet.client() as client:
        states = sorted(str(child.state_name) for child in subflow_runs(client, run.id))
    assert states == ["Completed", "Completed", "Completed", "Crashed"]


def test_preempted_machine(case: Case) -> None:
    with metadata_server() as (host, preempt):
        # The one worker that may take the job is on the machine that goes.
        for worker in case.fleet.workers:
            if worker.pool != CONTROL_POOL:
                worker.process.send_signal(signal.SIGTERM)
                worker.process.wait(30)
        spot = case.fleet.add_worker("spot", GCE_METADATA_HOST=host)
        try:
            run = case.submit()
            case.wait_for_event("clip_started", 2)
            assert case.fleet.worker_of(run.id) is spot
            case.now()
            preempt()
            spot.process.wait(30)
            assert spot.process.returncode == 0
        finally:
            case.fleet.workers.remove(spot)
            if spot.process.poll() is None:
                spot.signal_group(signal.SIGKILL)
        case.fleet.mend()
        case.fleet.workers.append(spot)  # for its log
        try:
            case.came_through("The machine's metadata server says `preempted`", crashes=0)
        finally:
            case.fleet.workers.remove(spot)


@contextmanager
def metadata_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """A machine's metadata server: yields its address and how to preempt the machine."""
    preempted = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "instance/preempted" in self.path:
                if "wait_for_change" in self.path:
                    preempted.wait(20)
                body = b"TRUE" if preempted.is_set() else b"FALSE"
            else:
                body = b"spot"
            self.send_response(200)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", preempted.set
    finally:
        preempted.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_frozen_worker_that_thaws(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_started", 3)
    worker = case.fleet.worker_of(run.id)
    case.now()
    freeze(worker)
    # Thawed while the other one renders.
    until(
        lambda: any(
            line.worker != worker.name and line.fields.get("event") == "clip_started"
            for line in case.fleet.lines(case.job_id)
        ),
        seconds=90,
        what="the other worker",
    )
    thaw(worker)
    case.came_through("A worker frozen past its heartbeat, thawed while another renders its job", crashes=1)
    until(lambda: len(worker.starts()) > 1, seconds=60, what="the thawed worker's new start")


def freeze(worker: Worker) -> None:
    """Stop a worker with all it runs, FFmpeg too, which has a group of its own."""
    for process in _family(worker):
        process.suspend()


def thaw(worker: Worker) -> None:
    for process in _family(worker):
        process.resume()


def _family(worker: Worker) -> list[psutil.Process]:
    main = psutil.Process(worker.process.pid)
    return [main, *main.children(recursive=True)]


def test_killed_control_worker(case: Case) -> None:
    control = next(worker for worker in case.fleet.workers if worker.pool == CONTROL_POOL)
    case.fleet.start_maintenance()
    assert control.engines(), "the maintenance flow runs"
    run = case.submit()
    case.wait_for_event("clip_started", 3)
    worker = case.fleet.worker_of(run.id)
    case.now()
    control.signal_group(signal.SIGKILL)
    worker.signal_group(signal.SIGKILL)
    control.process.wait(10)
    control.start()
    case.came_through(
        "SIGKILL of the control worker with its maintenance flow, and of a render worker",
        seconds=290,
        crashes=1,
    )


# -- the bucket


@pytest.mark.parametrize(
    ("fault", "kind", "pattern", "value", "times"),
    [
        ("answers 503", "status", r"", 503, 12),
        ("answers 429", "status", r"", 429, 12),
        ("answers 401", "status", r"", 401, 2),
        ("stalls for 25 s", "stall", r"name=clips/", 25, 1),
        ("cuts an upload", "cut_upload", r"^POST .*uploadType=multipart name=clips/", 2000, 2),
        ("loses the answer to a clip's upload", "lose_answer", r"name=clips/", 0, 2),
        ("truncates a download", "truncate", r"^GET .*clips.*alt=media", 500, 2),
        ("flips a byte of a download", "flip", r"^GET .*clips.*alt=media", 700, 2),
    ],
    ids=["503", "429", "401", "stall", "cut_upload", "lost_answer", "truncated", "flipped"],
)
def test_bucket(
    case: Case, bucket: FaultProxy, fault: str, kind: str, pattern: str, value: int, times: int
) -> None:
    case.submit()
    case.wait_for_event("clip_finished", 1)
    case.now()
    bucket.inject(kind, pattern, value=value, times=times)  # type: ignore[arg-type]
    case.came_through(f"The bucket {fault} ({times}x)", crashes=0)
    assert bucket.applied().count(kind) == times  # type: ignore[arg-type]


@pytest.mark.parametrize("in_shard", [False, True], ids=["job", "shard"])
def test_bucket_that_is_away_when_a_run_begins(case: Case, bucket: FaultProxy, in_shard: bool) -> None:
    """For longer than the store's client tries: the run puts itself back, and nothing counts as a crash."""
    status = rf"/o/jobs%2F{CHANNEL}%2F{case.job_id}%2Fstatus"
    submission = case.fleet.store_job(case.job_id, case.config)
    with case.fleet.client() as client:
        if in_shard:
            run = start_shard(client, case.fleet.ports, [submission], name="shard", priority="default")
        else:
            run = start_run(client, case.fleet.ports, submission)
    bucket.inject("status", f"^GET .*{status}", value=503, times=FOR_EVER)
    case.now()
    until(
        lambda: "AwaitingRetry" in _state_names(case.fleet, run.id),
        seconds=150,
        what="a run that puts itself back",
        pause=0.5,
    )
    bucket.heal()
    what = "a shard" if in_shard else "a run"
    case.came_through(f"The bucket is away when {what} begins, until it has put itself back", crashes=0)
    case.fleet.wait_for_run(run.id, "Completed")
    assert "Failed" not in _state_names(case.fleet, run.id)


def test_lost_answers_to_claim_and_commit(case: Case, bucket: FaultProxy) -> None:
    case.now()
    for name in (f"jobs/{CHANNEL}/{case.job_id}/lease.json", f"videos/{CHANNEL}/{case.job_id}/manifest.json"):
        bucket.inject("lose_answer", f"name={name}", times=1)
    case.submit()
    manifest = case.came_through("The bucket loses the answers to the claim and to the commit", crashes=0)
    assert bucket.applied() == ["lose_answer", "lose_answer"]
    assert manifest.attempt == 1


def test_deleted_clip(case: Case) -> None:
    _publish_then_forget(case, damage=lambda store, key: store.delete(key))
    case.came_through("A cached clip is deleted", again=1)


def test_damaged_clip(case: Case) -> None:
    def damage(store: object, key: str) -> None:
        store.write(key, b"\0" * 1000, content_type="video/mp4")  # type: ignore[attr-defined]

    _publish_then_forget(case, damage=damage)
    case.came_through("A cached clip is damaged", again=1)


def _publish_then_forget(case: Case, *, damage: Callable[..., None]) -> None:
    """Publish a job, damage a clip, forget the commit, and ask for the job again."""
    case.submit()
    case.fleet.wait_until_ended(case.job_id)
    manifest = case.fleet.manifest(case.job_id)
    assert manifest is not None
    case.fleet.wait_for_run(manifest.flow_run_id, "Completed")
    store = case.fleet.ports.store
    key = next(
        info.key
        for info in store.list(f"clips/{manifest.videos[0].clip_keys[1]}")
        if info.key.endswith(".mp4")
    )
    case.now()
    damage(store, key)
    store.delete(keys.manifest_key(CHANNEL, case.job_id))
    for info in list(store.list(f"videos/{CHANNEL}/{case.job_id}/")):
        store.delete(info.key)
    submission = retry_job(case.fleet.ports, channel=CHANNEL, job_id=case.job_id)
    with case.fleet.client() as client:
        start_run(client, case.fleet.ports, submission)


# -- the speech service


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("answers 429", "quota"), ("answers 503", "unavailable"), ("hangs", "stall")],
    ids=["429", "503", "hang"],
)
def test_speech_service(case: Case, speech: SpeechStandIn, fault: str, kind: str) -> None:
    case.config = {**case.config, "narration": {"provider": "google"}}
    speech.heal()
    speech.inject(kind, times=2)  # type: ignore[arg-type]
    case.now()
    case.submit()
    case.came_through(f"The speech service {fault} (2x)", crashes=0)
    assert speech.applied[-2:] == [kind, kind]


# -- the machine


def test_full_disk(case: Case) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root: run the suite as root")
    scratch = case.fleet.folder / "home" / "tmp"
    run = case.submit()
    case.wait_for_event("clip_finished", 1)
    engine = next(e for e in case.fleet.worker_of(run.id).engines() if e.flow_run_id == str(run.id))
    work = next(path for path in scratch.glob(f"work-*-{engine.process.pid}"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(work)], check=True, timeout=10)
    case.now()
    try:
        until(lambda: "disk" in _log_of(case) and "full" in _log_of(case), seconds=60, what="the full disk")
        time.sleep(1)
    finally:
        subprocess.run(["umount", "-l", str(work)], check=True, timeout=10)
    case.came_through("The disk is full for some seconds")


def test_file_size_limit(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_finished", 1)
    engine = next(e for e in case.fleet.worker_of(run.id).engines() if e.flow_run_id == str(run.id))
    case.now()
    hard = engine.process.rlimit(resource.RLIMIT_FSIZE)[1]
    engine.process.rlimit(resource.RLIMIT_FSIZE, (2000, hard))
    until(lambda: "disk was full" in _log_of(case), seconds=60, what="the limit")
    engine.process.rlimit(resource.RLIMIT_FSIZE, (hard, hard))
    case.came_through("Files may not be larger than 2 kB for some seconds")


def _log_of(case: Case) -> str:
    return "".join(worker.log.read_text(errors="replace") for worker in case.fleet.workers)


def test_frozen_ffmpeg(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_finished", 1)
    process = ffmpeg_of(case, run.id)
    case.now()
    process.suspend()
    case.came_through("FFmpeg is frozen (SIGSTOP)", crashes=0)


def test_killed_ffmpeg(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("clip_finished", 1)
    process = ffmpeg_of(case, run.id)
    case.now()
    process.kill()
    case.came_through("FFmpeg is killed", crashes=0)


# -- Prefect's server and its database


def test_restarted_server(case: Case) -> None:
    case.submit()
    case.wait_for_event("clip_finished", 1)
    case.now()
    case.fleet.kill_server()
    time.sleep(3)
    case.fleet.start_server()
    case.came_through("Prefect's server is killed, and back after 3 s", seconds=200, crashes=0)


def test_server_that_is_away_for_long(case: Case) -> None:
    """For longer than Prefect's client tries, and than a worker may be silent."""
    case.config = small_config("away for long", questions=12)
    case.submit()
    case.wait_for_event("clip_finished", 2)
    case.now()
    case.fleet.kill_server()
    time.sleep(100)
    case.fleet.start_server()
    case.came_through("Prefect's server is away for 100 s", seconds=280, crashes=0)


def test_server_that_is_away_when_a_run_ends(case: Case) -> None:
    run = case.submit()
    case.wait_for_event("stage_started", stage="joining")
    case.now()
    case.fleet.kill_server()
    until(lambda: case.fleet.manifest(case.job_id), seconds=60, what="the manifest")
    time.sleep(8)
    case.fleet.start_server()
    case.came_through("Prefect's server is away when the run publishes, for 8 s", seconds=200, crashes=0)
    assert case.fleet.run(run.id).state is not None


def test_restarted_database(case: Case, database: Postgres) -> None:
    case.submit()
    case.wait_for_event("clip_finished", 1)
    case.now()
    database.stop()
    time.sleep(2)
    database.start()
    case.came_through("PostgreSQL is restarted, away for 2 s", seconds=200, crashes=0)


# -- two of a kind


def test_job_submitted_twice_at_once(case: Case) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: case.submit(), range(2)))
    assert runs[0].id == runs[1].id
    case.came_through("The same job is submitted twice at once", outcome=lambda *_: "one run, one video")


def test_job_run_by_two_workers_at_once(case: Case) -> None:
    submission = case.fleet.store_job(case.job_id, case.config)
    job = JobName(channel=CHANNEL, job_id=case.job_id)
    with case.fleet.client() as client:
        deployment = client.read_deployment_by_name("render-video/gpu")
        runs = [
            client.create_flow_run_from_deployment(
                deployment.id, parameters=job.model_dump(), name=str(job), idempotency_key=f"{job}-{number}"
            )
            for number in range(2)
        ]
    assert submission.status.state == "pending"
    until(
        lambda: live_lease(case.fleet.ports, channel=CHANNEL, job_id=case.job_id),
        seconds=60,
        what="a claim",
    )
    manifest = case.came_through(
        "The same job is run by two workers at once",
        crashes=0,
        outcome=lambda *_: "one rendered, the other waited and found it published",
    )
    assert manifest.attempt == 1
    for run in runs:
        case.fleet.wait_for_run(run.id, "Completed")
    states = {run.id: _state_names(case.fleet, run.id) for run in runs}
    assert any("AwaitingRetry" in names for names in states.values()), states
    assert all("Crashed" not in names for names in states.values()), states


def _state_names(fleet: Fleet, run_id: object) -> list[str | None]:
    with fleet.client() as client:
        return [state.name for state in client.read_flow_run_states(run_id)]  # type: ignore[arg-type]


def test_poison_job(case: Case) -> None:
    """A job that kills its process each time ends as failed, and its worker lives on."""
    run = case.submit()
    for crash in range(1, 4):
        case.wait_for_event("job_started", crash)
        kill_engine(case, run.id)
    status = case.fleet.wait_until_ended(case.job_id)
    assert (status.state, status.error_code, status.crashes) == ("failed", "crash_limit", 3)
    case.fleet.wait_for_run(run.id, "Failed")
    with case.fleet.client() as client:
        assert len(named_runs(client, f"{CHANNEL}/{case.job_id}")) == 1
    case.table.add(
        "A job that kills its process each time",
        f"failed: {status.error_code}, after {status.crashes}",
        "-",
        "-",
    )


def test_no_temporary_files_stay(fleet: Fleet) -> None:
    """After all that: what killed processes left is swept by the next one on the machine."""
    case = fleet.submit("last", small_config("last", questions=1))
    fleet.wait_until_ended("last")
    fleet.wait_for_run(case.id, "Completed")
    scratch = fleet.folder / "home" / "tmp"

    def nothing_left() -> bool:
        living = {f"-{process.pid}" for process in psutil.process_iter()}
        return not [path for path in _files(scratch) if not any(pid in str(path) for pid in living)]

    until(nothing_left, seconds=30, what=f"an empty {scratch}: {_files(scratch)}")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "work-" in str(path)]
