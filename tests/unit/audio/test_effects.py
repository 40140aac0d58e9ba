"""What every sound effect must be, and how they compare."""

from typing import get_args

import numpy as np
import pytest

from trivia_render.audio.effects import LEVELS_LU, REFERENCE_LUFS, render_sound
from trivia_render.audio.kweighting import integrated_lufs, weighted_power
from trivia_render.models.timeline import Sound

SOUNDS = get_args(Sound)


def energy_share(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / 48_000)
    return float(power[(frequency >= low_hz) & (frequency < high_hz)].sum() / power.sum())


def centroid_hz(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float((power * np.fft.rfftfreq(len(sound), 1 / 48_000)).sum() / power.sum())


@pytest.mark.parametrize("name", SOUNDS)
def test_an_effect_is_mono_float32_and_the_same_at_every_call(name: Sound) -> None:
    sound = render_sound(name)
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert np.isfinite(sound).all()
    assert render_sound(name) is sound
    with pytest.raises(ValueError, match="read-only"):
        sound[0] = 1


@pytest.mark.parametrize("name", SOUNDS)
def test_an_effect_starts_and_ends_without_a_click(name: Sound) -> None:
    sound = render_sound(name)
    peak = np.abs(sound).max()
    assert abs(sound[0]) < 1e-4 * peak
    assert np.abs(sound[-48:]).max() < 1e-3 * peak
    # The very first steps are small beside those of the sound itself.
    steps = np.abs(np.diff(sound))
    assert steps[:4].max() < 0.1 * steps.max()


@pytest.mark.parametrize("name", SOUNDS)
def test_an_effect_leaves_headroom_and_is_not_harsh(name: Sound) -> None:
    sound = render_sound(name)
    assert 0.05 < np.abs(sound).max() < 0.7
    assert energy_share(sound, 6000, 24_000) < 0.01
    assert energy_share(sound, 0, 60) < 0.01
    assert abs(sound.mean()) < 1e-3


def test_effects_are_short() -> None:
    seconds = {name: len(render_sound(name)) / 48_000 for name in SOUNDS}
    assert seconds["tick"] <= 0.2
    assert seconds["pop"] <= 0.2
    assert seconds["accent"] <= 0.5
    assert seconds["whoosh"] <= 0.7
    assert seconds["sting"] < 1.5


def test_the_accent_is_brighter_and_louder_than_the_tick() -> None:
    assert centroid_hz(render_sound("accent")) > 1.3 * centroid_hz(render_sound("tick"))
    assert LEVELS_LU["accent"] > LEVELS_LU["tick"]


def test_the_sting_is_as_loud_as_the_voice_and_the_loudest() -> None:
    # Silence around it up to 0.4 s blocks: the gated loudness is that of the loud blocks.
    sting = render_sound("sting")[: round(0.4 * 48_000)]
    measured = integrated_lufs(weighted_power(np.stack([sting, sting])))
    assert measured == pytest.approx(REFERENCE_LUFS, abs=2)
    assert max(LEVELS_LU, key=lambda name: LEVELS_LU[name]) == "sting"


def test_the_sting_is_a_c_major_chord() -> None:
    sting = render_sound("sting")
    power = np.abs(np.fft.rfft(sting, 1 << 18)) ** 2
    frequency = np.fft.rfftfreq(1 << 18, 1 / 48_000)
    strongest = frequency[np.argsort(power)[::-1][:400]]
    names = {round(12 * np.log2(hz / 440) + 69) % 12 for hz in strongest if hz > 100}
    assert names <= {0, 4, 7}
    assert 0 in names
