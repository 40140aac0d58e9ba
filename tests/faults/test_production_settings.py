"""With the settings of production: how long it takes until another machine goes on."""

import signal
from pathlib import Path

import pytest

from tests.faults.conftest import table_of
from tests.faults.rows import Case
from tests.fleet import PRODUCTION, running_fleet, small_config

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

#: What an operator is promised.
MOST_SECONDS = 180.0


def test_ten_questions_survive_the_loss_of_their_worker(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with running_fleet(tmp_path, workers=("gpu-a", "gpu-b"), **PRODUCTION) as running:
        case = Case(running.fleet, "ten_questions", table_of(request.config))
        case.config = small_config("ten questions", questions=10)
        run = case.submit()
        case.wait_for_event("clip_finished", 4)
        worker = running.fleet.worker_of(run.id)
        case.now()
        worker.signal_group(signal.SIGKILL)
        case.came_through(
            "SIGKILL of a worker with ten questions, production's settings", seconds=400, crashes=1
        )
        assert float(case.table.rows[-1].seconds) < MOST_SECONDS
        workers = {line.worker for line in running.fleet.lines(case.job_id)}
        assert workers == {"gpu-a", "gpu-b"}
