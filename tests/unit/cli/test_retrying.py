"""`trivia retry`: which jobs are meant, and what is refused before anything is started."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.command import trivia
from tests.unit.cli.test_jobs import NOON, put, status
from trivia_render.cli.retrying import RetryRequest, Which, chosen, kind_of, moment
from trivia_render.errors import BadInputError
from trivia_render.storage.local import LocalStore

HOUR = timedelta(hours=1)


def request(**fields: Any) -> RetryRequest:
    nothing = dict.fromkeys(RetryRequest._fields)
    return RetryRequest(
        **{**nothing, "failed": False, "completed": False, "lost": False, "dry_run": False} | fields
    )


@pytest.mark.parametrize("kind", ["failed", "completed", "lost"])
def test_an_option_means_all_jobs_of_a_channel_or_of_all_channels(kind: Which) -> None:
    assert kind_of(request(**{kind: True})) == kind
    assert kind_of(request(**{kind: True}, channel="quiz", since="2026-05-01", dry_run=True)) == kind


def test_a_channel_and_an_id_mean_one_job() -> None:
    assert kind_of(request(channel="quiz", job_id="j")) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Which jobs"),
        ({"channel": "quiz"}, "Which jobs"),
        ({"failed": True, "lost": True}, "--failed and --lost"),
        ({"failed": True, "channel": "quiz", "job_id": "j"}, "no job id"),
        ({"lost": True, "code": "crash_limit"}, "--code goes with --failed"),
        ({"channel": "quiz", "job_id": "j", "code": "crash_limit"}, "choose among many"),
        ({"channel": "quiz", "job_id": "j", "dry_run": True}, "choose among many"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        kind_of(request(**fields))


def ids(which: Which, *, code: str | None = None, since: datetime | None = None) -> list[str]:
    jobs = [
        status(job_id="old", state="failed", error_code="crash_limit", updated_at=NOON - HOUR),
        status(job_id="stopped", state="failed", error_code="cancelled"),
        status(job_id="new", state="failed", error_code="speech_quota", created_at=NOON - HOUR),
        status(job_id="done", state="completed"),
        status(job_id="waits", state="pending"),
        status(job_id="works", state="running"),
    ]
    return [job.job_id for job in chosen(jobs, which, code=code, since=since)]


def test_the_jobs_of_a_kind_are_chosen_the_first_submitted_first() -> None:
    assert ids("failed") == ["new", "old"]
    assert ids("completed") == ["done"]
    assert ids("lost") == ["waits", "works"]


def test_a_cancelled_job_is_started_again_only_where_it_is_asked_for() -> None:
    assert "stopped" not in ids("failed", since=NOON)
    assert ids("failed", code="cancelled") == ["stopped"]


def test_a_code_and_a_time_narrow_them_down() -> None:
    assert ids("failed", code="crash_limit") == ["old"]
    assert ids("failed", since=NOON) == ["new"]
    assert ids("failed", since=NOON + HOUR) == []


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    assert moment("2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)
    assert moment("2026-05-01T12:30") == datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert moment("2026-05-01T12:30+02:00").tzinfo == timezone(2 * HOUR)
    with pytest.raises(BadInputError, match="yesterday"):
        moment("yesterday")


def test_a_dry_run_lists_failed_jobs_and_needs_no_server(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / ".trivia")
    put(store, status(job_id="a", state="failed", error_code="crash_limit"))
    put(store, status(job_id="b", state="completed"))
    done = trivia("retry", "quiz", "--failed", "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "quiz/a: failed (crash_limit)\n")
    assert "Nothing was started" in done.stderr
