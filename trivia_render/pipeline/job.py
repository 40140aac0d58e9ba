"""A job from claim to commit: who may render it, what its plan is, and how it ends."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from trivia_render import ENGINE_VERSION
from trivia_render.errors import (
    BadInputError,
    LeaseLostError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
    TriviaRenderError,
)
from trivia_render.models.config import JobConfig
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.parse import parse_job_config
from trivia_render.models.plan import Fallback, JobPlan, VideoPlan
from trivia_render.models.problems import Problem
from trivia_render.models.results import ClipResult, JobStatus, Manifest, ObjectRef, VideoRecord
from trivia_render.pipeline.assembly import CONTENT_TYPES, assemble_video
from trivia_render.pipeline.lease import HeldLease, hold_lease
from trivia_render.pipeline.plan import make_plan
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import JobFound, JobStarted
from trivia_render.pipeline.status import StatusWriter, read_status
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
        """Count a clip. Call it once a clip, from any one thread."""
        if result.rendered_at < self._started_at:
            self._reused += 1
        else:
            self._rendered += 1
            for stage, seconds in result.seconds.items():
                self._clock.add(stage, seconds)
        self._status.update(clips_done=self._rendered + self._reused)

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

    def _note_repair(self, clip: ClipResult) -> None:
        self._rendered += 1
        self._reused = max(0, self._reused - 1)
        self._repairs.append(
            Fallback(
                what="clip",
                asked=clip.label,
                used="rendered again",
                reason="its stream parameters differed from the other clips'",
            )
        )

    def publish(self, videos: Sequence[VideoRecord]) -> Manifest:
        """Commit the videos by writing the manifest.

        Raises LeaseLostError if another run has the job; this attempt's files are deleted then.
        """
        manifest = self._manifest(videos)
        key = keys.manifest_key(self.plan.channel, self.plan.job_id)
        try:
            self._lease.check()
            self._ports.store.write(
                key,
                manifest.model_dump_json(indent=2).encode(),
                content_type="application/json",
                if_generation=self._manifest_generation,
            )
        except (LeaseLostError, PreconditionFailedError) as error:
            if _read_manifest(self._ports, key)[0] != manifest:
                raise LeaseLostError(
                    f"Attempt {self.attempt} of {self.plan.channel}/{self.plan.job_id} came too late.",
                    remedy="Another run has published or is rendering this job; follow that one.",
                ) from error
            # The write landed and its answer was lost.
        self.committed = True
        self._status.update(
            state="completed",
            finished_at=self._ports.now(),
            manifest_uri=self._ports.store.uri(key),
        )
        return manifest

    def _manifest(self, videos: Sequence[VideoRecord]) -> Manifest:
        hours = (self._ports.now() - self._started_at).total_seconds() / 3600
        price = self._ports.usd_per_hour
        seconds, speech = self._clock.seconds, self._speech_done()
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
            videos=tuple(videos),
            stage_seconds=seconds,
            stage_cost_usd=None if price is None else _shares(seconds, hours * price),
            speech=speech,
            clips_rendered=self._rendered,
            clips_reused=self._reused,
            cost_usd=None if price is None else round(hours * price, 6),
            worker_id=self._ports.worker_id,
            flow_run_id=self._status.status.flow_run_id,
            published_at=self._ports.now(),
            metadata=self.config.metadata,
        )

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


def _shares(seconds: Mapping[str, float], total: float) -> dict[str, float]:
    """Divide a cost by the seconds of each stage."""
    whole = sum(seconds.values()) or 1.0
    return {stage: round(total * part / whole, 8) for stage, part in seconds.items()}


def artefacts(video: VideoRecord) -> tuple[ObjectRef, ...]:
    """Every object that belongs to a finished video."""
    return (video.video, *video.captions.values(), video.thumbnail)


@contextmanager
def open_job(
    ports: Ports,
    *,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None = None,
    formats: Sequence[FormatName] | None = None,
    flow_run_id: str | None = None,
) -> Iterator[JobRun]:
    """Claim the job, plan it, and keep its status true until the block ends.

    `config` None: the one in the store is used. `formats` replaces the config's own.
    Leaving by an exception marks the job failed; leaving by an interrupt leaves it pending, so that
    the next run goes on. Raises JobConflictError, ConfigInvalidError and what planning raises.
    """
    before = read_status(ports, channel=channel, job_id=job_id)
    with hold_lease(
        ports,
        channel=channel,
        job_id=job_id,
        flow_run_id=flow_run_id,
        min_attempt=1 + max(before.attempt if before else 0, _last_attempt(ports, channel, job_id)),
    ) as lease:
        now = ports.now()
        crashed = before is not None and before.state == "running"
        status = StatusWriter(
            ports,
            JobStatus(
                channel=channel,
                job_id=job_id,
                state="running",
                attempt=lease.attempt,
                # The claim proves that a run which still counts as running is dead.
                crashes=(before.crashes if before else 0) + crashed,
                worker_id=ports.worker_id,
                flow_run_id=flow_run_id,
                created_at=before.created_at if before else now,
                started_at=now,
                updated_at=now,
                manifest_uri=before.manifest_uri if before else None,
            ),
        )
        run: JobRun | None = None
        try:
            run = _start(ports, channel, job_id, config, formats, lease=lease, status=status, before=before)
            yield run
        except LeaseLostError:
            # The status belongs to whoever holds the lease now.
            _discard_unpublished(run)
            raise
        except Exception as error:
            _discard_unpublished(run)
            _note_failure(ports, status, error)
            raise
        except BaseException:
            _discard_unpublished(run)
            status.update(state="pending", error_code="interrupted", error_message="The run was interrupted.")
            raise


def _discard_unpublished(run: JobRun | None) -> None:
    """Delete what a run has put beside the published videos, if it published nothing."""
    if run is not None and run.published is None and not run.committed:
        # A store in trouble keeps them: unnamed by any manifest, they are never read.
        with suppress(StoreError):
            run.discard()


def _last_attempt(ports: Ports, channel: str, job_id: str) -> int:
    """Return the highest attempt that has files: they outlive status and lease, and are never overwritten."""
    folder = keys.manifest_key(channel, job_id).removesuffix("manifest.json")
    parts = (info.key.removeprefix(folder).split("/") for info in ports.store.list(folder))
    return max((int(part[1]) for part in parts if len(part) == 3 and part[1].isdigit()), default=0)


def _start(
    ports: Ports,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None,
    formats: Sequence[FormatName] | None,
    *,
    lease: HeldLease,
    status: StatusWriter,
    before: JobStatus | None,
) -> JobRun:
    if before is None or before.state != "completed":
        # Written first, so that a job that fails on its config says so too. A completed job stays that
        # until it is known that something is left to do.
        status.update()
    parsed, warnings = _config_of(ports, channel, job_id, config)
    if formats is not None:
        parsed = parsed.model_copy(update={"formats": _checked_formats(formats)})
    plan = make_plan(ports, parsed, channel=channel, job_id=job_id)
    key = keys.manifest_key(channel, job_id)
    manifest, generation = _read_manifest(ports, key)
    published = manifest if manifest is not None and _is_current(ports, manifest, plan) else None
    total = sum(len(video.clips) for video in plan.videos)
    status.update(
        config_sha256=plan.config_sha256,
        clips_total=total,
        **(
            {
                "state": "completed",
                "clips_done": total,
                "finished_at": ports.now(),
                "manifest_uri": ports.store.uri(key),
            }
            if published
            else {}
        ),
    )
    ports.report(JobFound(title=plan.title) if published else JobStarted(title=plan.title, clips_total=total))
    return JobRun(
        ports,
        plan=plan,
        config=parsed,
        warnings=warnings,
        lease=lease,
        status=status,
        published=published,
        manifest_generation=generation,
    )


def _checked_formats(formats: Sequence[str]) -> tuple[FormatName, ...]:
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise BadInputError(
            f"`formats` is {list(formats)}.", remedy=f"Name one or more of {', '.join(FORMATS)}."
        )
    return tuple(name for name in FORMATS if name in formats)


def _config_of(
    ports: Ports, channel: str, job_id: str, config: Mapping[str, Any] | None
) -> tuple[JobConfig, tuple[Problem, ...]]:
    key = keys.config_key(channel, job_id)
    if config is None:
        try:
            data, _ = ports.store.read(key)
        except ObjectMissingError as error:
            raise BadInputError(
                f"There is no config for {channel}/{job_id}: {ports.store.uri(key)} does not exist.",
                remedy="Pass a config, or correct the channel and the job id.",
            ) from error
        parsed, warnings = parse_job_config(data, source=key)
    else:
        parsed, warnings = parse_job_config(config)
        data = json.dumps(config, ensure_ascii=False, indent=2).encode()
        ports.store.write(key, data, content_type="application/json")
    if parsed.channel != channel:
        raise BadInputError(
            f"$.channel is {parsed.channel!r}, but the job was started for channel {channel!r}.",
            remedy="Make the two equal.",
        )
    return parsed, warnings


def _read_manifest(ports: Ports, key: str) -> tuple[Manifest | None, int]:
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


def _is_current(ports: Ports, manifest: Manifest, plan: JobPlan) -> bool:
    if manifest.plan_sha256 != plan.digest():
        return False
    refs = [ref for video in manifest.videos for ref in artefacts(video)]
    infos = [ports.store.stat(ref.key) for ref in refs]
    return all(
        info is not None and (info.size_bytes, info.crc32c) == (ref.size_bytes, ref.crc32c)
        for ref, info in zip(refs, infos, strict=True)
    )


def _note_failure(ports: Ports, status: StatusWriter, error: Exception) -> None:
    code = error.code if isinstance(error, TriviaRenderError) else "internal_error"
    try:
        status.update(state="failed", error_code=code, error_message=str(error), finished_at=ports.now())
    except StoreError as second:
        error.add_note(f"status.json could not be written either: {second}")
