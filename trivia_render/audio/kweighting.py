"""Loudness as ITU-R BS.1770-4 measures it: K-weighted power, gated."""

from functools import cache

import numpy as np
import numpy.typing as npt

from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

Power = npt.NDArray[np.float64]

#: Samples to a value of weighted power: 1.33 ms, a whole number of times in a frame (1600 samples) and in
#: the standard's 100 ms step (4800).
BLOCK_SAMPLES = 64

# BS.1770-4, tables 1 and 2, for 48 kHz: the head's shelf, then the high-pass ("RLB").
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))

# Overlap-save: the first 2048 samples hold all but 1e-10 of the filters' energy, and blocks of 8192 stay in
# the processor's cache.
_TAPS = 2048
_FFT_SAMPLES = 8192
_BATCH = 8

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0


def weighted_power(samples: Samples) -> Power:
    """K-weight (2, n) float32 and return the mean square of each 64 samples, both channels summed.

    The last value covers what is left over, filled up with silence.
    """
    length = samples.shape[1]
    hop = _FFT_SAMPLES - _TAPS
    step = hop * _BATCH
    response = _response()
    blocks = np.empty(-(-length // step) * step // BLOCK_SAMPLES, np.float64)
    # Both channels pass one real filter at once, as the real and the imaginary part.
    signal = np.zeros(_TAPS + step, np.complex64)
    windows = np.lib.stride_tricks.sliding_window_view(signal, _FFT_SAMPLES)[::hop]
    for start in range(0, length, step):
        signal[:_TAPS] = signal[step:]
        part = samples[:, start : start + step]
        signal.real[_TAPS : _TAPS + part.shape[1]] = part[0]
        signal.imag[_TAPS : _TAPS + part.shape[1]] = part[1]
        signal[_TAPS + part.shape[1] :] = 0
        spectrum = np.fft.fft(windows, axis=1)
        spectrum *= response
        weighted = np.fft.ifft(spectrum, axis=1, out=spectrum)[:, _TAPS:]
        energy = np.square(weighted.real)
        energy += np.square(weighted.imag)
        first = start // BLOCK_SAMPLES
        blocks[first : first + step // BLOCK_SAMPLES] = energy.reshape(-1, BLOCK_SAMPLES).mean(axis=1)
    return blocks[: -(-length // BLOCK_SAMPLES)]


@cache
def _response() -> npt.NDArray[np.complex64]:
    """Frequency response of the truncated impulse response, at every bin of the blocks' FFT."""
    turn = np.exp(-2j * np.pi * np.fft.fftfreq(1 << 16))
    exact = np.ones_like(turn)
    for numerator, denominator in (_SHELF, _HIGH_PASS):
        exact *= np.polyval(numerator[::-1], turn) / np.polyval(denominator[::-1], turn)
    impulse = np.fft.ifft(exact).real[:_TAPS]
    return np.fft.fft(impulse, _FFT_SAMPLES).astype(np.complex64)


def integrated_lufs(power: Power) -> float | None:
    """Return the gated loudness of `weighted_power`, or None where nothing passes the absolute gate.

    Blocks of 400 ms every 100 ms; those under -70 LUFS, then those 10 LU under the mean of the rest, are
    left out.
    """
    step = SAMPLE_RATE // 10 // BLOCK_SAMPLES
    steps = len(power) // step
    if steps < 4:
        return None
    tenths = power[: steps * step].reshape(steps, step).mean(axis=1)
    blocks = np.convolve(tenths, np.full(4, 0.25), mode="valid")
    blocks = blocks[blocks > _power_of(_ABSOLUTE_GATE_LUFS)]
    if not len(blocks):
        return None
    gate = _power_of(_lufs_of(float(blocks.mean())) + _RELATIVE_GATE_LU)
    return _lufs_of(float(blocks[blocks > gate].mean()))


def _power_of(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _lufs_of(power: float) -> float:
    return float(-0.691 + 10 * np.log10(power))
