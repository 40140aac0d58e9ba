"""One pass of maintenance: see `trivia_render.workpool.reaper`."""

import logging
from datetime import UTC, datetime

from prefect.client.orchestration import get_client

from trivia_render.errors import TriviaRenderError
from trivia_render.models.ports import Store
from trivia_render.pipeline.workers import sweep_workers_hourly, take_turn
from trivia_render.workpool.names import POOLS
from trivia_render.workpool.reaper import Reaped, reap
from trivia_render.workpool.settling import Policy

log = logging.getLogger("trivia_render.maintenance")

TURN = "maintenance"


def maintain_once(store: Store, *, owner: str, policy: Policy, turn_seconds: float) -> list[Reaped] | None:
    """Go over every pool once; return what was done, or None while another process has the turn.

    `turn_seconds`: how long the turn is kept; a killed owner holds the next one up for so long.
    """
    if not take_turn(store, TURN, owner=owner, now=datetime.now(UTC), seconds=turn_seconds):
        return None
    done: list[Reaped] = []
    troubles: list[TriviaRenderError] = []
    with get_client(sync_client=True) as client:
        for pool in POOLS:
            try:
                for reaped in reap(client, store, pool=pool, policy=policy):
                    _tell(reaped)
                    done.append(reaped)
            except TriviaRenderError as error:
                # One pool's trouble is not the other's.
                troubles.append(error)
    sweep_workers_hourly(store, datetime.now(UTC))
    if troubles:
        raise troubles[0]
    return done


def _tell(reaped: Reaped) -> None:
    log.warning(
        "%s (%s, worker %s): %s",
        reaped.run.name,
        reaped.verdict,
        reaped.worker,
        reaped.done,
        # The alerts on log lines count lost and crashed runs by these names.
        extra={"event": f"run_{reaped.verdict}", "flow_run_id": str(reaped.run.id)},
    )
