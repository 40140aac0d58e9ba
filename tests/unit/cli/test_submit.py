"""`trivia submit` and `trivia batch`: what becomes a shard, and what happens where no server is."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import trivia
from tests.ports import free_port
from trivia_render.cli.submit import shards
from trivia_render.models.config import Priority
from trivia_render.models.results import JobStatus
from trivia_render.pipeline.submission import Submission

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CONFIG: dict[str, Any] = {
    "channel": "quiz",
    "total_questions": 1,
    "questions": [{"question": "Is it?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "Yes"}],
}


def submissions(*priorities: Priority) -> list[Submission]:
    return [
        Submission(
            JobStatus(
                channel="quiz", job_id=f"j{number}", state="pending", attempt=0, priority=priority,
                created_at=NOON, updated_at=NOON,
            ),
            (), superseded=False,
        )
        for number, priority in enumerate(priorities)
    ]  # fmt: skip


def divided(found: list[Submission], *, size: int) -> list[tuple[Priority, list[str]]]:
    return [
        (priority, [item.status.job_id for item in shard]) for priority, shard in shards(found, size=size)
    ]


def test_a_shard_has_jobs_of_one_priority_in_their_order_and_high_ones_come_first() -> None:
    found = submissions("default", "low", "default", "high", "default")
    assert divided(found, size=2) == [
        ("high", ["j3"]),
        ("default", ["j0", "j2"]),
        ("default", ["j4"]),
        ("low", ["j1"]),
    ]


def test_no_jobs_make_no_shard() -> None:
    assert divided([], size=20) == []


@given(st.lists(st.sampled_from(["high", "default", "low"]), max_size=40), st.integers(1, 12))
def test_every_job_is_in_one_shard_and_no_shard_is_too_large_or_needlessly_small(
    priorities: list[Priority], size: int
) -> None:
    found = divided(submissions(*priorities), size=size)
    assert sorted(job for _, shard in found for job in shard) == sorted(
        f"j{n}" for n in range(len(priorities))
    )
    assert all(1 <= len(shard) <= size for _, shard in found)
    for priority in set(priorities):
        sizes = [len(shard) for its, shard in found if its == priority]
        assert all(each == size for each in sizes[:-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job.json").write_text(json.dumps(CONFIG))
    (tmp_path / "jobs.jsonl").write_text(json.dumps(CONFIG) + "\n")
    return tmp_path


NEED_A_SERVER = [
    ["submit", "quiz", "j", "job.json"],
    ["batch", "jobs.jsonl"],
    ["retry", "quiz", "j"],
    ["deploy"],
]


@pytest.mark.parametrize("command", NEED_A_SERVER, ids=lambda command: command[0])
def test_without_a_server_it_says_how_to_get_one_and_stores_nothing(command: list[str], folder: Path) -> None:
    done = trivia(*command, cwd=folder)
    assert done.returncode == 1
    assert "no Prefect server" in done.stderr
    assert "trivia up" in done.stderr
    assert "PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(folder.rglob("config.json"))
    assert not list(folder.rglob("status.json"))


def test_a_server_that_does_not_answer_is_named_and_nothing_is_stored(folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    done = trivia("submit", "quiz", "j", "job.json", "--json", cwd=folder, PREFECT_API_URL=url)
    assert done.returncode == 1
    error = json.loads(done.stderr)
    assert (error["event"], error["code"]) == ("error", "workflow_server_unavailable")
    assert url in error["message"]
    assert error["evidence"]
    assert error["remedy"]
    assert not list(folder.rglob("status.json"))


def test_a_bad_config_is_refused_before_a_server_is_asked(folder: Path) -> None:
    (folder / "job.json").write_text(json.dumps(CONFIG | {"tts_speed": 99}))
    done = trivia("submit", "quiz", "j", "job.json", cwd=folder)
    assert done.returncode == 2
    assert "$.tts_speed" in done.stderr


def test_a_batch_with_a_bad_line_is_refused_whole_before_a_server_is_asked(folder: Path) -> None:
    (folder / "jobs.jsonl").write_text(
        f"{json.dumps(CONFIG)}\n{{oops\n\n{json.dumps(CONFIG | {'title': 7})}\n"
    )
    done = trivia("batch", "jobs.jsonl", cwd=folder)
    assert done.returncode == 2
    assert "2 of 3 lines cannot be rendered. Nothing was submitted." in done.stderr
    assert "line 2: $:" in done.stderr
    assert "line 4: $.title" in done.stderr


def test_an_empty_batch_is_refused(folder: Path) -> None:
    (folder / "jobs.jsonl").write_text("\n\n")
    done = trivia("batch", "jobs.jsonl", cwd=folder)
    assert done.returncode == 2
    assert "holds no job" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["submit", "--help"],
        ["batch", "--help"],
        ["worker", "--help"],
        ["up", "--help"],
        ["jobs"],
        ["submit", "quiz", "j", "job.json"],
    ],
    ids=" ".join,
)
def test_what_needs_no_prefect_and_no_cloud_imports_none(args: list[str], folder: Path) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['trivia', *{args!r}]\n"
        "try:\n    runpy.run_module('trivia_render', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'prefect', 'google.cloud', 'google.auth'} & set(sys.modules)\n"
        "sys.stderr.write(f'heavy={sorted(heavy)}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.stderr.endswith("heavy=[]")
