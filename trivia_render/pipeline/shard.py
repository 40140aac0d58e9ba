"""A shard of jobs, rendered one after the other in one process: what each of them still needs."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from trivia_render.models.jobs import JobName
from trivia_render.pipeline.handover import crash_limit_reached, end_job
from trivia_render.pipeline.lease import live_lease
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.status import read_status

#: `published` and `failed`: nothing is left to do; `held`: another run renders it now.
JobNeed = Literal["render", "published", "failed", "held"]
JobOutcome = Literal["rendered", "published", "failed", "held"]

_WORDS: dict[JobOutcome, str] = {
    "rendered": "rendered",
    "published": "published before",
    "failed": "failed",
    "held": "left to other runs",
}


def what_is_left(ports: Ports, job: JobName) -> JobNeed:
    """Tell what a shard has to do for a job; one at its crash limit is failed here. Raises store errors.

    A job that failed stays failed when its shard runs again: `trivia retry` gives it a run of its own.
    """
    status = read_status(ports, channel=job.channel, job_id=job.job_id)
    if status is None:
        return "render"
    if status.state == "completed":
        return "published"
    if status.state == "failed":
        return "failed"
    if live_lease(ports, channel=job.channel, job_id=job.job_id) is not None:
        return "held"
    if status.crashes >= ports.max_crashes:
        end_job(
            ports.store,
            channel=job.channel,
            job_id=job.job_id,
            flow_runs=None,
            now=ports.now(),
            error=crash_limit_reached(status),
        )
        return "failed"
    return "render"


def summary(outcomes: Mapping[str, JobOutcome]) -> str:
    """Say in a line how a shard ended. Pure."""
    counts = Counter(outcomes.values())
    return ", ".join(f"{counts[outcome]} {words}" for outcome, words in _WORDS.items() if counts[outcome])
