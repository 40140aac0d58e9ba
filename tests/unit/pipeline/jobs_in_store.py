"""Jobs as a store holds them, put there without rendering any."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trivia_render.models.ports import ObjectInfo, Store
from trivia_render.models.results import JobStatus, Lease, Manifest, ObjectRef, VideoRecord
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status_object
from trivia_render.settings import load_settings
from trivia_render.storage.keys import lease_key, manifest_key, status_key
from trivia_render.storage.local import LocalStore
from trivia_render.wiring import make_ports

CHANNEL, JOB = "quiz", "job-1"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

CONFIG: dict[str, Any] = {
    "channel": CHANNEL,
    "total_questions": 1,
    "formats": ["1:1"],
    "narration": {"provider": "none"},
    "soundtrack": {"source": "none"},
    # The shortest clips there can be, and the quickest to encode.
    "theme": "paper",
    "tts_speed": 4.0,
    "timing": {
        "intro_seconds": 1,
        "countdown_seconds": 3,
        "reveal_seconds": 1,
        "outro_seconds": 1,
        "gap_seconds": 0,
    },
    "questions": [{"question": "Is it?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "Yes"}],
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Interrupted(LocalStore):
    """A store in which something else happens just before chosen writes, as between two processes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._before: dict[str, list[Callable[[], object]]] = {}

    def before_next_write(self, key: str, *happens: Callable[[], object]) -> None:
        """Let each of these happen once, before one write of the key each."""
        self._before[key] = list(happens)

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        if waiting := self._before.get(key):
            waiting.pop(0)()
        return super().write(key, data, content_type=content_type, if_generation=if_generation)


def ports_in(folder: Path, *, now: Callable[[], datetime] | None = None) -> Ports:
    """Ports onto a store in the folder; images are looked for beside it."""
    settings = load_settings().model_copy(update={"data_folder": folder / "store", "encoder": "libx264"})
    ports = make_ports(settings, asset_root=folder)
    return ports if now is None else replace(ports, now=now)


def with_clips(folder: Path, rendered: Path) -> Path:
    """Make a store's folder that holds the clips of another, as after a run that ended behind them."""
    shutil.copytree(rendered / "clips", folder / "clips")
    return folder


def put_status(store: Store, **fields: Any) -> JobStatus:
    """Write a status as another process would: whatever was there before."""
    values: dict[str, Any] = {
        "channel": CHANNEL,
        "job_id": JOB,
        "state": "running",
        "attempt": 1,
        "created_at": NOON,
        "updated_at": NOON,
    }
    status = JobStatus.model_validate(values | fields)
    store.write(
        status_key(status.channel, status.job_id),
        status.model_dump_json().encode(),
        content_type="application/json",
    )
    return status


def status_in(store: Store) -> JobStatus:
    status, _ = read_status_object(store, channel=CHANNEL, job_id=JOB)
    assert status is not None
    return status


def put_lease(store: Store, **fields: Any) -> Lease:
    values: dict[str, Any] = {
        "owner": "its-owner",
        "worker_id": "worker-a",
        "flow_run_id": "run-1",
        "attempt": 1,
        "host": "host-a",
        "pid": 1,
        "expires_at": NOON + timedelta(seconds=60),
    }
    lease = Lease.model_validate(values | fields)
    store.write(lease_key(CHANNEL, JOB), lease.model_dump_json().encode(), content_type="application/json")
    return lease


def lease_in(store: Store) -> Lease:
    return Lease.model_validate_json(store.read(lease_key(CHANNEL, JOB))[0])


def manifest_in(store: Store) -> Manifest | None:
    key = manifest_key(CHANNEL, JOB)
    return None if store.stat(key) is None else Manifest.model_validate_json(store.read(key)[0])


def snapshot(store: Store) -> dict[str, int]:
    """Every object with its generation: equal means that nothing was written in between."""
    return {info.key: info.generation for info in store.list("")}


def some_video() -> VideoRecord:
    """The record of a finished video, as a manifest names it."""
    ref = ObjectRef(key="videos/quiz/job-1/1x1/1/video.mp4", size_bytes=1, crc32c="AAAAAA==")
    return VideoRecord(
        format="1:1",
        width=1080,
        height=1080,
        frames=30,
        duration_seconds=1.0,
        video=ref,
        sha256="0" * 64,
        captions={},
        thumbnail=ref,
        chapters=(),
        integrated_lufs=None,
        true_peak_dbtp=None,
        silent=True,
        clip_keys=(),
    )
