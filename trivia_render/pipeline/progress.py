"""What a run tells while it goes on. A terminal draws bars from it, a flow an artifact."""

from collections.abc import Callable
from typing import NamedTuple


class JobStarted(NamedTuple):
    """The plan is made: so many clips."""

    title: str
    clips_total: int


class ClipStarted(NamedTuple):
    """A clip is being rendered."""

    clip_key: str
    label: str
    frames: int


class ClipAdvanced(NamedTuple):
    """So many of the clip's frames are encoded."""

    clip_key: str
    frames_done: int


class ClipFinished(NamedTuple):
    """A clip is there, rendered now or found whole."""

    clip_key: str
    label: str
    reused: bool
    seconds: float


class StageStarted(NamedTuple):
    """A stage after the clips: `mixing`, `joining`, `publishing`, with the video's format."""

    stage: str
    format: str


class JobFound(NamedTuple):
    """These very videos are published already: nothing is left to do."""

    title: str


class JobEnded(NamedTuple):
    """The job is published, or has failed; the last three fields say why."""

    state: str
    seconds: float
    error_code: str | None = None
    message: str | None = None
    remedy: str | None = None


class MachineFaulted(NamedTuple):
    """This machine, and not the job, is at fault that a run of a fleet did not end well."""

    error_code: str
    message: str
    evidence: str
    remedy: str


Event = (
    MachineFaulted
    | JobEnded
    | JobFound
    | JobStarted
    | ClipStarted
    | ClipAdvanced
    | ClipFinished
    | StageStarted
)
Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """Report nothing."""


def to_all(*reports: Report) -> Report:
    """Return a report that tells all of these, in their order."""

    def tell(event: Event) -> None:
        for report in reports:
            report(event)

    return tell
