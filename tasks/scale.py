"""One pass of the autoscaler: see `trivia_render.pipeline.autoscaling`."""

import logging
from datetime import UTC, datetime

from prefect.client.orchestration import get_client

from tasks.artifacts import show_decision
from tasks.pool_run import server_faults_as_outage
from trivia_render.errors import FleetError
from trivia_render.fleet.observation import Patience
from trivia_render.fleet_wiring import make_machine_group, make_scaling_policy
from trivia_render.models.fleet import DecisionRecord
from trivia_render.models.ports import Store
from trivia_render.pipeline.autoscaling import Autoscaler, autoscale_once
from trivia_render.pipeline.ledger import measured_throughput
from trivia_render.pipeline.workers import take_turn
from trivia_render.settings import Settings
from trivia_render.wiring import make_store
from trivia_render.workpool.names import RENDER_POOL
from trivia_render.workpool.queue import read_queue

log = logging.getLogger("trivia_render.autoscaler")

TURN = "autoscale"
#: Longer than any single call to a group takes, after which the turn is taken again. A killed owner holds the
#: next one up for so long.
TURN_SECONDS = 60.0


def make_autoscaler(settings: Settings, *, owner: str) -> Autoscaler:
    """Put together what passes work with. Raises BadInputError."""
    store = make_store(settings)

    def hold_turn() -> None:
        if not _take_turn(store, owner):
            raise FleetError(
                "Another pass of the autoscaler has taken over from this one, which took too long.",
                remedy="Nothing to do: the other one decides.",
            )

    return Autoscaler(
        store=store,
        fleet=settings.fleet,
        group=make_machine_group(settings),
        policy=make_scaling_policy(settings),
        patience=Patience(settings.worker_lost_seconds, settings.boot_seconds),
        pool=RENDER_POOL,
        now=_now,
        hold_turn=hold_turn,
    )


def scale_once(scaler: Autoscaler, *, owner: str) -> DecisionRecord | None:
    """Decide and act once; return the record of it, or None while another process has the turn."""
    if not _take_turn(scaler.store, owner):
        return None
    with server_faults_as_outage(), get_client(sync_client=True) as client:
        queue = read_queue(client)
    throughput = measured_throughput(scaler.store, now=scaler.now())
    scaler.hold_turn()
    record = autoscale_once(scaler, queue, videos_per_machine_per_day=throughput)
    # An alert fires where this line does not come.
    log.info("%s", record.decision.reason, extra={"event": "fleet_decided"})
    show_decision(record)
    return record


def _take_turn(store: Store, owner: str) -> bool:
    return take_turn(store, TURN, owner=owner, now=_now(), seconds=TURN_SECONDS)


def _now() -> datetime:
    return datetime.now(UTC)
