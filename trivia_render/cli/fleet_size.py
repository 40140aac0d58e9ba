"""`trivia fleet scale`, `drain`, `pause`, `resume` and `status`: the fleet's size, by hand and to look at."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import typer

from trivia_render.cli.console import print_json
from trivia_render.errors import BadInputError
from trivia_render.fleet.observation import newest_workers
from trivia_render.models.fleet import DecisionRecord, DrainRequest, Override, Pause, WorkerRecord
from trivia_render.models.ports import Store
from trivia_render.pipeline.fleet_records import (
    ask_to_drain,
    read_decision,
    read_drains,
    read_override,
    read_pause,
    read_workers,
    take_drain_back,
    write_model,
)
from trivia_render.settings import load_settings
from trivia_render.storage import keys
from trivia_render.wiring import make_store
from trivia_render.workpool.names import RENDER_POOL

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=365)
#: What has not been heard of for so long is not shown.
_FORGOTTEN = timedelta(hours=1)


def run_scale(machines: str, *, lasting: str | None, as_json: bool) -> None:
    """Set the number of machines by hand, or leave it to the rules again (`auto`)."""
    store = make_store(load_settings())
    now = datetime.now(UTC)
    if machines == "auto":
        if lasting is not None:
            raise BadInputError("--for goes with a number of machines.", remedy="Leave out --for.")
        store.delete(keys.FLEET_OVERRIDE_KEY)
        _tell({"event": "override_ended"}, "The rules decide the number of machines again.", as_json=as_json)
        return
    if not (machines.isascii() and machines.isdigit() and len(machines) <= 4):
        raise BadInputError(
            f"MACHINES is {machines!r}, neither a number nor `auto`.", remedy="Say `trivia fleet scale 3`."
        )
    record = read_decision(store)
    override = Override(
        machines=int(machines), at=now, until=None if lasting is None else now + parse_duration(lasting)
    )
    write_model(store, keys.FLEET_OVERRIDE_KEY, override)
    until = (
        "until `trivia fleet scale auto`" if override.until is None else f"until {_minute(override.until)}"
    )
    said = f"{override.machines} machines {until}, from the next decision on, within a minute."
    if record is not None:
        # The bounds are those of whoever decides.
        least, most = record.policy.min_machines, record.policy.max_machines
        bounded = min(max(override.machines, least), most)
        if bounded != override.machines:
            said += f" The bounds make it {bounded} ({least} to {most})."
    _tell({"event": "override", **override.model_dump(mode="json")}, said, as_json=as_json)


def run_drain(worker: str, *, undo: bool, as_json: bool) -> None:
    """Let a machine end what it has begun, and be deleted; or let it take work again."""
    store = make_store(load_settings())
    now = datetime.now(UTC)
    known = newest_workers(read_workers(store, since=now - _FORGOTTEN))
    if worker not in known:
        # By the name of one start, as Prefect's pages show it.
        worker = next((name for name, record in known.items() if record.name == worker), worker)
    if undo:
        if worker not in read_drains(store):
            raise BadInputError(
                f"{worker!r} was not asked to drain.", remedy="`trivia fleet status` says who was."
            )
        take_drain_back(store, worker)
        _tell({"event": "drain_ended", "worker": worker}, f"{worker} takes work again.", as_json=as_json)
        return
    if worker not in known:
        names = (
            ", ".join(sorted(name for name, record in known.items() if record.pool == RENDER_POOL)) or "none"
        )
        raise BadInputError(
            f"No worker {worker!r} was heard of in the last hour.",
            evidence=f"  There are: {names}",
            remedy="`trivia fleet status` lists them.",
        )
    if known[worker].pool != RENDER_POOL:
        raise BadInputError(
            f"{worker} serves the pool {known[worker].pool}, which runs the autoscaler itself.",
            remedy="Name a worker that renders. `trivia fleet pause` keeps the autoscaler from acting.",
        )
    ask_to_drain(store, DrainRequest(worker_id=worker, by="operator", at=now))
    record = read_decision(store)
    machines = () if record is None or record.fleet == "none" else record.snapshot.machines
    of_group = worker in {machine.name for machine in machines}
    then = "then its machine is deleted" if of_group else "nobody deletes its machine, which is of no group"
    _tell(
        {"event": "drain", "worker": worker, "deleted_afterwards": of_group},
        f"{worker} ends what it has begun and takes no more; {then}. "
        f"`trivia fleet drain {worker} --undo` takes that back.",
        as_json=as_json,
    )


def run_pause(*, as_json: bool) -> None:
    """Let the autoscaler decide without acting."""
    store = make_store(load_settings())
    write_model(store, keys.FLEET_PAUSE_KEY, Pause(at=datetime.now(UTC)))
    _tell(
        {"event": "paused"},
        "The autoscaler decides and does nothing until `trivia fleet resume`.",
        as_json=as_json,
    )


def run_resume(*, as_json: bool) -> None:
    """Let the autoscaler act again."""
    store = make_store(load_settings())
    store.delete(keys.FLEET_PAUSE_KEY)
    _tell({"event": "resumed"}, "The autoscaler acts again, from its next decision on.", as_json=as_json)


def run_status(*, as_json: bool) -> None:
    """Tell what the fleet is doing, from what the store knows."""
    settings = load_settings()
    store = make_store(settings)
    now = datetime.now(UTC)
    record = read_decision(store)
    workers = newest_workers(read_workers(store, since=now - _FORGOTTEN))
    if as_json:
        _print_status(store, record, workers.values(), now=now)
        return
    for line in _size_lines(store, record, now=now):
        typer.echo(line)
    drains = read_drains(store)
    for name, worker in sorted(workers.items()):
        age = (now - worker.updated_at).total_seconds()
        lost = age > settings.worker_lost_seconds
        if lost and worker.state == "stopping":
            # It has said goodbye.
            continue
        state = f"lost for {age:.0f} s" if lost else worker.state
        if not lost and worker.state == "ready":
            state = "busy" if worker.runs else "idle"
        asked = ""
        if name in drains and not lost:
            asked = (
                f" ({drains[name].by})" if worker.state != "ready" else f", to be drained ({drains[name].by})"
            )
        why = f": {worker.reason}" if worker.state == "refused" and worker.reason and not lost else ""
        typer.echo(f"{name}  {worker.pool}  {state}{asked}{why}{_doing(worker) if not lost else ''}")
    if not workers:
        typer.echo("No worker was heard of in the last hour.")


def parse_duration(text: str) -> timedelta:
    """Return `90s`, `30m`, `2h` or `1d`, also several of them, as a duration. Raises BadInputError. Pure."""
    parts = _DURATION.findall(text)
    whole = "".join(f"{number}{unit}" for number, unit in parts)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if whole != text.replace(" ", "") or not 0 < seconds <= _LONGEST.total_seconds():
        raise BadInputError(
            f"--for is {text!r}, which is no duration from a second to a year.",
            remedy="Say 90s, 30m, 2h or 1d.",
        )
    return timedelta(seconds=seconds)


def _size_lines(store: Store, record: DecisionRecord | None, *, now: datetime) -> Iterable[str]:
    if record is None:
        yield "Nothing was decided yet: that takes a `trivia worker --pool control`, and a minute."
    else:
        decision, snapshot = record.decision, record.snapshot
        ago = (now - decision.at).total_seconds()
        running = sum(snapshot.running.values())
        yield f"{snapshot.pending_jobs} jobs wait, {running} are at work (as of {ago:.0f} s ago)."
        yield f"Machines: {decision.machines_before}, to be {decision.target_machines}. {decision.reason}"
        if record.fleet == "none":
            yield "Nothing drives the number of machines: TRIVIA_FLEET is none."
        if snapshot.stocked_out:
            yield "The cloud has no more machines to give."
        if record.error is not None:
            yield f"The last decision could not be acted upon: {record.error}"
    override, pause = read_override(store), read_pause(store)
    if override is not None and (override.until is None or override.until > now):
        until = (
            "until `trivia fleet scale auto`"
            if override.until is None
            else f"until {_minute(override.until)}"
        )
        yield f"Set to {override.machines} by hand {until}."
    if pause is not None:
        yield f"Paused since {_minute(pause.at)}: `trivia fleet resume` lets it act again."


def _doing(worker: WorkerRecord) -> str:
    jobs = ", ".join(
        f"{job.channel}/{job.job_id} {job.clips_done}/{job.clips_total} clips" for job in worker.jobs
    )
    utilisation = worker.utilisation_percent()
    busy = "" if utilisation is None else f"  {utilisation:.0f} %"
    return f"{busy}{f'  {jobs}' if jobs else ''}"


def _print_status(
    store: Store, record: DecisionRecord | None, workers: Iterable[WorkerRecord], *, now: datetime
) -> None:
    override, pause = read_override(store), read_pause(store)
    print_json(
        {
            "event": "fleet",
            "at": now.isoformat(),
            "decision": None if record is None else record.model_dump(mode="json"),
            "override": None if override is None else override.model_dump(mode="json"),
            "pause": None if pause is None else pause.model_dump(mode="json"),
            "drains": {name: drain.model_dump(mode="json") for name, drain in read_drains(store).items()},
            "workers": [worker.model_dump(mode="json") for worker in workers],
        }
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _tell(record: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        typer.echo(text)
