"""The compositions: each mood's tempo, chords, parts. Data for `music.py`; all in C major or A minor."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from trivia_render.audio import instruments
from trivia_render.models.ports import Samples

Mood = Literal["upbeat", "calm", "suspense"]
Instrument = Callable[[int, float], Samples]

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


class Score(NamedTuple):
    """One loop. `beat_samples` times its beats is a length that FFTs like."""

    beat_samples: int
    bars: int
    hits: tuple[Hit, ...]
    chords: tuple[HeldChord, ...]
    room_seconds: float
    seed: int


class _Part(NamedTuple):
    """An instrument with its place in the mix."""

    instrument: Instrument
    level_db: float
    pan: float
    send: float
    beat_seconds: float

    def play(self, beat: float, pitch: int, beats: float, accent_db: float = 0.0) -> Hit:
        sound = self.instrument(pitch, round(beats * self.beat_seconds, 3))
        return Hit(sound, beat, self.level_db + accent_db, self.pan, self.send)


def score(mood: Mood) -> Score:
    """Compose the mood's loop."""
    return {"upbeat": _upbeat, "calm": _calm, "suspense": _suspense}[mood]()


class _Chord(NamedTuple):
    root: int
    notes: tuple[int, ...]


def _upbeat() -> Score:
    """Compose a light, swung groove at 120 beats a minute: marimba, electric piano, bass, snaps."""
    beat_samples, bars = 24_000, 16
    seconds = beat_samples / 48_000
    c6, am7 = _Chord(36, (60, 64, 67, 69)), _Chord(33, (60, 64, 67, 69))
    fmaj7, g7 = _Chord(41, (60, 64, 65, 69)), _Chord(43, (59, 62, 65, 69))
    em7, dm7 = _Chord(40, (59, 62, 64, 67)), _Chord(38, (60, 62, 65, 69))
    order = (c6, am7, fmaj7, g7, c6, am7, dm7, g7, fmaj7, em7, dm7, c6, fmaj7, em7, dm7, g7)
    piano = _Part(instruments.electric_piano, -15.0, -0.35, 0.25, seconds)
    wood = _Part(instruments.marimba, -13.0, 0.4, 0.3, seconds)
    low = _Part(instruments.bass, -10.0, 0.0, 0.0, seconds)
    swing = 0.08
    hits: list[Hit] = []
    # A two-bar ostinato over the chord's own notes: eighths as (beat, note of the chord, octaves up).
    riff = ((0.0, 0, 1), (0.5, 2, 0), (1.5, 3, 0), (2.0, 2, 1), (2.5, 1, 1), (3.5, 2, 0))
    reply = ((0.0, 2, 1), (1.0, 1, 1), (1.5, 0, 1), (2.5, 3, 0), (3.0, 2, 0))
    for bar, chord in enumerate(order):
        start = bar * BEATS_PER_BAR
        for beat, note, octave in riff if bar % 2 == 0 else reply:
            late = swing if beat % 1 else 0.0
            accent = 0.0 if beat == 0 else -2.5
            hits.append(wood.play(start + beat + late, chord.notes[note] + 12 * octave, 0.5, accent))
        for beat, beats in ((1.0, 0.4), (2.5 + swing, 0.9)):
            hits += [
                piano.play(start + beat + 0.012 * i, p, beats, -1.0 * i) for i, p in enumerate(chord.notes)
            ]
        fifth = chord.root + 7
        walk = (
            (0.0, chord.root, 1.2),
            (1.5 + swing, chord.root, 0.4),
            (2.0, fifth, 0.8),
            (3.5 + swing, chord.root + 12, 0.35),
        )
        hits += [
            low.play(start + beat, pitch, beats, 0.0 if beat == 0 else -2.0) for beat, pitch, beats in walk
        ]
        hits += list(_upbeat_drums(bar, start, swing))
    chords = tuple(HeldChord(chord.notes[:3], bar * 4.0, 4.0, -24.0) for bar, chord in enumerate(order))
    return Score(beat_samples, bars, tuple(hits), chords, room_seconds=0.9, seed=101)


def _upbeat_drums(bar: int, start: float, swing: float) -> Iterator[Hit]:
    yield Hit(instruments.kick(), start, -11.0, send=0.0)
    yield Hit(instruments.kick(), start + 2.5 + swing, -14.0, send=0.0)
    for beat in (1.0, 3.0):
        yield Hit(instruments.snap(), start + beat, -17.0, pan=0.1, send=0.35)
    for eighth in range(8):
        late = swing if eighth % 2 else 0.0
        yield Hit(instruments.shaker(), start + eighth / 2 + late, -27.0 if eighth % 2 else -30.0, pan=0.3)
    if bar % 8 == 7:
        yield Hit(instruments.snap(), start + 3.5 + swing, -20.0, pan=-0.1, send=0.35)


def _calm() -> Score:
    """Compose a slow drift at 80 beats a minute: pad, electric piano, a sparse thumb piano."""
    beat_samples, bars = 36_000, 8
    seconds = beat_samples / 48_000
    order = (
        _Chord(41, (57, 60, 64, 67)), _Chord(40, (55, 59, 62, 67)), _Chord(45, (55, 60, 64, 71)),
        _Chord(36, (55, 60, 62, 67)), _Chord(41, (57, 60, 64, 67)), _Chord(43, (57, 59, 62, 67)),
        _Chord(45, (57, 60, 64, 67)), _Chord(43, (57, 60, 62, 67)),
    )  # fmt: skip
    piano = _Part(instruments.electric_piano, -15.0, -0.2, 0.35, seconds)
    tines = _Part(instruments.kalimba, -18.0, 0.35, 0.5, seconds)
    low = _Part(instruments.bass, -13.0, 0.0, 0.0, seconds)
    melody = (
        (0.5, 76), (1.5, 79), (3.0, 72), (4.5, 74), (6.0, 71), (8.5, 76), (9.5, 72), (11.0, 71), (12.5, 67),
        (14.0, 74), (16.5, 79), (17.5, 76), (19.0, 72), (20.5, 74), (22.0, 79), (24.5, 76), (26.0, 72),
        (28.5, 74), (29.5, 72), (31.0, 71),
    )  # fmt: skip
    hits = [tines.play(beat, pitch, 1.5, -1.5 * (index % 3)) for index, (beat, pitch) in enumerate(melody)]
    for bar, chord in enumerate(order):
        start = bar * BEATS_PER_BAR
        hits += [piano.play(start + 0.03 * i, p, 3.2, -1.0 * i) for i, p in enumerate(chord.notes)]
        hits += [piano.play(start + 2.5, p, 1.3, -5.0) for p in chord.notes[2:]]
        hits += [low.play(start, chord.root, 2.4), low.play(start + 2.5, chord.root, 1.3, -4.0)]
        hits.append(Hit(instruments.kick(), start, -18.0, send=0.0))
        hits += [Hit(instruments.brush(), start + beat, -26.0, pan=0.15, send=0.3) for beat in (1.0, 3.0)]
        hits += [Hit(instruments.shaker(), start + beat, -36.0, pan=-0.3) for beat in (0.5, 1.5, 2.5, 3.5)]
    chords = tuple(HeldChord(chord.notes, bar * 4.0, 4.0, -17.0) for bar, chord in enumerate(order))
    return Score(beat_samples, bars, tuple(hits), chords, room_seconds=1.8, seed=201)


def _suspense() -> Score:
    """Compose a quiet pulse at 90 beats a minute in A minor: low strings, a heartbeat, a high held chord."""
    beat_samples, bars = 32_000, 8
    seconds = beat_samples / 48_000
    am, f, dm, e = (
        _Chord(33, (57, 60, 64)),
        _Chord(29, (57, 60, 65)),
        _Chord(38, (57, 62, 65)),
        _Chord(40, (56, 59, 64)),
    )
    order = (am, am, f, f, dm, dm, _Chord(40, (57, 59, 64)), e)
    pulse = _Part(instruments.staccato_strings, -14.0, -0.25, 0.2, seconds)
    answer = _Part(instruments.staccato_strings, -19.0, 0.4, 0.35, seconds)
    low = _Part(instruments.bass, -13.0, 0.0, 0.0, seconds)
    drop = _Part(instruments.kalimba, -22.0, 0.2, 0.6, seconds)
    hits: list[Hit] = []
    for bar, chord in enumerate(order):
        start = bar * BEATS_PER_BAR
        steps = (0, 12, 0, 0, 12, 0, 7, 0)
        hits += [
            pulse.play(start + i / 2, chord.root + 12 + step, 0.22, 0.0 if i % 4 == 0 else -3.0)
            for i, step in enumerate(steps)
        ]
        hits.append(low.play(start, chord.root if chord.root > 31 else chord.root + 12, 3.5))
        arpeggio = (chord.notes[0], chord.notes[2], chord.notes[1], chord.notes[2])
        hits += [answer.play(start + 0.25 + i, p, 0.2, -1.0 * i) for i, p in enumerate(arpeggio)]
        hits += [
            Hit(instruments.tom(38), start, -16.0, send=0.2),
            Hit(instruments.tom(36), start + 0.5, -20.0, send=0.2),
        ]
        if bar % 2:
            hits.append(drop.play(start + 2.75, chord.notes[1] + 24, 1.5))
            hits.append(drop.play(start + 3.25, chord.notes[0] + 24, 1.5, -4.0))
    chords = tuple(
        HeldChord((*chord.notes[:2], chord.notes[2] + 12), bar * 4.0, 4.0, -19.0)
        for bar, chord in enumerate(order)
    )
    return Score(beat_samples, bars, tuple(hits), chords, room_seconds=2.2, seed=301)
