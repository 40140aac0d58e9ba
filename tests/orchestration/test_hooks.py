"""State hooks: a run that ends without its flow's doing still tells the job's status."""

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelled, Crashed, Failed, State

from flows.render_video import render_video
from tasks.hooks import tell_crash, tell_end
from tests.unit.pipeline.jobs_in_store import CHANNEL, JOB, put_status, status_in
from trivia_render.models.ports import Store
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    return make_store(load_settings())


def ended_run(state: State[None]) -> FlowRun:
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow_from_name(render_video.name), name="of-a-pool"
        )
        return client.create_flow_run_from_deployment(
            deployment, parameters={"channel": CHANNEL, "job_id": JOB}, state=state
        )


def test_a_job_that_its_run_within_a_shard_gave_back_still_waits(prefect_server: None, store: Store) -> None:
    with get_client(sync_client=True) as client:
        child = client.create_flow_run(
            render_video, parameters={"channel": CHANNEL, "job_id": JOB}, state=Failed(message="given back")
        )
    put_status(store, state="pending", error_code="speech_unavailable", flow_run_id=str(child.id))
    tell_end(render_video, child, Failed(message="given back"))
    assert status_in(store).state == "pending"


@pytest.mark.parametrize(
    ("state", "code"), [(Failed(message="no such parameter"), "failed"), (Cancelled(), "cancelled")]
)
def test_a_job_whose_run_ended_before_it_began_has_failed_and_says_why(
    prefect_server: None, store: Store, state: State[None], code: str
) -> None:
    run = ended_run(state)
    put_status(store, state="pending", attempt=0)
    tell_end(render_video, run, state)
    status = status_in(store)
    assert (status.state, status.error_code) == ("failed", code)
    assert (state.message or "") in str(status.error_message)
    assert "trivia retry" in str(status.error_remedy)


def test_a_job_that_another_run_has_is_left_alone(prefect_server: None, store: Store) -> None:
    run = ended_run(Failed())
    put_status(store, state="running", flow_run_id="another")
    tell_end(render_video, run, Failed())
    tell_crash(render_video, run, Crashed())
    assert status_in(store).state == "running"


def test_the_job_of_a_crashed_run_waits_and_nothing_is_counted_yet(
    prefect_server: None, store: Store
) -> None:
    run = ended_run(Crashed(message="killed"))
    put_status(store, state="running", flow_run_id=str(run.id))
    tell_crash(render_video, run, Crashed(message="killed"))
    status = status_in(store)
    assert (status.state, status.error_code, status.crashes) == ("pending", "crashed", 0)
