"""One decision about the fleet's size: count, decide, record."""

from collections.abc import Iterable

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType

from trivia_render.fleet.scaling import Decision, desired_machines
from trivia_render.settings import load_settings
from trivia_render.storage import keys
from trivia_render.wiring import make_store
from trivia_render.workpool.names import RENDER_POOL
from trivia_render.workpool.runs import read_runs


def decide_and_record() -> Decision:
    """Decide by the jobs that wait in the render pool, and record the decision."""
    with get_client(sync_client=True) as client:
        waiting = read_runs(client, pool=RENDER_POOL, states=[StateType.SCHEDULED, StateType.PENDING])
        decision = desired_machines(count_jobs(waiting))
    make_store(load_settings()).write(
        keys.FLEET_DECISION_KEY, decision.model_dump_json(indent=2).encode(), content_type="application/json"
    )
    create_table_artifact([decision.model_dump()], description="The fleet's size")
    return decision


def count_jobs(runs: Iterable[FlowRun]) -> int:
    """Count jobs, not runs: a shard that waits holds many."""
    return sum(len(run.parameters.get("jobs", [None])) for run in runs)
