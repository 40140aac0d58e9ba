"""A job small enough to render many times, and what the tests look at."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import TaskRun

from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipFinished, ClipStarted, Event
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports

T = TypeVar("T")

CHANNEL = "Orchestra_1"
JOB = "small-job"
NAME = f"{CHANNEL}/{JOB}"
LABELS = ["intro 1:1", "q01 1:1", "q02 1:1", "outro 1:1"]

CONFIG: dict[str, Any] = {
    "channel": CHANNEL,
    "total_questions": 2,
    "title": "Two *small* questions",
    "formats": ["1:1"],
    # The shortest clips there can be, and the quickest to encode.
    "theme": "paper",
    "tts_speed": 4.0,
    "narration": {"provider": "none"},
    "soundtrack": {"source": "none"},
    "timing": {
        "intro_seconds": 1,
        "countdown_seconds": 3,
        "reveal_seconds": 1,
        "outro_seconds": 1,
        "gap_seconds": 0,
    },
    "questions": [
        {"question": "One?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "Yes"},
        {"question": "Two?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "No"},
    ],
}

CHANGED: dict[str, Any] = {
    **CONFIG,
    "questions": [CONFIG["questions"][0], {**CONFIG["questions"][1], "question": "Three?"}],
}


class Bench:
    """A store, the ports onto it, and what the pipeline told."""

    def __init__(self, home: Path, *, parallel_clips: int = 2) -> None:
        self.home = home
        self.events: list[Event] = []
        settings = load_settings().model_copy(
            update={"data_folder": home, "encoder": "libx264", "parallel_clips": parallel_clips}
        )
        self.ports: Ports = replace(make_ports(settings), report=self.events.append)

    @property
    def rendered(self) -> list[str]:
        """Labels of the clips that were really rendered, sorted."""
        return sorted(event.label for event in self.events if isinstance(event, ClipStarted))

    @property
    def reused(self) -> list[str]:
        """Labels of the clips that were found, sorted."""
        return sorted(
            event.label for event in self.events if isinstance(event, ClipFinished) and event.reused
        )

    def clip_file(self, number: int, extension: str) -> Path:
        """The file of one clip of the published video."""
        manifest = json.loads((self.home / f"videos/{NAME}/manifest.json").read_text())
        key = manifest["videos"][0]["clip_keys"][number]
        return next((self.home / "clips").glob(f"{key}.*{extension}"))

    def forget_the_video(self) -> None:
        """Remove the commit, so that the next run has something to do."""
        (self.home / f"videos/{NAME}/manifest.json").unlink()


def until(ask: Callable[[], T | None], *, seconds: float = 30.0) -> T:
    """Ask until there is an answer. Prefect records task runs a moment after they end."""
    deadline = time.monotonic() + seconds
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, "no answer in time"
        time.sleep(0.05)
    return answer


def task_runs(flow_run_id: UUID, *, count: int) -> list[TaskRun]:
    """The run's task runs, in the order in which they started, once so many have ended."""

    def ask() -> list[TaskRun] | None:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
            )
        ended = [run for run in runs if run.state is not None and run.state.is_final()]
        return ended if len(ended) >= count else None

    runs = until(ask)
    assert len(runs) == count
    return sorted(runs, key=lambda run: run.start_time or run.created)


def artifacts(flow_run_id: UUID) -> list[Any]:
    """The run's artifacts, in the order in which they were made."""
    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
    with get_client(sync_client=True) as client:
        return sorted(client.read_artifacts(artifact_filter=chosen), key=lambda artifact: artifact.created)
