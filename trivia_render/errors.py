"""The one error tree. Each error has a code, evidence, a remedy, and knows if a retry can help."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from trivia_render.models.problems import Problem


class TriviaRenderError(Exception):
    """Base of every failure. `str()` reads: what happened, the evidence, the remedy."""

    code: ClassVar[str] = "failed"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str, evidence: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.evidence = evidence

    def __str__(self) -> str:
        evidence = f"\n{self.evidence.rstrip()}" if self.evidence else ""
        return f"{self.message}{evidence}\n{self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return _rebuild, (type(self), self.message, self.remedy, self.evidence)


def _rebuild(cls: type[TriviaRenderError], message: str, remedy: str, evidence: str) -> TriviaRenderError:
    error = cls.__new__(cls)
    TriviaRenderError.__init__(error, message, remedy=remedy, evidence=evidence)
    return error


class BadInputError(TriviaRenderError):
    """What the operator handed over cannot be used as it is."""

    code = "bad_input"


class ConfigInvalidError(BadInputError):
    """A job config has problems: all of them, each with its JSON path and remedy, in `problems`."""

    code = "config_invalid"

    def __init__(self, problems: "Sequence[Problem]", *, source: str = "job config") -> None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{source} has {count}:", evidence=lines, remedy="Correct them and submit it again.")
        self.problems = tuple(problems)
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_invalid, (type(self), self.problems, self.source)


def _rebuild_invalid(
    cls: type[ConfigInvalidError], problems: "Sequence[Problem]", source: str
) -> ConfigInvalidError:
    return cls(problems, source=source)


class ThemeInvalidError(BadInputError):
    """A theme's name is unknown, or its data or an override cannot be used."""

    code = "theme_invalid"


class TextDoesNotFitError(BadInputError):
    """A text cannot be set at the smallest allowed size in its box."""

    code = "text_does_not_fit"


class TextNotDrawableError(BadInputError):
    """A text has characters that no installed typeface has."""

    code = "text_not_drawable"


class AssetInvalidError(BadInputError):
    """An image or sound named by a config is missing, too large, or not what it says."""

    code = "asset_invalid"


class AssetUnavailableError(TriviaRenderError):
    """The server of an image that a config names cannot be reached, or answered with a passing fault."""

    code = "asset_unavailable"
    retryable = True


class LanguageNotSpokenError(BadInputError):
    """The chosen voice cannot speak the config's language."""

    code = "language_not_spoken"


class JobConflictError(BadInputError):
    """The job id belongs to another config, or another run holds the job."""

    code = "job_conflict"


class JobHeldError(JobConflictError):
    """Another live run renders the job just now."""

    code = "job_held"


class CrashLimitError(TriviaRenderError):
    """A job's runs died so often that it is not tried again."""

    code = "crash_limit"


class JobCancelledError(TriviaRenderError):
    """An operator has cancelled the job."""

    code = "cancelled"


class JobUnknownError(BadInputError):
    """The store knows no job of this channel and id."""

    code = "job_unknown"


class JobGivenBackError(TriviaRenderError):
    """This machine cannot render the job; another one may."""

    code = "given_back"


class SpeechError(TriviaRenderError):
    """A voice did not produce speech."""

    code = "speech_failed"


class SpeechTooLongError(BadInputError):
    """A text is over the size that the voice takes in one request and cannot be split."""

    code = "speech_too_long"


class SpeechUnavailableError(SpeechError):
    """The speech service cannot be reached or answered with a passing fault."""

    code = "speech_unavailable"
    retryable = True


class SpeechQuotaError(SpeechError):
    """The speech service's quota is used up for now."""

    code = "speech_quota"
    retryable = True


class EncodeError(TriviaRenderError):
    """FFmpeg did not produce what it was asked for; the evidence holds its last lines."""

    code = "encode_failed"
    retryable = True


#: What to do about a full disk of the machine that renders.
DISK_REMEDY = "Free some space where TRIVIA_HOME lies, or set it to a larger disk; finished clips are kept."


class DiskFullError(TriviaRenderError):
    """This machine's disk took no more; another machine's may."""

    code = "disk_full"
    retryable = True


class EncodeStalledError(EncodeError):
    """FFmpeg made no progress within the limit and was ended."""

    code = "encode_stalled"


class EncoderUnavailableError(TriviaRenderError):
    """The forced encoder does not work on this machine."""

    code = "encoder_unavailable"


class GpuMissingError(EncoderUnavailableError):
    """This machine has no GPU with NVENC, or lacks the driver's libraries."""

    code = "gpu_missing"


class GpuLostError(EncoderUnavailableError):
    """The GPU is there and does not answer as it should: lost, hung or damaged."""

    code = "gpu_lost"


class DriverTooOldError(EncoderUnavailableError):
    """The NVIDIA driver is older than FFmpeg's NVENC needs, or its parts do not match."""

    code = "driver_too_old"


class NvencSessionsExhaustedError(EncoderUnavailableError):
    """The GPU takes no further encode now: its sessions or its memory are used up."""

    code = "nvenc_sessions_exhausted"
    retryable = True


class ClipMismatchError(TriviaRenderError):
    """Clips of one video differ in their stream parameters and must not be joined."""

    code = "clip_mismatch"
    retryable = True


class VideoOutOfSpecError(TriviaRenderError):
    """A finished file does not measure as it must (frames, keyframes, durations, loudness)."""

    code = "video_out_of_spec"


class StoreError(TriviaRenderError):
    """An object could not be read or written."""

    code = "store_failed"


class ObjectMissingError(StoreError):
    """No object has this name."""

    code = "object_missing"


class ObjectDamagedError(StoreError):
    """An object's size or checksum is not what was recorded."""

    code = "object_damaged"
    retryable = True


class BucketMissingError(StoreError):
    """There is no bucket of this name."""


class PreconditionFailedError(StoreError):
    """The object changed since it was read, or exists although it must not."""

    code = "precondition_failed"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or answered with a passing fault."""

    code = "store_unavailable"
    retryable = True


class FleetError(TriviaRenderError):
    """The group of machines cannot be changed as asked."""

    code = "fleet_refused"


class FleetUnavailableError(FleetError):
    """The group of machines cannot be reached, or answered with a passing fault."""

    code = "fleet_unavailable"
    retryable = True


class SecretError(TriviaRenderError):
    """A secret that the environment shall hold cannot be read or used."""

    code = "secret_refused"


class SecretUnavailableError(SecretError):
    """Secret Manager cannot be reached, or answered with a passing fault."""

    code = "secret_unavailable"
    retryable = True


class BudgetExceededError(BadInputError):
    """A batch would cost more than was allowed."""

    code = "budget_exceeded"


class LeaseLostError(TriviaRenderError):
    """Another run has taken the job over; this one must not publish."""

    code = "lease_lost"


class ProgramMissingError(TriviaRenderError):
    """A program or package that this machine should have is not there."""

    code = "program_missing"


class WorkflowServerError(TriviaRenderError):
    """Prefect's server, which a flow needs, is not there."""

    code = "workflow_server_unavailable"
    retryable = True


class WorkflowServerRefusedError(WorkflowServerError):
    """Prefect's server asks for a password and was given none, or another one."""

    code = "workflow_server_refused"
    retryable = False


class DeployError(TriviaRenderError):
    """A step of a deployment to Google Cloud failed; those before it stay done."""

    code = "deploy_failed"


class InternalError(TriviaRenderError):
    """A fault of this program: an exception that nobody foresaw."""

    code = "internal_error"


#: Outages of a service: the same run may well succeed later.
OUTAGES = (
    StoreUnavailableError,
    AssetUnavailableError,
    SpeechUnavailableError,
    SpeechQuotaError,
    WorkflowServerError,
)
#: Faults of a machine and not of a job: a run on another machine may well succeed.
MACHINE_FAULTS = (DiskFullError, EncoderUnavailableError, ProgramMissingError)
