"""Where the sentences of a spoken line are in its sound. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples
from trivia_render.models.timeline import Sentence
from trivia_render.speech import waveform
from trivia_render.speech.text import SpokenSentence

#: Two sentences are told apart by a pause at least so long; stop consonants inside words are shorter.
_SHORTEST_PAUSE_SECONDS = 0.1
#: What a second of distance costs a pause against a second of its own length: a mark says where a
#: sentence starts, a share of the letters only about where.
_MARK_WEIGHT = 2.0
_SHARE_WEIGHT = 0.2
_WINDOW = round(0.005 * SAMPLE_RATE)
#: A break between lines is 1 s of silence at speed 1; marks may lie a little beside it.
_SHORTEST_BREAK_SECONDS = 0.25
_BREAK_TOLERANCE_SECONDS = 0.3


class Pause(NamedTuple):
    """Samples [start, end) without sound, between sounds."""

    start: int
    end: int

    @property
    def middle(self) -> int:
        """Where to cut."""
        return (self.start + self.end) // 2

    def score(self, *, expected: float, weight: float) -> float:
        """How well a sentence's start fits here, in seconds."""
        distance = max(self.start - expected, expected - self.end, 0) / SAMPLE_RATE
        return (self.end - self.start) / SAMPLE_RATE - weight * distance


def pauses(samples: Samples, *, shortest_seconds: float = _SHORTEST_PAUSE_SECONDS) -> tuple[Pause, ...]:
    """Return the pauses between sounds of a 48 kHz waveform, in order."""
    extent = waveform.sounding(samples)
    if extent is None:
        return ()
    quiet = ~waveform.sounding_windows(samples[extent.start : extent.end], window=_WINDOW)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    found = (
        Pause(extent.start + int(start) * _WINDOW, extent.start + int(end) * _WINDOW)
        for start, end in edges.reshape(-1, 2)
    )
    return tuple(pause for pause in found if pause.end - pause.start >= shortest_seconds * SAMPLE_RATE)


def cut_at_breaks(
    samples: Samples, breaks: Sequence[tuple[float, float]]
) -> tuple[waveform.Extent, ...] | None:
    """Cut a 48 kHz waveform in the silence of each break (seconds from, to) that marks promise.

    None where one is not silent, or a part between two cuts holds no sound: then the marks are not to
    be trusted.
    """
    silences = pauses(samples, shortest_seconds=_SHORTEST_BREAK_SECONDS)
    cuts = [0]
    for start, end in breaks:
        first = (start - _BREAK_TOLERANCE_SECONDS) * SAMPLE_RATE
        last = (end + _BREAK_TOLERANCE_SECONDS) * SAMPLE_RATE
        near = [pause for pause in silences if pause.start < last and pause.end > first]
        if not near:
            return None
        cuts.append(max(near, key=lambda pause: pause.end - pause.start).middle)
    cuts.append(len(samples))
    parts = tuple(waveform.Extent(start, end) for start, end in pairwise(cuts))
    if all(part.start < part.end and waveform.sounding(samples[slice(*part)]) for part in parts):
        return parts
    return None


def place_sentences(
    samples: Samples, sentences: Sequence[SpokenSentence], *, marks: Sequence[float] | None
) -> tuple[Sentence, ...]:
    """Find each sentence between the pauses of a line at 48 kHz.

    `marks` are the seconds at which all sentences but the first start, as the voice says; without
    them, the pauses are sought where the sentences' shares of the letters put them.
    """
    extent = waveform.sounding(samples) or waveform.Extent(0, len(samples))
    weight = _SHARE_WEIGHT if marks is None else _MARK_WEIGHT
    expected = _by_share(sentences, extent) if marks is None else [mark * SAMPLE_RATE for mark in marks]
    silences = pauses(samples)
    cuts = [extent.start]
    for place in expected:
        candidates = [pause for pause in silences if pause.start > cuts[-1]]
        best = max(candidates, key=lambda pause: pause.score(expected=place, weight=weight), default=None)
        fits = best is not None and best.score(expected=place, weight=weight) > -0.5 * weight
        cut = best.middle if best is not None and fits else round(place)
        cuts.append(min(max(cut, cuts[-1]), extent.end))
    cuts.append(extent.end)
    return tuple(
        _sounding_between(samples, start, end, sentence.written)
        for sentence, (start, end) in zip(sentences, pairwise(cuts), strict=True)
    )


def _by_share(sentences: Sequence[SpokenSentence], extent: waveform.Extent) -> list[float]:
    letters = np.cumsum([len(sentence.spoken) for sentence in sentences])
    return [extent.start + (extent.end - extent.start) * float(part / letters[-1]) for part in letters[:-1]]


def _sounding_between(samples: Samples, start: int, end: int, text: str) -> Sentence:
    extent = waveform.sounding(samples[start:end]) or waveform.Extent(0, end - start)
    return Sentence(
        text=text,
        start_seconds=(start + extent.start) / SAMPLE_RATE,
        end_seconds=(start + extent.end) / SAMPLE_RATE,
    )
