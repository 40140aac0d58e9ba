"""A batch of fifty jobs, two of them bad, over two workers: `make load`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import running_fleet, small_config
from trivia_render.workpool.runs import subflow_runs

JOBS = 50
BAD = {7, 33}
SHARD = 10


def config(number: int) -> dict[str, Any]:
    bad = number in BAD
    return {
        **small_config(f"batch {number}", questions=1),
        # The offline voice does not speak Spanish: found only when the job is planned.
        "tts_voice": "es-ES-Neural2-A" if bad else "en-US-Neural2-F",
        "narration": {"provider": "offline" if bad else "none"},
    }


@pytest.mark.load
@pytest.mark.timeout(1200)
def test_fifty_jobs_with_two_bad_ones_give_forty_eight_videos_in_a_process_a_shard(tmp_path: Path) -> None:
    with running_fleet(tmp_path, workers=("gpu-a", "gpu-b")) as running:
        fleet = running.fleet
        lines = "\n".join(
            json.dumps({"job_id": f"job-{number}", "config": config(number)}) for number in range(JOBS)
        )
        submitted = [
            json.loads(line)
            for line in fleet.trivia(
                "batch", "-", "--shard-size", str(SHARD), "--json", stdin=lines
            ).stdout.splitlines()
        ]
        assert [record["jobs"] for record in submitted] == [SHARD] * (JOBS // SHARD)
        # The same again is the same runs.
        again = fleet.trivia("batch", "-", "--shard-size", str(SHARD), "--json", stdin=lines).stdout
        assert {json.loads(line)["flow_run_id"] for line in again.splitlines()} == {
            record["flow_run_id"] for record in submitted
        }
        states = {
            number: fleet.wait_until_ended(f"job-{number}", seconds=900).state for number in range(JOBS)
        }
        assert {number for number, state in states.items() if state == "failed"} == BAD
        for number in BAD:
            status = fleet.status(f"job-{number}")
            assert status is not None
            assert status.error_code == "language_not_spoken"
            assert status.error_remedy
        for record in submitted:
            fleet.wait_for_run(record["flow_run_id"], "Completed")
            with fleet.client() as client:
                assert len(subflow_runs(client, record["flow_run_id"])) == SHARD
        started = sum(
            len(re.findall("submitted to infrastructure", worker.log.read_text()))
            for worker in fleet.workers
            if worker.name.startswith("gpu")
        )
        assert started == JOBS // SHARD
