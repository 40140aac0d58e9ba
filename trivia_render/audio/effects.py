"""Sound effects, synthesised: ticks, pops, the whoosh of a card, the sting of a reveal.

All are mono float32 at 48 kHz, begin and end in silence, and are tuned to C major, the key of every
music bed, so that a sting is never out of tune with what plays under it.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from trivia_render.audio.kweighting import BLOCK_SAMPLES, weighted_power
from trivia_render.audio.tones import fade, noise, partials, raised_cosine, seconds_to_samples, times
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples
from trivia_render.models.timeline import Sound

#: Loudest 400 ms of each effect, in LU against the narration, at a gain of 0 dB. The sting is as loud as
#: the voice; what repeats is softer, since a tick that is heard fifty times must not be noticed.
LEVELS_LU: dict[Sound, float] = {"sting": 0.0, "accent": -4.0, "tick": -6.5, "whoosh": -9.0, "pop": -9.0}
#: Loudness of narration at -20 dBFS RMS, played from both speakers.
REFERENCE_LUFS = -18.0


def render_sound(sound: Sound) -> Samples:
    """Return the effect: (n,) float32 mono at 48 kHz, read-only, the same samples at every call."""
    return _rendered(sound)


@cache
def _rendered(sound: Sound) -> Samples:
    samples = fade(_RECIPES[sound](), fade_in=48, fade_out=seconds_to_samples(0.02))
    samples *= np.float32(10 ** ((REFERENCE_LUFS + LEVELS_LU[sound] - _momentary_lufs(samples)) / 20))
    samples.setflags(write=False)
    return samples


def _momentary_lufs(samples: Samples) -> float:
    """Loudness of the loudest 400 ms when both speakers play it."""
    window = seconds_to_samples(0.4) // BLOCK_SAMPLES
    mono = np.pad(samples, (0, 2 * seconds_to_samples(0.4)))
    power = np.convolve(weighted_power(np.stack([mono, mono])), np.ones(window) / window)
    return float(-0.691 + 10 * np.log10(power.max()))


def _tick() -> Samples:
    """Return a soft wood block: two short modes and the touch of the stick."""
    length = seconds_to_samples(0.14)
    body = partials(784.0, ((1.0, 1.0, 0.11), (2.41, 0.35, 0.05), (4.1, 0.10, 0.02)), samples=length)
    touch = noise(length, low_hz=900, high_hz=3800, seed=11) * np.exp(-times(length) / np.float32(0.0025))
    return np.asarray(body + 0.18 * touch, np.float32)


def _accent() -> Samples:
    """Return the tick's brighter sister: a fifth higher, with a glockenspiel's short ring."""
    length = seconds_to_samples(0.32)
    body = partials(1174.66, ((1.0, 0.8, 0.13), (2.41, 0.3, 0.05)), samples=length)
    ring = partials(1567.98, ((1.0, 0.5, 0.30), (2.0, 0.22, 0.22), (4.0, 0.05, 0.10)), samples=length)
    touch = noise(length, low_hz=1200, high_hz=5200, seed=12) * np.exp(-times(length) / np.float32(0.0025))
    return np.asarray(body + ring + 0.16 * touch, np.float32)


def _pop() -> Samples:
    """Return a small bubble: a sine that rises by a sixth while it dies away."""
    length = seconds_to_samples(0.11)
    time = times(length)
    pitch = 392.0 + 330.0 * (1 - np.exp(-time / np.float32(0.022)))
    phase = np.cumsum(pitch, dtype=np.float64) * (2 * np.pi / SAMPLE_RATE)
    shape = raised_cosine(length)[::-1] * np.exp(-time / np.float32(0.028))
    return np.asarray((np.sin(phase) + 0.15 * np.sin(2 * phase)) * shape, np.float32)


def _whoosh() -> Samples:
    """Return air that passes: noise whose band climbs, opens and falls again under one swell."""
    length = seconds_to_samples(0.55)
    place = np.linspace(0, 1, length, dtype=np.float32)
    swell = np.sin(np.pi * place**0.72) ** 2
    centre = np.log2(300.0) + 2.9 * np.sin(np.pi * place**0.8)
    total = np.zeros(length, np.float32)
    for index, octave in enumerate(np.arange(np.log2(220.0), np.log2(4200.0), 0.5)):
        band = noise(length, low_hz=2**octave, high_hz=2 ** (octave + 0.5), seed=20 + index)
        # Pink: each half octave weighs the same, and the upper ones a little less.
        weight = np.exp(-np.square((octave + 0.25 - centre) / 0.8)) * 0.93**index
        total += band * weight
    return np.asarray(total * swell, np.float32)


def _sting() -> Samples:
    """Return the reveal's reward: C major, rolled upwards on bells, over a warm low C and G."""
    length = seconds_to_samples(1.45)
    total = np.zeros(length, np.float32)
    for index, (frequency, loudness) in enumerate(
        ((523.25, 0.8), (659.26, 0.8), (783.99, 0.85), (1046.50, 1.0), (1318.51, 0.45))
    ):
        start = seconds_to_samples(0.062 * index)
        series = ((1.0, 1.0, 1.3), (2.0, 0.28, 0.8), (3.01, 0.10, 0.45), (4.17, 0.05, 0.22))
        for detune in (0.9985, 1.0015):  # two voices beat slowly: the shimmer
            bell = partials(frequency * detune, series, samples=length - start)
            total[start:] += fade(bell, fade_in=96, fade_out=0) * np.float32(loudness / 2)
    time = times(length)
    for frequency, loudness in ((261.63, 0.42), (392.0, 0.26)):
        warm = partials(frequency, ((1.0, 1.0, 1.6), (2.0, 0.2, 0.9)), samples=length)
        total += fade(warm, fade_in=seconds_to_samples(0.03), fade_out=0) * np.float32(loudness)
    air = noise(length, low_hz=5200, high_hz=9000, seed=31) * np.exp(
        -np.square((time - 0.3) / np.float32(0.22))
    )
    total += np.float32(0.012) * air
    return fade(total, fade_in=0, fade_out=seconds_to_samples(0.5))


_RECIPES: dict[Sound, Callable[[], Samples]] = {
    "tick": _tick,
    "accent": _accent,
    "pop": _pop,
    "whoosh": _whoosh,
    "sting": _sting,
}
