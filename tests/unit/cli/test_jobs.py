"""What `trivia status` and `trivia jobs` show."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.command import trivia
from trivia_render.cli.jobs import lines_of, list_jobs
from trivia_render.models.results import JobStatus
from trivia_render.storage.keys import status_key
from trivia_render.storage.local import LocalStore

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def status(**fields: Any) -> JobStatus:
    values = {
        "channel": "quiz", "job_id": "j", "state": "pending", "attempt": 0,
        "created_at": NOON, "updated_at": NOON,
    }  # fmt: skip
    return JobStatus.model_validate(values | fields)


def put(store: LocalStore, value: JobStatus) -> None:
    data = value.model_dump_json().encode()
    store.write(status_key(value.channel, value.job_id), data, content_type="application/json")


def rows_of(value: JobStatus) -> dict[str, str]:
    _, *rows = lines_of(value)
    return {row[2:12].rstrip(): row[13:] for row in rows}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / ".trivia")


def ids(store: LocalStore, **options: Any) -> list[str]:
    found = list_jobs(store, **{"channel": None, "state": None, "most": 50} | options)
    return [f"{each.channel}/{each.job_id}" for each in found]


@pytest.mark.parametrize(
    ("fields", "headline"),
    [
        ({}, "pending"),
        ({"error_code": "preempted"}, "pending again (preempted)"),
        ({"state": "running", "clips_done": 3, "clips_total": 12}, "running, 3/12 clips"),
        ({"state": "failed", "error_code": "crash_limit"}, "failed (crash_limit)"),
        ({"state": "completed"}, "completed"),
    ],
)
def test_the_first_line_says_how_the_job_is(fields: dict[str, Any], headline: str) -> None:
    assert lines_of(status(**fields))[0] == f"quiz/j: {headline}"


def test_of_a_new_job_only_what_is_known_is_shown() -> None:
    assert rows_of(status()) == {"submitted": "2026-05-01 12:00:00 UTC"}


def test_of_a_finished_job_everything_is_shown() -> None:
    rows = rows_of(
        status(
            state="completed", attempt=2, crashes=1, worker_id="worker-1", flow_run_id="run-1",
            started_at=NOON, finished_at=NOON.astimezone(timezone(timedelta(hours=9))), seconds=61.5,
            cost_usd=0.00123, manifest_uri="gs://b/m.json", video_uris={"16:9": "gs://b/v.mp4"},
        )
    )  # fmt: skip
    assert rows == {
        "attempt": "2",
        "crashes": "1",
        "worker": "worker-1",
        "flow run": "run-1",
        "submitted": "2026-05-01 12:00:00 UTC",
        "started": "2026-05-01 12:00:00 UTC",
        "ended": "2026-05-01 12:00:00 UTC",
        "seconds": "61.5",
        "cost": "$0.0012",
        "video 16:9": "gs://b/v.mp4",
        "manifest": "gs://b/m.json",
    }


def test_a_failed_job_shows_what_happened_and_what_to_do() -> None:
    rows = rows_of(
        status(state="failed", error_code="bad_input", error_message="No such image.", error_remedy="Add it.")
    )
    assert (rows["error"], rows["remedy"]) == ("bad_input: No such image.", "Add it.")


def test_a_video_that_cost_nothing_still_says_so() -> None:
    assert rows_of(status(cost_usd=0.0))["cost"] == "$0.0000"


def test_jobs_are_listed_with_the_last_changed_first(store: LocalStore) -> None:
    for name in ("a", "b", "c"):
        put(store, status(job_id=name))
        time.sleep(0.002)
    put(store, status(job_id="a", state="running"))
    assert ids(store) == ["quiz/a", "quiz/c", "quiz/b"]


def test_a_list_is_of_one_channel_one_state_and_no_longer_than_asked(store: LocalStore) -> None:
    for number in range(6):
        put(store, status(job_id=f"j{number}", state="failed" if number % 2 else "completed"))
        put(store, status(channel="quizzes", job_id=f"j{number}"))
    assert len(ids(store)) == 12
    assert set(ids(store, channel="quiz")) == {f"quiz/j{number}" for number in range(6)}
    assert ids(store, channel="nobody") == []
    assert set(ids(store, state="failed")) == {"quiz/j1", "quiz/j3", "quiz/j5"}
    assert len(ids(store, most=5)) == 5
    # The few that are asked for lie behind many others: they are looked for until they are found.
    assert len(ids(store, state="failed", most=2)) == 2
    assert ids(store, state="running", most=1) == []


def test_a_store_without_jobs_lists_none(store: LocalStore) -> None:
    assert ids(store) == []


def test_what_is_no_job_or_cannot_be_read_holds_up_no_list(store: LocalStore) -> None:
    put(store, status())
    for key in (
        "jobs/status.json",
        "jobs/quiz/status.json",
        "jobs/quiz/j/old/status.json",
        "jobs/quiz/j.bak/status.json",
        "jobs/-x/j/status.json",
        "jobs/quiz/k/config.json",
        "jobs/quiz/k/xstatus.json",
    ):
        store.write(key, status(job_id="other").model_dump_json().encode(), content_type="application/json")
    store.write(status_key("quiz", "newer"), b'{"state": "exploded"}', content_type="application/json")
    assert ids(store) == ["quiz/j"]
    assert ids(store, channel="quiz") == ["quiz/j"]


def test_the_status_of_a_failed_job_exits_with_1_and_an_unknown_one_with_2(
    store: LocalStore, tmp_path: Path
) -> None:
    put(store, status(state="failed", error_code="bad_input", error_message="No."))
    failed = trivia("status", "quiz", "j", "--json", cwd=tmp_path)
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error_code"] == "bad_input"
    unknown = trivia("status", "quiz", "other", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "no job quiz/other" in unknown.stderr


def test_a_list_for_programs_is_one_job_a_line(store: LocalStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(store, status(job_id=name))
    done = trivia("jobs", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["job_id"] for line in done.stdout.splitlines()} == {"a", "b"}
