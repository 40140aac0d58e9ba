"""The clips of the small job, rendered once for the tests of what comes after them."""

from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import CHANNEL, CONFIG, JOB, ports_in
from trivia_render.pipeline.run import render_job


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a finished run of the job that `jobs_in_store` describes."""
    folder = tmp_path_factory.mktemp("rendered")
    manifest = render_job(ports_in(folder), channel=CHANNEL, job_id=JOB, config=CONFIG).manifest
    assert manifest.clips_rendered == 3
    return folder / "store"
