"""What the store keeps of the fleet's size: wishes of people, drains, decisions and their history."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import ValidationError

from trivia_render.errors import ObjectMissingError, PreconditionFailedError, StoreError
from trivia_render.models.base import Model
from trivia_render.models.fleet import (
    DecisionRecord,
    DrainRequest,
    HistoryHour,
    Override,
    PastDecision,
    Pause,
    WorkerRecord,
)
from trivia_render.models.ports import Store
from trivia_render.storage import keys

M = TypeVar("M", bound=Model)


def read_workers(store: Store, *, since: datetime) -> list[WorkerRecord]:
    """Return what the workers say that have said anything since then, each with the store's time of it."""
    found = []
    for info in store.list(keys.WORKERS_PREFIX):
        if info.updated >= since and (record := read_model(store, info.key, WorkerRecord)) is not None:
            found.append(record.model_copy(update={"updated_at": info.updated}))
    return found


def read_drains(store: Store) -> dict[str, DrainRequest]:
    """Return which machines shall take no more work, by the machine's name."""
    found = (read_model(store, info.key, DrainRequest) for info in store.list(keys.DRAINS_PREFIX))
    return {drain.worker_id: drain for drain in found if drain is not None}


def read_override(store: Store) -> Override | None:
    """Return the number of machines that was set by hand, running out or not."""
    return read_model(store, keys.FLEET_OVERRIDE_KEY, Override)


def read_pause(store: Store) -> Pause | None:
    """Return since when the autoscaler does nothing."""
    return read_model(store, keys.FLEET_PAUSE_KEY, Pause)


def read_decision(store: Store) -> DecisionRecord | None:
    """Return the last decision."""
    return read_model(store, keys.FLEET_DECISION_KEY, DecisionRecord)


def read_history(store: Store, *, since: datetime, until: datetime) -> Iterator[PastDecision]:
    """Yield the decisions after `since`, the oldest first."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    while hour <= until:
        kept = read_model(store, keys.history_key(hour), HistoryHour)
        if kept is not None:
            yield from (past for past in kept.decisions if past.at > since)
        hour += timedelta(hours=1)


def add_to_history(store: Store, past: PastDecision) -> None:
    """Add a decision to its hour, also where another pass adds one at the same time."""
    key = keys.history_key(past.at)
    while True:
        try:
            data, info = store.read(key)
            generation = info.generation
            hour = HistoryHour.model_validate_json(data)
        except ObjectMissingError:
            hour, generation = HistoryHour(), 0
        except ValidationError:
            hour = HistoryHour()
        decisions = sorted((*hour.decisions, past), key=lambda each: each.at)
        text = HistoryHour(decisions=tuple(decisions)).model_dump_json(indent=2)
        try:
            store.write(key, text.encode(), content_type="application/json", if_generation=generation)
        except PreconditionFailedError:
            continue
        return


def read_model(store: Store, key: str, model: type[M]) -> M | None:
    """Return an object as a model; None where there is none, or one of another version."""
    try:
        return model.model_validate_json(store.read(key)[0])
    except (ObjectMissingError, ValidationError):
        return None


def write_model(store: Store, key: str, value: Model) -> None:
    """Write a model over whatever is there."""
    store.write(key, value.model_dump_json(indent=2).encode(), content_type="application/json")


def ask_to_drain(store: Store, request: DrainRequest) -> None:
    """Ask a machine to end what it has begun and to take no more."""
    write_model(store, keys.drain_key(request.worker_id), request)


def take_drain_back(store: Store, worker_id: str) -> None:
    """Let a machine take work again. One that was not asked to drain is left as it is."""
    try:
        key = keys.drain_key(worker_id)
    except StoreError:
        return
    store.delete(key)
