"""What a batch will cost, before it is submitted. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from pydantic import Field

from trivia_render.fleet.prices import Rates
from trivia_render.models.base import Model
from trivia_render.models.fleet import Tally

#: Clips that a measured speed needs at least: a hundred are about eight videos.
MEASURED_CLIPS = 100
#: An assumption, from `make demo` on a machine of two cores without a GPU (AMD EPYC, libx264): 44.6 s from
#: claim to commit for twelve clips, 134.5 s of video.
ASSUMED_SECONDS_PER_CLIP = 3.7
#: An assumption, from the same video: 14.4 MB.
ASSUMED_BYTES_PER_CLIP = 1_200_000
#: Writes to the store a clip: its three objects, its lines' and its share of the job's.
WRITES_PER_CLIP = 8


class JobSize(NamedTuple):
    """How large a job is. `characters`: that no job before it in the batch has spoken, by voice family."""

    videos: int
    clips: int
    characters: Mapping[str, int]


class Pace(Model):
    """How fast and how large: measured on the fleet, or assumed."""

    seconds_per_clip: float = Field(ge=0)
    bytes_per_clip: float = Field(ge=0)
    measured: bool
    source: str


class Quote(Model):
    """What a batch is expected to cost, in US dollars. Characters are an upper bound."""

    jobs: int
    videos: int
    clips: int
    characters: dict[str, int] = Field(description="To be spoken by Google, by voice family.")
    machine_seconds: float
    usd_per_hour: float
    machine_usd: float
    speech_usd: float
    storage_usd: float
    total_usd: float
    usd_per_video: float
    prices_as_of: date
    pace: Pace
    notes: tuple[str, ...]


def pace_of(done: Tally, *, days: int) -> Pace:
    """Return the pace of what was done in the last days; an assumption while that is too little.

    All seconds that runs took count, over the clips that they rendered.
    """
    if done.clips_rendered < MEASURED_CLIPS or not done.videos:
        return Pace(
            seconds_per_clip=ASSUMED_SECONDS_PER_CLIP,
            bytes_per_clip=ASSUMED_BYTES_PER_CLIP,
            measured=False,
            source=f"assumed: {ASSUMED_SECONDS_PER_CLIP} s a clip, as on two cores without a GPU; "
            f"{done.clips_rendered} of the {MEASURED_CLIPS} clips that a measurement needs were rendered in "
            f"the last {days} days",
        )
    made = done.clips_rendered + done.clips_reused
    return Pace(
        seconds_per_clip=round(done.machine_seconds / done.clips_rendered, 3),
        bytes_per_clip=round(done.stored_bytes / made),
        measured=True,
        source=f"measured: {done.clips_rendered} clips in the ledger's last {days} days",
    )


def quote_jobs(jobs: Sequence[JobSize], *, pace: Pace, rates: Rates, notes: Sequence[str] = ()) -> Quote:
    """Return what jobs will cost. `rates` must know the machine's price."""
    videos, clips = sum(job.videos for job in jobs), sum(job.clips for job in jobs)
    characters: dict[str, int] = {}
    for job in jobs:
        for family, count in job.characters.items():
            characters[family] = characters.get(family, 0) + count
    seconds = pace.seconds_per_clip * clips
    cost = rates.cost(
        machine_seconds=seconds,
        characters=characters,
        size_bytes=pace.bytes_per_clip * clips,
        writes=WRITES_PER_CLIP * clips,
    )
    return Quote(
        jobs=len(jobs),
        videos=videos,
        clips=clips,
        characters=characters,
        machine_seconds=round(seconds, 1),
        usd_per_hour=rates.usd_per_hour or 0.0,
        machine_usd=round(cost.machine_usd or 0.0, 6),
        speech_usd=round(cost.speech_usd, 6),
        storage_usd=round(cost.storage_usd, 6),
        total_usd=round(cost.total_usd, 6),
        usd_per_video=round(cost.total_usd / videos, 6) if videos else 0.0,
        prices_as_of=rates.as_of,
        pace=pace,
        notes=(*notes, *cost.notes),
    )


def jobs_within(jobs: Sequence[JobSize], budget_usd: float, *, pace: Pace, rates: Rates) -> int:
    """Return how many of the jobs, from the first one on, cost no more than the budget."""
    spent = 0.0
    for count, job in enumerate(jobs):
        spent += quote_jobs([job], pace=pace, rates=rates).total_usd
        # Sums of rounded parts: a ten thousandth of a cent is nobody's budget.
        if spent > budget_usd + 1e-6:
            return count
    return len(jobs)
