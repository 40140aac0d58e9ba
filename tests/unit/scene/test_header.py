"""The header: progress is always there, and nothing leaves its row."""

import pytest
from PIL import Image

from tests.golden import samples
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import QuestionClip
from trivia_render.models.theme import Theme
from trivia_render.scene.colours import rgb
from trivia_render.scene.grid import grid_of
from trivia_render.scene.header import draw_header
from trivia_render.scene.planes import Box

CONTENTS = {
    "usual": samples.question(),
    "many questions": samples.question(number=123, total=500, label="Question 123/500"),
    "one question": samples.question(number=1, total=1, label="Question 1/1", category=None, difficulty=None),
    "long category": samples.question(category="International geography of the outer solar system " * 3),
    "long label": samples.question(label="Question number 123 of all 500", difficulty="hard"),
    "arabic": samples.arabic_question(),
}
LOGO = Image.new("RGBA", (600, 200), (200, 0, 0, 255))
THEME: Theme = samples.spec(samples.question()).theme


def header(
    content: QuestionClip, name: FormatName, *, mirrored: bool = False, logo: Image.Image | None = None
) -> tuple[Image.Image, Box]:
    size, box = FORMATS[name], grid_of(name).header
    image = Image.new("RGBA", (size.width, size.height), (0, 0, 0, 0))
    language = "ar-SA" if mirrored else "en-US"
    draw_header(image, content, box, THEME, language=language, mirrored=mirrored, logo=logo)
    return image, box


@pytest.mark.parametrize("mirrored", [False, True], ids=["from left", "from right"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_nothing_leaves_the_header_s_row(kind: str, name: FormatName, *, mirrored: bool) -> None:
    for logo in (None, LOGO):
        image, box = header(CONTENTS[kind], name, mirrored=mirrored, logo=logo)
        found = image.getbbox()
        assert found is not None
        left, top, right, bottom = found
        assert box.x <= left
        assert box.y <= top
        assert right <= box.right
        assert bottom <= box.bottom


def accented(image: Image.Image) -> list[int]:
    """Return the columns that have the accent's colour in the middle of the row."""
    row = grid_of("16:9").header
    y = row.y + row.height // 2
    accent = (*rgb(THEME.colours.accent), 255)
    return [x for x in range(image.width) if image.getpixel((x, y)) == accent]


def test_the_bar_grows_with_each_question_from_the_side_where_reading_starts() -> None:
    lengths = []
    for number in (1, 5, 10):
        image, _ = header(samples.question(number=number), "16:9")
        lengths.append(len(accented(image)))
    assert lengths == sorted(set(lengths))
    start, _ = header(samples.question(number=1), "16:9")
    mirrored, _ = header(samples.question(number=1), "16:9", mirrored=True)
    assert max(accented(start)) > 960 > max(accented(mirrored))


def test_difficulty_is_shown_as_bars_not_as_an_english_word() -> None:
    drawn = {
        level: header(samples.question(category=None, difficulty=level), "16:9")[0].tobytes()
        for level in ("easy", "medium", "hard", None)
    }
    assert len(set(drawn.values())) == 4


def test_a_category_without_room_for_a_word_is_left_out() -> None:
    with_category, _ = header(
        CONTENTS["long category"].model_copy(update={"label": "Q" * 30}), "1:1", logo=LOGO
    )
    without = CONTENTS["long category"].model_copy(update={"label": "Q" * 30, "category": None})
    assert header(without, "1:1", logo=LOGO)[0].tobytes() == with_category.tobytes()
