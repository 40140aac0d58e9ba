"""The band: soft, band-limited instruments for the music beds. All mono float32 at 48 kHz.

Pitches are MIDI note numbers (69 is A at 440 Hz), lengths seconds. Peaks are near 1; the score sets levels.
"""

from collections.abc import Sequence
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
    brightness = (0.55 * 2 ** ((60 - pitch) / 30)) * np.exp(-time / np.float32(0.35)) + 0.12
    body = np.sin(turn + brightness.astype(np.float32) * np.sin(turn))
    body += 0.22 * np.sin(2 * turn) * np.exp(-time / np.float32(0.25))
    body *= np.exp(-time / np.float32(fall))
    return _note(body * 0.8, attack_seconds=0.006)


@cache
def marimba(pitch: int, seconds: float) -> Samples:
    """Return a wooden bar under a soft mallet: its first mode, the fourth harmonic, a hint of the tenth."""
    length = seconds_to_samples(max(seconds, 0.5) + _RELEASE_SECONDS)
    ring = 0.95 * 2 ** ((60 - pitch) / 20)
    series = ((1.0, 1.0, ring), (3.93, 0.16, ring * 0.28), (9.6, 0.03, ring * 0.08))
    return _note(partials(frequency_hz(pitch), series, samples=length), attack_seconds=0.002)


@cache
def pluck(pitch: int, seconds: float) -> Samples:
    """Return a muted string: harmonics that fall off and die away the faster the higher they are."""
    length = seconds_to_samples(seconds + _RELEASE_SECONDS)
    ring = 1.3 * 2 ** ((60 - pitch) / 24)
    series = [(float(n), n**-1.7, ring / n**0.9) for n in range(1, 9)]
    return _note(partials(frequency_hz(pitch), series, samples=length) * 0.6, attack_seconds=0.003)


@cache
def kalimba(pitch: int, seconds: float) -> Samples:
    """Return a thumb piano: a nearly pure tone with a short inharmonic tine above it."""
    length = seconds_to_samples(max(seconds, 1.2) + _RELEASE_SECONDS)
    series = ((1.0, 1.0, 2.2), (2.0, 0.12, 1.0), (5.4, 0.10, 0.09), (8.9, 0.03, 0.04))
    return _note(partials(frequency_hz(pitch), series, samples=length), attack_seconds=0.002)


@cache
def bass(pitch: int, seconds: float) -> Samples:
    """Return a round electric bass; its second and third harmonic carry it on small speakers."""
    length = seconds_to_samples(seconds + _RELEASE_SECONDS)
    series = ((1.0, 1.0, 2.6), (2.0, 0.55, 1.3), (3.0, 0.26, 0.7), (4.0, 0.10, 0.4), (5.0, 0.05, 0.25))
    return _note(partials(frequency_hz(pitch), series, samples=length) * 0.7, attack_seconds=0.008)


@cache
def staccato_strings(pitch: int, seconds: float) -> Samples:
    """Return short, dark strings: three slightly detuned players with soft harmonics."""
    length = seconds_to_samples(seconds + 0.14)
    ring = 0.9
    total = np.zeros(length, np.float32)
    for detune in (0.9965, 1.0, 1.0038):
        series = [(float(n), n**-1.5, ring / n**0.4) for n in range(1, 10)]
        total += partials(frequency_hz(pitch) * detune, series, samples=length)
    return fade(total * 0.25, fade_in=seconds_to_samples(0.014), fade_out=seconds_to_samples(0.12))


def pad(
    pitches: Sequence[int], *, samples: int, seed: int, dark: float = 1.6, spread_cents: float = 14.0
) -> Samples:
    """Return (2, samples) of an ensemble that holds a chord: periodic over its length, wide in stereo.

    Each harmonic is a narrow bump in the spectrum with random phases, so that it sounds like many players;
    left and right differ by their phases alone. `dark` is the exponent by which harmonics fall off.
    """
    random = np.random.default_rng(seed)
    bins = samples // 2 + 1
    amplitude = np.zeros(bins)
    step = SAMPLE_RATE / samples
    for pitch in pitches:
        for harmonic in range(1, 13):
            centre = frequency_hz(pitch) * harmonic
            if centre > 6000:
                break
            width = max(centre * (2 ** (spread_cents / 1200) - 1), 1.2 * step)
            low = max(int((centre - 4 * width) / step), 1)
            places = np.arange(low, int((centre + 4 * width) / step) + 2)
            bump = np.exp(-0.5 * np.square((places * step - centre) / width)) / np.sqrt(width / step)
            amplitude[places] += bump * harmonic**-dark * (220 / max(centre, 220)) ** 0.3
    phases = random.uniform(0, 2 * np.pi, (2, bins))
    spectrum = (amplitude * np.exp(1j * phases)).astype(np.complex64)
    chord = np.fft.irfft(spectrum, samples, axis=1).astype(np.float32)
    return np.asarray(chord * (0.2 / np.sqrt(np.mean(np.square(chord)))), np.float32)


@cache
def kick() -> Samples:
    """Return a soft bass drum: a sine that falls from 120 to 50 Hz."""
    length = seconds_to_samples(0.32)
    time = times(length)
    pitch = 50.0 + 75.0 * np.exp(-time / np.float32(0.028))
    phase = np.cumsum(pitch, dtype=np.float64) * (2 * np.pi / SAMPLE_RATE)
    return _note((np.sin(phase) * np.exp(-time / np.float32(0.11))).astype(np.float32), attack_seconds=0.002)


@cache
def tom(pitch: int) -> Samples:
    """Return a low drum with some skin: a falling tone and a dull thud."""
    length = seconds_to_samples(0.7)
    time = times(length)
    frequency = frequency_hz(pitch) * (1 + 0.35 * np.exp(-time / np.float32(0.05)))
    phase = np.cumsum(frequency, dtype=np.float64) * (2 * np.pi / SAMPLE_RATE)
    skin = 0.25 * noise(length, low_hz=120, high_hz=600, seed=41) * np.exp(-time / np.float32(0.03))
    body = (np.sin(phase) + 0.2 * np.sin(1.59 * phase)) * np.exp(-time / np.float32(0.2))
    return _note((body + skin).astype(np.float32), attack_seconds=0.003)


@cache
def snap() -> Samples:
    """Return finger snaps of a few people: short bursts around 1.6 kHz, a few milliseconds apart."""
    length = seconds_to_samples(0.2)
    time = times(length)
    total = np.zeros(length, np.float32)
    for index, start in enumerate((0.0, 0.009, 0.017)):
        burst = noise(length, low_hz=1000, high_hz=2600, seed=50 + index)
        shape = np.where(time >= start, np.exp(-(time - np.float32(start)) / np.float32(0.022)), 0)
        total += (burst * shape).astype(np.float32)
    return _note(total * 0.25, attack_seconds=0.001)


@cache
def shaker() -> Samples:
    """Return one stroke of a shaker: a swell of 20 ms and a short tail, well under 10 kHz."""
    length = seconds_to_samples(0.13)
    time = times(length)
    shape = np.minimum(time / np.float32(0.02), 1) * np.exp(-time / np.float32(0.035))
    return _note((noise(length, low_hz=4200, high_hz=8500, seed=61) * shape).astype(np.float32) * 0.4)


@cache
def brush() -> Samples:
    """Return a brush on a snare: a dull breath of noise."""
    length = seconds_to_samples(0.26)
    time = times(length)
    shape = np.minimum(time / np.float32(0.012), 1) * np.exp(-time / np.float32(0.06))
    return _note(
        (noise(length, low_hz=500, high_hz=4200, seed=71, slope_octaves=1.5) * shape).astype(np.float32) * 0.3
    )


def room(samples: int, *, seconds: float, seed: int) -> Samples:
    """Return the impulse response of a warm room: (2, samples) of dying noise, darker as it dies."""
    length = min(seconds_to_samples(seconds * 1.2), samples)
    time = times(length)
    response = np.zeros((2, samples), np.float32)
    for channel in range(2):
        early = noise(length, low_hz=250, high_hz=5000, seed=seed + channel, slope_octaves=1.5)
        late = noise(length, low_hz=200, high_hz=1800, seed=seed + 2 + channel, slope_octaves=1.5)
        response[channel, :length] = early * np.exp(time * np.float32(-6.9 / (seconds * 0.5)))
        response[channel, :length] += late * np.exp(time * np.float32(-6.9 / seconds))
    fade(response[:, :length], fade_in=seconds_to_samples(0.012), fade_out=seconds_to_samples(0.05))
    return np.asarray(response / np.sqrt(np.sum(np.square(response), axis=1, keepdims=True)), np.float32)


def _note(sound: Samples, *, attack_seconds: float = 0.001) -> Samples:
    ends = {"fade_in": seconds_to_samples(attack_seconds), "fade_out": seconds_to_samples(_RELEASE_SECONDS)}
    return fade(np.asarray(sound, np.float32), **ends)
