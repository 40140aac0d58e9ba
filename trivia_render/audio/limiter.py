"""True peak after ITU-R BS.1770-4, annex 2, and a look-ahead limiter that holds it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trivia_render.audio.kweighting import BLOCK_SAMPLES
from trivia_render.audio.tones import db_to_gain
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

Curve = npt.NDArray[np.float64]

# BS.1770-4, annex 2: the interpolator for 4 x 48 kHz, two of its four phases; the others mirror them.
_PHASE_0 = (
    0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
    0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
)  # fmt: skip
_PHASE_1 = (
    -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
    0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
)  # fmt: skip
_PHASES = np.array([_PHASE_0, _PHASE_1, _PHASE_1[::-1], _PHASE_0[::-1]], np.float32)
# What bounds a true peak without interpolating. By the sum of the taps: at most 6.1 dB over the samples
# around. By their shape: each phase is a straight line between two samples (weights that sum to 1.0016 or
# less) plus a filter on the second difference whose taps sum to 0.57: smooth sounds hardly rise in between.
_MOST_OVERSHOOT = float(np.abs(_PHASES).sum(axis=1).max())
_MOST_LINE = 1.002
_MOST_CURVATURE = 0.57

# An interpolated value between samples n and n+1 is made of samples n-5 to n+6.
_BEFORE, _AFTER = 5, 6
_BATCH_BLOCKS = 512

#: The gain falls, and at the earliest rises, within so many blocks on each side of a peak: 4 ms.
_LOOK_BLOCKS = 3
#: How fast the gain comes back after a peak, in dB a second: slow enough not to be heard as distortion,
#: quick enough not to be heard as pumping.
_RELEASE_DB_PER_SECOND = 90.0


class Limiting(NamedTuple):
    """A gain to apply: a constant drive, and a curve of (blocks + 1,) factors at the blocks' edges."""

    drive: float
    curve: Curve


def block_peaks(samples: Samples, *, above: float = 0.0) -> Curve:
    """Return the peak of each 64 samples of (2, n), the louder channel's.

    It is the true peak, four times oversampled, wherever that can exceed `above`, a linear amplitude;
    elsewhere the sample peak, which tells as much: not over it.
    """
    sample_peaks = _sample_peaks(samples)
    around = np.pad(sample_peaks, 1)
    around = np.maximum(np.maximum(around[:-2], around[2:]), sample_peaks)
    loud = np.flatnonzero(around * np.float32(_MOST_OVERSHOOT) > above)
    peaks: Curve = sample_peaks.astype(np.float64)
    for start in range(0, len(loud), _BATCH_BLOCKS):
        chosen = loud[start : start + _BATCH_BLOCKS]
        windows = _windows(samples, chosen)
        steps = windows[..., 1:] - windows[..., :-1]
        curvature = steps[..., 1:] - steps[..., :-1]
        bound = _MOST_LINE * around[chosen] + _MOST_CURVATURE * _largest(curvature)
        sharp = np.flatnonzero(bound > above)
        chosen = chosen[sharp]
        peaks[chosen] = np.maximum(peaks[chosen], _oversampled_peaks(np.take(windows, sharp, axis=1)))
    return peaks


def true_peak_dbtp(samples: Samples) -> float:
    """Return the true peak of (2, n) in dBTP; minus infinity for digital silence."""
    # The largest sample is a lower bound, so only what may exceed it needs the interpolator.
    largest = max(float(samples.max(initial=0)), -float(samples.min(initial=0)))
    if largest == 0:
        return float("-inf")
    return float(20 * np.log10(block_peaks(samples, above=largest).max()))


def limiting(peaks: Curve, *, drive: float, ceiling_dbtp: float) -> Limiting:
    """Return the gain curve that keeps blocks with these peaks under the ceiling after the drive."""
    allowed = np.minimum(db_to_gain(ceiling_dbtp) / np.maximum(peaks * drive, 1e-9), 1.0)
    # A gain is set at each edge between blocks and runs straight between edges: the lower neighbour rules.
    edges = np.minimum(np.append(1.0, allowed), np.append(allowed, 1.0))
    if edges.min() == 1.0:
        return Limiting(drive, edges)
    # Release: straight in dB. min over the past of (gain + slope x time since) is a running minimum.
    slope = np.arange(len(edges)) * (_RELEASE_DB_PER_SECOND * BLOCK_SAMPLES / SAMPLE_RATE)
    held = np.minimum(np.minimum.accumulate(20 * np.log10(edges) - slope) + slope, 0.0)
    # The least gain within reach, then a weighted mean of the same reach: smooth, and never over `edges`.
    reach = 2 * _LOOK_BLOCKS + 1
    padded = np.pad(held, 2 * _LOOK_BLOCKS)
    least = np.lib.stride_tricks.sliding_window_view(padded, reach).min(axis=1)
    weights = np.hanning(reach + 2)[1:-1]
    smooth = np.convolve(least, weights / weights.sum(), mode="valid")
    return Limiting(drive, 10.0 ** (smooth / 20))


def apply(gain: Limiting, samples: Samples) -> Samples:
    """Return (2, n) with drive and curve applied, as a new array."""
    limited = samples * np.float32(gain.drive)
    whole = samples.shape[1] // BLOCK_SAMPLES
    starts, ends = gain.curve[:-1], gain.curve[1:]
    touched = np.flatnonzero(np.minimum(starts, ends) < 1.0)
    ramp = (np.arange(BLOCK_SAMPLES) + 0.5) / BLOCK_SAMPLES
    factors = (starts[touched, None] + (ends - starts)[touched, None] * ramp).astype(np.float32)
    inside = touched[touched < whole]
    blocks = limited[:, : whole * BLOCK_SAMPLES].reshape(2, whole, BLOCK_SAMPLES)
    blocks[:, inside] *= factors[: len(inside)]
    rest = samples.shape[1] - whole * BLOCK_SAMPLES
    if len(inside) < len(touched):
        limited[:, whole * BLOCK_SAMPLES :] *= factors[-1, :rest]
    return limited


def _largest(channels: Samples) -> Samples:
    """Return the largest amplitude of each row of (2, rows, n), over both channels."""
    return np.asarray(np.maximum(channels.max(axis=2), -channels.min(axis=2)).max(axis=0))


def _oversampled_peaks(windows: Samples) -> Samples:
    """Interpolate (2, rows, 75), blocks with their margins, and return each row's largest amplitude."""
    # Sums of shifted copies, not a matrix product: that would wake the threads of the BLAS library.
    peaks = np.zeros(windows.shape[1], np.float32)
    for taps in _PHASES:
        between = windows[..., :BLOCK_SAMPLES] * taps[-1]
        for shift, tap in enumerate(taps[-2::-1], start=1):
            between += windows[..., shift : shift + BLOCK_SAMPLES] * tap
        peaks = np.maximum(peaks, _largest(between))
    return peaks


def _windows(samples: Samples, chosen: npt.NDArray[np.intp]) -> Samples:
    """Return these blocks with their margins, (2, blocks, 75); before and after the signal is silence."""
    length = samples.shape[1]
    places = chosen[:, None] * BLOCK_SAMPLES + np.arange(-_BEFORE, BLOCK_SAMPLES + _AFTER)
    windows = np.take(samples, places, axis=1, mode="clip")
    for row in np.flatnonzero((places[:, 0] < 0) | (places[:, -1] >= length)):
        windows[:, row, (places[row] < 0) | (places[row] >= length)] = 0
    return windows


def _sample_peaks(samples: Samples) -> Samples:
    """Return the largest amplitude of each block, over both channels."""
    whole = samples.shape[1] // BLOCK_SAMPLES * BLOCK_SAMPLES
    peaks = _largest(samples[:, :whole].reshape(2, -1, BLOCK_SAMPLES))
    if whole == samples.shape[1]:
        return peaks
    return np.append(peaks, np.abs(samples[:, whole:]).max())
