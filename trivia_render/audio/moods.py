"""The compositions: each mood's tempo, chords and parts, as scores for `music.py` to perform.

All keep to the notes of C major (suspense: A minor with its leading note), the key of the sting.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from trivia_render.audio import instruments
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

Mood = Literal["upbeat", "calm", "suspense"]

BEATS_PER_BAR = 4


class Hit(NamedTuple):
    """One sound of the loop. `pan` runs from -1 (left) to 1; `send` is its share of the room."""

    sound: Samples
    beat: float
    level_db: float
    pan: float = 0.0
    send: float = 0.15


class HeldChord(NamedTuple):
    """A pad's chord over some beats."""

    pitches: tuple[int, ...]
    beat: float
    beats: float
    level_db: float
    brightness: float


class Score(NamedTuple):
    """One loop. `beat_samples` times its beats has small prime factors alone, which FFTs like."""

    beat_samples: int
    bars: int
    hits: tuple[Hit, ...]
    chords: tuple[HeldChord, ...]
    room_seconds: float
    seed: int


class _Chord(NamedTuple):
    """The bass's note, and the notes that comping instruments play."""

    root: int
    notes: tuple[int, ...]


class _Part(NamedTuple):
    """An instrument with its place in the mix, played in beats."""

    instrument: Callable[[int, float], Samples]
    level_db: float
    pan: float
    send: float
    beat_samples: int

    def play(self, beat: float, pitch: int, beats: float, accent_db: float = 0.0) -> Hit:
        sound = self.instrument(pitch, round(beats * self.beat_samples / SAMPLE_RATE, 3))
        return Hit(sound, beat, self.level_db + accent_db, self.pan, self.send)

    def strum(
        self, beat: float, pitches: Sequence[int], beats: float, accent_db: float = 0.0
    ) -> Iterator[Hit]:
        """Play a chord from below, a few milliseconds between notes, spread from left to right."""
        for index, pitch in enumerate(pitches):
            hit = self.play(beat + 0.02 * index, pitch, beats, accent_db - 0.5 * index)
            yield hit._replace(pan=self.pan + 0.5 * (index / (len(pitches) - 1) - 0.5))


def score(mood: Mood) -> Score:
    """Compose the mood's loop."""
    composed = _COMPOSERS[mood]()
    # No player repeats a note exactly: a little uneven in level and time, the same at every performance.
    random = np.random.default_rng(composed.seed)
    uneven = random.normal(0, 1, (len(composed.hits), 2)).clip(-2, 2)
    late_beats = 0.003 * SAMPLE_RATE / composed.beat_samples
    hits = tuple(
        hit._replace(beat=hit.beat + late_beats * late, level_db=hit.level_db + 0.7 * louder)
        for hit, (louder, late) in zip(composed.hits, uneven.tolist(), strict=True)
    )
    return composed._replace(hits=hits)


# --- upbeat ---------------------------------------------------------------------------------------------

_SWING = 0.1  # beats by which every second eighth comes late

# The tune, bar by bar: (beat, pitch). A: question and answer over four bars; B: a calmer climb.
_TUNE_A = (
    ((0, 79), (0.5, 76), (1.5, 79), (2, 81), (3, 79), (3.5, 76)),
    ((0, 84), (0.5, 81), (1.5, 76), (2, 79), (3, 76)),
    ((0, 77), (0.5, 74), (1.5, 77), (2, 81), (3, 79), (3.5, 77)),
    ((0, 83), (0.5, 79), (1.5, 77), (2, 74), (3, 71)),
)
_TUNE_A_CLOSE = (*_TUNE_A[:3], ((0, 74), (0.5, 77), (1.5, 79), (2, 81), (2.5, 83), (3, 86)))
_TUNE_B = (
    ((0, 81), (1.5, 84), (3, 81)),
    ((0, 79), (1.5, 83), (3, 79)),
    ((0, 77), (1.5, 81), (3, 77)),
    ((0, 79), (1, 81), (2, 83), (3, 86)),
)


def _upbeat() -> Score:
    """Compose a light, swung groove at 120 beats a minute: plucked tune, chops, bass, snaps, shaker."""
    beat_samples = 24_000
    c6, am7 = _Chord(36, (64, 67, 69, 72)), _Chord(33, (64, 67, 69, 72))
    dm7, g7 = _Chord(38, (65, 69, 72, 74)), _Chord(43, (65, 67, 71, 74))
    fmaj7, em7 = _Chord(41, (65, 69, 72, 76)), _Chord(40, (62, 64, 67, 71))
    turn = (c6, am7, dm7, g7)
    chords = (*turn, *turn, fmaj7, em7, dm7, g7, *turn)
    tune = (*_TUNE_A, *_TUNE_A_CLOSE, *_TUNE_B, *_TUNE_A_CLOSE)
    lead = _Part(instruments.pluck, -11.0, 0.2, 0.3, beat_samples)
    wood = _Part(instruments.marimba, -14.5, -0.3, 0.3, beat_samples)
    bells = _Part(instruments.glockenspiel, -29.0, 0.5, 0.5, beat_samples)
    chops = _Part(instruments.pluck, -18.5, -0.25, 0.25, beat_samples)
    keys = _Part(instruments.electric_piano, -20.5, -0.1, 0.3, beat_samples)
    low = _Part(instruments.bass, -12.0, 0.0, 0.0, beat_samples)
    hits: list[Hit] = []
    for bar, (chord, melody) in enumerate(zip(chords, tune, strict=True)):
        start, section = bar * BEATS_PER_BAR, bar // 4
        for beat, pitch in melody:
            at, accent = start + _swung(beat), 0.0 if beat == 0 else -1.5
            if section == 2:
                hits.append(wood.play(at, pitch - 12, 0.9, accent))
                hits.append(bells.play(at, pitch, 1.0))
            else:
                hits.append(lead.play(at, pitch, 0.45, accent))
            if section == 3:
                hits.append(bells.play(at, pitch + 12, 0.8, accent - 2.0))
            if section in {1, 3}:
                hits.append(wood.play(at, pitch - 12, 0.45, accent - 4.0))
        if section != 2:
            for beat in (1, 2.5, 3):
                hits += chops.strum(start + _swung(beat), chord.notes, 0.22, 0.0 if beat == 3 else -2.0)
        else:
            hits += keys.strum(start, chord.notes, 2.6)
            hits += keys.strum(start + _swung(2.5), chord.notes, 1.2, -3.0)
        fifth = chord.root + 7 if chord.root < 40 else chord.root - 5
        line = ((0, chord.root, 1.1), (1.5, chord.root, 0.35), (2, fifth, 0.8), (3.5, chord.root, 0.35))
        hits += [low.play(start + _swung(b), p, d, 0.0 if b == 0 else -2.0) for b, p, d in line]
        hits += _upbeat_drums(bar)
    held = tuple(HeldChord(c.notes, bar * 4.0, 4.0, -19.0, 0.3) for bar, c in enumerate(chords))
    return Score(beat_samples, len(chords), tuple(hits), held, room_seconds=0.9, seed=101)


def _swung(beat: float) -> float:
    return beat + _SWING if beat % 1 == 0.5 else beat


def _upbeat_drums(bar: int) -> Iterator[Hit]:
    start, fill = bar * BEATS_PER_BAR, bar % 4 == 3
    yield Hit(instruments.kick(), start, -13.5, send=0.0)
    yield Hit(instruments.kick(), start + _swung(2.5), -16.5, send=0.0)
    for beat in (1.0, 3.0):
        yield Hit(instruments.snap(), start + beat, -11.5, pan=0.15, send=0.35)
    if fill:
        yield Hit(instruments.snap(), start + _swung(3.5), -15.0, pan=-0.15, send=0.35)
    for eighth in range(8):
        level_db = -16.0 if eighth % 2 else -20.0
        yield Hit(instruments.shaker(), start + _swung(eighth / 2), level_db, pan=0.35, send=0.05)


# --- calm -----------------------------------------------------------------------------------------------

# The thumb piano's tune: (beat, pitch) over eight bars.
_CALM_TUNE = (
    (0.5, 76), (1.5, 79), (3, 72), (4.5, 74), (6, 71), (8.5, 76), (9.5, 72), (11, 71), (12.5, 67), (14, 74),
    (16.5, 79), (17.5, 76), (19, 72), (20.5, 74), (22, 79), (24.5, 76), (26, 72), (28.5, 74), (29.5, 72),
    (31, 71),
)  # fmt: skip


def _calm() -> Score:
    """Compose a slow drift at 80 beats a minute: pad, electric piano, a sparse thumb piano."""
    beat_samples = 36_000
    fmaj9, em7, am9 = _Chord(41, (57, 60, 64, 67)), _Chord(40, (55, 59, 62, 67)), _Chord(45, (55, 60, 64, 71))
    cadd9, gadd9 = _Chord(36, (55, 60, 62, 67)), _Chord(43, (57, 59, 62, 67))
    am7, gsus = _Chord(45, (57, 60, 64, 67)), _Chord(43, (57, 60, 62, 67))
    chords = (fmaj9, em7, am9, cadd9, fmaj9, gadd9, am7, gsus)
    tines = _Part(instruments.kalimba, -15.5, 0.3, 0.5, beat_samples)
    echo = _Part(instruments.kalimba, -27.0, -0.6, 0.6, beat_samples)
    keys = _Part(instruments.electric_piano, -18.0, 0.0, 0.35, beat_samples)
    low = _Part(instruments.bass, -13.0, 0.0, 0.0, beat_samples)
    hits: list[Hit] = []
    for index, (beat, pitch) in enumerate(_CALM_TUNE):
        hits.append(tines.play(beat, pitch, 1.5, -1.5 * (index % 3)))
        hits.append(echo.play(beat + 0.75, pitch, 1.5, -1.5 * (index % 3)))
    for bar, chord in enumerate(chords):
        start = bar * BEATS_PER_BAR
        hits += keys.strum(start, chord.notes, 3.2)
        hits += keys.strum(start + 2.5, chord.notes[2:], 1.3, -4.0)
        hits += [low.play(start, chord.root, 2.4), low.play(start + 2.5, chord.root, 1.3, -4.0)]
        hits.append(Hit(instruments.kick(), start, -17.0, send=0.0))
        hits += [Hit(instruments.brush(), start + beat, -16.0, pan=0.15, send=0.3) for beat in (1.0, 3.0)]
        hits += [Hit(instruments.shaker(), start + 0.5 + i, -18.0, pan=-0.35) for i in range(BEATS_PER_BAR)]
    held = tuple(HeldChord(c.notes, bar * 4.0, 4.0, -16.0, 0.8) for bar, c in enumerate(chords))
    return Score(beat_samples, len(chords), tuple(hits), held, room_seconds=1.8, seed=201)


# --- suspense -------------------------------------------------------------------------------------------


def _suspense() -> Score:
    """Compose a quiet pulse at 90 beats a minute in A minor: short strings, a heartbeat, a held chord."""
    beat_samples = 32_000
    am, f, dm = _Chord(33, (57, 60, 64)), _Chord(41, (57, 60, 65)), _Chord(38, (57, 62, 65))
    esus, e = _Chord(40, (57, 59, 64)), _Chord(40, (56, 59, 64))
    chords = (am, am, f, f, dm, dm, esus, e)
    pulse = _Part(instruments.staccato_strings, -13.0, -0.3, 0.2, beat_samples)
    answer = _Part(instruments.staccato_strings, -16.5, 0.45, 0.35, beat_samples)
    low = _Part(instruments.bass, -16.0, 0.0, 0.0, beat_samples)
    drop = _Part(instruments.kalimba, -27.0, 0.2, 0.7, beat_samples)
    hits: list[Hit] = []
    for bar, chord in enumerate(chords):
        start = bar * BEATS_PER_BAR
        for index, step in enumerate((0, 12, 0, 0, 12, 0, 7, 0)):
            accent = 0.0 if index % 4 == 0 else -3.0
            hits.append(pulse.play(start + index / 2, chord.root + 12 + step, 0.22, accent))
        hits.append(low.play(start, chord.root, 3.5))
        for index, note in enumerate((0, 2, 1, 2)):
            hits.append(answer.play(start + 0.25 + index, chord.notes[note] + 12, 0.2, -1.0 * index))
        hits.append(Hit(instruments.tom(38), start, -19.0, send=0.2))
        hits.append(Hit(instruments.tom(36), start + 0.5, -23.0, send=0.2))
        if bar % 2:
            hits.append(drop.play(start + 2.75, chord.notes[1] + 24, 1.5))
            hits.append(drop.play(start + 3.25, chord.notes[0] + 24, 1.5, -4.0))
    rise_beats = 3.0
    rise = instruments.swell(rise_beats * beat_samples / SAMPLE_RATE)
    hits.append(Hit(rise, len(chords) * BEATS_PER_BAR - rise_beats, -20.0, send=0.4))
    held = tuple(
        HeldChord((*c.notes[:2], c.notes[2] + 12), bar * 4.0, 4.0, -17.0, 0.4) for bar, c in enumerate(chords)
    )
    return Score(beat_samples, len(chords), tuple(hits), held, room_seconds=2.2, seed=301)


_COMPOSERS: dict[Mood, Callable[[], Score]] = {"upbeat": _upbeat, "calm": _calm, "suspense": _suspense}
