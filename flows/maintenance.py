"""Find runs whose worker is gone, and give their jobs back."""

import time
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from tasks.maintain import TURN, maintain_once
from trivia_render.pipeline.workers import end_turn, new_owner
from trivia_render.settings import load_settings
from trivia_render.wiring import make_store
from trivia_render.workpool.settling import policy_of

#: What one look takes at the very most.
PASS_SECONDS = 20.0


@flow(name="maintenance", retries=0, persist_result=False, result_serializer="json")
def maintenance(
    for_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0,
    every_seconds: Annotated[float, Field(ge=1, le=600)] = 15.0,
) -> State[None]:
    """Put the runs of lost workers back into their pools, and make jobs tell what their runs do.

    Only one run of it works at a time, however many were started: the turn is kept in the store, and runs
    out with the process that has it.

    Args:
        for_seconds: How long this run goes on looking; 0 looks once.
        every_seconds: Pause between two looks.
    """
    settings = load_settings()
    store, owner = make_store(settings), new_owner()
    end = time.monotonic() + for_seconds
    reaped = 0
    try:
        while True:
            done = maintain_once(
                store,
                owner=owner,
                policy=policy_of(settings),
                turn_seconds=every_seconds + PASS_SECONDS,
            )
            reaped += len(done or ())
            if time.monotonic() + every_seconds > end:
                break
            time.sleep(every_seconds)
    finally:
        end_turn(store, TURN, owner=owner, now=datetime.now(UTC))
    return Completed(message="Another run is at work." if done is None else f"{reaped} runs seen to.")
