"""Many jobs at once on one machine: `make load`."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trivia_render.models.results import Manifest
from trivia_render.pipeline.progress import ClipStarted, Event
from trivia_render.pipeline.run import render_job
from trivia_render.pipeline.status import read_status
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports

JOBS = 24
AT_ONCE = 8


def config(number: int) -> dict[str, Any]:
    question = {"question": f"Is {number} even?", "answer_a": "Yes", "answer_b": "No"}
    return {
        "channel": "load",
        "total_questions": 1,
        "formats": ["1:1"],
        "narration": {"provider": "none"},
        "soundtrack": {"source": "calm"},
        "timing": {"intro_seconds": 1, "countdown_seconds": 3, "reveal_seconds": 1, "outro_seconds": 1},
        "questions": [{**question, "correct_answer": "No" if number % 2 else "Yes"}],
    }


@pytest.mark.load
@pytest.mark.timeout(900)
def test_many_jobs_at_once_are_all_published_and_share_what_they_have_in_common(tmp_path: Path) -> None:
    events: list[Event] = []
    settings = load_settings().model_copy(
        update={"data_folder": tmp_path, "encoder": "libx264", "parallel_clips": 1}
    )
    ports = replace(make_ports(settings), report=events.append)

    def render(number: int) -> Manifest:
        return render_job(ports, channel="load", job_id=f"job-{number}", config=config(number)).manifest

    # The first makes what all have in common; the others may then find it.
    manifests = [render(0)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        manifests += pool.map(render, range(1, JOBS))
    assert len({manifest.videos[0].sha256 for manifest in manifests}) == JOBS
    for number in range(JOBS):
        status = read_status(ports, channel="load", job_id=f"job-{number}")
        assert status is not None
        assert (status.state, status.attempt, status.crashes) == ("completed", 1, 0)
    rendered = Counter(event.label for event in events if isinstance(event, ClipStarted))
    assert rendered == {"intro 1:1": 1, "q01 1:1": JOBS, "outro 1:1": 1}
