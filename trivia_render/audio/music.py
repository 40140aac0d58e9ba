"""The music bed: a composed loop, synthesised once a process, tiled to any length."""

from functools import cache

import numpy as np

from trivia_render.audio import instruments
from trivia_render.audio.effects import REFERENCE_LUFS
from trivia_render.audio.kweighting import integrated_lufs, weighted_power
from trivia_render.audio.moods import BEATS_PER_BAR, HeldChord, Hit, Mood, Score, score
from trivia_render.audio.tones import db_to_gain, fade, raised_cosine, seconds_to_samples
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

_FADE_IN_SECONDS = 0.4
_FADE_OUT_SECONDS = 3.0
#: Chords of the pad overlap by so much: each swells in while the last one goes.
_CHORD_OVERLAP_SECONDS = 0.5

# A pad's chord repeats after 2.7 s, about as long as a chord lasts.
_PAD_PERIOD = 1 << 17
# The room sounds at a quarter of the rate: it has nothing over 6 kHz.
_ROOM_RATE_DIVISOR = 4

# The bed's equaliser, as (frequency in Hz, gain in dB), straight between the points on a logarithmic scale:
# room for consonants from 1 to 4 kHz, no rumble, no hiss.
_EQUALISER = (
    (20, -24), (40, -2), (80, 0), (500, 0), (1000, -1.5), (1800, -4.5), (3200, -4.5), (5000, -2.5),
    (9000, -4), (14000, -24),
)  # fmt: skip


def music_bed(mood: Mood, samples: int) -> Samples:
    """Return (2, samples) float32 of the mood's music at `REFERENCE_LUFS`, faded in and out.

    The array is the caller's own. A bed shorter than its fades is one swell.
    """
    block = loop(mood)
    length = block.shape[1]
    bed = np.empty((2, samples), np.float32)
    for start in range(0, samples, length):
        part = bed[:, start : start + length]
        part[:] = block[:, : part.shape[1]]
    fade_in = min(seconds_to_samples(_FADE_IN_SECONDS), samples // 4)
    fade_out = min(seconds_to_samples(_FADE_OUT_SECONDS), samples // 2)
    return fade(bed, fade_in=fade_in, fade_out=fade_out)


@cache
def loop(mood: Mood) -> Samples:
    """Return one period of the mood's music: (2, n) float32 at `REFERENCE_LUFS`, read-only.

    Everything wraps around, tails and reverberation too, so that its end runs into its start.
    """
    composed = score(mood)
    length = composed.beat_samples * composed.bars * BEATS_PER_BAR
    dry = np.zeros((2, length), np.float32)
    send = np.zeros(length, np.float32)
    for hit in composed.hits:
        _add_hit(dry, send, hit, composed)
    for chord in composed.chords:
        _add_chord(dry, send, chord, composed)
    mixed = _finish(dry, send, composed)
    loudness = integrated_lufs(weighted_power(mixed))
    if loudness is None:
        raise ValueError(f"the score of {mood} has nothing to play")
    mixed *= np.float32(db_to_gain(REFERENCE_LUFS - loudness))
    mixed.setflags(write=False)
    return mixed


def _add_hit(dry: Samples, send: Samples, hit: Hit, composed: Score) -> None:
    gain = db_to_gain(hit.level_db)
    angle = (hit.pan + 1) * np.pi / 4  # constant power
    start = round(hit.beat * composed.beat_samples) % dry.shape[1]
    for track, factor in ((dry[0], np.cos(angle)), (dry[1], np.sin(angle)), (send, hit.send)):
        if factor:
            _add_around(track, hit.sound * np.float32(gain * factor), start)


def _add_chord(dry: Samples, send: Samples, chord: HeldChord, composed: Score) -> None:
    overlap = seconds_to_samples(_CHORD_OVERLAP_SECONDS)
    length = round(chord.beats * composed.beat_samples) + overlap
    held = instruments.pad(
        chord.pitches, samples=_PAD_PERIOD, seed=composed.seed, brightness=chord.brightness
    )
    sound = np.take(held, np.arange(length) % _PAD_PERIOD, axis=1) * np.float32(db_to_gain(chord.level_db))
    rise = np.sqrt(raised_cosine(overlap))  # equal power: neighbours are not in phase
    sound[:, :overlap] *= rise
    sound[:, length - overlap :] *= rise[::-1]
    start = round(chord.beat * composed.beat_samples) - overlap // 2
    for channel in range(2):
        _add_around(dry[channel], sound[channel], start % dry.shape[1])
    _add_around(send, sound.sum(axis=0) * np.float32(0.1), start % dry.shape[1])


def _add_around(track: Samples, sound: Samples, start: int) -> None:
    """Add a sound at a place of the loop; what passes the end continues at the start."""
    while len(sound):
        part = min(len(sound), len(track) - start)
        track[start : start + part] += sound[:part]
        sound, start = sound[part:], 0


def _finish(dry: Samples, send: Samples, composed: Score) -> Samples:
    """Add the room and equalise, around the loop: multiplication of spectra is circular."""
    length = dry.shape[1]
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 1.0)
    points = np.array(_EQUALISER, np.float64)
    curve_db = np.interp(np.log(frequencies), np.log(points[:, 0]), points[:, 1])
    equaliser = (10 ** (curve_db / 20)).astype(np.float32)
    # The room's spectrum adds to the low end of the whole.
    few = length // _ROOM_RATE_DIVISOR
    sent = np.fft.rfft(send.reshape(few, _ROOM_RATE_DIVISOR).sum(axis=1))
    response = instruments.room(
        few, seconds=composed.room_seconds, rate_hz=SAMPLE_RATE // _ROOM_RATE_DIVISOR, seed=composed.seed
    )
    mixed = np.empty_like(dry)
    for channel in range(2):
        spectrum = np.fft.rfft(dry[channel])
        spectrum[: len(sent)] += np.fft.rfft(response[channel]) * sent
        spectrum *= equaliser
        mixed[channel] = np.fft.irfft(spectrum, length)
    return mixed
