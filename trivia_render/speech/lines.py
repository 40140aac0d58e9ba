"""Spoken parts put together to lines: one level, measured places. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples
from trivia_render.models.timeline import Line, MeasuredLine, Sentence
from trivia_render.speech import waveform

#: Silence between two parts of a line at speed 1, beside the margins that trimmed parts keep.
PAUSE_SECONDS = 0.3


class Part(NamedTuple):
    """Trimmed sound at 48 kHz and its sentences, in seconds from its start."""

    samples: Samples
    sentences: tuple[Sentence, ...]


class SpokenLine(NamedTuple):
    """A whole line at the speech level."""

    samples: Samples
    measured: MeasuredLine


def join(line: Line, parts: Sequence[Part], *, speed: float) -> SpokenLine:
    """Put a line's parts behind one another; without parts it is short silence."""
    if not parts:
        return empty_line(line)
    pause = waveform.silence(PAUSE_SECONDS / speed)
    sounds: list[Samples] = []
    placed: list[Sentence] = []
    length = 0
    for part in parts:
        if sounds:
            sounds.append(pause)
            length += len(pause)
        placed.extend(_shifted(sentence, seconds=length / SAMPLE_RATE) for sentence in part.sentences)
        sounds.append(part.samples)
        length += len(part.samples)
    samples = waveform.at_speech_level(np.concatenate(sounds))
    return SpokenLine(samples, MeasuredLine(line=line, samples=len(samples), sentences=tuple(placed)))


def empty_line(line: Line) -> SpokenLine:
    """Return short silence, for a line that holds nothing a voice can speak."""
    samples = waveform.silence(waveform.EMPTY_LINE_SECONDS)
    shown = Sentence(
        text=" ".join(line.text.split()), start_seconds=0.0, end_seconds=waveform.EMPTY_LINE_SECONDS
    )
    return SpokenLine(samples, MeasuredLine(line=line, samples=len(samples), sentences=(shown,)))


def _shifted(sentence: Sentence, *, seconds: float) -> Sentence:
    return sentence.model_copy(
        update={
            "start_seconds": sentence.start_seconds + seconds,
            "end_seconds": sentence.end_seconds + seconds,
        }
    )
