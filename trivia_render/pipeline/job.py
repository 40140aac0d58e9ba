"""A job from claim to commit: who may render it, what its plan is, and how it ends."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from trivia_render import ENGINE_VERSION
from trivia_render.errors import (
    LeaseLostError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
)
from trivia_render.models.config import JobConfig
from trivia_render.models.fleet import LedgerEntry
from trivia_render.models.plan import Fallback, JobPlan, VideoPlan
from trivia_render.models.problems import Problem
from trivia_render.models.results import ClipResult, Cost, JobStatus, Manifest, ObjectRef, VideoRecord
from trivia_render.pipeline.assembly import CONTENT_TYPES, assemble_video
from trivia_render.pipeline.costing import (
    Outcome,
    run_cost,
    run_tally,
    stage_costs,
    unplanned_tally,
    video_costs,
)
from trivia_render.pipeline.lease import HeldLease
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import JobEnded
from trivia_render.pipeline.status import StatusWriter
from trivia_render.pipeline.stopwatch import Stopwatch
from trivia_render.storage import keys


class JobRun:
    """A claimed job: its plan, and the steps that need the claim."""

    def __init__(
        self,
        ports: Ports,
        *,
        plan: JobPlan,
        config: JobConfig,
        warnings: Sequence[Problem],
        lease: HeldLease,
        status: StatusWriter,
        published: Manifest | None,
        manifest_generation: int,
        published_attempt: int | None,
    ) -> None:
        self.plan = plan
        self.config = config
        self.warnings = tuple(warnings)
        #: The manifest, where these very videos are published already and whole.
        self.published = published
        #: Whether this run's own files are named by the manifest.
        self.committed = False
        self._ports = ports
        self._lease = lease
        self._status = status
        self._manifest_generation = manifest_generation
        # 0: none yet; None: a manifest that cannot be read names it.
        self._published_attempt = published_attempt
        self._made: Manifest | None = None
        self._entered = False
        #: From claim to commit, once the manifest is made.
        self._took: timedelta | None = None
        self._clock = Stopwatch()
        self._started_at = ports.now()
        self._rendered = 0
        self._reused = 0
        self._repairs: list[Fallback] = []
        self._voice = ports.voice(plan.voice.provider)
        self._speech_before = self._voice.usage

    @property
    def attempt(self) -> int:
        """The fencing token: the claim's number."""
        return self._lease.attempt

    def clip_finished(self, result: ClipResult) -> None:
        """Count a clip. Call it once a clip, from any one thread. Raises LeaseLostError."""
        self._lease.check()
        if result.rendered_at < self._started_at:
            self._reused += 1
        else:
            self._rendered += 1
            for stage, seconds in result.seconds.items():
                self._clock.add(stage, seconds)
        self._status.progress(clips_done=self._rendered + self._reused)

    def assemble(self, video: VideoPlan, clips: Sequence[ClipResult]) -> VideoRecord:
        """Make one finished video of its clips. Raises LeaseLostError and what `assemble_video` does."""
        self._lease.check()
        return assemble_video(
            self._ports,
            self.plan,
            video,
            clips,
            attempt=self.attempt,
            clock=self._clock,
            repaired=self._note_repair,
        )

    def _note_repair(self, clip: ClipResult, reason: str) -> None:
        self._rendered += 1
        self._reused = max(0, self._reused - 1)
        self._repairs.append(Fallback(what="clip", asked=clip.label, used="rendered again", reason=reason))

    def publish(self, videos: Sequence[VideoRecord]) -> Manifest:
        """Commit the videos by writing the manifest.

        Tried again after a fault of the store, it goes on where it stopped. Raises LeaseLostError if the job
        was taken away; this attempt's files are deleted then.
        """
        # Made once: what was written by a try that failed afterwards is known again.
        self._made = manifest = self._made or self._manifest(videos)
        key = keys.manifest_key(self.plan.channel, self.plan.job_id)
        try:
            self._confirm_claim()
            self._ports.store.write(
                key,
                manifest.model_dump_json(indent=2).encode(),
                content_type="application/json",
                if_generation=self._manifest_generation,
            )
        except (LeaseLostError, PreconditionFailedError) as error:
            if read_manifest(self._ports, key)[0] != manifest:
                raise LeaseLostError(
                    f"Attempt {self.attempt} of {self.plan.channel}/{self.plan.job_id} came too late.",
                    remedy="Another run has published or is rendering this job; follow that one.",
                ) from error
            # The write landed and its answer was lost.
        self.committed = True
        self._sweep_dead_attempts()
        now = self._ports.now()
        self._status.update(
            state="completed",
            finished_at=now,
            seconds=round((now - self._started_at).total_seconds(), 3),
            clips_done=self._rendered + self._reused,
            **published_fields(self._ports, manifest),
        )
        self._ports.report(JobEnded("completed", self._status.status.seconds or 0.0))
        self.enter("completed")
        return manifest

    def _confirm_claim(self) -> None:
        """Raise LeaseLostError unless the store says, now, that the job is this run's.

        By conditional writes: what this process remembers of its lease is as old as the last renewal, and a
        job that was given back or cancelled while the lease had run out shows that in its status alone.
        """
        self._lease.renew()
        self._lease.check()
        self._status.update(clips_done=self._rendered + self._reused)

    def _manifest(self, videos: Sequence[VideoRecord]) -> Manifest:
        self._took = self._elapsed()
        seconds, speech = self._clock.seconds, self._speech_done()
        cost = self._cost(videos, speech)
        cost_usd = None if cost.machine_usd is None else cost.total_usd
        return Manifest(
            channel=self.plan.channel,
            job_id=self.plan.job_id,
            attempt=self.attempt,
            title=self.plan.title,
            config_sha256=self.plan.config_sha256,
            plan_sha256=self.plan.digest(),
            engine_version=ENGINE_VERSION,
            encoder=self.plan.encoder,
            strategy="full",
            voice=self.plan.voice,
            language=self.plan.language,
            fallbacks=(*self.plan.fallbacks, *self._repairs, *_speech_fallbacks(speech)),
            videos=video_costs(cost_usd, videos),
            stage_seconds=seconds,
            stage_cost_usd=None if cost_usd is None else stage_costs(cost, seconds),
            speech=speech,
            clips_rendered=self._rendered,
            clips_reused=self._reused,
            cost_usd=cost_usd,
            cost=cost,
            worker_id=self._ports.worker_id,
            flow_run_id=self._status.status.flow_run_id,
            published_at=self._ports.now(),
            metadata=self.config.metadata,
        )

    def _cost(self, videos: Sequence[VideoRecord], speech: Mapping[str, int]) -> Cost:
        return run_cost(
            self._ports.rates,
            elapsed=self._elapsed(),
            voice=self.plan.voice,
            speech=speech,
            files=_files(videos),
            clips_rendered=self._rendered,
            clips_reused=self._reused,
        )

    def _elapsed(self) -> timedelta:
        return self._took or self._ports.now() - (self._status.status.started_at or self._started_at)

    def enter(self, outcome: Outcome, *, error_code: str | None = None) -> None:
        """Enter this run into the ledger, unless that is done or there was nothing to do. Never raises.

        A run that has committed counts as completed, whatever happened then.
        """
        if self._entered or self.published is not None:
            return
        self._entered = True
        manifest = self._made if self.committed else None
        videos = () if manifest is None else manifest.videos
        speech = self._speech_done()
        if manifest is not None:
            outcome, error_code = "completed", None
        self._ports.ledger(
            LedgerEntry(
                id=uuid.uuid4().hex,
                channel=self.plan.channel,
                job_id=self.plan.job_id,
                outcome=outcome,
                error_code=error_code,
                finished_at=self._ports.now(),
                engine=ENGINE_VERSION,
                tally=run_tally(
                    outcome=outcome,
                    elapsed=self._elapsed(),
                    cost=(manifest and manifest.cost) or self._cost(videos, speech),
                    stage_seconds=self._clock.seconds,
                    speech=speech,
                    videos=videos,
                    files=_files(videos),
                    clips_rendered=self._rendered,
                    clips_reused=self._reused,
                ),
            )
        )

    def _sweep_dead_attempts(self) -> None:
        """Delete the files of attempts that died before they published anything.

        They are those between the attempt published before and this one, which alone could claim the job.
        """
        if self._published_attempt is None:
            return
        folder = keys.manifest_key(self.plan.channel, self.plan.job_id).removesuffix("manifest.json")
        # Unnamed by any manifest they are never read: a store in trouble keeps them until the next attempt.
        with suppress(StoreError):
            for info in self._ports.store.list(folder):
                number = attempt_of(info.key)
                if number is not None and self._published_attempt < number < self.attempt:
                    self._ports.store.delete(info.key)

    def discard(self) -> None:
        """Delete this attempt's files by their exact names; another's are never touched."""
        for video in self.plan.videos:
            for name in CONTENT_TYPES:
                key = keys.video_key(
                    self.plan.channel, self.plan.job_id, format=video.format, attempt=self.attempt, name=name
                )
                self._ports.store.delete(key)

    def _speech_done(self) -> dict[str, int]:
        now, before = self._voice.usage.model_dump(), self._speech_before.model_dump()
        return {name: now[name] - before[name] for name in now}


def _speech_fallbacks(speech: Mapping[str, int]) -> Iterator[Fallback]:
    if count := speech.get("unmarked", 0):
        yield Fallback(
            what="speech",
            asked="one request a clip",
            used="one request a line",
            reason=f"the voice returned no usable marks for {count} clips",
        )
    if count := speech.get("cache_damaged", 0):
        yield Fallback(
            what="speech",
            asked="kept speech",
            used="spoken again",
            reason=f"the sound of {count} lines was missing or damaged",
        )


def _files(videos: Sequence[VideoRecord]) -> tuple[ObjectRef, ...]:
    return tuple(ref for video in videos for ref in artefacts(video))


def unplanned_entry(
    ports: Ports, status: JobStatus, outcome: Outcome, *, error_code: str | None
) -> LedgerEntry:
    """Return the ledger's entry of a run that ended before it had a plan: time and nothing else."""
    now = ports.now()
    seconds = (now - (status.started_at or now)).total_seconds()
    return LedgerEntry(
        id=uuid.uuid4().hex,
        channel=status.channel,
        job_id=status.job_id,
        outcome=outcome,
        error_code=error_code,
        finished_at=now,
        engine=ENGINE_VERSION,
        tally=unplanned_tally(outcome, seconds=seconds, machine_usd=ports.rates.machine_usd(seconds)),
    )


def attempt_of(key: str) -> int | None:
    """Return whose attempt a finished file is, by its name; None for other objects. Pure."""
    parts = key.split("/")
    return int(parts[4]) if len(parts) == 6 and parts[4].isdigit() else None


def artefacts(video: VideoRecord) -> tuple[ObjectRef, ...]:
    """Every object that belongs to a finished video."""
    return (video.video, *video.captions.values(), video.thumbnail)


def read_manifest(ports: Ports, key: str) -> tuple[Manifest | None, int]:
    """Return the manifest with its generation; (None, 0) where there is none.

    One of another version reads as None, with its generation, so that it is replaced.
    """
    try:
        data, info = ports.store.read(key)
    except ObjectMissingError:
        return None, 0
    try:
        return Manifest.model_validate_json(data), info.generation
    except ValueError:
        return None, info.generation


def published_fields(ports: Ports, manifest: Manifest) -> dict[str, Any]:
    """Return what a status says of published videos."""
    return {
        "manifest_uri": ports.store.uri(keys.manifest_key(manifest.channel, manifest.job_id)),
        "video_uris": {video.format: ports.store.uri(video.video.key) for video in manifest.videos},
        "cost_usd": manifest.cost_usd,
    }


def discard_unpublished(run: JobRun | None) -> None:
    """Delete what a run has put beside the published videos, if it published nothing."""
    if run is not None and run.published is None and not run.committed:
        # A store in trouble keeps them: unnamed by any manifest, they are never read.
        with suppress(StoreError):
            run.discard()
