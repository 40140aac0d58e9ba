"""The offline neural voice: American English, inside the installed package, on the CPU."""

import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from trivia_render.errors import LanguageNotSpokenError, SpeechError, TriviaRenderError
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Line, Sentence
from trivia_render.speech import waveform
from trivia_render.speech.lines import Part, SpokenLine, join
from trivia_render.speech.offline_identity import LANGUAGES, MODEL_VOICE, engine_missing
from trivia_render.speech.text import SpokenSentence, sentences
from trivia_render.speech.usage import SpeechUsage, UsageMeter

#: From the engine's documentation. Measured: past 2.0 the length falls short of the speed (at 4.0 a
#: sentence is only 2.2 times as short), so what lies outside is done by stretching. Inside, lengths
#: come within 12 % of the speed, since the engine rounds each sound to frames of 12.5 ms.
SLOWEST, FASTEST = 0.5, 2.0
#: Of the engine's breath noise: with a seed, the same text gives the same samples.
_SEED = 20_240_817
_ENGINE_RATE = SAMPLE_RATE // 2

#: (text, speed) -> mono float32 at 24 kHz.
Engine = Callable[[str, float], Samples]


class OfflineVoice:
    """Speaks English without a network. Deterministic; safe to use from several threads."""

    def __init__(self, *, load_engine: Callable[[], Engine] | None = None) -> None:
        self._load_engine = load_engine or _shared_engine
        self._meter = UsageMeter()

    @property
    def usage(self) -> SpeechUsage:
        """What was spoken so far; one request a sentence."""
        return self._meter.usage

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Speak the lines. Raises LanguageNotSpokenError, ProgramMissingError, SpeechError."""
        if voice.language.split("-", maxsplit=1)[0].lower() not in LANGUAGES:
            raise LanguageNotSpokenError(
                f"The offline voice does not speak {voice.language!r}.",
                remedy="Choose an English `tts_voice`, or set Google credentials.",
            )
        spoken = [self._speak(line, voice) for line in lines]
        return Speech(tuple(line.samples for line in spoken), tuple(line.measured for line in spoken))

    def _speak(self, line: Line, voice: VoiceSpec) -> SpokenLine:
        spoken = sentences(line.text, language=voice.language)
        parts = [self._speak_sentence(sentence, voice.speed) for sentence in spoken]
        return join(line, [part for part in parts if len(part.samples)], speed=voice.speed)

    def _speak_sentence(self, sentence: SpokenSentence, speed: float) -> Part:
        native, tempo = waveform.native_speed(speed, slowest=SLOWEST, fastest=FASTEST)
        try:
            sound = self._load_engine()(sentence.spoken, native)
        except (TriviaRenderError, MemoryError):
            raise
        except Exception as error:
            # The engine is a model and a rule set that take any text; what they raise has no common base.
            raise SpeechError(
                f"The offline voice failed on {sentence.written[:80]!r}.",
                evidence=f"{type(error).__name__}: {error}",
                remedy="Word it differently, or set Google credentials to use another voice.",
            ) from error
        self._meter.add(SpeechUsage(requests=1, characters=len(sentence.spoken)))
        stretched = waveform.stretch(sound, tempo=tempo, rate=_ENGINE_RATE)
        trimmed, extent = waveform.trim(stretched, rate=_ENGINE_RATE)
        place = Sentence(
            text=sentence.written,
            start_seconds=extent.start / _ENGINE_RATE,
            end_seconds=extent.end / _ENGINE_RATE,
        )
        return Part(waveform.double_rate(trimmed), (place,))


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
