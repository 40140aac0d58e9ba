"""True peaks and the limiter that holds them."""

from collections.abc import Callable

import numpy as np
import pytest

from trivia_render.audio.limiter import apply, block_peaks, limiting, true_peak_dbtp


def limited(sound: np.ndarray, *, drive: float, ceiling_dbtp: float) -> np.ndarray:
    return apply(limiting(block_peaks(sound), drive=drive, ceiling_dbtp=ceiling_dbtp), sound)


def tone(frequency_hz: float, phase: float, *, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(round(seconds * 48_000)) / 48_000
    # Swells in and out: an abrupt edge would be a peak of its own.
    swell = np.sin(np.pi * time / seconds) ** 0.5
    return np.stack([swell * np.sin(2 * np.pi * frequency_hz * time + phase)] * 2).astype(np.float32)


def spiky(*, seconds: float = 6.0) -> np.ndarray:
    random = np.random.default_rng(2)
    samples = round(seconds * 48_000)
    sound = 0.08 * random.standard_normal((2, samples))
    for start in random.integers(0, samples - 500, 60):
        sound[:, start : start + 400] *= random.uniform(2, 12)
    # Like sounds of this world, it has nothing near half the sampling rate, where the standard's interpolator
    # reads up to 0.7 dB low.
    spectrum = np.fft.rfft(sound, axis=1)
    spectrum[:, np.fft.rfftfreq(samples, 1 / 48_000) > 15_000] = 0
    return np.fft.irfft(spectrum, samples, axis=1).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [440, 3000, 12_000])
def test_the_true_peak_of_a_full_scale_sine_is_found_between_its_samples(frequency_hz: float) -> None:
    sound = tone(frequency_hz, np.pi / 4)
    # BS.1770-4, annex 2: four times oversampling may read up to 0.7 dB low at the band's end.
    assert true_peak_dbtp(sound) == pytest.approx(0.0, abs=0.25)
    if frequency_hz == 12_000:
        assert 20 * np.log10(np.abs(sound).max()) == pytest.approx(-3.0, abs=0.05)


def test_digital_silence_has_no_true_peak() -> None:
    assert true_peak_dbtp(np.zeros((2, 4800), np.float32)) == float("-inf")


def test_peaks_that_matter_are_exact_and_the_others_stay_under() -> None:
    sound = spiky(seconds=2)[:, :-13]
    exact = block_peaks(sound)
    for above in (0.05, 0.3, 0.8):
        some = block_peaks(sound, above=above)
        over = exact > above
        assert over.any()
        assert np.array_equal(some[over], exact[over])
        assert (some[~over] <= above).all()


def test_true_peaks_agree_with_ffmpeg(meter: Callable) -> None:
    sound = spiky()
    assert true_peak_dbtp(sound) == pytest.approx(meter(sound).true_peak_dbtp, abs=0.3)


@pytest.mark.parametrize("drive_db", [0, 6, 18])
@pytest.mark.parametrize("sound", [spiky, lambda: tone(12_000, np.pi / 4), lambda: tone(60, 0)])
def test_the_ceiling_holds_by_an_independent_meter(
    sound: Callable[[], np.ndarray], drive_db: float, meter: Callable
) -> None:
    result = limited(sound(), drive=10 ** (drive_db / 20), ceiling_dbtp=-2.0)
    assert meter(result).true_peak_dbtp <= -2.0 + 0.3
    assert true_peak_dbtp(result) <= -2.0 + 0.05


def test_what_is_under_the_ceiling_is_only_scaled() -> None:
    sound = 0.2 * tone(1000, 0)
    result = limited(sound, drive=2.0, ceiling_dbtp=-2.0)
    assert np.array_equal(result, sound * np.float32(2.0))


def test_a_peak_lowers_its_surroundings_smoothly_and_for_a_short_time() -> None:
    sound = 0.3 * tone(300, 0)
    sound[:, 48_000:48_040] *= 8
    peaks = block_peaks(sound)
    curve = limiting(peaks, drive=1.0, ceiling_dbtp=-2.0).curve
    decibels = 20 * np.log10(curve)
    assert decibels.min() < -4
    # The way down takes several blocks of 64 samples, so nothing clicks; it is back soon, so nothing pumps.
    assert np.abs(np.diff(decibels)).max() < 0.35 * -decibels.min()
    away = np.flatnonzero(curve < 0.999) * 64 / 48_000
    assert away.min() > 1.0 - 0.010
    assert away.max() < 1.0 + 0.150


def test_a_length_that_is_no_whole_number_of_blocks_is_kept_and_limited_to_its_end() -> None:
    sound = spiky(seconds=1)[:, :-21]
    sound[:, -10:] = 3.0
    result = limited(sound, drive=1.0, ceiling_dbtp=-2.0)
    assert result.shape == sound.shape
    assert true_peak_dbtp(result) <= -1.9
