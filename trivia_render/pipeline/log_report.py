"""Progress as log lines, for processes that nobody watches."""

import logging
from typing import Any

from trivia_render.pipeline.progress import (
    ClipAdvanced,
    ClipFinished,
    ClipStarted,
    Event,
    JobEnded,
    JobFound,
    JobStarted,
    MachineFaulted,
    StageStarted,
)

#: What happens to a job.
JOB_LOGGER = "trivia_render.job"


class LogReport:
    """A `Report` that logs a line an event. How many frames are done is left out: it would bury the rest."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(JOB_LOGGER)

    def __call__(self, event: Event) -> None:
        """Log the event with its fields. Threads may call it."""
        match event:
            case JobFound():
                self._log("job_found", "“%s” is published already; nothing is left to do", event.title)
            case JobEnded(state="completed"):
                self._log("job_ended", "Published after %.1f s", event.seconds, seconds=event.seconds)
            case JobEnded():
                self._log(
                    "job_ended",
                    "Failed after %.1f s: %s",
                    event.seconds,
                    event.message,
                    level=logging.ERROR,
                    seconds=event.seconds,
                    error_code=event.error_code,
                    remedy=event.remedy,
                )
            case JobStarted():
                self._log(
                    "job_started",
                    "Rendering “%s”: %d clips",
                    event.title,
                    event.clips_total,
                    clips_total=event.clips_total,
                )
            case ClipStarted():
                self._log(
                    "clip_started",
                    "Clip %s: rendering %d frames",
                    event.label,
                    event.frames,
                    clip=event.label,
                    clip_key=event.clip_key,
                    frames=event.frames,
                )
            case ClipFinished():
                how = "was there already" if event.reused else "is rendered"
                self._log(
                    "clip_finished",
                    "Clip %s %s (%.1f s)",
                    event.label,
                    how,
                    event.seconds,
                    clip=event.label,
                    clip_key=event.clip_key,
                    reused=event.reused,
                    seconds=round(event.seconds, 3),
                )
            case StageStarted():
                self._log(
                    "stage_started",
                    "%s (%s) has begun",
                    event.stage,
                    event.format,
                    stage=event.stage,
                    format=event.format,
                )
            case MachineFaulted():
                self._log(
                    "machine_faulted",
                    "%s",
                    event.message,
                    level=logging.ERROR,
                    error_code=event.error_code,
                    remedy=event.remedy,
                )
            case ClipAdvanced():
                pass

    def _log(
        self, name: str, message: str, *arguments: object, level: int = logging.INFO, **fields: Any
    ) -> None:
        # The title and the label are arguments: they are never read as a format.
        self._logger.log(level, message, *arguments, extra={"event": name, **fields})
