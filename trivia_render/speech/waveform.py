"""Mono float32 waveforms: where the sound is, its level, its ends, its rate. Pure but for `stretch`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import av
import av.filter
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

#: Level of the sounding parts of every spoken line, whichever voice speaks it, so that one mix suits all.
SPEECH_LEVEL_DBFS = -20.0
#: No sample of a line is above this. At the speech level, one line in eight of the offline voice would be,
#: by 4 dB at most: such peaks alone are turned down.
SPEECH_PEAK_DBFS = -2.0
#: Kept around the sound, so that soft consonants stay whole, with a short fade at both ends.
MARGIN_SECONDS = 0.04
FADE_SECONDS = 0.005
#: Length of a line that holds nothing to speak.
EMPTY_LINE_SECONDS = 0.3

#: Sound is what lies less than this under the loudest moment. Fricatives at a word's start measure
#: 25 to 40 dB under the vowels of the offline voice, its pauses 100 dB.
_SOUND_BELOW_LOUDEST_DB = 42.0
_SOUND_FLOOR_DBFS = -70.0
_WINDOW_SECONDS = 0.005
_LIMITER_BLOCK = 60
#: Half-band interpolator. Measured on tones: flat to 0.1 dB and images under -83 dB up to 11 kHz.
_HALF_BAND_TAPS = 48
_HALF_BAND_BETA = 8.0


class Extent(NamedTuple):
    """Samples [start, end) that hold sound."""

    start: int
    end: int


def silence(seconds: float) -> Samples:
    """Return silence at 48 kHz."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def sounding(samples: Samples, *, rate: int = SAMPLE_RATE) -> Extent | None:
    """Return where sound begins and ends, or None where there is none."""
    window = round(rate * _WINDOW_SECONDS)
    loud = np.flatnonzero(sounding_windows(samples, window=window))
    if not loud.size:
        return None
    return Extent(int(loud[0]) * window, min(len(samples), (int(loud[-1]) + 1) * window))


def sounding_windows(samples: Samples, *, window: int) -> npt.NDArray[np.bool_]:
    """Return for each window of so many samples whether it holds sound."""
    powers = _window_powers(samples, window=window)
    loudest = float(powers.max(initial=0.0))
    floor = 10 ** (_SOUND_FLOOR_DBFS / 10)
    return (powers > max(loudest * 10 ** (-_SOUND_BELOW_LOUDEST_DB / 10), floor)).astype(np.bool_)


def trim(samples: Samples, *, rate: int = SAMPLE_RATE) -> tuple[Samples, Extent]:
    """Cut to the sound with a margin and faded ends; say where in the cut the sound is.

    Where there is no sound, the cut is empty.
    """
    extent = sounding(samples, rate=rate)
    if extent is None:
        return np.zeros(0, np.float32), Extent(0, 0)
    margin = round(rate * MARGIN_SECONDS)
    start, end = max(0, extent.start - margin), min(len(samples), extent.end + margin)
    return fade_ends(samples[start:end], rate=rate), Extent(extent.start - start, extent.end - start)


def fade_ends(samples: Samples, *, rate: int = SAMPLE_RATE) -> Samples:
    """Fade both ends over a few milliseconds, so that a cut makes no click."""
    length = min(round(rate * FADE_SECONDS), len(samples) // 2)
    faded = samples.astype(np.float32, copy=True)
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(length, dtype=np.float32) / max(length, 1))).astype(
        np.float32
    )
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    return faded


def at_speech_level(samples: Samples, *, rate: int = SAMPLE_RATE) -> Samples:
    """Scale so that the sounding parts have the speech level; turn down what is over the peak limit."""
    level = active_level_dbfs(samples, rate=rate)
    if level is None:
        return samples
    return _limited((samples * np.float32(10 ** ((SPEECH_LEVEL_DBFS - level) / 20))).astype(np.float32))


def active_level_dbfs(samples: Samples, *, rate: int = SAMPLE_RATE) -> float | None:
    """Return the RMS level of the sounding parts alone in dBFS (full-scale square = 0), None for silence."""
    window = round(rate * _WINDOW_SECONDS)
    loud = sounding_windows(samples, window=window)
    if not loud.any():
        return None
    return float(10 * np.log10(_window_powers(samples, window=window)[loud].mean()))


def double_rate(samples: Samples) -> Samples:
    """Interpolate to twice the sample rate: each old sample stays, a new one comes after it."""
    if not len(samples):
        return samples
    offsets = np.arange(-_HALF_BAND_TAPS, _HALF_BAND_TAPS) + 0.5
    taps = np.sinc(offsets) * np.kaiser(2 * _HALF_BAND_TAPS, _HALF_BAND_BETA)
    taps /= taps.sum()
    between = np.convolve(samples, taps.astype(np.float32))[_HALF_BAND_TAPS : _HALF_BAND_TAPS + len(samples)]
    doubled = np.empty(2 * len(samples), np.float32)
    doubled[0::2] = samples
    doubled[1::2] = between
    return doubled


def to_speech_rate(samples: Samples, *, rate: int) -> Samples:
    """Resample to 48 kHz."""
    if rate == SAMPLE_RATE:
        return samples
    if rate * 2 == SAMPLE_RATE:
        return double_rate(samples)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    frames = [*resampler.resample(_frame(samples, rate=rate)), *resampler.resample(None)]
    return _joined([frame.to_ndarray() for frame in frames])


def stretch(samples: Samples, *, tempo: float, rate: int = SAMPLE_RATE) -> Samples:
    """Play faster (tempo over 1) or slower at the same pitch, by overlap and add (FFmpeg's `atempo`)."""
    if tempo == 1.0 or not len(samples):
        return samples
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate, layout="mono")
    stages = [graph.add("atempo", repr(step)) for step in _tempo_steps(tempo)]
    sink = graph.add("abuffersink")
    graph.link_nodes(source, *stages, sink).configure()
    source.push(_frame(samples, rate=rate))
    source.push(None)
    parts: list[npt.NDArray[Any]] = []
    while True:
        try:
            pulled = sink.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            break
        if isinstance(pulled, av.AudioFrame):
            parts.append(pulled.to_ndarray())
    return _joined(parts)


def native_speed(speed: float, *, slowest: float, fastest: float) -> tuple[float, float]:
    """Split a speed into what the voice does itself and the tempo that is left to `stretch`."""
    native = min(max(speed, slowest), fastest)
    return native, speed / native


def _frame(samples: Samples, *, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = rate
    return frame


def _joined(parts: Sequence[npt.NDArray[Any]]) -> Samples:
    flat = [part.reshape(-1).astype(np.float32) for part in parts]
    return np.concatenate(flat) if flat else np.zeros(0, np.float32)


def _tempo_steps(tempo: float) -> list[float]:
    # atempo takes 0.5 to 100, but skips samples instead of blending them above 2.
    steps = []
    while tempo > 2.0 or tempo < 0.5:
        step = 2.0 if tempo > 2.0 else 0.5
        steps.append(step)
        tempo /= step
    return [*steps, tempo]


def _limited(samples: Samples) -> Samples:
    """Turn the gain down around samples over the peak limit, smoothly over some 4 ms on either side."""
    limit = 10 ** (SPEECH_PEAK_DBFS / 20)
    if np.abs(samples).max(initial=0.0) <= limit:
        return samples
    blocks = np.pad(samples, (0, -len(samples) % _LIMITER_BLOCK)).reshape(-1, _LIMITER_BLOCK)
    needed = np.minimum(1.0, limit / np.maximum(np.abs(blocks).max(axis=1), 1e-9))
    # The lowest of three blocks on either side, then the mean of one on either side: whatever lies
    # between two of the values is still at most what the sample's own block needs.
    lowest = sliding_window_view(np.pad(needed, 3, constant_values=1.0), 7).min(axis=1)
    smooth = sliding_window_view(np.pad(lowest, 1, mode="edge"), 3).mean(axis=1)
    centres = (np.arange(len(smooth)) + 0.5) * _LIMITER_BLOCK - 0.5
    gains = np.interp(np.arange(len(samples)), centres, smooth).astype(np.float32)
    limited: Samples = samples * gains
    return limited


def _window_powers(samples: Samples, *, window: int) -> Samples:
    """Return the mean square of each whole window; the rest at the end counts as one more."""
    padded = np.pad(samples, (0, -len(samples) % window)).reshape(-1, window)
    powers: Samples = np.square(padded, dtype=np.float32).mean(axis=1, dtype=np.float32)
    return powers
