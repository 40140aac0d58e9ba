"""What Google is asked, how often, and what its faults become."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.auth.exceptions import DefaultCredentialsError

from tests.google_speech import WORD_GAP_SECONDS, RefusalError, word_seconds
from tests.speech_stand_in import SpeechStandIn, speech_stand_in
from trivia_render.errors import (
    BadInputError,
    SpeechError,
    SpeechQuotaError,
    SpeechTooLongError,
    SpeechUnavailableError,
)
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Speech
from trivia_render.models.timeline import Line
from trivia_render.speech.google import GoogleVoice, RetryPolicy
from trivia_render.speech.usage import SpeechUsage

CLIP = (
    Line(role="question", text="What is the capital of Australia? Many get it wrong."),
    Line(role="option", text="A: Sydney.", option=0),
    Line(role="answer", text="The answer is Canberra."),
)
HASTY = RetryPolicy(
    request_timeout_seconds=2, first_wait_seconds=0.01, longest_wait_seconds=0.02, deadline_seconds=0.3
)
RATE = 48_000


@pytest.fixture
def service() -> Iterator[SpeechStandIn]:
    with speech_stand_in() as running:
        yield running


def _sounding_seconds(speech: Speech, line: int) -> float:
    return sum(sentence.end_seconds - sentence.start_seconds for sentence in speech.lines[line].sentences)


def _voice(service: SpeechStandIn, **changed: object) -> GoogleVoice:
    return GoogleVoice(make_client=service.make_client, retry=HASTY._replace(**changed))


def _spec(name: str = "en-US-Neural2-F", *, speed: float = 1.0) -> VoiceSpec:
    return VoiceSpec(provider="google", name=name, language=name[:5], speed=speed)


@pytest.mark.parametrize("name", ["en-US-Neural2-F", "es-ES-Wavenet-B", "en-US-Standard-C", "en-US-News-K"])
def test_a_clip_takes_one_request_where_the_voice_gives_time_points(
    service: SpeechStandIn, name: str
) -> None:
    speech = _voice(service).synthesize(CLIP, voice=_spec(name))

    assert [spoken.style for spoken in service.spoken] == ["ssml"]
    assert [measured.line for measured in speech.lines] == list(CLIP)
    assert service.requests[0].voice.language_code == name[:5]


@pytest.mark.parametrize(
    "name", ["en-US-Studio-O", "en-US-Journey-F", "en-US-Chirp-HD-F", "en-US-Chirp3-HD-Kore"]
)
def test_a_voice_without_time_points_takes_one_plain_request_a_line(
    service: SpeechStandIn, name: str
) -> None:
    speech = _voice(service).synthesize(CLIP, voice=_spec(name))

    assert [spoken.style for spoken in service.spoken] == ["text"] * 3
    assert [len(measured.sentences) for measured in speech.lines] == [2, 1, 1]


def test_marks_and_plain_requests_give_the_same_speech(service: SpeechStandIn) -> None:
    marked = _voice(service).synthesize(CLIP, voice=_spec())
    plain = _voice(service).synthesize(CLIP, voice=_spec("en-US-Studio-O"))

    for one, other in zip(marked.lines, plain.lines, strict=True):
        assert one.samples == pytest.approx(other.samples, abs=0.02 * RATE)
        for mine, its in zip(one.sentences, other.sentences, strict=True):
            assert mine.start_seconds == pytest.approx(its.start_seconds, abs=0.02)
            assert mine.end_seconds == pytest.approx(its.end_seconds, abs=0.02)


@pytest.mark.parametrize("shift", [-0.2, 0.2])
def test_marks_that_are_a_little_off_still_cut_in_the_silence(service: SpeechStandIn, shift: float) -> None:
    exact = _voice(service).synthesize(CLIP, voice=_spec())
    service.mark_shift_seconds = shift
    shifted = _voice(service).synthesize(CLIP, voice=_spec())

    assert [line.samples for line in shifted.lines] == [line.samples for line in exact.lines]
    assert shifted.lines[0].sentences == exact.lines[0].sentences


def test_sentences_without_a_pause_between_them_are_placed_by_their_marks(service: SpeechStandIn) -> None:
    service.sentence_pause_seconds = WORD_GAP_SECONDS
    first, second = _voice(service).synthesize(CLIP, voice=_spec()).lines[0].sentences

    spoken = sum(word_seconds(word) + WORD_GAP_SECONDS for word in first.text.split())
    assert second.start_seconds == pytest.approx(0.04 + spoken, abs=0.02)
    assert first.end_seconds == pytest.approx(second.start_seconds - WORD_GAP_SECONDS, abs=0.02)


def test_a_single_sentence_is_asked_for_without_markup(service: SpeechStandIn) -> None:
    _voice(service).synthesize(CLIP[2:], voice=_spec())

    assert service.spoken[0].style == "text"
    assert not service.requests[0].enable_time_pointing


def test_a_clip_with_nothing_to_speak_takes_no_request(service: SpeechStandIn) -> None:
    _voice(service).synthesize([Line(role="title", text="🎉")], voice=_spec())

    assert service.requests == []
    assert service.clients_made == 0


def test_markup_in_a_text_is_data(service: SpeechStandIn) -> None:
    text = "Is 1 < 2 & 3 > 2? Use </speak> or <break time='9s'/> \"now\" ]]>."
    _voice(service).synthesize([Line(role="question", text=text), CLIP[1]], voice=_spec())

    assert service.spoken[0].text == 'Is 1 < 2 & 3 > 2? Use speak or break "now" >. A: Sydney.'


def test_a_mark_that_is_dropped_inside_a_line_leaves_its_sentences_to_the_pauses(
    service: SpeechStandIn,
) -> None:
    exact = _voice(service).synthesize(CLIP, voice=_spec())
    service.dropped_marks = re.compile("s")
    dropped = _voice(service).synthesize(CLIP, voice=_spec())

    assert dropped.lines == exact.lines
    assert len(service.requests) == 2


@pytest.mark.parametrize("fault", ["dropped", "noisy", "refused"])
def test_where_marks_fail_the_clip_is_spoken_line_by_line_from_then_on(
    service: SpeechStandIn, fault: str
) -> None:
    lines = [line.model_copy(update={"text": line.text.rstrip(".")}) for line in CLIP]
    exact = _voice(service).synthesize(lines, voice=_spec("en-US-Studio-O"))
    service.requests.clear()
    if fault == "dropped":
        service.dropped_marks = re.compile("b$")
    elif fault == "noisy":
        service.breaks_are_silent = False
    else:
        service.inject(RefusalError("`<mark>` tags are not currently supported by these voices."))
    voice = _voice(service)

    speech = voice.synthesize(lines, voice=_spec())
    assert len(service.requests) == 1 + 3
    assert voice.usage.unmarked == 1
    assert [line.samples for line in speech.lines] == [line.samples for line in exact.lines]

    voice.synthesize(lines, voice=_spec())
    assert len(service.requests) == 4 + 3


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_any_sample_rate_becomes_48_khz(service: SpeechStandIn, rate: int) -> None:
    exact = _voice(service).synthesize(CLIP, voice=_spec())
    service.sample_rate = rate
    speech = _voice(service).synthesize(CLIP, voice=_spec())

    for one, other in zip(speech.lines, exact.lines, strict=True):
        assert one.samples == pytest.approx(other.samples, abs=0.015 * RATE)


@pytest.mark.parametrize(
    ("name", "speed", "rate"),
    [
        ("en-US-Neural2-F", 1.0, 1.0),
        ("en-US-Neural2-F", 0.25, 0.25),
        ("en-US-Neural2-F", 4.0, 2.0),
        ("en-US-Chirp3-HD-Kore", 1.5, 1.5),
        ("en-US-Journey-F", 1.5, 1.0),
        ("en-US-Chirp-HD-F", 0.5, 1.0),
    ],
)
def test_a_voice_is_asked_for_the_speed_that_it_can_do(
    service: SpeechStandIn, name: str, speed: float, rate: float
) -> None:
    plain = _voice(service).synthesize(CLIP, voice=_spec(name))
    service.spoken.clear()
    speech = _voice(service).synthesize(CLIP, voice=_spec(name, speed=speed))

    assert {spoken.rate for spoken in service.spoken} == {rate}
    assert _sounding_seconds(speech, 2) / _sounding_seconds(plain, 2) == pytest.approx(1 / speed, rel=0.15)


def test_many_lines_are_packed_into_as_few_requests_as_the_limit_allows(service: SpeechStandIn) -> None:
    lines = [Line(role="explanation", text=f"Fact {number}. " + "Word & word. " * 80) for number in range(3)]
    speech = _voice(service).synthesize(lines, voice=_spec())

    # Lines of about 3.4 kB with their marks.
    assert len(service.requests) == 3
    assert len(speech.samples) == 3

    service.requests.clear()
    short = [Line(role="option", text=f"Option {number}.", option=0) for number in range(100)]
    _voice(service).synthesize(short, voice=_spec())
    assert len(service.requests) == 2


@pytest.mark.parametrize("name", ["en-US-Neural2-F", "en-US-Chirp3-HD-Kore"])
def test_a_line_over_the_limit_is_split_between_sentences_and_joined(
    service: SpeechStandIn, name: str
) -> None:
    text = " ".join(f"Sentence {number} goes on for a while, ünïcödé and all." for number in range(130))
    speech = _voice(service).synthesize([Line(role="explanation", text=text)], voice=_spec(name))

    assert len(text.encode()) > 5000
    assert 1 < len(service.requests) <= 4
    measured = speech.lines[0]
    assert " ".join(sentence.text for sentence in measured.sentences) == text
    starts = [sentence.start_seconds for sentence in measured.sentences]
    assert starts == sorted(starts)
    assert measured.samples == len(speech.samples[0])


@pytest.mark.parametrize("name", ["en-US-Neural2-F", "en-US-Chirp3-HD-Kore"])
def test_a_sentence_over_the_limit_is_refused_before_any_request(service: SpeechStandIn, name: str) -> None:
    lines = [*CLIP, Line(role="explanation", text="R&D " * 1300)]
    with pytest.raises(SpeechTooLongError, match="5000 bytes"):
        _voice(service).synthesize(lines, voice=_spec(name))
    assert service.requests == []


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_a_passing_fault_is_retried(service: SpeechStandIn, code: grpc.StatusCode) -> None:
    service.inject(code, times=2)
    voice = _voice(service, deadline_seconds=20)
    speech = voice.synthesize(CLIP, voice=_spec())

    assert len(speech.samples) == 3
    assert len(service.requests) == 3
    assert voice.usage.requests == 3
    assert voice.usage.retries == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.UNAVAILABLE, SpeechUnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, SpeechQuotaError),
    ],
)
def test_a_fault_that_stays_is_given_up_at_the_deadline(
    service: SpeechStandIn, code: grpc.StatusCode, error: type[SpeechError]
) -> None:
    service.inject(code, times=500)
    with pytest.raises(error) as raised:
        _voice(service).synthesize(CLIP, voice=_spec())
    assert raised.value.retryable
    assert 2 <= len(service.requests) < 100


def test_a_stall_ends_with_the_request_timeout(service: SpeechStandIn) -> None:
    service.inject("stall")
    voice = _voice(service, request_timeout_seconds=0.2, deadline_seconds=20)
    voice.synthesize(CLIP, voice=_spec())

    assert voice.usage.retries == 1


def test_a_service_that_always_stalls_is_unavailable(service: SpeechStandIn) -> None:
    service.inject("stall", times=20)
    with pytest.raises(SpeechUnavailableError):
        _voice(service, request_timeout_seconds=0.1).synthesize(CLIP, voice=_spec())


def test_a_service_that_cannot_be_reached_is_unavailable(service: SpeechStandIn) -> None:
    service.address = "127.0.0.1:1"
    with pytest.raises(SpeechUnavailableError):
        _voice(service).synthesize(CLIP, voice=_spec())


def test_a_voice_that_does_not_exist_is_bad_input_naming_tts_voice(service: SpeechStandIn) -> None:
    with pytest.raises(BadInputError, match=r"`tts_voice`.*en-US-Neural2-Z") as raised:
        _voice(service).synthesize(CLIP, voice=_spec("en-US-Neural2-Z"))
    assert len(service.requests) == 1
    assert not raised.value.retryable


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED])
def test_missing_permission_is_final_and_says_what_to_do(
    service: SpeechStandIn, code: grpc.StatusCode
) -> None:
    service.inject(code)
    with pytest.raises(SpeechError, match="gcloud auth application-default login") as raised:
        _voice(service).synthesize(CLIP, voice=_spec())
    assert len(service.requests) == 1
    assert not raised.value.retryable


def test_missing_credentials_say_what_to_do() -> None:
    def no_credentials() -> SpeechStandIn:
        raise DefaultCredentialsError("File key.json was not found.")

    voice = GoogleVoice(make_client=no_credentials)  # type: ignore[arg-type]
    with pytest.raises(SpeechError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        voice.synthesize(CLIP, voice=_spec())


def test_a_text_that_the_service_finds_too_long_is_bad_input(service: SpeechStandIn) -> None:
    service.inject(RefusalError("This request contains sentences that are too long."))
    with pytest.raises(SpeechTooLongError):
        _voice(service).synthesize(CLIP, voice=_spec())


def test_every_attempt_passes_the_rate_limit(service: SpeechStandIn) -> None:
    class Counting:
        def __init__(self) -> None:
            self.passed = 0
            self.parts: list[tuple[str, float]] = []

        def acquire(self) -> None:
            self.passed += 1

        def part(self, name: str, *, share: float) -> "Counting":
            self.parts.append((name, share))
            return self

    limit = Counting()
    service.inject(grpc.StatusCode.UNAVAILABLE)
    voice = GoogleVoice(
        make_client=service.make_client, rate_limit=limit, retry=HASTY._replace(deadline_seconds=20)
    )
    voice.synthesize(CLIP, voice=_spec())
    assert limit.passed == len(service.requests) == 2
    assert limit.parts == []

    voice.synthesize(CLIP[:1], voice=_spec("en-US-Chirp3-HD-Kore"))
    assert limit.parts == [("chirp3", 0.2)]
    assert limit.passed == 4


def test_threads_share_one_client(service: SpeechStandIn) -> None:
    voice = _voice(service, deadline_seconds=20)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: voice.synthesize(CLIP, voice=_spec()), range(4)))

    assert service.clients_made == 1
    sent = [request.input.ssml for request in service.requests]
    assert voice.usage == SpeechUsage(
        requests=4,
        characters=sum(len(text) for text in sent),
        billed_characters=sum(len(re.sub("<mark [^>]*>", "", text)) for text in sent),
    )


def test_google_is_imported_only_where_it_speaks() -> None:
    code = (
        "import sys, trivia_render.speech.google as g; g.GoogleVoice();"
        "sys.exit(any(name in sys.modules for name in ('grpc', 'google.auth', 'google.cloud.texttospeech')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
