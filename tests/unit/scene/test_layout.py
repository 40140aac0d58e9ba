"""Layout: every text inside its box, nothing overlaps, and what must be seen is where it can be seen."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden import samples
from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import QuestionClip
from trivia_render.scene.grid import grid_of, text_box
from trivia_render.scene.layout import check_fit
from trivia_render.scene.planes import Box
from trivia_render.scene.question_layout import QuestionLayout, lay_out_question
from trivia_render.scene.themes import theme_names
from trivia_render.scene.title_layout import lay_out_title
from trivia_render.scene.typography import (
    DIGIT_PX,
    EXPLANATION_SIZES,
    OPTION_SIZES,
    QUESTION_SIZES,
    TITLE_SIZES,
)

IMAGE, _ = samples.picture(64, 64)
#: What players draw over a tall frame: nothing essential there (top, bottom, right, left in pixels).
TALL_SAFE = Box(64, 200, 1080 - 64 - 160, 1920 - 200 - 480)
WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamter"

QUESTIONS = {
    "short": samples.question(),
    "tiny": samples.question(question="Pi?", options=("3", "4")),
    "true or false": samples.question(question="Is the Earth round?", options=("True", "False"), correct=0),
    "three options": samples.question(options=("Jupiter", "Saturn", "Uranus")),
    "one long word": samples.question(question=WORD, options=(WORD, "B", "C", "D")),
    "one long option": samples.question(options=(samples.LONG_OPTIONS[0], "Saturn", "Uranus", "Neptune")),
    "emoji and markup": samples.emoji_question(),
    "short explanation": samples.question(explanation=samples.SHORT_EXPLANATION),
    "long explanation": samples.question(explanation=samples.LONG_EXPLANATION + samples.SHORT_EXPLANATION),
    "image": samples.question(image=IMAGE),
    "image and long options": samples.question(
        image=IMAGE, options=("A rather long answer that takes two lines", "Saturn", "Uranus", "Neptune")
    ),
}


def laid_out(
    content: QuestionClip, name: FormatName, *, theme: str = "aurora", language: str = "en-US"
) -> QuestionLayout:
    spec = samples.spec(content, theme=theme, name=name, language=language)
    return lay_out_question(content, name=name, theme=spec.theme, language=language)


def check(layout: QuestionLayout, content: QuestionClip, name: FormatName) -> None:
    """Check everything that a layout promises."""
    size = FORMATS[name]
    frame = Box(0, 0, size.width, size.height)
    top, bottom = layout.band
    band = Box(0, top, size.width, bottom - top)
    parts = [layout.card, *layout.options, layout.grid.header, band]
    parts += [layout.image] if layout.image is not None else []
    for part in parts:
        assert part.within(frame) == part
        assert all(number % 2 == 0 for number in part)
    for one, other in combinations(parts, 2):
        shared = one.within(other)
        assert shared.width <= 0 or shared.height <= 0, f"{one} and {other} overlap"
    assert layout.clock.within(band) == layout.clock
    safe = TALL_SAFE if name == "9:16" else frame
    question = layout.question
    assert layout.question_box.within(layout.card) == layout.question_box
    assert question.width_px <= layout.question_box.width
    assert layout.question_box.within(safe) == layout.question_box
    assert layout.clock.within(safe) == layout.clock
    assert QUESTION_SIZES[0] <= question.size_px <= QUESTION_SIZES[1]
    for box, text in zip(layout.options, layout.option_texts, strict=True):
        x, width = layout.option_room(box)
        room = Box(x, box.y + (box.height - text.height_px) // 2, width, text.height_px)
        letter = layout.badge(box)
        assert text.width_px <= width
        assert room.within(box) == room
        assert room.within(safe) == room
        assert letter.within(box) == letter
        assert letter.within(safe) == letter
        assert room.within(letter).width <= 0, "a letter lies under its text"
        assert OPTION_SIZES[0] <= text.size_px <= OPTION_SIZES[1]
        assert text.size_px < question.size_px
    if layout.explanation is not None:
        card, text = layout.explanation.card, layout.explanation.text
        place = layout.explanation.text_box
        assert place.within(card) == place
        assert place.within(safe) == place
        assert text.width_px <= place.width
        assert text.height_px <= card.height
        assert EXPLANATION_SIZES[0] <= text.size_px
        answer = layout.explanation.answer
        assert answer is None or answer.within(card).height <= 0
    assert (layout.explanation is None) == (content.explanation is None)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", QUESTIONS)
def test_every_kind_of_question_is_laid_out_whole_in_every_format(kind: str, name: FormatName) -> None:
    content = QUESTIONS[kind]
    check(laid_out(content, name), content, name)


@pytest.mark.parametrize("name", ["16:9", "9:16"])
@pytest.mark.parametrize("theme", theme_names())
def test_all_but_the_longest_questions_fit_in_every_theme(theme: str, name: FormatName) -> None:
    content = samples.long_question()
    check(laid_out(content, name, theme=theme), content, name)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("theme", theme_names())
def test_letters_stand_at_the_right_where_the_language_is_written_from_there(
    theme: str, name: FormatName
) -> None:
    content = samples.arabic_question()
    layout = laid_out(content, name, theme=theme, language="ar-SA")
    check(layout, content, name)
    assert all(layout.badge(box).x > box.x + box.width // 2 for box in layout.options)
    if name != "9:16":
        # Read from the right: A stands right of B.
        assert layout.options[0].x > layout.options[1].x


@settings(max_examples=20)
@given(
    words=st.lists(
        st.sampled_from(["a", "moon", "planet", "astronomer", "—", "1969", WORD]), min_size=1, max_size=40
    ),
    options=st.lists(st.integers(1, 66), min_size=2, max_size=4),
    name=st.sampled_from(list(FORMATS)),
    explained=st.booleans(),
)
def test_what_is_laid_out_is_laid_out_well(
    words: list[str], options: list[int], name: FormatName, *, explained: bool
) -> None:
    content = samples.question(
        question=" ".join(words)[:308],
        options=tuple(f"{index} {'lorem ipsum dolor ' * 4}"[:length] for index, length in enumerate(options)),
        correct=0,
        explanation=samples.SHORT_EXPLANATION if explained else None,
    )
    try:
        layout = laid_out(content, name)
    except TextDoesNotFitError as error:
        assert "Question 3" in str(error)  # noqa: PT017 - both ends are right
        assert name == "1:1"
        return
    check(layout, content, name)


@pytest.mark.parametrize("name", FORMATS)
def test_a_text_beyond_all_measure_is_refused_with_its_question_s_number(name: FormatName) -> None:
    content = samples.question(number=12, question="Which planet? " * 60)
    theme = samples.spec(content).theme
    with pytest.raises(TextDoesNotFitError, match=f"Question 12 does not fit a {name} frame") as caught:
        check_fit(content, format=name, theme=theme, language="en")
    assert "Shorten" in caught.value.remedy


def test_an_explanation_beyond_all_measure_is_refused_with_its_question_s_number() -> None:
    content = samples.question(number=4, explanation=samples.LONG_EXPLANATION * 6)
    with pytest.raises(TextDoesNotFitError, match="explanation of question 4"):
        laid_out(content, "16:9")


def test_a_short_question_is_set_large() -> None:
    layout = laid_out(samples.question(), "16:9")
    assert layout.question.size_px == QUESTION_SIZES[1]
    assert not layout.compact


def test_a_long_option_does_not_make_the_question_small() -> None:
    layout = laid_out(QUESTIONS["one long option"], "16:9")
    assert layout.question.size_px >= 64


def test_the_question_stays_in_the_middle_of_a_tall_frame() -> None:
    layout = laid_out(samples.question(), "9:16")
    assert layout.question_box.x + layout.question_box.width // 2 == 540
    assert layout.card.x + layout.card.right == 1080


def test_the_digit_is_large_enough_to_be_read_across_a_room() -> None:
    assert DIGIT_PX >= 120


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("title", ["Hi!", "The Big Space Quiz", "Fifty general knowledge questions " * 3])
def test_title_cards_keep_their_parts_apart(name: FormatName, title: str) -> None:
    for content, language in (
        (samples.intro(title=title), "en-US"),
        (samples.outro(heading=title), "en-US"),
        (samples.intro(title="اختبار الفضاء الكبير"), "ar-SA"),
    ):
        theme = samples.spec(content).theme
        layout = lay_out_title(content, name=name, theme=theme, language=language)
        size = FORMATS[name]
        safe = TALL_SAFE if name == "9:16" else Box(0, 0, size.width, size.height)
        top = layout.emblems[0].bottom
        assert all(box.within(safe) == box for box in layout.emblems)
        assert top <= layout.heading_box.y
        assert layout.heading_box.bottom <= layout.below_box.y
        assert layout.below_box.within(safe) == layout.below_box
        assert layout.below_box.bottom <= layout.grid.band[0]
        assert layout.heading.width_px <= layout.heading_box.width
        assert layout.heading.size_px >= TITLE_SIZES[0]


def test_a_title_beyond_all_measure_is_refused_by_name() -> None:
    theme = samples.spec(samples.intro()).theme
    with pytest.raises(TextDoesNotFitError, match="The title does not fit"):
        check_fit(samples.intro(title="Quiz " * 100), format="1:1", theme=theme, language="en")


def test_text_wider_than_the_middle_of_a_tall_frame_may_use_all_that_is_safe() -> None:
    card = Box(36, 292, 1008, 400)
    assert text_box(700, 200, card, "9:16", mirrored=False).x == 160
    wide = text_box(850, 200, card, "9:16", mirrored=False)
    assert (wide.x, wide.right) == (64, 920)
    assert grid_of("9:16", mirrored=True).right == 948
