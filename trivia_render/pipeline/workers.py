"""What the store knows of the fleet's workers, and turns that only one process at a time may have."""

import logging
import uuid
from datetime import datetime, timedelta

from pydantic import ValidationError

from trivia_render.errors import ObjectMissingError, PreconditionFailedError, StoreError, TriviaRenderError
from trivia_render.models.base import Model
from trivia_render.models.fleet import WorkerRecord
from trivia_render.models.ports import ObjectInfo, Store
from trivia_render.storage import keys

log = logging.getLogger("trivia_render.maintenance")

#: Each start of a worker leaves a record behind, and a machine that was deleted its drain.
SWEPT_AFTER = timedelta(days=2)
_SWEEP_TURN = "sweep"
_SWEEP_SECONDS = 3600.0


class Turn(Model):
    """`fleet/turns/{name}.json`: whose turn it is, and until when."""

    owner: str
    expires_at: datetime


def write_worker(store: Store, record: WorkerRecord) -> None:
    """Write what a worker says of itself."""
    store.write(
        keys.worker_key(record.name),
        record.model_dump_json(indent=2).encode(),
        content_type="application/json",
    )


def read_worker(store: Store, name: str) -> tuple[WorkerRecord, datetime] | None:
    """Return what a worker says of itself, and when it did by the store's clock; None where nothing."""
    try:
        key = keys.worker_key(name)
    except StoreError:
        # Not started by us: the names that Prefect gives have blanks.
        return None
    try:
        data, info = store.read(key)
        return WorkerRecord.model_validate_json(data), info.updated
    except (ObjectMissingError, ValidationError):
        return None


def is_stopping(store: Store, name: str) -> bool:
    """Tell whether a worker has announced that it hands everything back."""
    found = read_worker(store, name)
    return found is not None and found[0].state == "stopping"


def is_well(store: Store, name: str, *, now: datetime, lost_seconds: float) -> bool:
    """Tell whether a worker has told the store lately that it lives. Raises the store's errors."""
    found = read_worker(store, name)
    if found is None or found[0].state == "stopping":
        return False
    return (now - found[1]).total_seconds() < lost_seconds


def take_turn(store: Store, name: str, *, owner: str, now: datetime, seconds: float) -> bool:
    """Take or prolong a turn that only one owner has at a time; False while it is another's.

    It runs out by itself, so a killed owner holds nobody up for longer than `seconds`.
    """
    key = keys.turn_key(name)
    try:
        data, info = store.read(key)
        generation = info.generation
        current = Turn.model_validate_json(data)
    except ObjectMissingError:
        current, generation = None, 0
    except ValidationError:
        current = None
    if current is not None and current.owner != owner and current.expires_at > now:
        return False
    mine = Turn(owner=owner, expires_at=now + timedelta(seconds=seconds))
    try:
        store.write(
            key,
            mine.model_dump_json(indent=2).encode(),
            content_type="application/json",
            if_generation=generation,
        )
    except PreconditionFailedError:
        return False
    return True


def end_turn(store: Store, name: str, *, owner: str, now: datetime) -> None:
    """Let one's own turn run out now, for the next one; another's is left alone."""
    take_turn(store, name, owner=owner, now=now, seconds=0)


def new_owner() -> str:
    """Return a name for a turn's owner that no other process has."""
    return uuid.uuid4().hex


def sweep_workers(store: Store, now: datetime) -> int:
    """Delete what is left of machines that have said nothing for two days; return how many objects.

    These are workers' records, and requests to drain: those of machines that still say something stay.
    Raises the store's errors.
    """
    deleted, heard_of = 0, set()
    for info in store.list(keys.WORKERS_PREFIX):
        if now - info.updated > SWEPT_AFTER:
            deleted += _delete_unchanged(store, info)
        else:
            name = info.key.removeprefix(keys.WORKERS_PREFIX).removesuffix(".json")
            # A start's name is its machine's with a part that is new each time.
            heard_of.add(f"{keys.DRAINS_PREFIX}{name.rpartition('-')[0] or name}.json")
    for info in store.list(keys.DRAINS_PREFIX):
        if now - info.updated > SWEPT_AFTER and info.key not in heard_of:
            deleted += _delete_unchanged(store, info)
    return deleted


def sweep_workers_hourly(store: Store, now: datetime) -> None:
    """Do that if nobody has within the hour. A store in trouble is logged."""
    try:
        # An owner of its own each time: it never prolongs a turn.
        if take_turn(store, _SWEEP_TURN, owner=new_owner(), now=now, seconds=_SWEEP_SECONDS):
            deleted = sweep_workers(store, now)
            log.info("%d records of workers that are gone were deleted.", deleted)
    except TriviaRenderError as error:
        log.warning("Records of workers that are gone stay for now: %s", error)


def _delete_unchanged(store: Store, info: ObjectInfo) -> bool:
    try:
        store.delete(info.key, if_generation=info.generation)
    except PreconditionFailedError:
        # Written since it was listed: it is needed again.
        return False
    return True
