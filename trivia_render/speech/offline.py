"""The offline neural voice: American English, inside the installed package, on the CPU."""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from trivia_render.errors import LanguageNotSpokenError, ProgramMissingError, SpeechError
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Line, MeasuredLine, Sentence
from trivia_render.speech import waveform
from trivia_render.speech.offline_identity import LANGUAGES, MODEL_VOICE, engine_missing
from trivia_render.speech.text import SpokenSentence, sentences
from trivia_render.speech.usage import SpeechUsage, UsageMeter

#: From the engine's documentation. Measured: past 2.0 the length falls short of the speed (at 4.0 a
#: sentence is only 2.2 times as short), so what lies outside is done by stretching.
SLOWEST, FASTEST = 0.5, 2.0
#: Of the engine's breath noise: with a seed, the same text gives the same samples.
_SEED = 20_240_817
_ENGINE_RATE = SAMPLE_RATE // 2
#: Silence between two sentences at speed 1, beside the margins that the trimmed sentences keep.
_PAUSE_SECONDS = 0.3

#: (text, speed) -> mono float32 at 24 kHz.
Engine = Callable[[str, float], Samples]


class _Chunk(NamedTuple):
    """A spoken sentence at 24 kHz, trimmed, and where in it the sound is."""

    sentence: SpokenSentence
    samples: Samples
    sound: waveform.Extent


class OfflineVoice:
    """Speaks English without a network. Deterministic; safe to use from several threads.

    0.10 CPU-seconds a question, 1 CPU-second and 100 MB once a process to load.
    """

    def __init__(self, *, load_engine: Callable[[], Engine] | None = None) -> None:
        self._load_engine = load_engine or _shared_engine
        self._meter = UsageMeter()

    @property
    def usage(self) -> SpeechUsage:
        """What was spoken so far; one request a sentence."""
        return self._meter.usage

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Speak the lines. Raises LanguageNotSpokenError, ProgramMissingError, SpeechError."""
        if voice.language.split("-")[0].lower() not in LANGUAGES:
            raise LanguageNotSpokenError(
                f"The offline voice does not speak {voice.language!r}.",
                remedy="Choose an English `tts_voice`, or set Google credentials.",
            )
        spoken = [self._speak(line, voice) for line in lines]
        return Speech(tuple(samples for samples, _ in spoken), tuple(measured for _, measured in spoken))

    def _speak(self, line: Line, voice: VoiceSpec) -> tuple[Samples, MeasuredLine]:
        chunks = [
            self._speak_sentence(part, voice.speed) for part in sentences(line.text, language=voice.language)
        ]
        return _join(line, [chunk for chunk in chunks if len(chunk.samples)], voice.speed)

    def _speak_sentence(self, sentence: SpokenSentence, speed: float) -> _Chunk:
        native, tempo = waveform.native_speed(speed, slowest=SLOWEST, fastest=FASTEST)
        try:
            samples = self._load_engine()(sentence.spoken, native)
        except (ProgramMissingError, MemoryError):
            raise
        except Exception as error:
            # The engine is a model and a rule set that take any text; what they raise has no common base.
            raise SpeechError(
                f"The offline voice failed on {sentence.written[:80]!r}.",
                evidence=f"{type(error).__name__}: {error}",
                remedy="Word it differently, or set Google credentials to use another voice.",
            ) from error
        self._meter.add(SpeechUsage(requests=1, characters=len(sentence.spoken)))
        stretched = waveform.stretch(samples, tempo=tempo, rate=_ENGINE_RATE)
        return _Chunk(sentence, *waveform.trim(stretched, rate=_ENGINE_RATE))


def _join(line: Line, chunks: Sequence[_Chunk], speed: float) -> tuple[Samples, MeasuredLine]:
    """Put a line's sentences behind one another, at 48 kHz and the speech level."""
    if not chunks:
        return empty_line(line)
    pause = np.zeros(round(_PAUSE_SECONDS / speed * _ENGINE_RATE), np.float32)
    parts: list[Samples] = []
    placed: list[Sentence] = []
    length = 0
    for chunk in chunks:
        if parts:
            parts.append(pause)
            length += len(pause)
        placed.append(
            Sentence(
                text=chunk.sentence.written,
                start_seconds=(length + chunk.sound.start) / _ENGINE_RATE,
                end_seconds=(length + chunk.sound.end) / _ENGINE_RATE,
            )
        )
        parts.append(chunk.samples)
        length += len(chunk.samples)
    samples = waveform.double_rate(waveform.at_speech_level(np.concatenate(parts), rate=_ENGINE_RATE))
    return samples, MeasuredLine(line=line, samples=len(samples), sentences=tuple(placed))


def empty_line(line: Line) -> tuple[Samples, MeasuredLine]:
    """Return short silence, for a line that holds nothing a voice can speak."""
    samples = waveform.silence(waveform.EMPTY_LINE_SECONDS)
    shown = Sentence(text=line.text, start_seconds=0.0, end_seconds=waveform.EMPTY_LINE_SECONDS)
    return samples, MeasuredLine(line=line, samples=len(samples), sentences=(shown,))


_engine_lock = threading.Lock()


def _shared_engine() -> Engine:
    # Without the lock, clips that start together would each load the model.
    with _engine_lock:
        return _load_engine()


@cache
def _load_engine() -> Engine:
    try:
        # 1 CPU-second: only where it speaks.
        from hibari import Hibari
    except ImportError as error:
        raise engine_missing(error) from error
    model: Any = Hibari(voice=MODEL_VOICE, threads=1)
    # The pronunciation rules keep state while they work on a text.
    lock = threading.Lock()

    def engine(text: str, speed: float) -> Samples:
        with lock:
            return np.asarray(model(text, speed=speed, seed=_SEED), np.float32)

    return engine
