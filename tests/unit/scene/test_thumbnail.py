"""Thumbnails and stills: what people see of a video before they play it."""

import io

import pytest
from PIL import Image, ImageChops

from tests.golden import samples
from trivia_render.models.config import ThemeChoice
from trivia_render.scene.compose import open_scene
from trivia_render.scene.planes import planes_to_image
from trivia_render.scene.stills import stage_stills
from trivia_render.scene.themes import load_theme, theme_names
from trivia_render.scene.thumbnail import draw_thumbnail


def thumbnail(title: str = "The Big Space Quiz", **changes: object) -> bytes:
    arguments = {
        "first_question": "Which planet has the most moons?",
        "total": 10,
        "theme": load_theme(ThemeChoice()),
        "assets": {},
        "language": "en-US",
    } | changes
    return draw_thumbnail(title, **arguments)  # type: ignore[arg-type]


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("theme", theme_names())
def test_a_thumbnail_is_a_jpeg_of_the_size_that_video_sites_ask_for(theme: str) -> None:
    content = thumbnail(theme=load_theme(ThemeChoice(name=theme)))
    image = opened(content)
    assert (image.format, image.size) == ("JPEG", (1280, 720))
    # YouTube's limit is 2 MB.
    assert len(content) < 400_000


def test_a_long_question_is_left_out_rather_than_shrunk() -> None:
    assert thumbnail(first_question=samples.LONG_QUESTION) == thumbnail(first_question=None)
    assert thumbnail() != thumbnail(first_question=None)


def test_a_long_title_is_set_smaller_not_cut() -> None:
    opened(
        thumbnail("Fifty general knowledge questions that only the very best of all can answer " * 2)
    ).load()


def test_a_right_to_left_language_mirrors_the_thumbnail() -> None:
    here = opened(thumbnail(first_question=None, language="en-US")).convert("L")
    there = opened(thumbnail("اختبار الفضاء الكبير", first_question=None, language="ar-SA")).convert("L")
    # The letters are the brightest, widest part of one side.
    assert bright(here, right=True) > bright(here, right=False)
    assert bright(there, right=False) > bright(there, right=True)


def bright(image: Image.Image, *, right: bool) -> int:
    half = image.crop((860, 120, 1230, 600) if right else (50, 120, 420, 600))
    return sum(half.histogram()[190:])


def test_background_image_and_logo_are_shown() -> None:
    picture, assets = samples.picture(1280, 720)
    theme = load_theme(ThemeChoice(), background_image=picture, logo=picture)
    assert ImageChops.difference(opened(thumbnail(theme=theme, assets=assets)), opened(thumbnail())).getbbox()


def test_stills_show_each_stage_in_order() -> None:
    content = samples.question(explanation=samples.SHORT_EXPLANATION)
    spec, timeline = samples.spec(content), samples.timeline(content)
    stills = stage_stills(spec, timeline)
    assert [name for name, _ in stills] == ["enter", "read", "countdown", "reveal", "explain"]
    frames = [frame for _, frame in stills]
    assert frames == sorted(frames)
    for name, frame in stills:
        span = next(span for span in timeline.spans if span.stage == name)
        assert span.start_frame <= frame < span.end_frame


def test_the_still_of_the_countdown_shows_a_three() -> None:
    content = samples.question(countdown_frames=300)
    timeline = samples.timeline(content)
    countdown = timeline.span("countdown")
    frame = dict(stage_stills(samples.spec(content), timeline))["countdown"]
    assert countdown is not None
    assert 2 * 30 < countdown.end_frame - frame <= 3 * 30


def test_the_still_of_a_title_card_shows_its_title() -> None:
    content = samples.intro()
    spec, timeline = samples.spec(content), samples.timeline(content)
    scene = open_scene(spec, timeline, assets={})
    name, frame = stage_stills(spec, timeline)[-1]
    assert name == "intro"
    shown = planes_to_image(scene.frame(frame), width=1920, height=1080).convert("L")
    last = planes_to_image(scene.frame(timeline.frames - 1), width=1920, height=1080).convert("L")
    title = (300, 350, 1620, 560)
    assert shown.crop(title).getextrema()[1] > 240
    assert last.crop(title).getextrema()[1] < 200
