"""What a run of a job cost, and what is counted of it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from trivia_render.fleet.prices import Rates
from trivia_render.models.fleet import Histogram, Tally
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.results import Cost, ObjectRef, VideoRecord
from trivia_render.speech.voice_families import family_of

Outcome = Literal["completed", "failed", "given_back"]

#: Of the machine's cost where no stage was measured.
OTHER_STAGE = "other"

#: Writes of a rendered clip (pictures, sound, record), of a spoken line (sound, record), and of a job
#: (config, status at its start and end, lease, manifest).
_CLIP_WRITES, _LINE_WRITES, _JOB_WRITES = 3, 2, 8
#: A running job's status is written about once a clip, its lease every 20 s.
_LEASE_SECONDS = 20.0


def run_cost(
    rates: Rates,
    *,
    elapsed: timedelta,
    voice: VoiceSpec,
    speech: Mapping[str, int],
    files: Sequence[ObjectRef],
    clips_rendered: int,
    clips_reused: int,
) -> Cost:
    """Return what a run cost. `speech`: the counts of its voice; `files`: what it published.

    Writes to the store are estimated, not counted.
    """
    billed = {family_of(voice.name).name: speech["billed_characters"]} if voice.provider == "google" else {}
    writes = (
        _JOB_WRITES
        + elapsed.total_seconds() / _LEASE_SECONDS
        + _CLIP_WRITES * clips_rendered
        + clips_rendered
        + clips_reused
        + _LINE_WRITES * speech["cache_misses"]
        + len(files)
    )
    return rates.cost(
        machine_seconds=elapsed.total_seconds(),
        characters=billed,
        size_bytes=sum(ref.size_bytes for ref in files),
        writes=writes,
    )


def stage_costs(cost: Cost, seconds: Mapping[str, float]) -> dict[str, float]:
    """Divide a cost: the machine's by each stage's seconds, speech and storage to their own stages.

    A machine of unknown price counts as nothing. The parts add up to the total.
    """
    machine, whole = cost.machine_usd or 0.0, sum(seconds.values())
    shares = {stage: machine * part / whole for stage, part in seconds.items()} if whole else {}
    if not whole and machine:
        shares[OTHER_STAGE] = machine
    if cost.speech_usd:
        shares["speech"] = shares.get("speech", 0.0) + cost.speech_usd
    if cost.storage_usd:
        shares["storage"] = cost.storage_usd
    return {stage: round(usd, 8) for stage, usd in shares.items()}


def video_costs(cost_usd: float | None, videos: Sequence[VideoRecord]) -> tuple[VideoRecord, ...]:
    """Return the videos with each one's share of the job's cost, by its frames."""
    frames = sum(video.frames for video in videos)
    if cost_usd is None or not frames:
        return tuple(videos)
    return tuple(
        video.model_copy(update={"cost_usd": round(cost_usd * video.frames / frames, 8)}) for video in videos
    )


def run_tally(
    *,
    outcome: Outcome,
    elapsed: timedelta,
    cost: Cost,
    stage_seconds: Mapping[str, float],
    speech: Mapping[str, int],
    videos: Sequence[VideoRecord],
    files: Sequence[ObjectRef],
    clips_rendered: int,
    clips_reused: int,
) -> Tally:
    """Return what the ledger counts of one run. Durations are kept of completed jobs alone."""
    seconds = round(elapsed.total_seconds(), 3)
    completed = outcome == "completed"
    return Tally(
        jobs_completed=int(completed),
        jobs_failed=int(outcome == "failed"),
        runs_given_back=int(outcome == "given_back"),
        videos=len(videos),
        video_seconds=sum(video.duration_seconds for video in videos),
        clips_rendered=clips_rendered,
        clips_reused=clips_reused,
        speech_requests=speech["requests"],
        speech_characters=speech["characters"],
        speech_reused=speech["cache_hits"],
        stored_bytes=sum(ref.size_bytes for ref in files),
        machine_seconds=seconds,
        stage_seconds=dict(stage_seconds),
        machine_usd=cost.machine_usd or 0.0,
        speech_usd=cost.speech_usd,
        storage_usd=cost.storage_usd,
        stage_usd=stage_costs(cost, stage_seconds),
        job_durations=Histogram.of(seconds) if completed else Histogram(),
        stage_durations={stage: Histogram.of(part) for stage, part in stage_seconds.items()}
        if completed
        else {},
    )


def unplanned_tally(outcome: Outcome, *, seconds: float, machine_usd: float | None) -> Tally:
    """Return what the ledger counts of a run that ended before it had a plan."""
    usd = round(machine_usd or 0.0, 8)
    return Tally(
        jobs_failed=int(outcome == "failed"),
        runs_given_back=int(outcome == "given_back"),
        machine_seconds=round(seconds, 3),
        machine_usd=usd,
        stage_usd={OTHER_STAGE: usd} if usd else {},
    )
