"""One pass of maintenance: see `trivia_render.workpool.reaper`."""

import logging
from datetime import UTC, datetime

from prefect.client.orchestration import get_client

from trivia_render.models.ports import Store
from trivia_render.pipeline.workers import take_turn
from trivia_render.workpool.names import POOLS
from trivia_render.workpool.reaper import Policy, Reaped, reap

log = logging.getLogger("trivia_render.maintenance")

#: How long the turn outlasts its last pass: a killed owner holds the next one up for so long.
TURN_SECONDS = 30.0


def maintain_once(store: Store, *, owner: str, policy: Policy) -> list[Reaped] | None:
    """Go over every pool once; return what was done, or None while another process has the turn."""
    now = datetime.now(UTC)
    if not take_turn(store, "maintenance", owner=owner, now=now, seconds=TURN_SECONDS):
        return None
    done: list[Reaped] = []
    with get_client(sync_client=True) as client:
        for pool in POOLS:
            for reaped in reap(client, store, pool=pool, policy=policy):
                log.warning(
                    "%s (%s, worker %s): %s",
                    reaped.run.name,
                    reaped.verdict,
                    reaped.worker,
                    reaped.done,
                    extra={"flow_run_id": str(reaped.run.id)},
                )
                done.append(reaped)
    return done
