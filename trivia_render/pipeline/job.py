"""A job from claim to commit: who may render it, what its plan is, and how it ends."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from trivia_render.models.formats import FormatName
from trivia_render.models.parse import parse_job_config
from trivia_render.models.plan import JobPlan, VideoPlan
from trivia_render.models.problems import Problem
from trivia_render.models.results import ClipResult, JobStatus, Manifest, ObjectRef, VideoRecord
from trivia_render.pipeline.assembly import CONTENT_TYPES, assemble_video
from trivia_render.pipeline.lease import HeldLease, hold_lease
from trivia_render.pipeline.plan import make_plan
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import JobStarted
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
        self._ports = ports
        self._lease = lease
        self._status = status
        self._manifest_generation = manifest_generation
        self._clock = Stopwatch()
        self._started_at = ports.now()
        self._rendered = 0
        self._reused = 0

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
        return assemble_video(self._ports, self.plan, video, clips, attempt=self.attempt, clock=self._clock)

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
                self._discard(videos)
                raise LeaseLostError(
                    f"Attempt {self.attempt} of {self.plan.channel}/{self.plan.job_id} came too late.",
                    remedy="Another run has published or is rendering this job; follow that one.",
                ) from error
            # The write landed and its answer was lost.
        self._status.update(
            state="completed",
            finished_at=self._ports.now(),
            manifest_uri=self._ports.store.uri(key),
        )
        return manifest

    def _manifest(self, videos: Sequence[VideoRecord]) -> Manifest:
        hours = (self._ports.now() - self._started_at).total_seconds() / 3600
        price = self._ports.usd_per_hour
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
            fallbacks=self.plan.fallbacks,
            videos=tuple(videos),
            stage_seconds=self._clock.seconds,
            clips_rendered=self._rendered,
            clips_reused=self._reused,
            cost_usd=None if price is None else round(hours * price, 6),
            worker_id=self._ports.worker_id,
            flow_run_id=self._status.status.flow_run_id,
            published_at=self._ports.now(),
            metadata=self.config.metadata,
        )

    def _discard(self, videos: Sequence[VideoRecord]) -> None:
        for video in videos:
            for name in CONTENT_TYPES:
                # By the names of this attempt: whatever a record says, another's files are not touched.
                key = keys.video_key(
                    self.plan.channel, self.plan.job_id, format=video.format, attempt=self.attempt, name=name
                )
                self._ports.store.delete(key)


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
        min_attempt=before.attempt + 1 if before else 1,
    ) as lease:
        now = ports.now()
        status = StatusWriter(
            ports,
            JobStatus(
                channel=channel,
                job_id=job_id,
                state="running",
                attempt=lease.attempt,
                crashes=before.crashes if before else 0,
                worker_id=ports.worker_id,
                flow_run_id=flow_run_id,
                created_at=before.created_at if before else now,
                started_at=now,
                updated_at=now,
                manifest_uri=before.manifest_uri if before else None,
            ),
        )
        try:
            yield _start(ports, channel, job_id, config, formats, lease=lease, status=status)
        except LeaseLostError:
            # The status belongs to whoever holds the lease now.
            raise
        except Exception as error:
            _note_failure(ports, status, error)
            raise
        except BaseException:
            status.update(state="pending", error_code="interrupted", error_message="The run was interrupted.")
            raise


def _start(
    ports: Ports,
    channel: str,
    job_id: str,
    config: Mapping[str, Any] | None,
    formats: Sequence[FormatName] | None,
    *,
    lease: HeldLease,
    status: StatusWriter,
) -> JobRun:
    # Written first, so that a job that fails on its config says so too.
    status.update()
    parsed, warnings = _config_of(ports, channel, job_id, config)
    if formats is not None:
        parsed = JobConfig.model_validate(parsed.model_dump() | {"formats": tuple(formats)})
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
    if published is None:
        ports.report(JobStarted(title=plan.title, clips_total=total))
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
