"""Take a job in: its config, its images and its first status into the store.

Done twice, it changes nothing. Another config under the same id is refused, unless the operator insists:
then the older run loses its claim.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from trivia_render.errors import (
    BadInputError,
    ConfigInvalidError,
    JobConflictError,
    JobUnknownError,
    ObjectMissingError,
    PreconditionFailedError,
)
from trivia_render.models.config import JobConfig, Priority
from trivia_render.models.parse import parse_job_config
from trivia_render.models.ports import RemoteAssets, Store
from trivia_render.models.problems import Problem
from trivia_render.models.results import JobStatus
from trivia_render.models.theme import ThemeAsset
from trivia_render.pipeline.assets import import_assets, name_assets
from trivia_render.pipeline.lease import expire_lease, live_lease
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status_object, run_key, write_status
from trivia_render.storage import keys

_MOST_DIFFERENCES = 10


class Submission(NamedTuple):
    """A job as the store has it now. `superseded`: another config was put in its place."""

    status: JobStatus
    warnings: tuple[Problem, ...]
    superseded: bool

    @property
    def run_key(self) -> str:
        """Names the run that this submission asks for: the same twice is the same run."""
        return run_key(self.status)


def submit_job(
    ports: Ports,
    *,
    channel: str,
    job_id: str,
    config: Mapping[str, Any],
    priority: Priority | None = None,
    force: bool = False,
) -> Submission:
    """Put the job's config and its `pending` status into the store, unless they are there already.

    `priority` None: the config's own. `force` replaces another config and takes the job away from its run.
    Raises ConfigInvalidError, AssetInvalidError, AssetUnavailableError, BadInputError, JobConflictError and
    the store's errors.
    """
    parsed, warnings = parse_job_config(config)
    if parsed.channel != channel:
        raise BadInputError(
            f"$.channel is {parsed.channel!r}, but the job is submitted to channel {channel!r}.",
            remedy="Make the two equal.",
        )
    stored = _with_stored_images(parsed, config, import_assets(parsed, ports))
    parsed, _ = parse_job_config(stored)
    differences = _store_config(ports, channel, job_id, stored, parsed, force=force)
    status = _store_status(
        ports,
        channel,
        job_id,
        config_sha256=parsed.digest(),
        priority=priority or parsed.priority,
        supersede=bool(differences),
    )
    return Submission(status, warnings, superseded=bool(differences))


def ended_before(
    store: Store,
    *,
    channel: str,
    job_id: str,
    config: Mapping[str, Any],
    parsed: JobConfig,
    asset_root: Path,
    remote_assets: RemoteAssets,
) -> bool:
    """Whether the job was completed or failed with this config: submitted again, it is not rendered again.

    Of another config, or of one that the status does not tell, it says no. One read; nothing is stored.
    Raises AssetInvalidError for an image of an ended job that is not there, AssetUnavailableError, and the
    store's errors.
    """
    status, _ = read_status_object(store, channel=channel, job_id=job_id)
    if status is None or status.state not in {"completed", "failed"}:
        return False
    if status.config_sha256 == parsed.digest():
        return True
    # The config is stored with the names that its images have in the store.
    images = name_assets(parsed, root=asset_root, remote=remote_assets)
    if not images:
        return False
    stored, _ = parse_job_config(_with_stored_images(parsed, config, images))
    return status.config_sha256 == stored.digest()


def retry_job(ports: Ports, *, channel: str, job_id: str) -> Submission:
    """Make an ended job pending again: a failed one, or a completed one whose videos shall be checked.

    Raises JobUnknownError, JobConflictError while it still is to be rendered.
    """
    while True:
        status, generation = read_status_object(ports.store, channel=channel, job_id=job_id)
        if status is None:
            raise unknown_job(channel, job_id)
        if status.state in {"pending", "running"}:
            raise JobConflictError(
                f"{channel}/{job_id} is {status.state}: there is nothing to retry yet.",
                remedy="Wait for its end, or cancel it first.",
            )
        parsed, warnings = parse_job_config(_read_config(ports, channel, job_id))
        changed = _pending(ports, status, config_sha256=parsed.digest(), priority=status.priority)
        try:
            write_status(ports.store, changed, if_generation=generation)
        except PreconditionFailedError:
            continue
        return Submission(changed, warnings, superseded=False)


def resubmit_job(ports: Ports, *, seen: JobStatus) -> Submission | None:
    """Make a job pending anew whose run is gone, as the status that was seen says; crashes are forgotten.

    None where the job has gone on meanwhile or a live run holds it: then nothing is written. Raises
    JobUnknownError where its config is gone.
    """
    if seen.state not in {"pending", "running"}:
        return None
    if live_lease(ports, channel=seen.channel, job_id=seen.job_id) is not None:
        return None
    return _pending_unless_changed(ports, seen)


def retry_seen_job(ports: Ports, *, seen: JobStatus) -> Submission | None:
    """Make an ended job pending again, as `retry_job` does, if it still is as it was seen; else return None.

    Raises JobUnknownError where its config is gone.
    """
    return None if seen.state in {"pending", "running"} else _pending_unless_changed(ports, seen)


def _pending_unless_changed(ports: Ports, seen: JobStatus) -> Submission | None:
    channel, job_id = seen.channel, seen.job_id
    status, generation = read_status_object(ports.store, channel=channel, job_id=job_id)
    if status is None or status != seen:
        return None
    parsed, warnings = parse_job_config(_read_config(ports, channel, job_id))
    changed = _pending(ports, status, config_sha256=parsed.digest(), priority=status.priority)
    try:
        write_status(ports.store, changed, if_generation=generation)
    except PreconditionFailedError:
        return None
    return Submission(changed, warnings, superseded=False)


def note_run(ports: Ports, submission: Submission, *, flow_run_id: str) -> None:
    """Write into the job's status which run will render it, unless that has begun already."""
    status = submission.status
    now, generation = read_status_object(ports.store, channel=status.channel, job_id=status.job_id)
    if now is None or now.state != "pending" or now.flow_run_id is not None:
        return
    if (now.retry, now.attempt) != (status.retry, status.attempt):
        return
    changed = now.model_copy(update={"flow_run_id": flow_run_id, "updated_at": ports.now()})
    # Claimed at this moment: then the run itself says so.
    with suppress(PreconditionFailedError):
        write_status(ports.store, changed, if_generation=generation)


def unknown_job(channel: str, job_id: str) -> JobUnknownError:
    """Return the error of a job that the store does not have. Pure."""
    return JobUnknownError(
        f"There is no job {channel}/{job_id}.", remedy="Correct the names; `trivia jobs` lists what there is."
    )


def _store_config(
    ports: Ports, channel: str, job_id: str, stored: Mapping[str, Any], parsed: JobConfig, *, force: bool
) -> tuple[str, ...]:
    """Write the config; return in what it differs from the one that it replaced."""
    key = keys.config_key(channel, job_id)
    data = json.dumps(stored, ensure_ascii=False, indent=2).encode()
    while True:
        try:
            old, info = ports.store.read(key)
        except ObjectMissingError:
            differences: tuple[str, ...] = ()
            generation = 0
        else:
            generation = info.generation
            differences = _differences(old, parsed)
            if not differences:
                return ()
            if not force:
                shown = differences[:_MOST_DIFFERENCES]
                more = len(differences) - len(shown)
                raise JobConflictError(
                    f"{channel}/{job_id} was submitted with another config. They differ in:",
                    evidence="\n".join(
                        [*(f"  {path}" for path in shown), *([f"  and {more} more"] if more else [])]
                    ),
                    remedy="Choose another job id, or submit with --force to replace the job.",
                )
        try:
            ports.store.write(key, data, content_type="application/json", if_generation=generation)
        except PreconditionFailedError:
            # Submitted by two at once: look at what the other one wrote.
            continue
        return differences


def _differences(old: bytes, new: JobConfig) -> tuple[str, ...]:
    try:
        parsed, _ = parse_job_config(old)
    except ConfigInvalidError:
        return ("$ (the stored config cannot be read)",)
    if parsed.digest() == new.digest():
        return ()
    return tuple(_differing_paths(parsed.model_dump(mode="json"), new.model_dump(mode="json"), "$"))


def _differing_paths(old: object, new: object, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _differing_paths(old.get(name), new.get(name), f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{path} ({len(old)} entries, now {len(new)})"
        for index, (left, right) in enumerate(zip(old, new, strict=False)):
            yield from _differing_paths(left, right, f"{path}[{index}]")
    elif old != new:
        yield path


def _store_status(
    ports: Ports, channel: str, job_id: str, *, config_sha256: str, priority: Priority, supersede: bool
) -> JobStatus:
    while True:
        status, generation = read_status_object(ports.store, channel=channel, job_id=job_id)
        if status is not None and not supersede and status.config_sha256 in {None, config_sha256}:
            return status
        now = ports.now()
        changed = (
            JobStatus(
                channel=channel,
                job_id=job_id,
                state="pending",
                attempt=0,
                priority=priority,
                config_sha256=config_sha256,
                created_at=now,
                updated_at=now,
            )
            if status is None
            else _pending(ports, status, config_sha256=config_sha256, priority=priority)
        )
        try:
            write_status(ports.store, changed, if_generation=generation)
        except PreconditionFailedError:
            continue
        # After the status: a run that loses its lease finds out that it was replaced, not that it died.
        expire_lease(ports.store, channel=channel, job_id=job_id, now=now)
        return changed


def _pending(ports: Ports, status: JobStatus, *, config_sha256: str, priority: Priority) -> JobStatus:
    return JobStatus(
        channel=status.channel,
        job_id=status.job_id,
        state="pending",
        # Raised, so that whatever still renders the older config counts as late.
        attempt=status.attempt + 1,
        retry=status.retry + 1,
        priority=priority,
        config_sha256=config_sha256,
        created_at=status.created_at,
        updated_at=ports.now(),
        manifest_uri=status.manifest_uri,
        video_uris=status.video_uris,
    )


def _read_config(ports: Ports, channel: str, job_id: str) -> bytes:
    try:
        return ports.store.read(keys.config_key(channel, job_id))[0]
    except ObjectMissingError as error:
        raise unknown_job(channel, job_id) from error


def _with_stored_images(
    parsed: JobConfig, config: Mapping[str, Any], images: Mapping[str, ThemeAsset]
) -> dict[str, Any]:
    """Return the config with its images as the store names them: a worker does not have these files. Pure."""
    stored: dict[str, Any] = json.loads(json.dumps(config))
    if not images:
        return stored
    # Of a longer list the rest is not looked at by anyone, and may hold anything.
    for question in stored["questions"][: len(parsed.questions)]:
        if question.get("image") in images:
            question["image"] = images[question["image"]].uri
    theme = stored.get("theme")
    if isinstance(theme, dict):
        for field in ("background_image", "logo"):
            if theme.get(field) in images:
                theme[field] = images[theme[field]].uri
    return stored
