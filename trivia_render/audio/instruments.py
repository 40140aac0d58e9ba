"""The band: soft, band-limited instruments for the music beds. All mono float32 at 48 kHz.

Pitches are MIDI note numbers (69 is A at 440 Hz), lengths seconds. Peaks are near 1; the score sets levels.
"""

from functools import cache

import numpy as np

from trivia_render.audio.tones import fade, noise, partials, seconds_to_samples, times
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

_RELEASE_SECONDS = 0.09


def frequency_hz(pitch: float) -> float:
    """Return the equal-tempered frequency of a MIDI note number."""
    return float(440.0 * 2 ** ((pitch - 69) / 12))


@cache
def electric_piano(pitch: int, seconds: float) -> Samples:
    """Return a mellow electric piano: two-operator FM whose brightness fades with the note."""
    length = seconds_to_samples(seconds + _RELEASE_SECONDS)
    time = times(length)
    turn = time * np.float32(2 * np.pi * frequency_hz(pitch))
    # Lower notes fall slower and may be brighter, as on the real instrument.
    fall = 1.1 * 2 ** ((60 - pitch) / 24)
    brightness = (0.9 * 2 ** ((60 - pitch) / 30)) * np.exp(-time / np.float32(0.4)) + 0.2
    body = np.sin(turn + brightness.astype(np.float32) * np.sin(turn))
    body += 0.25 * np.sin(2 * turn) * np.exp(-time / np.float32(0.25))
    # The tine: a short bell-like glint, high over the note.
    body += 0.10 * np.sin(np.float32(7) * turn) * np.exp(-time / np.float32(0.06))
    body *= np.exp(-time / np.float32(fall))
    return _note(body * 0.75, attack_seconds=0.005)


@cache
def marimba(pitch: int, seconds: float) -> Samples:
    """Return a wooden bar under a soft mallet: its first mode, the fourth harmonic, a hint of the tenth."""
    length = seconds_to_samples(max(seconds, 0.5) + _RELEASE_SECONDS)
    ring = 0.95 * 2 ** ((60 - pitch) / 20)
    series = ((1.0, 1.0, ring), (3.93, 0.30, ring * 0.35), (9.6, 0.07, ring * 0.1))
    body = partials(frequency_hz(pitch), series, samples=length)
    return _note(body + _contact(length, loudness=0.10), attack_seconds=0.0015)


@cache
def pluck(pitch: int, seconds: float) -> Samples:
    """Return a plucked nylon string: harmonics that fall off and die away the faster the higher they are."""
    length = seconds_to_samples(seconds + _RELEASE_SECONDS)
    ring = 1.5 * 2 ** ((60 - pitch) / 24)
    # A string plucked at a quarter of its length lacks every fourth harmonic.
    series = [(float(n), abs(np.sin(n * np.pi / 4)) * n**-1.05, ring / n**0.7) for n in range(1, 19)]
    body = partials(frequency_hz(pitch), series, samples=length) * 0.8
    return _note(body + _contact(length, loudness=0.05), attack_seconds=0.002)


@cache
def kalimba(pitch: int, seconds: float) -> Samples:
    """Return a thumb piano: a nearly pure tone with short inharmonic tines above it."""
    length = seconds_to_samples(max(seconds, 1.2) + _RELEASE_SECONDS)
    series = ((1.0, 1.0, 2.2), (2.0, 0.16, 1.2), (3.0, 0.06, 0.5), (5.4, 0.14, 0.12), (8.9, 0.05, 0.05))
    body = partials(frequency_hz(pitch), series, samples=length)
    return _note(body + _contact(length, loudness=0.06), attack_seconds=0.0015)


@cache
def glockenspiel(pitch: int, seconds: float) -> Samples:
    """Return a small steel bar: a high, clear tone with the modes of a free bar."""
    length = seconds_to_samples(max(seconds, 1.0) + _RELEASE_SECONDS)
    series = ((1.0, 1.0, 1.6), (2.76, 0.22, 0.7), (5.40, 0.06, 0.25))
    return _note(partials(frequency_hz(pitch), series, samples=length), attack_seconds=0.001)


@cache
def bass(pitch: int, seconds: float) -> Samples:
    """Return a round electric bass; its upper harmonics carry it on small speakers."""
    length = seconds_to_samples(seconds + _RELEASE_SECONDS)
    series = [(1.0, 1.0, 2.6), (2.0, 0.6, 1.4), (3.0, 0.34, 0.8), (4.0, 0.18, 0.5), (5.0, 0.10, 0.35)]
    series += [(float(n), 0.3 / n, 0.2) for n in range(6, 13)]
    return _note(partials(frequency_hz(pitch), series, samples=length) * 0.6, attack_seconds=0.006)


@cache
def staccato_strings(pitch: int, seconds: float) -> Samples:
    """Return short bowed notes: three slightly detuned players, the bow's bite fading into the tone."""
    length = seconds_to_samples(seconds + 0.14)
    total = np.zeros(length, np.float32)
    for detune in (0.9965, 1.0, 1.0038):
        series = [(float(n), n**-1.1, 0.9 / n**0.35) for n in range(1, 20)]
        total += partials(frequency_hz(pitch) * detune, series, samples=length)
    return fade(total * 0.22, fade_in=seconds_to_samples(0.012), fade_out=seconds_to_samples(0.12))


@cache
def pad(
    pitches: tuple[int, ...], *, samples: int, seed: int, brightness: float = 0.0, spread_cents: float = 14.0
) -> Samples:
    """Return (2, samples) of an ensemble that holds a chord: periodic over its length, wide in stereo.

    Each harmonic is a narrow bump in the spectrum with random phases, so that it sounds like many players;
    left and right differ by their phases alone. `brightness` slows the fall of the harmonics, 0 to 1.
    """
    random = np.random.default_rng(seed)
    amplitude = np.zeros(samples // 2 + 1)
    step = SAMPLE_RATE / samples
    for pitch in pitches:
        for harmonic in range(1, 17):
            centre = frequency_hz(pitch) * harmonic
            if centre > 7000:
                break
            width = max(centre * (2 ** (spread_cents / 1200) - 1), 1.2 * step)
            places = np.arange(max(int((centre - 4 * width) / step), 1), int((centre + 4 * width) / step) + 2)
            bump = np.exp(-0.5 * np.square((places * step - centre) / width)) / np.sqrt(width / step)
            amplitude[places] += bump * harmonic ** (0.7 * brightness - 1.7)
    used = np.flatnonzero(amplitude)
    spectrum = np.zeros((2, len(amplitude)), np.complex64)
    spectrum[:, used] = amplitude[used] * np.exp(2j * np.pi * random.random((2, len(used))))
    chord = np.fft.irfft(spectrum, samples, axis=1).astype(np.float32)
    return np.asarray(chord * (0.2 / np.sqrt(np.mean(np.square(chord)))), np.float32)


@cache
def kick() -> Samples:
    """Return a soft bass drum: a sine that falls from 130 to 50 Hz, and the felt's touch."""
    length = seconds_to_samples(0.32)
    time = times(length)
    pitch = 50.0 + 80.0 * np.exp(-time / np.float32(0.028))
    phase = np.cumsum(pitch, dtype=np.float64) * (2 * np.pi / SAMPLE_RATE)
    body = np.sin(phase) * np.exp(-time / np.float32(0.11))
    return _note(body + _contact(length, loudness=0.12), attack_seconds=0.002)


@cache
def tom(pitch: int) -> Samples:
    """Return a low drum with some skin: a falling tone and a dull thud."""
    length = seconds_to_samples(0.7)
    time = times(length)
    frequency = frequency_hz(pitch) * (1 + 0.35 * np.exp(-time / np.float32(0.05)))
    phase = np.cumsum(frequency, dtype=np.float64) * (2 * np.pi / SAMPLE_RATE)
    skin = 0.3 * noise(length, low_hz=150, high_hz=1200, seed=41) * np.exp(-time / np.float32(0.03))
    body = (np.sin(phase) + 0.25 * np.sin(1.59 * phase)) * np.exp(-time / np.float32(0.2))
    return _note(body + skin, attack_seconds=0.003)


@cache
def snap() -> Samples:
    """Return finger snaps of a few people: short bursts around 2 kHz, a few milliseconds apart."""
    length = seconds_to_samples(0.2)
    time = times(length)
    total = np.zeros(length, np.float32)
    for index, start in enumerate((0.0, 0.009, 0.017)):
        burst = noise(length, low_hz=1200, high_hz=3600, seed=50 + index, slope_octaves=1.0)
        total += burst * np.exp((np.float32(start) - time) / np.float32(0.022)) * (time >= start)
    return _note(total * 0.25, attack_seconds=0.001)


@cache
def shaker() -> Samples:
    """Return one stroke of a shaker: a swell of 20 ms and a short tail, under 10 kHz."""
    length = seconds_to_samples(0.13)
    time = times(length)
    shape = np.minimum(time / np.float32(0.02), 1) * np.exp(-time / np.float32(0.035))
    return _note(noise(length, low_hz=4200, high_hz=9500, seed=61) * shape * 0.4)


@cache
def brush() -> Samples:
    """Return a brush on a snare: a dull breath of noise."""
    length = seconds_to_samples(0.26)
    time = times(length)
    shape = np.minimum(time / np.float32(0.012), 1) * np.exp(-time / np.float32(0.06))
    return _note(noise(length, low_hz=700, high_hz=6000, seed=71, slope_octaves=1.5) * shape * 0.3)


@cache
def swell(seconds: float) -> Samples:
    """Return a cymbal played backwards: air that grows and stops."""
    length = seconds_to_samples(seconds)
    shape = np.linspace(0, 1, length, dtype=np.float32) ** 3
    return _note(noise(length, low_hz=900, high_hz=7000, seed=81, slope_octaves=2.0) * shape * 0.3)


def room(samples: int, *, seconds: float, rate_hz: int, seed: int) -> Samples:
    """Return the impulse response of a warm room: (2, samples) at a rate, darker as it dies, energy 1."""
    # `noise` counts in Hz at 48 kHz: at a lower rate, the same curve spans that rate's band.
    scale = SAMPLE_RATE / rate_hz
    length = min(round(seconds * 1.2 * rate_hz), samples)
    time = np.arange(length, dtype=np.float32) / np.float32(rate_hz)
    response = np.zeros((2, samples), np.float32)
    for channel in range(2):
        early = noise(length, low_hz=250 * scale, high_hz=4800 * scale, seed=seed + channel)
        late = noise(length, low_hz=200 * scale, high_hz=1800 * scale, seed=seed + 2 + channel)
        response[channel, :length] = early * np.exp(time * np.float32(-6.9 / (seconds * 0.5)))
        response[channel, :length] += late * np.exp(time * np.float32(-6.9 / seconds))
    fade(response[:, :length], fade_in=round(0.012 * rate_hz), fade_out=round(0.05 * rate_hz))
    return np.asarray(response / np.sqrt(np.sum(np.square(response), axis=1, keepdims=True)), np.float32)


@cache
def _contact(samples: int, *, loudness: float) -> Samples:
    """Return the touch of a mallet or finger: a few milliseconds of noise."""
    touch = noise(samples, low_hz=1500, high_hz=5500, seed=91, slope_octaves=1.0)
    return np.asarray(touch * np.exp(-times(samples) / np.float32(0.004)) * loudness, np.float32)


def _note(sound: Samples, *, attack_seconds: float = 0.001) -> Samples:
    ends = {"fade_in": seconds_to_samples(attack_seconds), "fade_out": seconds_to_samples(_RELEASE_SECONDS)}
    return fade(np.asarray(sound, np.float32), **ends)
