"""What Prefect's processes print with `deployments/logging.yml`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

LOG = """
import logging
import prefect.main
from prefect.logging import get_logger
from trivia_render.telemetry.log_context import log_context

get_logger("flow_runs").info("a\\nb %s", "x", extra={"flow_run_id": "11111111-1111-4111-8111-111111111111"})
get_logger("workers.process").warning("worker")
logging.getLogger("httpx").info("HTTP Request: GET /")
logging.getLogger("another.library").warning("other")
with log_context(channel="quiz", clip="intro"):
    logging.getLogger("trivia_render.job").info("ours")
logging.getLogger("trivia_render.job").debug("too much")
"""


def run(tmp_path: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LOG],
        cwd=ROOT,
        env={
            **os.environ,
            "PREFECT_HOME": str(tmp_path),
            "PREFECT_LOGGING_SETTINGS_PATH": str(ROOT / "deployments" / "logging.yml"),
            # There is no server to send them to.
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_each_event_is_one_line_of_json_on_standard_output(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in run(tmp_path).splitlines()]
    assert [(line["logger"], line["severity"], line["message"]) for line in lines] == [
        ("prefect.flow_runs", "INFO", "a\nb x"),
        ("prefect.workers.process", "WARNING", "worker"),
        ("another.library", "WARNING", "other"),
        ("trivia_render.job", "INFO", "ours"),
    ]
    assert lines[0]["flow_run_id"] == "11111111-1111-4111-8111-111111111111"
    assert (lines[3]["channel"], lines[3]["clip"]) == ("quiz", "intro")


@pytest.mark.parametrize("value", ["text", "json"])
def test_the_format_can_be_forced(tmp_path: Path, value: str) -> None:
    first, *_ = run(tmp_path, TRIVIA_LOG_FORMAT=value).splitlines()
    assert first.startswith("{") == (value == "json")
    assert "a\\nb x" in first
