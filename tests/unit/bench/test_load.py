"""The load test's own reckoning: what it submits, counts, ends and writes."""

import importlib
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import yaml

from bench.load import fleet, report, stub
from bench.load.load import shard_times
from bench.load.measure import (
    Sizes,
    client_retries,
    family_cpu_seconds,
    growth,
    server_errors,
)
from bench.load.results import (
    Errors,
    Fast,
    Latency,
    LoadReport,
    Machine,
    Mode,
    ModeResult,
    Role,
    Setup,
    Steady,
    Table,
    Usage,
    Whole,
    percentile,
)
from bench.load.servers import Started, clean_environment, commands_of, scratch_folder, settings_of
from trivia_render.errors import BadInputError, WorkflowServerError
from trivia_render.models.parse import parse_job_config
from trivia_render.pipeline import clip, job
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status
from trivia_render.workpool.local_fleet import SERVER_ENVIRONMENT


def usage(cpu_seconds: float, *, seconds: float = 600.0) -> Usage:
    return Usage(processes=1, cpu_seconds=cpu_seconds, cores=cpu_seconds / seconds, memory_bytes=200_000_000)


def steady(cpu: dict[Role, float], *, completed: int = 560) -> Steady:
    return Steady(
        minutes=10,
        rate_per_day=80_000,
        shards=28,
        submitted=560,
        completed=completed,
        seconds=630,
        submission_worst_ms=120,
        start_delay_p50_seconds=5,
        start_delay_worst_seconds=9,
        late_shards=0,
        idle_cores=0.1,
        usage={role: usage(seconds) for role, seconds in cpu.items()},
        whole=Whole(busy_cores=1.0, own_cores=0.03),
        latency=Latency.of([0.01, 0.02, 0.03], failed=0),
        database_bytes_per_video=300_000,
        wal_bytes_per_video=500_000,
        tables=(
            Table(name="events", bytes_per_video=150_000),
            Table(name="event_resources", bytes_per_video=50_000),
            Table(name="task_run", bytes_per_video=60_000),
        ),
        events_per_video=51.4,
        log_lines_per_video=45,
        task_runs=15 * completed,
        task_runs_expected=15 * 560,
        backlog_seconds=4,
        backlog_left=0,
        errors=Errors(),
    )


def fast(cores: float) -> Fast:
    return Fast(
        minutes=2,
        completed=240,
        seconds=120,
        usage={"server": usage(cores * 600), "flows": usage(600.0)},
        whole=Whole(busy_cores=1.95, own_cores=0.02),
        latency=Latency.of([0.05], failed=1),
        backlog_seconds=12,
        backlog_left=0,
        drained=True,
        errors=Errors(),
    )


def figures(*modes: ModeResult) -> LoadReport:
    return LoadReport(
        at=datetime(2026, 1, 2, tzinfo=UTC),
        machine=Machine(cpu="Some CPU", cores=2, memory_bytes=8 * 2**30, versions={"Prefect": "3.8.8"}),
        setup=Setup(
            shard_size=20,
            questions=10,
            workers=2,
            runs_per_worker=2,
            clips_at_once=4,
            clip_seconds=0.3,
            emulated_workers=18,
            fsync="on",
        ),
        modes=modes,
    )


SPLIT = ModeResult(
    mode="split",
    api_processes=2,
    steady=steady({"api": 280.0, "services": 112.0, "postgres": 56.0, "redis": 28.0, "flows": 300.0}),
    fast=None,
)
SINGLE = ModeResult(
    mode="single",
    api_processes=1,
    steady=steady({"server": 224.0, "postgres": 56.0, "flows": 300.0}),
    fast=fast(0.9),
)


# -- what is submitted


def test_shards_come_at_the_rate_of_the_day() -> None:
    times = shard_times(rate_per_day=80_000, shard_size=20, minutes=10)
    assert len(times) == 28
    assert times[:3] == pytest.approx([0, 21.6, 43.2])


def test_a_short_run_submits_at_least_one_shard() -> None:
    assert shard_times(rate_per_day=80_000, shard_size=20, minutes=0.1) == [0]


def test_a_submitted_config_is_valid_and_no_two_are_alike() -> None:
    first, warnings = parse_job_config(fleet.config_of(1, 10))
    second, _ = parse_job_config(fleet.config_of(2, 10))
    assert warnings == ()
    assert len(first.questions) == 10
    assert first.digest() != second.digest()


def test_the_deployment_starts_its_flows_as_prefect_yaml_says() -> None:
    declared = yaml.safe_load((fleet.ROOT / "prefect.yaml").read_text())
    assert fleet.job_variables(declared) == declared["definitions"]["work_pools"]["render"]["job_variables"]


def test_the_entrypoint_is_the_real_flow() -> None:
    from flows.render_batch import render_batch

    module, _, name = fleet.ENTRYPOINT.rpartition(".")
    assert getattr(importlib.import_module(module), name) is render_batch


# -- rendering that only waits


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ports:
    monkeypatch.setattr(clip, "render_clip", stub.stub_clip(0.0))
    monkeypatch.setattr(job, "assemble_video", stub.stub_assembly(0.0))
    store = stub.BucketNames(tmp_path)
    return replace(fleet.store_ports(tmp_path), store=store, work_store=store)


def test_a_job_whose_rendering_waits_is_claimed_planned_and_published_as_a_real_one(ports: Ports) -> None:
    (submission,) = fleet.store_shard(ports, first=7, jobs=1, questions=10)
    name = submission.status.job_id
    with open_job(ports, channel=fleet.CHANNEL, job_id=name) as run:
        results = []
        for spec in run.plan.videos[0].clips:
            results.append(clip.render_clip(ports, spec))
            run.clip_finished(results[-1])
        manifest = run.publish([run.assemble(run.plan.videos[0], results)])
    assert len(results) == 12
    assert manifest.clips_rendered == 12
    assert {"encode", "joining"} <= set(manifest.stage_seconds)
    status = read_status(ports, channel=fleet.CHANNEL, job_id=name)
    assert status is not None
    assert (status.state, status.clips_done, status.clips_total) == ("completed", 12, 12)


def test_the_store_calls_its_objects_as_a_bucket_does(ports: Ports) -> None:
    assert ports.store.uri("videos/a/b.jpg").startswith("gs://")


# -- the servers


@pytest.mark.parametrize("mode", ["split", "single"])
def test_every_setting_is_one_that_prefect_reads_and_can_read(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import Settings
    from prefect_redis.client import RedisMessagingSettings

    told = {item.name: item.value for item in settings_of(mode, redis_host="redis.internal", redis_port=6399)}
    of_redis = {name for name in told if name.startswith("PREFECT_REDIS_")}
    known = Settings().to_environment_variables(include_aliases=True).keys()
    assert told.keys() - of_redis - known == set()
    assert SERVER_ENVIRONMENT.items() <= told.items()
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    server = Settings().server
    assert server.events.retention_period == timedelta(days=1)
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period == timedelta(days=2)
    assert not server.database.migrate_on_start
    assert not server.register_blocks_on_start
    assert server.docket.url == ("redis://redis.internal:6399/1" if mode == "split" else "memory://")
    if mode == "split":
        redis = RedisMessagingSettings()
        assert (redis.host, redis.port, redis.db) == ("redis.internal", 6399, 0)


def test_the_modules_on_redis_have_what_prefect_looks_for() -> None:
    told = {item.name: item.value for item in settings_of("split", redis_host="localhost", redis_port=1)}
    for name, parts in {
        "PREFECT_MESSAGING_BROKER": ("Publisher", "Consumer"),
        "PREFECT_MESSAGING_CACHE": ("Cache",),
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": ("CausalOrdering",),
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": ("ConcurrencyLeaseStorage",),
    }.items():
        module = importlib.import_module(told[name])
        assert [part for part in parts if not hasattr(module, part)] == []


def test_the_split_mode_separates_services_from_the_api_and_the_single_one_does_not() -> None:
    split = commands_of("split", port=1, api_processes=2)
    assert "--no-services" in split["api"]
    assert split["services"][-2:] == ["services", "start"]
    assert set(commands_of("single", port=1, api_processes=2)) == {"server"}


def test_settings_of_this_machine_do_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere.invalid/api")
    monkeypatch.setenv("GCS_BUCKET", "a-real-one")
    assert {"PREFECT_API_URL", "GCS_BUCKET"} & clean_environment().keys() == set()


#: Starts a child in a session of its own, says its number, and ignores being told to stop.
FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_process_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    log = tmp_path / "family.log"
    process = Started("family", [sys.executable, "-c", FAMILY], environment=clean_environment(), log=log)
    try:
        deadline = time.monotonic() + 20
        while not log.read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.end(seconds=0.2)
    for pid in (process.pid, int(log.read_text())):
        with suppress(psutil.NoSuchProcess):
            assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_has_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "short.log"
    process = Started(
        "short", [sys.executable, "-c", "print('no database')"], environment=clean_environment(), log=log
    )
    deadline = time.monotonic() + 20
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(WorkflowServerError, match="no database"):
        process.check()
    process.end()


def test_the_logs_are_kept_and_the_rest_is_removed(tmp_path: Path) -> None:
    with scratch_folder(logs=tmp_path / "logs") as folder:
        (folder / "split").mkdir()
        (folder / "split" / "api.log").write_text("a line")
        (folder / "split" / "data").write_text("much")
    assert (tmp_path / "logs" / "split-api.log").read_text() == "a line"
    assert not folder.exists()


# -- what is measured


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([3.0], 99) == 3.0


def test_a_server_that_never_answered_has_no_latency() -> None:
    assert Latency.of([], failed=3) == Latency(samples=0, failed=3)


def test_the_cpu_of_ended_children_counts() -> None:
    busy = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
    parent = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {busy!r}])\nprint('done', flush=True)\ntime.sleep(30)"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"done\n"
            assert family_cpu_seconds(psutil.Process(process.pid)) >= 0.3
        finally:
            process.kill()


def test_error_lines_of_servers_and_retries_of_clients_are_counted(tmp_path: Path) -> None:
    server, worker = tmp_path / "api.log", tmp_path / "worker.log"
    server.write_text(
        "12:00:00.000 | INFO    | uvicorn - ERROR is only a word here\n"
        "12:00:01.000 | ERROR   | prefect.server - Encountered exception in request:\n"
        "Traceback (most recent call last):\n"
        "12:00:02.000 | CRITICAL | prefect.server - down\n"
    )
    worker.write_text(
        "08:00:00 DEBUG   Connecting to API at http://127.0.0.1:1/api/\n"
        "08:00:00 DEBUG   Received response with retryable status code 503. Another attempt follows.\n"
    )
    found = server_errors([server])
    assert found.lines == 2
    assert "Encountered exception" in found.samples[0]
    assert client_retries([worker]).lines == 1


def test_the_tables_that_grew_most_are_told_by_video() -> None:
    def sizes(tables: dict[str, float]) -> Sizes:
        return Sizes(0, 0, 0, 0, 0, 0, tables)

    before = sizes({"events": 1000, "log": 500})
    after = sizes({"events": 5000, "log": 700, **{f"t{number}": number for number in range(9)}})
    grown = growth(before, after, videos=2)
    assert [table.name for table in grown] == ["events", "log", "t8", "t7", "t6"]
    assert grown[0].bytes_per_video == 2000


# -- what is told


def test_the_process_that_is_full_first_is_found_by_its_share_of_a_core() -> None:
    # 0.5 s a video over two API processes: 4 videos a second. Services: 0.2 s in one, 5 a second.
    assert report.ceiling(SPLIT) == ("api", pytest.approx(4 * 86_400))
    assert report.ceiling(SINGLE) == ("server", pytest.approx(86_400 / 0.4))


def test_events_are_kept_for_a_day_and_the_rest_for_two() -> None:
    assert report.kept_bytes(SPLIT.steady, per_day=10) == 10 * (200_000 + 2 * 100_000)


def test_the_figures_survive_their_file() -> None:
    told = figures(SPLIT, SINGLE)
    assert LoadReport.model_validate_json(told.model_dump_json()) == told


def test_the_table_has_a_column_for_each_mode() -> None:
    lines = report.terminal_table(figures(SPLIT, SINGLE)).splitlines()
    assert lines[0].split() == ["split", "single"]
    (videos,) = [line for line in lines if line.startswith("videos submitted")]
    assert videos.count("560 / 560") == 2
    (cpu,) = [line for line in lines if line.startswith("CPU ms a video")]
    assert cpu.split()[-2:] == ["850", "500"]


def test_the_section_says_whether_the_rate_was_carried_and_where_the_limit_is() -> None:
    text = report.section(figures(SPLIT, SINGLE))
    assert "All videos were completed, without an error" in text
    assert "At 80,000 videos a day Prefect's side takes 0.79 cores, 850 ms a video" in text
    assert "one of the API's 2: at about 346,000 videos a day on such a core, 4.3 times the rate" in text
    assert "2.00 videos a second (173,000 a day)" in text
    assert "which filled this machine" in text
    assert "24 GB a day" in text
    assert "| `PREFECT_SERVER_EVENTS_RETENTION_PERIOD` | `P1D` |" in text


def test_figures_of_a_machine_that_others_used_say_so() -> None:
    assert report.disturbances(figures(SPLIT, SINGLE)) == []
    busy = SINGLE.steady.model_copy(update={"whole": Whole(busy_cores=1.9, own_cores=0.05)})
    (told,) = report.disturbances(figures(SINGLE.model_copy(update={"steady": busy})))
    assert "single, at the day's rate: other programs used 0.88 cores" in told


def test_task_runs_that_the_server_lost_are_told_beside_videos_that_it_did_not() -> None:
    lost = SPLIT.steady.model_copy(update={"task_runs": 8398})
    text = report.section(figures(SPLIT.model_copy(update={"steady": lost})))
    assert "8398 of 8400 task runs were recorded. The server has the others not as completed" in text


def test_a_rate_that_was_not_carried_is_not_called_so() -> None:
    failed = SPLIT.model_copy(
        update={
            "steady": SPLIT.steady.model_copy(
                update={"completed": 500, "errors": Errors(runs_not_completed=60)}
            )
        }
    )
    text = report.section(figures(failed))
    assert "500 of 560 videos were completed, with 60 errors" in text
    assert "All videos were completed" not in text


def test_the_section_is_put_at_the_end_and_then_replaced_in_place() -> None:
    document = "# Capacity\n\n## A day\n\nText.\n"
    once = report.with_section(document, "## Prefect's server\n\nOld.")
    assert once.startswith(document)
    twice = report.with_section(once + "\n## Later\n", "## Prefect's server\n\nNew.")
    assert "Old." not in twice
    assert twice.index("New.") < twice.index("## Later")
    assert twice.count("## Prefect's server") == 1


def test_a_document_with_one_mark_alone_is_left_alone() -> None:
    with pytest.raises(BadInputError, match="only one of the two marks"):
        report.with_section(f"# Capacity\n\n{report.BEGIN}\n", "text")
