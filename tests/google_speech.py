"""What Google Cloud Text-to-Speech answers: the API's own messages, its published limits.

It speaks in tones: one burst a word, a pause after a sentence, silence for a break. As a service:
`tests.speech_stand_in`.
"""

import io
import re
import wave
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
from google.cloud import texttospeech_v1beta1 as api

VOICES = (
    "en-US-Neural2-F",
    "en-US-Standard-C",
    "en-US-Studio-O",
    "en-US-News-K",
    "en-US-Journey-F",
    "en-US-Chirp-HD-F",
    "en-US-Chirp3-HD-Kore",
    "es-ES-Wavenet-B",
    "fr-FR-Neural2-A",
    "de-DE-Neural2-F",
    "ar-XA-Wavenet-A",
    "hi-IN-Neural2-A",
    "ja-JP-Neural2-B",
    "pl-PL-Wavenet-A",
)
LIMIT_BYTES = 5000
RATE = 24_000
WORD_GAP_SECONDS = 0.03


class Spoken(NamedTuple):
    """What one request said, after its markup was read."""

    text: str
    style: str
    rate: float
    voice: str


class RefusalError(Exception):
    """INVALID_ARGUMENT with the service's words."""


class GoogleSpeech:
    """How it speaks, and what it said."""

    def __init__(self) -> None:
        self.spoken: list[Spoken] = []
        self.dropped_marks: re.Pattern[str] | None = None
        self.mark_shift_seconds = 0.0
        self.breaks_are_silent = True
        self.sample_rate = RATE
        self.sentence_pause_seconds = 0.35

    def synthesize(self, request: Any) -> Any:
        """Answer a request. Raises RefusalError."""
        said = request.input.ssml or request.input.text
        style = "ssml" if request.input.ssml else "text"
        if not said:
            raise RefusalError("Either `input.text` or `input.ssml` must be set.")
        if len(said.encode()) > LIMIT_BYTES:
            raise RefusalError(
                f"Either `input.text` or `input.ssml` is longer than the limit of {LIMIT_BYTES} bytes."
            )
        name = request.voice.name
        if name not in VOICES:
            raise RefusalError(f"Voice '{name}' does not exist. Is it misspelled?")
        if not name.startswith(request.voice.language_code):
            raise RefusalError(
                f"Requested language code '{request.voice.language_code}' doesn't match the voice."
            )
        rate = request.audio_config.speaking_rate or 1.0
        if not 0.25 <= rate <= 2.0:
            raise RefusalError("Invalid speaking rate.")
        family = name.split("-")[2]
        if family in ("Journey", "Chirp") and rate != 1.0:
            raise RefusalError("This voice does not support speaking rate.")
        if request.audio_config.audio_encoding != api.AudioEncoding.LINEAR16:
            raise RefusalError("The stand-in speaks LINEAR16 only.")
        if style == "ssml" and family in ("Journey", "Chirp", "Chirp3"):
            raise RefusalError("This voice does not support SSML.")
        if style == "ssml" and family == "Studio" and "<mark" in said:
            raise RefusalError("`<mark>` tags are not currently supported by Studio voices.")
        mouth = _Mouth(self, rate)
        if style == "ssml":
            mouth.read(_parse(said))
        else:
            mouth.say(said)
        self.spoken.append(Spoken(" ".join(mouth.words), style, rate, name))
        marks_wanted = api.SynthesizeSpeechRequest.TimepointType.SSML_MARK in request.enable_time_pointing
        return api.SynthesizeSpeechResponse(
            audio_content=mouth.wav(), timepoints=mouth.timepoints if marks_wanted else []
        )


def word_seconds(word: str) -> float:
    """Return how long a word sounds at a rate of 1."""
    return min(0.08 + 0.05 * len(word), 2.0)


class _Mouth:
    def __init__(self, service: GoogleSpeech, rate: float) -> None:
        self._service = service
        self._rate = rate
        self.words: list[str] = []
        self.timepoints: list[Any] = []
        self._parts = [np.zeros(self._length(0.1), np.float32)]

    def read(self, element: ET.Element) -> None:
        if element.tag == "mark":
            name = element.attrib["name"]
            seconds = sum(map(len, self._parts)) / self._service.sample_rate
            dropped = self._service.dropped_marks
            if dropped is None or not dropped.search(name):
                shifted = max(0.0, seconds + self._service.mark_shift_seconds)
                self.timepoints.append(api.Timepoint(mark_name=name, time_seconds=shifted))
        elif element.tag == "break":
            seconds = float(element.attrib["time"].removesuffix("s"))
            length = self._length(seconds)
            self._parts.append(
                np.zeros(length, np.float32) if self._service.breaks_are_silent else self._tone(length)
            )
        elif element.tag != "speak":
            raise RefusalError(f"Invalid SSML: unknown tag {element.tag}.")
        self.say(element.text or "")
        for child in element:
            self.read(child)
            self.say(child.tail or "")

    def say(self, text: str) -> None:
        for word in text.split():
            self.words.append(word)
            self._parts.append(self._tone(self._length(word_seconds(word) / self._rate)))
            ends = word.rstrip("\"'”’»)").endswith((".", "!", "?", "؟", "।", "。", "…"))
            gap = self._service.sentence_pause_seconds if ends else WORD_GAP_SECONDS
            self._parts.append(np.zeros(self._length(gap / self._rate), np.float32))

    def wav(self) -> bytes:
        self._parts.append(np.zeros(self._length(0.2), np.float32))
        pcm = (np.concatenate(self._parts) * 32767).astype("<i2").tobytes()
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self._service.sample_rate)
            out.writeframes(pcm)
        whole = file.getvalue()
        # As services do: a chunk of another kind before the sound.
        return whole[:36] + b"LIST\x05\x00\x00\x00abcde\x00" + whole[36:]

    def _tone(self, length: int) -> np.ndarray[Any, Any]:
        pitch = 180 + 40 * (len(self.words) % 7)
        shape = np.sin(np.pi * np.arange(length) / max(length, 1)) ** 0.25
        wave_ = 0.3 * shape * np.sin(2 * np.pi * pitch * np.arange(length) / self._service.sample_rate)
        return wave_.astype(np.float32)

    def _length(self, seconds: float) -> int:
        return round(seconds * self._service.sample_rate)


def _parse(ssml: str) -> ET.Element:
    try:
        root = ET.fromstring(ssml)  # noqa: S314 (what the tests sent)
    except ET.ParseError as error:
        raise RefusalError(f"Invalid SSML: {error}") from error
    if root.tag != "speak":
        raise RefusalError("Invalid SSML: no <speak>.")
    return root
