"""The finished sound meets its target on the real AAC file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trivia_render.audio.effects import render_sound
from trivia_render.audio.loudness import finish
from trivia_render.audio.mix import mix_master
from trivia_render.errors import VideoOutOfSpecError
from trivia_render.models.config import Loudness, SoundEffects, Soundtrack

SECONDS = 8
SAMPLES = SECONDS * 48_000


def noise(level: float) -> np.ndarray:
    random = np.random.default_rng(4)
    return (level * random.standard_normal((2, SAMPLES))).astype(np.float32)


def sparse() -> np.ndarray:
    sound = np.zeros((2, SAMPLES), np.float32)
    sound[:, 48_000:72_000] = noise(0.05)[:, :24_000]
    return sound


def effects_alone() -> np.ndarray:
    effects = np.zeros((2, SAMPLES), np.float32)
    for name, second in (("whoosh", 0), ("tick", 2), ("tick", 3), ("accent", 4), ("sting", 5)):
        sound = render_sound(name)
        effects[1, second * 48_000 : second * 48_000 + len(sound)] += sound
    return mix_master([effects], soundtrack=Soundtrack(source="none"), sound_effects=SoundEffects())


def clipped_bass() -> np.ndarray:
    time = np.arange(SAMPLES) / 48_000
    return np.stack([np.clip(8 * np.sin(2 * np.pi * 70 * time), -2, 2)] * 2).astype(np.float32)


def on_one_side() -> np.ndarray:
    sound = noise(0.2)
    sound[1] = 0
    return sound


@pytest.mark.parametrize(
    "master",
    [
        pytest.param(lambda: noise(0.1), id="noise"),
        pytest.param(lambda: noise(2e-4), id="very quiet"),
        pytest.param(lambda: noise(20.0), id="very loud"),
        sparse,
        effects_alone,
        clipped_bass,
        on_one_side,
    ],
)
def test_any_sound_ends_inside_the_limits(
    master: Callable[[], np.ndarray], encode_aac: Callable, meter_file: Callable
) -> None:
    finished = finish(master(), target=Loudness(), encode=encode_aac, measure=meter_file)
    assert not finished.silent
    reading = meter_file(finished.path)
    assert reading == (finished.integrated_lufs, finished.true_peak_dbtp)
    assert reading.integrated_lufs == pytest.approx(-14, abs=0.5)
    assert reading.true_peak_dbtp <= -1.5


@pytest.mark.parametrize("source", ["upbeat", "none"])
def test_speech_with_and_without_music_is_right_at_the_first_encode(
    source: str, babble: Callable, encode_aac: Callable, meter_file: Callable
) -> None:
    voice = babble(12.0)
    master = mix_master(
        [np.stack([voice, np.zeros_like(voice)])],
        soundtrack=Soundtrack.model_validate({"source": source}),
        sound_effects=SoundEffects(),
    )
    finished = finish(master, target=Loudness(), encode=encode_aac, measure=meter_file)
    assert finished.passes == 1
    assert finished.integrated_lufs == pytest.approx(-14, abs=0.2)


def test_another_target_is_met_too(encode_aac: Callable, meter_file: Callable) -> None:
    target = Loudness(integrated_lufs=-23.0, true_peak_dbtp=-3.0)
    finished = finish(effects_alone(), target=target, encode=encode_aac, measure=meter_file)
    assert finished.integrated_lufs == pytest.approx(-23, abs=0.5)
    assert finished.true_peak_dbtp is not None
    assert finished.true_peak_dbtp <= -3.0


def test_a_silent_job_is_recorded_as_such_and_exempt(encode_aac: Callable, meter_file: Callable) -> None:
    silence = np.zeros((2, SAMPLES), np.float32)
    finished = finish(silence, target=Loudness(), encode=encode_aac, measure=meter_file)
    assert finished.silent
    assert finished.passes == 1
    assert finished.integrated_lufs is None
    assert finished.true_peak_dbtp is None
    assert finished.path.stat().st_size > 0


def test_what_cannot_be_made_loud_enough_fails_with_figures_and_a_remedy(
    encode_aac: Callable, meter_file: Callable
) -> None:
    clicks = np.zeros((2, SAMPLES), np.float32)
    clicks[:, ::48_000] = 0.5
    with pytest.raises(VideoOutOfSpecError) as caught:
        finish(clicks, target=Loudness(), encode=encode_aac, measure=meter_file)
    text = str(caught.value)
    assert "-14 ±0.5 LUFS" in text
    assert "pass 1: -" in text
    assert "narration" in text
    assert "pass 2" not in text  # more of the same would not help, and is not tried


def test_a_sound_shorter_than_the_meter_needs_fails(encode_aac: Callable, meter_file: Callable) -> None:
    with pytest.raises(VideoOutOfSpecError, match="no measurable loudness"):
        finish(noise(0.1)[:, :9600], target=Loudness(), encode=encode_aac, measure=meter_file)


def test_each_encode_learns_from_the_last(encode_aac: Callable, meter_file: Callable) -> None:
    # White noise loses its top octave in the codec: one reading tells how much to give back.
    levels: list[float] = []

    def encode(samples: np.ndarray) -> Path:
        levels.append(float(np.sqrt(np.mean(np.square(samples)))))
        path: Path = encode_aac(samples)
        return path

    finished = finish(noise(0.1), target=Loudness(), encode=encode, measure=meter_file)
    assert finished.passes == len(levels) == 2
    assert levels[1] > levels[0]
