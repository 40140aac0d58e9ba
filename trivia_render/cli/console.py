"""Progress: bars on a terminal, plain lines when piped, JSON lines when asked for."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trivia_render.pipeline.progress import (
    ClipAdvanced,
    ClipFinished,
    ClipStarted,
    Event,
    JobEnded,
    JobFound,
    JobStarted,
    MachineFaulted,
    Report,
    StageStarted,
)

if TYPE_CHECKING:
    from rich.progress import TaskID

STAGES = {
    "mixing": "Mixing the sound",
    "joining": "Joining the clips",
    "publishing": "Publishing",
}


@contextmanager
def progress(*, as_json: bool) -> Iterator[Report]:
    """Yield where to send events while the block runs."""
    if as_json:
        yield _JsonLines()
    elif sys.stderr.isatty():
        bars = _Bars()
        with bars.shown():
            yield bars
    else:
        yield _Lines()


def say(text: str) -> None:
    """Print a line for a person, beside the progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(record: object) -> None:
    """Print one JSON object on a line of standard output."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class _Count:
    """Counts the finished clips; reports come from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.total = 0
        self.done = 0


class _Lines(_Count):
    def __call__(self, event: Event) -> None:
        with self.lock:
            match event:
                case JobFound():
                    say(f"“{event.title}” is published already; nothing is left to do.")
                case JobStarted():
                    self.total = event.clips_total
                    say(f"Rendering “{event.title}”: {event.clips_total} clips.")
                case ClipFinished():
                    self.done += 1
                    how = "was there already" if event.reused else f"rendered in {event.seconds:.1f} s"
                    say(f"[{self.done}/{self.total}] {event.label} {how}")
                case StageStarted():
                    say(f"{STAGES[event.stage]} ({event.format}) …")
                case ClipStarted() | ClipAdvanced() | JobEnded() | MachineFaulted():
                    # A line for each would bury the rest; the end the command tells itself.
                    pass


class _JsonLines(_Count):
    def __call__(self, event: Event) -> None:
        if isinstance(event, ClipAdvanced):
            return
        with self.lock:
            print_json({"event": _EVENT_NAMES[type(event)], **event._asdict()})


_EVENT_NAMES: dict[type[Event], str] = {
    JobFound: "job_found",
    JobStarted: "job_started",
    JobEnded: "job_ended",
    ClipStarted: "clip_started",
    ClipAdvanced: "clip_advanced",
    ClipFinished: "clip_finished",
    StageStarted: "stage_started",
    MachineFaulted: "machine_faulted",
}


class _Bars(_Count):
    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: Progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._job: TaskID | None = None
        self._clips: dict[str, TaskID] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        with self._progress:
            yield

    def __call__(self, event: Event) -> None:
        with self.lock:
            match event:
                case JobFound():
                    self._progress.console.print(
                        f"“{event.title}” is published already; nothing is left to do.", markup=False
                    )
                case JobStarted():
                    self.total = event.clips_total
                    self._job = self._progress.add_task(event.title[:40], total=self.total, note="")
                case ClipStarted():
                    self._clips[event.clip_key] = self._progress.add_task(
                        f"  {event.label}", total=event.frames, note=""
                    )
                case ClipAdvanced():
                    if (bar := self._clips.get(event.clip_key)) is not None:
                        self._progress.update(bar, completed=event.frames_done)
                case ClipFinished():
                    self._finish_clip(event)
                case StageStarted():
                    if self._job is not None:
                        self._progress.update(self._job, note=f"{STAGES[event.stage]} ({event.format})")

    def _finish_clip(self, event: ClipFinished) -> None:
        self.done += 1
        if (bar := self._clips.pop(event.clip_key, None)) is not None:
            self._progress.remove_task(bar)
        if self._job is not None:
            self._progress.update(self._job, completed=self.done, note=f"{self.done}/{self.total} clips")
