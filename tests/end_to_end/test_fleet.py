"""A fleet of real processes over PostgreSQL and an emulated bucket: jobs from submission to their video."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelling

from tests.fleet import CHANNEL, Fleet, Running, quick_config, small_config, until
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.status import read_status_object, write_status
from trivia_render.workpool.names import MAINTENANCE, RENDER_POOL
from trivia_render.workpool.runs import subflow_runs
from trivia_render.workpool.submission import without_run

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def fleet(running: Running) -> Iterator[Fleet]:
    """The fleet, with all its workers."""
    running.fleet.have_workers("gpu-a", "gpu-b")
    yield running.fleet
    running.fleet.mend()


def operator(fleet: Fleet, *arguments: str, stdin: str = "", code: int = 0) -> list[dict[str, Any]]:
    """Run a command with --json; return what it printed."""
    done = fleet.trivia(*arguments, "--json", stdin=stdin)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in (done.stdout or done.stderr).splitlines()]


def submit(fleet: Fleet, job_id: str, config: dict[str, Any], *options: str) -> dict[str, Any]:
    return operator(fleet, "submit", CHANNEL, job_id, "-", *options, stdin=json.dumps(config))[-1]


def clips_finished(fleet: Fleet, job_id: str, count: int) -> None:
    until(lambda: len(fleet.clips_rendered(job_id)) >= count, seconds=90, what=f"{count} clips of {job_id}")


def test_a_job_is_submitted_once_and_status_and_run_tell_the_same(fleet: Fleet) -> None:
    config = quick_config("once", questions=3)
    first = submit(fleet, "once", config, "--priority", "high")
    assert submit(fleet, "once", config)["flow_run_id"] == first["flow_run_id"]
    run = fleet.run(first["flow_run_id"])
    assert (run.name, run.work_queue_name) == (f"{CHANNEL}/once", "high")

    running: list[JobStatus] = []

    def ended() -> bool:
        status = fleet.status("once")
        assert status is not None
        if status.state == "running":
            running.append(status)
        return status.state in {"completed", "failed"}

    until(ended, seconds=120, what="the job's end")
    assert running[-1].worker_id in {"gpu-a", "gpu-b"}
    assert running[-1].clips_total == 5
    assert running[-1].flow_run_id == first["flow_run_id"]
    told = operator(fleet, "status", CHANNEL, "once")[0]
    assert told["state"] == "completed"
    assert told["video_uris"]["1:1"].startswith("gs://fleet/videos/")
    assert told["seconds"] > 0
    assert (told["attempt"], told["crashes"], told["clips_done"]) == (1, 0, 5)
    fleet.wait_for_run(first["flow_run_id"], "Completed")
    # The checkpoints are plain JSON, in the bucket.
    results = list(fleet.ports.work_store.list("results/"))
    assert len(results) >= 5
    record = json.loads(fleet.ports.work_store.read(results[0].key)[0])
    assert record["metadata"]["serializer"]["type"] == "json"
    assert [job["job_id"] for job in operator(fleet, "jobs", "--state", "completed")] == ["once"]


def test_another_config_under_the_same_id_is_refused_unless_forced(fleet: Fleet) -> None:
    config = small_config("forced", questions=4)
    first = submit(fleet, "forced", config)
    clips_finished(fleet, "forced", 1)
    config["questions"][1]["question"] = "Something else?"
    refusal = operator(fleet, "submit", CHANNEL, "forced", "-", stdin=json.dumps(config), code=2)[-1]
    assert refusal["code"] == "job_conflict"
    assert "$.questions[1].question" in refusal["evidence"]
    second = submit(fleet, "forced", config, "--force")
    assert second["superseded"]
    assert second["flow_run_id"] != first["flow_run_id"]
    fleet.wait_for_run(first["flow_run_id"], "Cancelled")
    status = fleet.wait_until_ended("forced")
    assert (status.state, status.flow_run_id) == ("completed", second["flow_run_id"])
    manifest = fleet.manifest("forced")
    assert manifest is not None
    assert manifest.config_sha256 == status.config_sha256
    assert manifest.attempt > 1


def test_a_cancelled_job_says_so_and_a_retry_goes_on_from_its_clips(fleet: Fleet) -> None:
    run = submit(fleet, "cancelled", small_config("cancelled", questions=5))
    clips_finished(fleet, "cancelled", 2)
    assert operator(fleet, "cancel", CHANNEL, "cancelled")[0]["job_was_open"]
    fleet.wait_for_run(run["flow_run_id"], "Cancelled")
    told = operator(fleet, "status", CHANNEL, "cancelled", code=1)[0]
    assert (told["state"], told["error_code"]) == ("failed", "cancelled")
    assert "trivia retry" in told["error_remedy"]
    again = operator(fleet, "retry", CHANNEL, "cancelled")[0]
    assert again["flow_run_id"] != run["flow_run_id"]
    assert fleet.wait_until_ended("cancelled").state == "completed"
    manifest = fleet.manifest("cancelled")
    assert manifest is not None
    assert manifest.clips_reused >= 2


def test_jobs_that_have_lost_their_run_or_have_failed_are_found_and_started_again(fleet: Fleet) -> None:
    # Its clips are there already: it takes little.
    config = quick_config("once", questions=3)
    for job_id in ("lost-a", "lost-b", "ended"):
        fleet.store_job(job_id, config)
    store = fleet.ports.store
    status, generation = read_status_object(store, channel=CHANNEL, job_id="lost-b")
    assert status is not None
    gone = status.model_copy(
        update={"flow_run_id": "01a212bc-9bea-797c-8b88-d7c97f46d8cf", "state": "running"}
    )
    write_status(store, gone, if_generation=generation)
    ended, generation = read_status_object(store, channel=CHANNEL, job_id="ended")
    assert ended is not None
    failed = ended.model_copy(update={"state": "failed", "error_code": "speech_quota"})
    write_status(store, failed, if_generation=generation)

    lost = {f"{CHANNEL}/lost-a", f"{CHANNEL}/lost-b"}
    listed = operator(fleet, "retry", CHANNEL, "--lost", "--dry-run")
    assert {f"{job['channel']}/{job['job_id']}" for job in listed} == lost
    assert {event["job"] for event in operator(fleet, "retry", "--lost")} == lost
    again = operator(fleet, "retry", CHANNEL, "--failed", "--code", "speech_quota")
    assert [(event["event"], event["job"]) for event in again] == [("submitted", f"{CHANNEL}/ended")]
    statuses = [fleet.wait_until_ended(job_id) for job_id in ("lost-a", "lost-b", "ended")]
    assert [status.state for status in statuses] == ["completed"] * 3
    with fleet.client() as client:
        assert without_run(client, statuses) == []


def test_the_queues_are_served_in_the_order_of_their_priority(fleet: Fleet) -> None:
    with fleet.client() as client:
        queues = client.read_work_queues(work_pool_name=RENDER_POOL)
        automations = client.read_automations()
    assert {queue.name: queue.priority for queue in queues} == {"high": 1, "default": 2, "low": 3}
    assert [automation.name for automation in automations] == ["trivia maintenance after a crash"]


def test_the_scheduled_flows_get_their_runs(fleet: Fleet) -> None:
    """A server with an unfit database library schedules nothing, and says nothing."""
    with fleet.client() as client:
        deployment = client.read_deployment_by_name(MAINTENANCE)
        chosen = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
        until(
            lambda: [
                run
                for run in client.read_flow_runs(deployment_filter=chosen)
                if run.auto_scheduled and run.state_name in {"Scheduled", "Completed", "Running"}
            ],
            seconds=60,
            what="a scheduled run of the maintenance flow",
            pause=0.5,
        )


def test_a_run_from_the_deployments_form_takes_a_config_inline(fleet: Fleet) -> None:
    with fleet.client() as client:
        deployment = client.read_deployment_by_name("render-video/gpu")
        properties = deployment.parameter_openapi_schema["properties"]
        assert all(properties[name]["description"] for name in ("channel", "job_id", "config", "formats"))
        run = client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"channel": CHANNEL, "job_id": "form", "config": quick_config("form")},
        )
    assert fleet.wait_until_ended("form").state == "completed"
    fleet.wait_for_run(str(run.id), "Completed")


def test_a_run_cancelled_on_its_page_ends_its_job_as_cancelled(fleet: Fleet) -> None:
    run = submit(fleet, "page", small_config("page", questions=5))
    clips_finished(fleet, "page", 1)
    with fleet.client() as client:
        client.set_flow_run_state(run["flow_run_id"], Cancelling())
    fleet.wait_for_run(run["flow_run_id"], "Cancelled")
    status = fleet.wait_until_ended("page")
    assert (status.state, status.error_code) == ("failed", "cancelled")


def test_the_form_refuses_what_is_no_format(fleet: Fleet) -> None:
    with fleet.client() as client:
        deployment = client.read_deployment_by_name("render-video/gpu")
        parameters = {"channel": CHANNEL, "job_id": "refused", "formats": ["4:3"]}
        with pytest.raises(PrefectHTTPStatusError, match="formats"):
            client.create_flow_run_from_deployment(deployment.id, parameters=parameters)


def test_a_killed_workers_job_goes_on_at_another_from_its_last_finished_clip(fleet: Fleet) -> None:
    run = submit(fleet, "killed", small_config("killed", questions=5))
    clips_finished(fleet, "killed", 3)
    worker = fleet.worker_of(run["flow_run_id"])
    killed_at = time.monotonic()
    worker.signal_group(signal.SIGKILL)
    until(
        lambda: any(line.worker != worker.name for line in fleet.lines("killed")),
        seconds=60,
        what="the other worker",
    )
    print(f"the other worker went on after {time.monotonic() - killed_at:.1f} s")
    status = fleet.wait_until_ended("killed")
    assert (status.state, status.crashes) == ("completed", 1)
    rendered = fleet.clips_rendered("killed")
    # A killed worker may take the last line with it that its run has written.
    assert len(rendered) == len(set(rendered)) >= 6
    # One job, two workers: its lines are found by its id.
    assert {line.worker for line in fleet.lines("killed")} == {"gpu-a", "gpu-b"}
    assert {line.fields["worker_id"] for line in fleet.lines("killed")} == {"gpu-a", "gpu-b"}
    assert {line.fields["flow_run_id"] for line in fleet.lines("killed")} == {run["flow_run_id"]}


def test_a_worker_told_to_stop_hands_its_run_back_and_nothing_counts_against_the_job(fleet: Fleet) -> None:
    run = submit(fleet, "drained", small_config("drained", questions=4))
    clips_finished(fleet, "drained", 2)
    worker = fleet.worker_of(run["flow_run_id"])
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert worker.engines() == []
    with fleet.client() as client:
        names = [state.name for state in client.read_flow_run_states(run["flow_run_id"])]
    assert "AwaitingRetry" in names
    status = fleet.wait_until_ended("drained")
    assert (status.state, status.crashes) == ("completed", 0)
    assert status.worker_id != worker.name
    rendered = fleet.clips_rendered("drained")
    assert len(rendered) == len(set(rendered))


def test_a_batch_renders_its_good_jobs_each_as_a_run_and_names_the_bad_one(fleet: Fleet) -> None:
    good = [{"job_id": f"batch-{number}", "config": quick_config(f"batch {number}")} for number in range(3)]
    # Valid as a config; that the voice does not speak the language shows when the job is planned.
    bad = {
        "job_id": "batch-bad",
        "config": {
            **quick_config("bad"),
            "tts_voice": "es-ES-Neural2-A",
            "narration": {"provider": "offline"},
        },
    }
    broken = "\n".join([json.dumps(good[0]), "{oops", json.dumps({"job_id": "no good", "config": {}})])
    refusal = operator(fleet, "batch", "-", stdin=broken, code=2)[-1]
    assert "line 2" in refusal["evidence"]
    assert "line 3" in refusal["evidence"]
    assert fleet.status("batch-0") is None

    lines = "\n".join(map(json.dumps, [*good[:2], bad, good[2]]))
    shards = operator(fleet, "batch", "-", "--shard-size", "4", stdin=lines)
    assert [shard["jobs"] for shard in shards] == [4]
    run_id = shards[0]["flow_run_id"]
    assert operator(fleet, "batch", "-", "--shard-size", "4", stdin=lines)[0]["flow_run_id"] == run_id
    fleet.wait_for_run(run_id, "Completed")
    assert "3 rendered, 1 failed" in str(fleet.run(run_id).state)
    with fleet.client() as client:
        children = {run.name: run.state_name for run in subflow_runs(client, run_id)}
    assert children == {
        **{f"{CHANNEL}/batch-{number}": "Completed" for number in range(3)},
        f"{CHANNEL}/batch-bad": "Failed",
    }
    status = fleet.status("batch-bad")
    assert status is not None
    assert (status.state, status.error_code) == ("failed", "language_not_spoken")
