"""Band and clock: they repeat without a jump, count what is left, and do not fill the memory."""

import numpy as np
import pytest
from PIL import Image

from tests.golden import samples
from trivia_render.models.config import ThemeChoice
from trivia_render.models.theme import Theme
from trivia_render.scene.band import Band, BandCache
from trivia_render.scene.clock import Clock
from trivia_render.scene.grid import stage_of
from trivia_render.scene.planes import Box, new_planes, to_planes, views
from trivia_render.scene.question_layout import lay_out_question
from trivia_render.scene.themes import load_theme, theme_names

RING, BAR = Box(856, 860, 208, 208), Box(480, 960, 960, 100)


def theme_of(name: str) -> Theme:
    return load_theme(ThemeChoice(name=name))


def band_of(name: str) -> Band:
    stage = stage_of("1:1")
    ground = to_planes(Image.new("RGB", (stage.width, stage.height), (30, 30, 60)))
    return Band(theme_of(name), ground, stage)


MOVING = [name for name in theme_names() if theme_of(name).motion == "band"]


@pytest.mark.parametrize("name", MOVING)
def test_a_band_repeats_every_four_seconds_without_a_jump(name: str) -> None:
    band = band_of(name)
    steps = [
        float(np.abs(band.picture(frame).astype(int) - band.picture(frame + 1)).mean())
        for frame in (30, 59, 90, 119)
    ]
    assert np.array_equal(band.picture(7), band.picture(127))
    assert min(steps) > 0
    # From 119 to 120, which is 0 again, no more than elsewhere.
    assert steps[-1] <= 2 * max(steps[:-1])


@pytest.mark.parametrize("name", MOVING)
def test_the_band_fades_in_from_its_still_ground(name: str) -> None:
    band = band_of(name)
    top, bottom = band.rows
    shown = []
    for opacity in (0.0, 0.5, 1.0):
        planes = new_planes(1080, 1080)
        planes[:] = 0
        band.paint(views(planes), 40, opacity=opacity)
        luma = views(planes).y
        assert not luma[:top].any()
        assert not luma[bottom:].any()
        shown.append(luma[top:bottom].astype(int))
    assert np.abs(shown[1] - (shown[0] + shown[2]) / 2).max() <= 1.5
    assert not np.array_equal(shown[0], shown[2])


def test_a_theme_without_motion_has_a_still_band() -> None:
    band = band_of("paper")
    assert not band.moves
    assert np.array_equal(band.picture(0), band.picture(31))


def test_bands_unused_for_longest_are_dropped_when_memory_runs_short() -> None:
    one = band_of("stadium")
    one.picture(0)
    cache = BandCache(limit_bytes=one.size_bytes * 2)
    made = []

    def get(key: int) -> Band:
        def make() -> Band:
            made.append(key)
            band = band_of("stadium")
            band.picture(0)
            return band

        return cache.get((key,), make)

    first = get(1)
    assert get(1) is first
    get(2)
    assert get(1) is first
    get(3)
    assert cache.size_bytes <= one.size_bytes * 2
    assert get(1) is first
    get(2)
    assert made == [1, 2, 3, 2]


def luma_of(clock: Clock, frame: int) -> np.ndarray:
    return np.asarray(clock.counting(frame).y, int)


@pytest.mark.parametrize("box", [RING, BAR], ids=["ring", "bar"])
def test_what_is_left_of_the_time_shrinks_with_every_frame(box: Box) -> None:
    clock = Clock(theme_of("aurora"), box, 150)
    # The accent is far brighter than the track; digits change only each second.
    for second in range(2):
        frames = range(second * 30 + 10, second * 30 + 29, 3)
        bright = [int((luma_of(clock, frame) > 150).sum()) for frame in frames]
        assert bright == sorted(bright, reverse=True)
        assert bright[0] > bright[-1]


def test_the_digit_changes_at_each_full_second() -> None:
    clock = Clock(theme_of("aurora"), RING, 150)
    middle = slice(60, 148)

    def digit(frame: int) -> np.ndarray:
        # Its bright part: the ring's light reaches in faintly.
        return luma_of(clock, frame)[middle, middle] > 150

    assert np.array_equal(digit(12), digit(29))
    assert not np.array_equal(digit(29), digit(42))
    assert np.array_equal(np.asarray(clock.waiting.y)[middle, middle] > 150, digit(20))


def test_the_last_three_seconds_have_another_colour() -> None:
    clock = Clock(theme_of("aurora"), RING, 150)
    # Early in the last three seconds: the ring's colour has just changed by frame 75.
    before, after = (np.asarray(clock.counting(frame).v, int).max() for frame in (50, 80))
    assert after > before + 20


def test_the_clock_ends_with_nothing_left_and_then_shows_a_tick() -> None:
    clock = Clock(theme_of("aurora"), RING, 150)
    ring = (luma_of(clock, 149) > 150)[:40].sum()
    assert ring == 0
    done = np.asarray(clock.done.y, int)
    assert (done[:40] > 120).sum() > 100
    with pytest.raises(ValueError, match="frame 150"):
        clock.counting(150)


@pytest.mark.parametrize("name", theme_names())
def test_the_clock_s_marks_stand_out_from_its_disc(name: str) -> None:
    clock = Clock(theme_of(name), RING, 150)
    for tile in (clock.waiting, clock.counting(100), clock.done):
        luma = np.asarray(tile.y, int)[20:188, 20:188]
        assert luma.max() - luma.min() > 90


def test_the_clock_stands_within_the_band_in_every_format() -> None:
    for name in ("16:9", "9:16", "1:1"):
        for content in (samples.question(), samples.long_question(question="Which planet is it? " * 12)):
            theme = samples.spec(content).theme
            if name == "1:1" and content.options == samples.LONG_OPTIONS:
                continue
            layout = lay_out_question(content, name=name, theme=theme, language="en")  # type: ignore[arg-type]
            assert layout.band[0] <= layout.clock.y
            assert layout.clock.bottom <= layout.band[1]
