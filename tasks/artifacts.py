"""What a run shows of itself: its progress, its videos, their thumbnails and a summary.

Few, since each is an API call, and without keys: they belong to their run, and 80,000 jobs a day would
bury the list of keyed artifacts.
"""

import base64
import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, cast
from uuid import UUID

from PIL import Image
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from trivia_render.models.fleet import DecisionRecord
from trivia_render.models.ports import Store
from trivia_render.models.problems import Problem
from trivia_render.models.results import Manifest, VideoRecord
from trivia_render.pipeline.shard import JobOutcome, summary

P = ParamSpec("P")

log = logging.getLogger("trivia_render.artifacts")

_UPDATE_SECONDS = 2.0
_PREVIEW_SIZE = (320, 320)


def _harmless(show: Callable[P, None]) -> Callable[P, None]:
    """Log what a failing artifact call says: what a run shows of itself must never end it."""

    @wraps(show)
    def tried(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            show(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost a render
            log.warning("An artifact could not be shown: %s: %s", type(error).__name__, error)

    return tried


class Progress:
    """One progress artifact, brought up to date at most every two seconds."""

    def __init__(self, job: str, *, total: int) -> None:
        self._total = total
        self._artifact: UUID | None = None
        self._updated = time.monotonic()
        self._create(job)

    @_harmless
    def _create(self, job: str) -> None:
        self._artifact = cast("UUID", create_progress_artifact(0.0, description=f"{job}: clips"))

    @_harmless
    def update(self, done: int) -> None:
        """Show so many clips as done."""
        now = time.monotonic()
        if self._artifact is None or (done < self._total and now - self._updated < _UPDATE_SECONDS):
            return
        # Not again after a failure: a server that is away keeps each call waiting for a minute.
        artifact, self._artifact = self._artifact, None
        update_progress_artifact(artifact, 100.0 * done / self._total)
        self._artifact, self._updated = artifact, now


@_harmless
def show_manifest(manifest: Manifest, *, store: Store, warnings: Sequence[Problem]) -> None:
    """Show the published videos, what made them, and the warnings of their config."""
    job = f"{manifest.channel}/{manifest.job_id}"
    for video in manifest.videos:
        create_link_artifact(
            web_url(store.uri(video.video.key)),
            link_text=f"{job} {video.format}: {store.uri(video.video.key)}",
            description=f"{job} {video.format}",
        )
        create_image_artifact(_picture(store, video), description=f"{job} {video.format}: thumbnail")
    create_table_artifact(summary_rows(manifest, warnings), description=f"{job}: summary")


@_harmless
def show_shard(outcomes: Mapping[str, JobOutcome]) -> None:
    """Show what became of each job of a shard."""
    rows = [{"job": job, "outcome": outcome} for job, outcome in outcomes.items()]
    create_table_artifact(rows, description=summary(outcomes))


@_harmless
def show_decision(record: DecisionRecord) -> None:
    """Show what was decided about the fleet's size, what it was made of, and what was done."""
    create_table_artifact(decision_rows(record), description=record.decision.reason)


def decision_rows(record: DecisionRecord) -> list[dict[str, str]]:
    """Return the table of a decision. Pure."""
    decision, snapshot = record.decision, record.snapshot
    utilisation = decision.utilisation_percent
    rows = [
        ("machines", f"{decision.machines_before}, to be {decision.target_machines}"),
        ("why", f"{decision.trigger}: {decision.reason}"),
        ("policy", decision.policy),
        ("jobs that wait", ", ".join(f"{name} {count}" for name, count in snapshot.pending.items())),
        ("jobs at work", ", ".join(f"{name} {count}" for name, count in snapshot.running.items())),
        ("utilisation", "unknown" if utilisation is None else f"{utilisation:.0f} %"),
        ("asked to drain", ", ".join(record.asked_to_drain)),
        ("drains taken back", ", ".join(record.taken_back)),
        ("deleted", ", ".join(record.deleted)),
        ("grown to", "" if record.grown_to is None else str(record.grown_to)),
        ("paused", "yes: nothing is done" if record.paused else ""),
    ]
    rows += [(machine.name, machine.state) for machine in snapshot.machines]
    return [{"what": what, "value": value} for what, value in rows if value]


def summary_rows(manifest: Manifest, warnings: Sequence[Problem]) -> list[dict[str, str]]:
    """Return the table of the summary. Pure."""
    rows = [("title", manifest.title)]
    rows += [(f"video {video.format}", _measures(video)) for video in manifest.videos]
    rows += [
        ("clips", f"{manifest.clips_rendered} rendered, {manifest.clips_reused} reused"),
        ("voice", f"{manifest.voice.name} ({manifest.voice.provider}), {manifest.language}"),
        ("encoder", f"{manifest.encoder.name}, {manifest.encoder.build}"),
    ]
    rows += [
        (f"fallback: {item.what}", f"{item.asked}: {item.used} was used. {item.reason}")
        for item in manifest.fallbacks
    ]
    rows += [("warning", str(warning)) for warning in warnings]
    rows += [(f"seconds: {stage}", f"{seconds:.1f}") for stage, seconds in manifest.stage_seconds.items()]
    return [{"what": what, "value": value} for what, value in rows]


def _measures(video: VideoRecord) -> str:
    sound = "silent" if video.integrated_lufs is None else f"{video.integrated_lufs:.1f} LUFS"
    return (
        f"{video.width}x{video.height}, {video.duration_seconds:.1f} s, "
        f"{video.video.size_bytes / 1e6:.1f} MB, {sound}"
    )


def web_url(uri: str) -> str:
    """Return what a browser opens for a store's URI: a `gs://` object, or a file of this machine. Pure."""
    if uri.startswith("gs://"):
        return f"https://storage.cloud.google.com/{uri.removeprefix('gs://')}"
    return Path(uri).as_uri()


def _picture(store: Store, video: VideoRecord) -> str:
    url = web_url(store.uri(video.thumbnail.key))
    if not url.startswith("file:"):
        return url
    # A browser shows no local file inside a page, so a small copy travels in the URL itself.
    data, _ = store.read(video.thumbnail.key)
    small = io.BytesIO()
    with Image.open(io.BytesIO(data)) as picture:
        picture.thumbnail(_PREVIEW_SIZE)
        picture.save(small, "JPEG", quality=60)
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"
