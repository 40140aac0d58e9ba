"""No voice: silence as long as reading takes, so that timeline and captions work the same."""

import unicodedata
from collections.abc import Sequence

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples, Speech
from trivia_render.models.timeline import Line, MeasuredLine, Sentence
from trivia_render.speech import waveform
from trivia_render.speech.lines import empty_line
from trivia_render.speech.text import split_sentences
from trivia_render.speech.usage import SpeechUsage

#: Words a minute, read aloud by native adults: S. Trauzettel-Klosinski, K. Dietz, "Standardized
#: Assessment of Reading Performance: The New International Reading Speed Texts IReST", IOVS 2012.
_WORDS_PER_MINUTE = {
    "ar": 138,
    "de": 179,
    "en": 228,
    "es": 218,
    "fi": 161,
    "fr": 195,
    "he": 187,
    "it": 188,
    "nl": 202,
    "pl": 166,
    "pt": 181,
    "ru": 184,
    "sl": 180,
    "sv": 199,
    "tr": 166,
}
#: The mean of the study's 17 languages, for languages that it does not have.
_WORDS_PER_MINUTE_ELSEWHERE = 184
#: Characters a minute in scripts without spaces: the same study for Chinese and Japanese; Chinese for others.
_CHARACTERS_PER_MINUTE = {"ja": 357}
_CHARACTERS_PER_MINUTE_ELSEWHERE = 255
#: Share of those speeds that a viewer gets, who has options and a picture to look at as well: English comes
#: to 171 words a minute, inside the 160 to 180 of the BBC's subtitle guidelines.
_VIEWER_SHARE = 0.75
#: The shortest time in which a line is noticed and read.
_SHORTEST_LINE_SECONDS = 0.8
_SCRIPTS_WITHOUT_SPACES = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class SilentVoice:
    """Speaks nothing, for as long as reading takes."""

    @property
    def usage(self) -> SpeechUsage:
        """Nothing is ever spoken."""
        return SpeechUsage()

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Return silence for each line; sentences take their share by what there is to read."""
        measured = tuple(_measure(line, voice) for line in lines)
        return Speech(tuple(_silence(line.samples) for line in measured), measured)


def reading_seconds(text: str, *, language: str, speed: float) -> float:
    """Return how long a viewer needs for a text; `speed` divides it."""
    primary = language.split("-", maxsplit=1)[0].lower()
    words_per_minute = _WORDS_PER_MINUTE.get(primary, _WORDS_PER_MINUTE_ELSEWHERE)
    characters_per_minute = _CHARACTERS_PER_MINUTE.get(primary, _CHARACTERS_PER_MINUTE_ELSEWHERE)
    spaceless = [character for character in text if _is_spaceless(character)]
    rest = "".join(" " if _is_spaceless(character) else character for character in text)
    words = [word for word in rest.split() if any(character.isalnum() for character in word)]
    minutes = len(words) / words_per_minute + len(spaceless) / characters_per_minute
    return minutes * 60 / _VIEWER_SHARE / speed


def _measure(line: Line, voice: VoiceSpec) -> MeasuredLine:
    written = split_sentences(line.text)
    seconds = [reading_seconds(part, language=voice.language, speed=voice.speed) for part in written]
    needed = sum(seconds)
    if not needed:
        return empty_line(line).measured
    scale = max(1.0, _SHORTEST_LINE_SECONDS / needed)
    placed: list[Sentence] = []
    start = 0.0
    for text, length in zip(written, seconds, strict=True):
        placed.append(Sentence(text=text, start_seconds=start, end_seconds=start + length * scale))
        start += length * scale
    # Rounded up, so that the last sentence ends inside the line.
    return MeasuredLine(line=line, samples=-int(-start * SAMPLE_RATE // 1), sentences=tuple(placed))


def _silence(samples: int) -> Samples:
    return waveform.silence(samples / SAMPLE_RATE)


def _is_spaceless(character: str) -> bool:
    return character > "\u0dff" and unicodedata.name(character, "").startswith(_SCRIPTS_WITHOUT_SPACES)
