"""Keep the fleet at the right size."""

import time
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from tasks.scale import TURN, make_autoscaler, scale_once
from trivia_render.pipeline.workers import end_turn, new_owner
from trivia_render.settings import load_settings


@flow(name="autoscale", retries=0, persist_result=False, result_serializer="json")
def autoscale(
    for_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0,
    every_seconds: Annotated[float, Field(ge=1, le=600)] = 60.0,
) -> State[None]:
    """Count the jobs that wait, look at the machines, and start or delete some.

    Only one run of it works at a time, however many were started. The decision is recorded in the store,
    under fleet/, and shown with the run.

    Args:
        for_seconds: How long this run goes on deciding; 0 decides once.
        every_seconds: Pause between two decisions.
    """
    owner = new_owner()
    scaler = make_autoscaler(load_settings(), owner=owner)
    end = time.monotonic() + for_seconds
    try:
        while True:
            record = scale_once(scaler, owner=owner)
            if time.monotonic() + every_seconds > end:
                break
            time.sleep(every_seconds)
    finally:
        end_turn(scaler.store, TURN, owner=owner, now=datetime.now(UTC))
    return Completed(message="Another run is at work." if record is None else record.decision.reason)
