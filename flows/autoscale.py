"""Decide how many machines the fleet needs, and record it."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.scale import decide_and_record


@flow(name="autoscale", retries=0, persist_result=False, result_serializer="json")
def autoscale() -> State[None]:
    """Count the jobs that wait and decide the fleet's size by the operator's formula.

    The decision is recorded in the store, under fleet/, and shown with the run. No machine is started or
    stopped: this release has no adapter to a group of machines.
    """
    return Completed(message=decide_and_record().reason)
