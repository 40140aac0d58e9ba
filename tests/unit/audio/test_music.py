"""The music beds: length, loop, loudness, balance."""

import hashlib
import subprocess
import sys
from itertools import combinations
from typing import get_args

import numpy as np
import pytest

from trivia_render.audio.effects import REFERENCE_LUFS
from trivia_render.audio.kweighting import integrated_lufs, weighted_power
from trivia_render.audio.moods import Mood
from trivia_render.audio.music import loop, music_bed

MOODS = get_args(Mood)
each_mood = pytest.mark.parametrize("mood", MOODS)


def share_db(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound, axis=1)) ** 2
    frequency = np.fft.rfftfreq(sound.shape[1], 1 / 48_000)
    return float(10 * np.log10(power[:, (frequency >= low_hz) & (frequency < high_hz)].sum() / power.sum()))


@each_mood
def test_a_bed_has_exactly_the_length_asked_for(mood: Mood) -> None:
    for samples in (0, 1, 1600, 48_000, 3_000_001):
        bed = music_bed(mood, samples)
        assert bed.shape == (2, samples)
        assert bed.dtype == np.float32
        assert np.isfinite(bed).all()


@each_mood
def test_a_bed_swells_in_and_fades_out(mood: Mood) -> None:
    bed = music_bed(mood, 40 * 48_000)
    assert np.abs(bed[:, 0]).max() == 0
    assert np.abs(bed[:, -48:]).max() < 1e-5
    last = np.abs(bed[:, -3 * 48_000 :])
    assert last[:, :48_000].max() > 5 * last[:, -24_000:].max()


@each_mood
def test_a_long_bed_repeats_its_loop_exactly(mood: Mood) -> None:
    block = loop(mood)
    length = block.shape[1]
    assert 16 <= length / 48_000 <= 32
    bed = music_bed(mood, 2 * length + 480_000)
    middle = slice(48_000, length - 48_000)
    assert np.array_equal(bed[:, middle], block[:, middle])
    assert np.array_equal(bed[:, length : 2 * length], block)


@each_mood
def test_the_loop_has_no_seam(mood: Mood) -> None:
    block = loop(mood)
    around = np.concatenate([block[:, -2400:], block[:, :2400]], axis=1)
    # A click is a jump in value or slope: the steps of steps at the seam are as everywhere.
    everywhere = np.abs(np.diff(block, 2, axis=1))
    seam = np.abs(np.diff(around, 2, axis=1))[:, 2396:2404]
    assert seam.max() < np.quantile(everywhere, 0.999)
    # Tails run over the seam: it does not start from nothing.
    assert np.sqrt(np.mean(around[:, 2400:2640] ** 2)) > 0.05 * np.sqrt(np.mean(block**2))


@each_mood
def test_a_bed_is_as_loud_as_the_reference_throughout(mood: Mood) -> None:
    power = weighted_power(loop(mood))
    assert integrated_lufs(power) == pytest.approx(REFERENCE_LUFS, abs=0.05)
    three_seconds = 3 * 750
    parts = power[: len(power) // three_seconds * three_seconds].reshape(-1, three_seconds).mean(axis=1)
    loudness = -0.691 + 10 * np.log10(parts)
    assert loudness.max() - loudness.min() < 4


@each_mood
def test_a_bed_is_balanced_and_leaves_room_for_consonants(mood: Mood) -> None:
    block = loop(mood)
    assert share_db(block, 0, 30) < -20
    assert share_db(block, 30, 120) < -1.5
    assert -26 < share_db(block, 1000, 4000) < -10
    assert -45 < share_db(block, 4000, 10_000) < -20
    assert share_db(block, 12_000, 24_000) < -45
    assert np.abs(block).max() < 1


@each_mood
def test_a_bed_is_wide_and_survives_mono(mood: Mood) -> None:
    left, right = loop(mood)
    assert 0.2 < np.corrcoef(left, right)[0, 1] < 0.9
    assert 10 * abs(np.log10(np.mean(left**2) / np.mean(right**2))) < 1.5
    mono = np.mean(((left + right) / 2) ** 2) / np.mean(np.stack([left, right]) ** 2)
    assert 10 * np.log10(mono) > -3


def test_moods_differ() -> None:
    for one, other in combinations(MOODS, 2):
        samples = min(loop(one).shape[1], loop(other).shape[1])
        first, second = loop(one)[0, :samples], loop(other)[0, :samples]
        # Wherever one is laid against the other: their correlation over all shifts.
        spectrum = np.fft.rfft(first) * np.conj(np.fft.rfft(second))
        correlation = np.abs(np.fft.irfft(spectrum, samples)).max()
        assert correlation < 0.6 * np.linalg.norm(first) * np.linalg.norm(second)


def test_another_process_composes_the_same_samples() -> None:
    program = (
        "import hashlib; from trivia_render.audio.music import loop; "
        "print(hashlib.sha256(loop('suspense').tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(loop("suspense").tobytes()).hexdigest()
