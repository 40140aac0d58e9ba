"""The building blocks of every synthesised sound: partials, filtered noise, fades, levels."""

from collections.abc import Sequence

import numpy as np

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples


def db_to_gain(level_db: float) -> float:
    """Turn decibels into an amplitude factor: 20 dB is ten times."""
    return float(10.0 ** (level_db / 20.0))


def seconds_to_samples(seconds: float) -> int:
    """Round to the nearest whole sample."""
    return round(seconds * SAMPLE_RATE)


def times(samples: int) -> Samples:
    """Return the time of each sample in seconds, from zero."""
    return np.arange(samples, dtype=np.float32) / np.float32(SAMPLE_RATE)


def partials(frequency_hz: float, series: Sequence[tuple[float, float, float]], *, samples: int) -> Samples:
    """Sum decaying sines: (ratio to the frequency, amplitude, seconds to fall by 60 dB) each.

    Partials above 16 kHz are left out, so nothing folds back and nothing bites.
    """
    time = times(samples)
    total = np.zeros(samples, np.float32)
    for ratio, amplitude, fall_seconds in series:
        if frequency_hz * ratio > 16_000:
            continue
        sine = np.sin(time * np.float32(2 * np.pi * frequency_hz * ratio))
        sine *= np.exp(time * np.float32(-6.9078 / fall_seconds))  # ln(1000) is 60 dB
        sine *= np.float32(amplitude)
        total += sine
    return total


def noise(samples: int, *, low_hz: float, high_hz: float, seed: int, slope_octaves: float = 0.5) -> Samples:
    """Return noise between two frequencies with soft edges, at an RMS of 1.

    `slope_octaves` is the width of each raised-cosine edge. The result is periodic over its length.
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples, dtype=np.float32))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 1.0))
    rise = np.clip((octaves - np.log2(low_hz)) / slope_octaves + 0.5, 0, 1)
    fall = np.clip((np.log2(high_hz) - octaves) / slope_octaves + 0.5, 0, 1)
    spectrum *= (np.sin(rise * np.pi / 2) * np.sin(fall * np.pi / 2)).astype(np.float32)
    band = np.fft.irfft(spectrum, samples).astype(np.float32)
    return np.asarray(band / np.sqrt(np.mean(np.square(band))), np.float32)


def fade(sound: Samples, *, fade_in: int, fade_out: int) -> Samples:
    """Fade a sound's ends in place by half a cosine, in samples along the last axis. Return it."""
    length = sound.shape[-1]
    fade_in, fade_out = min(fade_in, length), min(fade_out, length)
    if fade_in > 0:
        sound[..., :fade_in] *= raised_cosine(fade_in)
    if fade_out > 0:
        sound[..., length - fade_out :] *= raised_cosine(fade_out)[::-1]
    return sound


def raised_cosine(samples: int) -> Samples:
    """Return a rise from 0 to just under 1 over so many samples, flat at both ends."""
    phase = (np.arange(samples, dtype=np.float32) / np.float32(samples)) * np.float32(np.pi)
    return np.asarray(0.5 - 0.5 * np.cos(phase), np.float32)
