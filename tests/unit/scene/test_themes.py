"""Themes: different and legible, on their real backgrounds too."""

import numpy as np
import pytest

from tests.golden import samples
from trivia_render.errors import ThemeInvalidError
from trivia_render.models.config import ColourOverrides, ThemeChoice
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.scene.background import draw_background
from trivia_render.scene.colours import contrast, mix, readable_on, rgb, vivid
from trivia_render.scene.elements import badge_colours
from trivia_render.scene.grid import grid_of, stage_of
from trivia_render.scene.planes import Box
from trivia_render.scene.themes import load_theme, theme_names

PICTURE, PICTURE_ASSETS = samples.picture(1200, 800)


def test_there_are_five_themes_and_the_default_comes_first() -> None:
    assert theme_names()[0] == ThemeChoice().name == "aurora"
    assert len(theme_names()) >= 5


def test_themes_differ_in_more_than_colour() -> None:
    themes = [load_theme(ThemeChoice(name=name)) for name in theme_names()]
    assert len({theme.backdrop for theme in themes}) == len(themes)
    assert len({theme.font for theme in themes}) == len(themes)
    assert {theme.motion for theme in themes} == {"band", "none"}
    assert all(theme.summary for theme in themes)


def test_an_unknown_theme_is_refused_with_the_nearest_and_all_names() -> None:
    with pytest.raises(ThemeInvalidError) as caught:
        # Configs are checked when they are read: this is a choice that came another way.
        load_theme(ThemeChoice.model_construct(name="arora"))
    assert "aurora" in caught.value.remedy
    assert all(name in caught.value.remedy for name in theme_names())


def test_overrides_replace_what_they_name() -> None:
    colours = ColourOverrides(accent="#112233")
    theme = load_theme(
        ThemeChoice(name="sunny", colours=colours, font="inter"), background_image=PICTURE, logo=PICTURE
    )
    plain = load_theme(ThemeChoice(name="sunny"))
    assert theme.colours == plain.colours.model_copy(update={"accent": "#112233"})
    assert (theme.font, theme.display_font) == ("inter", "fredoka")
    assert theme.background_image == theme.logo == PICTURE


def test_a_badge_colour_of_one_s_own_holds_for_all_letters() -> None:
    theme = load_theme(ThemeChoice(name="sunny", colours=ColourOverrides(badge="#101010")))
    assert {badge_colours(theme, index)[0] for index in range(4)} == {(16, 16, 16)}


def test_faint_text_is_refused_with_the_pair_its_ratio_and_a_remedy() -> None:
    with pytest.raises(ThemeInvalidError) as caught:
        load_theme(ThemeChoice(colours=ColourOverrides(card="#777777", card_text="#888888")))
    assert "card_text" in str(caught.value)
    assert "1.3:1" in str(caught.value)
    assert "4.5:1" in caught.value.remedy


@pytest.mark.parametrize("name", theme_names())
@pytest.mark.parametrize("frame", FORMATS)
def test_text_on_the_drawn_background_stands_out_from_its_brightest_and_darkest_parts(
    name: str, frame: FormatName
) -> None:
    theme = load_theme(ThemeChoice(name=name))
    image = draw_background(theme, stage_of(frame), picture=None)
    grid = grid_of(frame)
    header = grid.header
    title = Box(grid.safe_left, header.bottom, grid.safe_right - grid.safe_left, grid.band[0] - header.bottom)
    ink = rgb(theme.colours.text)
    # Small labels stand in the header; below it only large type stands on the ground: WCAG asks 3:1 there.
    for box, least in ((header, 4.5), (title, 3.0)):
        pixels = np.asarray(image.crop((box.x, box.y, box.right, box.bottom))).reshape(-1, 3)
        luma = pixels @ np.array([0.2126, 0.7152, 0.0722])
        for extreme in (np.percentile(luma, 0.5), np.percentile(luma, 99.5)):
            near = pixels[np.abs(luma - extreme).argmin()]
            assert contrast(ink, (int(near[0]), int(near[1]), int(near[2]))) >= least


def test_a_picture_behind_text_is_dimmed_until_text_stands_out() -> None:
    theme = load_theme(ThemeChoice(), background_image=PICTURE)
    from PIL import Image

    for colour in ((255, 255, 255), (0, 0, 0), (200, 180, 20)):
        picture = Image.new("RGBA", (800, 600), (*colour, 255))
        image = draw_background(theme, stage_of("16:9"), picture=picture)
        pixel = image.getpixel((900, 60))
        assert isinstance(pixel, tuple)
        assert contrast(rgb(theme.colours.text), (pixel[0], pixel[1], pixel[2])) >= 6.9


def test_contrast_is_that_of_the_web_guidelines() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    assert readable_on((250, 240, 200)) == (0, 0, 0)
    assert mix((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
    assert max(vivid((10, 20, 60))) == 255
