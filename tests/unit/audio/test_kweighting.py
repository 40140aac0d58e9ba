"""Loudness as measured here against FFmpeg's meter."""

from collections.abc import Callable

import numpy as np
import pytest

from trivia_render.audio.kweighting import integrated_lufs, weighted_power
from trivia_render.audio.music import loop


def sine(frequency_hz: float, amplitude: float) -> np.ndarray:
    time = np.arange(6 * 48_000) / 48_000
    return np.stack([amplitude * np.sin(2 * np.pi * frequency_hz * time)] * 2).astype(np.float32)


def noise(*, seconds: int = 8) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal((2, seconds * 48_000))).astype(np.float32)


def with_pauses() -> np.ndarray:
    sound = noise()
    sound[:, 2 * 48_000 : 4 * 48_000] *= 0.01
    sound[:, 5 * 48_000 : 6 * 48_000] *= 0.15
    return sound


def on_the_left() -> np.ndarray:
    sound = noise()
    sound[1] = 0
    return sound


def bursts() -> np.ndarray:
    sound = noise()
    sound[:, np.arange(sound.shape[1]) % 48_000 > 2400] = 0
    return sound


def of_odd_length() -> np.ndarray:
    return noise()[:, :300_007]


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(lambda: sine(997, 0.1), id="997 Hz"),
        pytest.param(lambda: sine(40, 0.5), id="40 Hz"),
        pytest.param(lambda: sine(10_000, 0.1), id="10 kHz"),
        noise,
        with_pauses,
        on_the_left,
        bursts,
        of_odd_length,
        pytest.param(lambda: loop("upbeat"), id="music"),
    ],
)
def test_loudness_agrees_with_ffmpeg(sound: Callable[[], np.ndarray], meter: Callable) -> None:
    samples = sound()
    # FFmpeg prints one decimal.
    assert integrated_lufs(weighted_power(samples)) == pytest.approx(meter(samples).integrated_lufs, abs=0.1)


def test_a_997_hz_sine_at_full_scale_on_one_channel_reads_as_the_standard_says() -> None:
    sound = sine(997, 1.0)
    sound[1] = 0
    assert integrated_lufs(weighted_power(sound)) == pytest.approx(-3.01, abs=0.02)


def test_silence_and_what_is_shorter_than_a_block_have_no_loudness() -> None:
    assert integrated_lufs(weighted_power(np.zeros((2, 96_000), np.float32))) is None
    assert integrated_lufs(weighted_power(noise()[:, :19_000])) is None


def test_power_has_a_value_for_every_64_samples_begun() -> None:
    for samples in (1, 64, 65, 49_152, 49_153, 100_000):
        assert len(weighted_power(np.ones((2, samples), np.float32))) == -(-samples // 64)
