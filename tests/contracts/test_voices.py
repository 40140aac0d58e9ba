"""What every voice keeps to: the offline voice, silence, and Google against a local stand-in."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pytest

from tests.speech_stand_in import speech_stand_in
from trivia_render.models.plan import Provider, VoiceSpec
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Line
from trivia_render.speech import waveform
from trivia_render.speech.google import GoogleVoice
from trivia_render.speech.offline import OfflineVoice
from trivia_render.speech.places import pauses
from trivia_render.speech.silent import SilentVoice
from trivia_render.speech.usage import CountingVoice

RATE = 48_000

LINES = (
    Line(role="question", text="What is the capital of Australia? Many people get it wrong."),
    Line(role="option", text="A: Sydney.", option=0),
    Line(role="answer", text="The answer is Canberra."),
)
HOSTILE = (
    "",
    "   ",
    "🎉👍🏽🇫🇷👨‍👩‍👧",
    "...",
    "<b>bold</b> & <break time='9s'/> \"quoted\" 'single' ]]> <!-- -->",
    "{answer} {0} %s %% \\n \\ `code` [word](/fˈonimz/)",
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzesentwurf",
    "a" * 300,
    "1 < 2 > 0 = 100 % of $1,250.50, 5 €, 3 × 4 ÷ 2 ± 1 ≠ √2 @ #1",
    "The ____ is blue.",
    "Za\u0301 \u200bz\u200dero\u2060-width \u202eright\u202c",
    "\x00\x01\x1b[31mcontrol\ufffe",
    "ما هي عاصمة أستراليا؟ 日本 Ελλάδα",
)


class Subject(NamedTuple):
    """A voice under the contract, and who it is."""

    voice: CountingVoice
    spec: VoiceSpec

    def at(self, speed: float) -> VoiceSpec:
        return self.spec.model_copy(update={"speed": speed})


def _spec(provider: Provider, name: str, language: str = "en-US") -> VoiceSpec:
    return VoiceSpec(provider=provider, name=name, language=language, speed=1.0)


@contextmanager
def _open(kind: str) -> Iterator[Subject]:
    if kind == "offline":
        yield Subject(OfflineVoice(), _spec("offline", "hibari"))
    elif kind == "silent":
        yield Subject(SilentVoice(), _spec("none", "none"))
    else:
        name = "en-US-Neural2-F" if kind == "google marks" else "en-US-Chirp3-HD-Kore"
        with speech_stand_in() as service:
            yield Subject(GoogleVoice(make_client=service.make_client), _spec("google", name))


SPEAKING = ["offline", "google marks", "google plain"]


@pytest.fixture(scope="module", params=[*SPEAKING, "silent"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="module", params=SPEAKING)
def speaking(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with _open(request.param) as opened:
        yield opened


def _sounding_seconds(speech: Speech) -> float:
    return sum(sentence.end_seconds - sentence.start_seconds for sentence in speech.lines[0].sentences)


def _loudest(samples: Samples) -> float:
    return float(np.abs(samples).max(initial=0.0))


def test_each_line_comes_back_in_order_with_its_length(subject: Subject) -> None:
    speech = subject.voice.synthesize(LINES, voice=subject.spec)

    assert tuple(measured.line for measured in speech.lines) == LINES
    assert [len(samples) for samples in speech.samples] == [measured.samples for measured in speech.lines]
    for samples in speech.samples:
        assert samples.ndim == 1
        assert samples.dtype == np.float32
        assert _loudest(samples) <= 1.0
        assert 0.25 * RATE < len(samples) < 8 * RATE


def test_no_lines_give_no_speech(subject: Subject) -> None:
    assert subject.voice.synthesize((), voice=subject.spec) == ((), ())


def test_sentences_are_in_order_inside_their_line_and_hold_all_its_text(subject: Subject) -> None:
    speech = subject.voice.synthesize(LINES, voice=subject.spec)

    assert [len(measured.sentences) for measured in speech.lines] == [2, 1, 1]
    for measured in speech.lines:
        assert " ".join(sentence.text for sentence in measured.sentences) == measured.line.text
        ends = [0.0]
        for sentence in measured.sentences:
            assert ends[-1] <= sentence.start_seconds < sentence.end_seconds
            ends.append(sentence.end_seconds)
        assert ends[-1] <= measured.samples / RATE + 1e-6


def test_sentence_times_match_the_sound(speaking: Subject) -> None:
    speech = speaking.voice.synthesize(LINES[:1], voice=speaking.spec)
    samples, (first, second) = speech.samples[0], speech.lines[0].sentences

    found = max(pauses(samples), key=lambda pause: pause.end - pause.start)
    assert first.end_seconds == pytest.approx(found.start / RATE, abs=0.03)
    assert second.start_seconds == pytest.approx(found.end / RATE, abs=0.03)
    between = samples[round(first.end_seconds * RATE) : round(second.start_seconds * RATE)]
    assert len(between) > 0.2 * RATE
    assert _loudest(between) < 0.05 * _loudest(samples)


def test_sound_starts_and_ends_in_silence_with_little_of_it(speaking: Subject) -> None:
    for samples in speaking.voice.synthesize(LINES, voice=speaking.spec).samples:
        extent = waveform.sounding(samples)
        assert extent is not None
        assert abs(samples[0]) < 1e-3
        assert abs(samples[-1]) < 1e-3
        assert extent.start <= 0.06 * RATE
        assert len(samples) - extent.end <= 0.06 * RATE


def test_every_line_has_the_same_level(speaking: Subject) -> None:
    for samples in speaking.voice.synthesize(LINES, voice=speaking.spec).samples:
        level = waveform.active_level_dbfs(samples)
        assert level == pytest.approx(waveform.SPEECH_LEVEL_DBFS, abs=0.3)
        assert _loudest(samples) <= 10 ** (waveform.SPEECH_PEAK_DBFS / 20) + 1e-3


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_spoken_or_left_out(subject: Subject, text: str) -> None:
    lines = (Line(role="question", text=text), Line(role="answer", text="It is so."))
    speech = subject.voice.synthesize(lines, voice=subject.spec)

    assert len(speech.samples) == 2
    assert np.isfinite(speech.samples[0]).all()
    assert len(speech.samples[0]) >= 0.2 * RATE
    assert len(speech.samples[0]) < 60 * RATE


@pytest.mark.parametrize("text", ["", "🎉🎊", "...", "\u200b"])
def test_a_line_that_holds_nothing_to_speak_is_short_silence(subject: Subject, text: str) -> None:
    speech = subject.voice.synthesize([Line(role="answer", text=text)], voice=subject.spec)

    assert _loudest(speech.samples[0]) == 0
    assert speech.lines[0].samples == round(waveform.EMPTY_LINE_SECONDS * RATE)
    assert [sentence.text for sentence in speech.lines[0].sentences] == [text]


@pytest.mark.parametrize(("speed", "factor"), [(0.25, 4.0), (0.5, 2.0), (2.0, 0.5), (4.0, 0.25)])
def test_speed_divides_the_length(subject: Subject, speed: float, factor: float) -> None:
    plain = subject.voice.synthesize(LINES[:1], voice=subject.spec)
    changed = subject.voice.synthesize(LINES[:1], voice=subject.at(speed))

    assert _sounding_seconds(changed) / _sounding_seconds(plain) == pytest.approx(factor, rel=0.2)
    assert changed.lines[0].sentences[-1].end_seconds <= changed.lines[0].samples / RATE


def test_the_same_lines_sound_the_same_again(subject: Subject) -> None:
    first = subject.voice.synthesize(LINES, voice=subject.spec)
    again = subject.voice.synthesize(LINES, voice=subject.spec)

    assert first.lines == again.lines
    assert all(np.array_equal(a, b) for a, b in zip(first.samples, again.samples, strict=True))


def test_threads_may_speak_at_once(subject: Subject) -> None:
    jobs = [(Line(role="question", text=f"Number {number} of four. Yes?"),) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda lines: subject.voice.synthesize(lines, voice=subject.spec), jobs))
    alone = [subject.voice.synthesize(lines, voice=subject.spec) for lines in jobs]

    assert [speech.lines for speech in together] == [speech.lines for speech in alone]


FOREIGN = [
    ("es-ES-Wavenet-B", "es-ES", "¿Cuál es la capital de España? Piénsalo bien.", 2),
    ("fr-FR-Neural2-A", "fr-FR", "Quelle est la capitale de la France ? Réfléchissez bien.", 2),
    ("de-DE-Neural2-F", "de-DE", "Wie heißt die Hauptstadt Österreichs? Überlege gut.", 2),
    ("ar-XA-Wavenet-A", "ar-XA", "ما هي عاصمة مصر؟ فكر جيدا.", 2),
    ("hi-IN-Neural2-A", "hi-IN", "भारत की राजधानी क्या है? यह दिल्ली है।", 2),
    ("ja-JP-Neural2-B", "ja-JP", "日本の首都はどこですか。 東京です。", 2),
    ("pl-PL-Wavenet-A", "pl-PL", "Jaka jest stolica Polski? To Warszawa.", 2),
]


@pytest.mark.parametrize(("name", "language", "text", "count"), FOREIGN, ids=[row[1] for row in FOREIGN])
@pytest.mark.parametrize("provider", ["google", "none"])
def test_other_languages_are_spoken_sentence_by_sentence(
    provider: Provider, name: str, language: str, text: str, count: int
) -> None:
    lines = (Line(role="question", text=text), Line(role="answer", text=text))
    spec = _spec(provider, name, language)
    with speech_stand_in() as service:
        voice = GoogleVoice(make_client=service.make_client) if provider == "google" else SilentVoice()
        speech = voice.synthesize(lines, voice=spec)
        assert len(service.requests) == (1 if provider == "google" else 0)

    for measured in speech.lines:
        assert len(measured.sentences) == count
        assert " ".join(sentence.text for sentence in measured.sentences) == text
