"""Placing a clip's sounds and mixing clips into one master."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from trivia_render.audio.effects import render_sound
from trivia_render.audio.kweighting import integrated_lufs, weighted_power
from trivia_render.audio.mix import clip_sound, is_silent, mix_master
from trivia_render.audio.music import music_bed
from trivia_render.models.config import SoundEffects, Soundtrack
from trivia_render.models.ports import Speech
from trivia_render.models.timeline import Cue, Line, PlacedLine, Sound, Timeline

NO_MUSIC = Soundtrack(source="none")
NO_EFFECTS = SoundEffects(enabled=False)


def timeline(
    *, frames: int, lines: Sequence[tuple[int, int]] = (), cues: Sequence[tuple[Sound, int]] = ()
) -> Timeline:
    """Lines as (start, length) in samples, cues as (sound, frame)."""
    line = Line(role="question", text="Which one?")
    placed = tuple(PlacedLine(line=line, start_sample=s, samples=n, sentences=()) for s, n in lines)
    return Timeline(
        frames=frames, spans=(), speech=placed, cues=tuple(Cue(sound=s, frame=f) for s, f in cues)
    )


def voice_only(voice: np.ndarray) -> np.ndarray:
    return np.stack([voice, np.zeros_like(voice)])


def level_db(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(sound))))


def test_a_clip_is_as_long_as_its_frames_to_the_sample() -> None:
    for frames in (1, 2, 37, 300):
        sound = clip_sound(timeline(frames=frames, cues=[("sting", 0)]), Speech((), ()))
        assert sound.shape == (2, frames * 1600)
        assert sound.dtype == np.float32


def test_narration_and_effects_stand_at_their_samples(babble: Callable) -> None:
    voice = babble(1.0)
    sound = clip_sound(
        timeline(frames=120, lines=[(5000, len(voice))], cues=[("tick", 30), ("sting", 60)]),
        Speech((voice,), ()),
    )
    assert np.array_equal(sound[0, 5000 : 5000 + len(voice)], voice)
    assert not sound[0, :5000].any()
    assert not sound[0, 5000 + len(voice) :].any()
    tick, sting = render_sound("tick"), render_sound("sting")
    assert np.array_equal(sound[1, 48_000 : 48_000 + len(tick)], tick)
    assert np.array_equal(sound[1, 96_000 : 96_000 + len(sting)], sting)
    assert not sound[1, :48_000].any()


def test_sounds_that_meet_add_up() -> None:
    sound = clip_sound(timeline(frames=60, cues=[("pop", 3), ("pop", 3)]), Speech((), ()))
    pop = render_sound("pop")
    assert np.array_equal(sound[1, 4800 : 4800 + len(pop)], pop + pop)


def test_what_would_pass_the_end_is_faded_within_the_clip(babble: Callable) -> None:
    voice = babble(2.0)
    sound = clip_sound(
        timeline(frames=30, lines=[(0, len(voice))], cues=[("sting", 10)]), Speech((voice,), ())
    )
    for row in sound:
        assert np.abs(row[-2:]).max() < 1e-4
        assert np.abs(row[-20_000:-14_400]).max() > 0.01


def test_a_sound_outside_its_clip_and_a_line_without_speech_are_refused(babble: Callable) -> None:
    with pytest.raises(ValueError, match="starts at sample 48000 of a clip of 48000"):
        clip_sound(timeline(frames=30, cues=[("tick", 30)]), Speech((), ()))
    with pytest.raises(ValueError, match="zip"):
        clip_sound(timeline(frames=30, lines=[(0, 100)]), Speech((), ()))


def test_clips_join_without_clicks(babble: Callable) -> None:
    voice = babble(2.0)
    clip = clip_sound(
        timeline(frames=45, lines=[(0, len(voice))], cues=[("whoosh", 0), ("sting", 20)]),
        Speech((voice,), ()),
    )
    master = mix_master([clip] * 6, soundtrack=Soundtrack(), sound_effects=SoundEffects())
    assert master.shape == (2, 6 * 45 * 1600)
    steps = np.abs(np.diff(master, axis=1))
    for join in range(45 * 1600, master.shape[1], 45 * 1600):
        at_join = steps[:, join - 3 : join + 2].max()
        assert at_join < 0.5 * steps[:, join - 48_000 : join + 24_000].max()
        assert at_join < np.quantile(steps[:, join - 48_000 : join + 24_000], 0.95)


def test_the_same_clips_give_the_same_master(babble: Callable) -> None:
    clips = [voice_only(babble(4.0))]
    masters = [mix_master(clips, soundtrack=Soundtrack(), sound_effects=SoundEffects()) for _ in range(2)]
    assert np.array_equal(*masters)


def test_the_voice_is_in_the_middle_and_untouched(babble: Callable) -> None:
    voice = babble(3.0)
    master = mix_master([voice_only(voice)], soundtrack=NO_MUSIC, sound_effects=NO_EFFECTS)
    assert np.array_equal(master[0], voice)
    assert np.array_equal(master[1], voice)


def test_effects_have_some_width_and_are_whole_in_mono() -> None:
    clip = clip_sound(timeline(frames=60, cues=[("sting", 5)]), Speech((), ()))
    left, right = mix_master([clip], soundtrack=NO_MUSIC, sound_effects=SoundEffects(gain_db=-6))
    assert not np.array_equal(left, right)
    assert np.allclose((left + right) / 2, clip[1] * 10 ** (-6 / 20), atol=1e-6)
    assert level_db(left) == pytest.approx(level_db(right), abs=1)


def test_effects_keep_their_echo_over_a_join() -> None:
    effects = np.zeros((2, 1600), np.float32)
    effects[1, -1] = 0.5
    master = mix_master([effects, effects * 0], soundtrack=NO_MUSIC, sound_effects=SoundEffects(gain_db=0))
    side = (master[0] - master[1]) / 2
    assert np.flatnonzero(side).tolist() == [1599 + 427]


def test_effects_can_be_turned_off() -> None:
    clip = clip_sound(timeline(frames=60, cues=[("sting", 5)]), Speech((), ()))
    assert is_silent(mix_master([clip], soundtrack=NO_MUSIC, sound_effects=NO_EFFECTS))


def test_music_at_0_db_is_as_loud_as_the_voice(babble: Callable) -> None:
    voice = babble(20.0)
    silence = [np.zeros((2, 20 * 48_000), np.float32)]
    music = mix_master(silence, soundtrack=Soundtrack(gain_db=0), sound_effects=NO_EFFECTS)
    spoken = integrated_lufs(weighted_power(np.stack([voice, voice])))
    assert integrated_lufs(weighted_power(music)) == pytest.approx(spoken, abs=2)


@pytest.mark.parametrize("ducking_db", [0.0, 9.0, 20.0])
def test_music_ducks_under_the_voice_by_the_depth_asked_for(babble: Callable, ducking_db: float) -> None:
    # 4 s of silence, 4 s of voice, 4 s of silence.
    voice = np.zeros(12 * 48_000, np.float32)
    voice[4 * 48_000 : 8 * 48_000] = babble(4.0)
    soundtrack = Soundtrack(gain_db=-5.0, ducking_db=ducking_db)
    master = mix_master([voice_only(voice)], soundtrack=soundtrack, sound_effects=NO_EFFECTS)
    bed = music_bed("upbeat", len(voice)) * np.float32(10 ** (-5 / 20))
    change_db = [
        level_db(master[:, at : at + 4800] - voice[at : at + 4800]) - level_db(bed[:, at : at + 4800])
        for at in range(0, len(voice) - 4 * 48_000, 4800)
    ]
    assert change_db[41:78] == pytest.approx([-ducking_db] * 37, abs=0.2)
    assert change_db[:38] == pytest.approx([0] * 38, abs=0.1)


def test_ducking_is_complete_when_a_word_begins_and_ends_softly(babble: Callable) -> None:
    voice = np.zeros(11 * 48_000, np.float32)
    voice[3 * 48_000 : 5 * 48_000] = babble(2.0)
    master = mix_master([voice_only(voice)], soundtrack=Soundtrack(ducking_db=12), sound_effects=NO_EFFECTS)
    bed = music_bed("upbeat", len(voice)) * np.float32(10 ** (-7 / 20))
    loud = np.abs(bed[0]) > 0.005
    gain_db = np.full(len(voice), np.nan)
    gain_db[loud] = 20 * np.log10((master[0] - voice)[loud] / bed[0][loud])

    def between(start: float, end: float) -> np.ndarray:
        part = gain_db[round(start * 48_000) : round(end * 48_000)]
        return part[np.isfinite(part)]

    first = np.flatnonzero(np.abs(voice) > 0.02)[0] / 48_000
    last = np.flatnonzero(np.abs(voice) > 0.02)[-1] / 48_000
    assert between(first, last).max() < -11.5
    assert between(0.5, first - 0.15).min() > -0.1
    assert between(last + 0.75, 7.5).min() > -0.1
    # The way back takes its time.
    assert between(last + 0.30, last + 0.34).min() < -6


@pytest.mark.parametrize("mood", ["upbeat", "calm", "suspense"])
def test_the_voice_stands_12_to_18_lu_over_the_ducked_music(babble: Callable, mood: str) -> None:
    voice = babble(12.0)
    soundtrack = Soundtrack.model_validate({"source": mood})
    master = mix_master([voice_only(voice)], soundtrack=soundtrack, sound_effects=NO_EFFECTS)
    bed = (master - voice)[:, 2 * 48_000 : 9 * 48_000]
    spoken = integrated_lufs(weighted_power(np.stack([voice, voice])))
    under = integrated_lufs(weighted_power(bed))
    assert spoken is not None
    assert under is not None
    assert 12 <= spoken - under <= 18


def test_silence_is_told_from_something_very_quiet() -> None:
    assert is_silent(np.zeros((2, 4800), np.float32))
    assert is_silent(np.full((2, 4800), 3e-5, np.float32))
    assert not is_silent(np.full((2, 4800), 1e-3, np.float32))
    quiet = np.zeros((2, 4800), np.float32)
    quiet[1, 17] = -1e-3
    assert not is_silent(quiet)
