"""One pass of the autoscaler: see `trivia_render.pipeline.autoscaling`."""

from datetime import UTC, datetime

from prefect.client.orchestration import get_client

from tasks.artifacts import show_decision
from tasks.pool_run import server_faults_as_outage
from trivia_render.fleet.observation import Patience
from trivia_render.models.fleet import DecisionRecord
from trivia_render.pipeline.autoscaling import Autoscaler, autoscale_once
from trivia_render.pipeline.ledger import measured_throughput
from trivia_render.pipeline.workers import take_turn
from trivia_render.settings import Settings
from trivia_render.wiring import make_machine_group, make_scaling_policy, make_store
from trivia_render.workpool.names import RENDER_POOL
from trivia_render.workpool.queue import read_queue

TURN = "autoscale"


def make_autoscaler(settings: Settings) -> Autoscaler:
    """Put together what passes work with. Raises BadInputError."""
    return Autoscaler(
        store=make_store(settings),
        fleet=settings.fleet,
        group=make_machine_group(settings),
        policy=make_scaling_policy(settings),
        patience=Patience(settings.worker_lost_seconds, settings.boot_seconds),
        pool=RENDER_POOL,
        now=lambda: datetime.now(UTC),
    )


def scale_once(scaler: Autoscaler, *, owner: str, turn_seconds: float) -> DecisionRecord | None:
    """Decide and act once; return the record of it, or None while another process has the turn.

    `turn_seconds`: how long the turn is kept; a killed owner holds the next one up for so long.
    """
    if not take_turn(scaler.store, TURN, owner=owner, now=scaler.now(), seconds=turn_seconds):
        return None
    with server_faults_as_outage(), get_client(sync_client=True) as client:
        queue = read_queue(client)
    record = autoscale_once(
        scaler,
        queue,
        videos_per_machine_per_day=measured_throughput(scaler.store, now=scaler.now()),
    )
    show_decision(record)
    return record
