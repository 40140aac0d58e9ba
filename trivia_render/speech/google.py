"""Google Cloud Text-to-Speech. Its libraries are imported where it first speaks."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Line
from trivia_render.speech import waveform
from trivia_render.speech.endpoint import parse_endpoint
from trivia_render.speech.lines import Part, join
from trivia_render.speech.places import cut_at_breaks, place_sentences
from trivia_render.speech.rate_limit import NoRateLimit, RateLimit
from trivia_render.speech.ssml import (
    InputStyle,
    Piece,
    begin_mark,
    billed_characters,
    document,
    end_mark,
    pack,
    sentence_mark,
)
from trivia_render.speech.text import SpokenSentence, sentences
from trivia_render.speech.usage import SpeechUsage, UsageMeter
from trivia_render.speech.voice_families import PROJECT_REQUESTS_PER_MINUTE, family_of
from trivia_render.speech.wav import read_wav

#: "Speaking rate in the range [0.25, 2.0]; any other values will return an error" (AudioConfig in the
#: API's reference). What lies outside is done by stretching.
SLOWEST, FASTEST = 0.25, 2.0

_PLAINTEXT_OPTIONS = (
    # As the client sets them on a channel of its own: five minutes of speech are over the default of 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC would ask the proxy that http_proxy names even for 127.0.0.1.
    ("grpc.enable_http_proxy", 0),
)


class RetryPolicy(NamedTuple):
    """How long a request may take, and how passing faults and a used-up quota are waited out.

    The quota counts by the minute, so the deadline is well over one.
    """

    request_timeout_seconds: float = 30.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 20.0
    deadline_seconds: float = 120.0


class SpeechClient(Protocol):
    """What is used of `texttospeech_v1beta1.TextToSpeechClient`."""

    def synthesize_speech(self, request: Any, *, retry: Any, timeout: float) -> Any:
        """Send one request."""
        ...


class _Answer(NamedTuple):
    """Sound at 48 kHz and the seconds of its marks."""

    samples: Samples
    marks: dict[str, float]


class _MarksUnusableError(Exception):
    """The voice refuses marks, or what came back does not show where the lines are."""


class GoogleVoice:
    """Speaks by Google Cloud. Safe to use from several threads.

    The lines of one call take one request where the voice returns time points, else one a line.
    """

    def __init__(
        self,
        *,
        make_client: Callable[[], SpeechClient] | None = None,
        rate_limit: RateLimit | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._make_client = make_client or connect
        self._rate_limit = rate_limit or NoRateLimit()
        self._retry = retry or RetryPolicy()
        self._lock = threading.Lock()
        self._client: SpeechClient | None = None
        self._without_marks: set[str] = set()
        self._meter = UsageMeter()

    @property
    def usage(self) -> SpeechUsage:
        """What was sent so far, with the repeats."""
        return self._meter.usage

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Speak the lines.

        Raises SpeechTooLongError before any request is sent; BadInputError for a voice that Google does
        not have; SpeechQuotaError and SpeechUnavailableError once the deadline has passed; SpeechError.
        """
        spoken = [sentences(line.text, language=voice.language) for line in lines]
        parts = self._speak(spoken, voice)
        joined = [join(line, parts.get(index, []), speed=voice.speed) for index, line in enumerate(lines)]
        return Speech(tuple(line.samples for line in joined), tuple(line.measured for line in joined))

    def _speak(self, lines: Sequence[Sequence[SpokenSentence]], voice: VoiceSpec) -> dict[int, list[Part]]:
        style = self._style(lines, voice)
        try:
            return self._speak_as(style, lines, voice)
        except _MarksUnusableError:
            # Remembered, so that the voice's other clips do not pay for the same answer again.
            self._without_marks.add(voice.name)
            self._meter.add(SpeechUsage(unmarked=1))
            return self._speak_as("text", lines, voice)

    def _style(self, lines: Sequence[Sequence[SpokenSentence]], voice: VoiceSpec) -> InputStyle:
        nothing_to_mark = sum(len(line) for line in lines) <= 1
        known_to_fail = voice.name in self._without_marks
        marks = family_of(voice.name).has_marks and not nothing_to_mark and not known_to_fail
        return "ssml" if marks else "text"

    def _speak_as(
        self, style: InputStyle, lines: Sequence[Sequence[SpokenSentence]], voice: VoiceSpec
    ) -> dict[int, list[Part]]:
        parts: dict[int, list[Part]] = {}
        for pieces in pack(lines, style=style):
            answer = self._request(pieces, style, voice)
            for piece, part in zip(pieces, _cut(answer, pieces, style=style), strict=True):
                if part.sentences:
                    parts.setdefault(piece.line, []).append(part)
        return parts

    def _request(self, pieces: Sequence[Piece], style: InputStyle, voice: VoiceSpec) -> _Answer:
        from google.api_core import retry as api_retry

        from trivia_render.speech import google_errors

        slowest, fastest = (SLOWEST, FASTEST) if family_of(voice.name).has_speed else (1.0, 1.0)
        native, tempo = waveform.native_speed(voice.speed, slowest=slowest, fastest=fastest)
        text = document(pieces, style=style)
        request = _build(text, style, voice, speaking_rate=native)
        policy = self._retry

        def send() -> Any:
            self._wait_for_quota(voice)
            self._meter.add(SpeechUsage(requests=1, characters=len(text)))
            return self._shared_client().synthesize_speech(
                request, retry=None, timeout=policy.request_timeout_seconds
            )

        patient = api_retry.Retry(
            predicate=api_retry.if_exception_type(*google_errors.PASSING),
            initial=policy.first_wait_seconds,
            maximum=policy.longest_wait_seconds,
            timeout=policy.deadline_seconds,
            on_error=lambda _: self._meter.add(SpeechUsage(retries=1)),
        )
        try:
            response = patient(send)()
        except google_errors.EXPECTED as error:
            if style == "ssml" and google_errors.refuses_marks(error):
                raise _MarksUnusableError from error
            raise google_errors.translated(error, voice=voice) from error
        self._meter.add(SpeechUsage(billed_characters=billed_characters(text)))
        samples, rate = read_wav(response.audio_content)
        marks = {point.mark_name: point.time_seconds / tempo for point in response.timepoints}
        return _Answer(waveform.stretch(waveform.to_speech_rate(samples, rate=rate), tempo=tempo), marks)

    def _wait_for_quota(self, voice: VoiceSpec) -> None:
        family = family_of(voice.name)
        if family.requests_per_minute < PROJECT_REQUESTS_PER_MINUTE:
            share = family.requests_per_minute / PROJECT_REQUESTS_PER_MINUTE
            self._rate_limit.part(family.name, share=share).acquire()
        self._rate_limit.acquire()

    def _shared_client(self) -> SpeechClient:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client


def connect(endpoint: str | None = None) -> SpeechClient:
    """Return a client of the service at `endpoint` (see `parse_endpoint`), by default Google's global one.

    By TLS it has this machine's credentials; in plaintext it has none and looks for none.
    """
    from google.cloud import texttospeech_v1beta1 as api

    client: SpeechClient
    if endpoint is None:
        client = api.TextToSpeechClient()
        return client
    target, transport = parse_endpoint(endpoint)
    if transport == "tls":
        client = api.TextToSpeechClient(client_options={"api_endpoint": target})
        return client
    import grpc  # type: ignore[import-untyped]
    from google.cloud.texttospeech_v1beta1.services.text_to_speech.transports import TextToSpeechGrpcTransport

    channel = grpc.insecure_channel(target, options=_PLAINTEXT_OPTIONS)
    client = api.TextToSpeechClient(transport=TextToSpeechGrpcTransport(channel=channel))
    return client


def _build(text: str, style: InputStyle, voice: VoiceSpec, *, speaking_rate: float) -> Any:
    from google.cloud import texttospeech_v1beta1 as api

    return api.SynthesizeSpeechRequest(
        input=api.SynthesisInput({style: text}),
        voice=api.VoiceSelectionParams(language_code=voice.language, name=voice.name),
        # No sample rate: another than the voice's own "might result in worse audio quality" (AudioConfig).
        audio_config=api.AudioConfig(
            audio_encoding=api.AudioEncoding.LINEAR16,
            **({} if speaking_rate == 1.0 else {"speaking_rate": speaking_rate}),
        ),
        enable_time_pointing=(
            [api.SynthesizeSpeechRequest.TimepointType.SSML_MARK] if style == "ssml" else []
        ),
    )


def _cut(answer: _Answer, pieces: Sequence[Piece], *, style: InputStyle) -> list[Part]:
    """Return each piece's sound, trimmed, with its sentences' places; empty where there is none."""
    marks = answer.marks
    names = [(end_mark(index - 1), begin_mark(index)) for index in range(1, len(pieces))]
    if any(name not in marks for pair in names for name in pair):
        raise _MarksUnusableError
    extents = cut_at_breaks(answer.samples, [(marks[end], marks[begin]) for end, begin in names])
    if extents is None:
        if style == "ssml":
            raise _MarksUnusableError
        return [Part(waveform.silence(0), ())]
    return [
        _part(answer, index, piece, extent)
        for index, (piece, extent) in enumerate(zip(pieces, extents, strict=True))
    ]


def _part(answer: _Answer, index: int, piece: Piece, extent: waveform.Extent) -> Part:
    whole = answer.samples[extent.start : extent.end]
    samples, sound = waveform.trim(whole)
    found = waveform.sounding(whole)
    offset = extent.start + (found.start - sound.start if found else 0)
    names = [sentence_mark(index, number) for number in range(1, len(piece.sentences))]
    # A voice may drop single marks inside a line (Standard voices do): then pauses alone tell.
    known = all(name in answer.marks for name in names)
    marks = [answer.marks[name] - offset / SAMPLE_RATE for name in names] if known else None
    return Part(samples, place_sentences(samples, piece.sentences, marks=marks))
