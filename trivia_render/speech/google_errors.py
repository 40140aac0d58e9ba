"""What Google's client raises, turned into our errors."""

from google.api_core import exceptions as api
from google.auth import exceptions as auth

from trivia_render.errors import (
    BadInputError,
    SpeechError,
    SpeechQuotaError,
    SpeechTooLongError,
    SpeechUnavailableError,
    TriviaRenderError,
)
from trivia_render.models.plan import VoiceSpec

#: Passing faults: the same request may succeed a moment later.
PASSING: tuple[type[Exception], ...] = (
    api.ServiceUnavailable,
    api.InternalServerError,
    api.BadGateway,
    api.GatewayTimeout,
    api.TooManyRequests,
    api.RetryError,
    auth.TransportError,
)
#: Everything that the client raises on purpose.
EXPECTED: tuple[type[Exception], ...] = (api.GoogleAPIError, auth.GoogleAuthError)

_VOICE_LIST = "https://cloud.google.com/text-to-speech/docs/list-voices-and-types"


def refuses_marks(error: Exception) -> bool:
    """Whether the voice refuses SSML or its marks. Such as: "`<mark>` tags are not currently supported
    by Studio voices." """
    message = str(error).lower()
    refused = isinstance(error, api.InvalidArgument)
    return refused and ("<mark>" in message or "ssml" in message) and "limit" not in message


def translated(error: Exception, *, voice: VoiceSpec) -> TriviaRenderError:
    """Return our error for one of `EXPECTED`."""
    cause = error.cause if isinstance(error, api.RetryError) and error.cause else error
    evidence = f"{type(cause).__name__}: {cause}"
    message = str(cause).lower()
    if isinstance(cause, api.TooManyRequests):
        return SpeechQuotaError(
            "The quota of Google Cloud Text-to-Speech is used up for now.",
            evidence=evidence,
            remedy="Try again in a minute; lower TRIVIA_SPEECH_REQUESTS_PER_MINUTE, or ask for more quota.",
        )
    if isinstance(cause, PASSING):
        return SpeechUnavailableError(
            "Google Cloud Text-to-Speech did not answer in time.",
            evidence=evidence,
            remedy="Try again; check the network and https://status.cloud.google.com.",
        )
    if isinstance(cause, auth.GoogleAuthError | api.Unauthenticated | api.Forbidden):
        return _not_allowed(evidence, message)
    if isinstance(cause, api.InvalidArgument | api.NotFound):
        return _refused(evidence, message, voice)
    return SpeechError(
        "Google Cloud Text-to-Speech failed.",
        evidence=evidence,
        remedy="Try again; if it stays so, choose another `tts_voice` or `narration.provider`.",
    )


def _not_allowed(evidence: str, message: str) -> SpeechError:
    if "has not been used" in message or "disabled" in message:
        remedy = "Enable it once: `gcloud services enable texttospeech.googleapis.com`."
    else:
        remedy = (
            "Run `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name the key "
            "file of an account that may use it; or set `narration.provider` to offline."
        )
    return SpeechError(
        "These Google credentials may not use Cloud Text-to-Speech.", evidence=evidence, remedy=remedy
    )


def _refused(evidence: str, message: str, voice: VoiceSpec) -> TriviaRenderError:
    if "limit" in message or "too long" in message:
        return SpeechTooLongError(
            "Google Cloud Text-to-Speech finds a text too long.",
            evidence=evidence,
            remedy="Shorten it, or end sentences in it with a full stop.",
        )
    if "voice" in message or "language" in message:
        return BadInputError(
            f"Google Cloud Text-to-Speech has no voice as `tts_voice` asks for: {voice.name!r}.",
            evidence=evidence,
            remedy=f"Take a name from {_VOICE_LIST}, such as en-US-Neural2-F.",
        )
    return SpeechError(
        f"Google Cloud Text-to-Speech refused a request for {voice.name!r}.",
        evidence=evidence,
        remedy="Choose another `tts_voice` or `tts_speed`, or word the text differently.",
    )
