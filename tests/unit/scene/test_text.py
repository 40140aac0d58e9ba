import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from trivia_render.errors import TextDoesNotFitError
from trivia_render.scene.text import TextStyle, draw_text, fit_text, set_text

STYLE = TextStyle("inter", 700)
WORD = "Pneumonoultramicroscopicsilicovolcanoconiosisantidisestablish"
LONG = (
    "Which of these typefaces was designed by Adrian Frutiger for the signs of Charles de Gaulle airport "
    "near Paris in the early seventies, before it was sold all over the world?"
)


def _fit(text: str, *, width_px=900, height_px=330, max_size_px=84, min_size_px=48, style=STYLE, **options):
    return fit_text(
        text,
        style=style,
        width_px=width_px,
        height_px=height_px,
        max_size_px=max_size_px,
        min_size_px=min_size_px,
        **options,
    )


def _lines(found) -> list[str]:
    return [line.text for line in found.lines]


def test_a_short_text_takes_the_largest_size() -> None:
    assert _fit("Who?").size_px == 84


@pytest.mark.parametrize("text", [LONG, "Où l’été s’achève-t-il ? " * 4, "عا " * 50])
def test_no_larger_size_would_have_fitted(text) -> None:
    found = _fit(text, min_size_px=20)
    assert found.width_px <= 900
    assert found.height_px <= 330
    assert found.size_px < 84
    larger = set_text(text, style=STYLE, size_px=found.size_px + 1, max_width_px=900)
    assert larger.height_px > 330 or larger.width_px > 900


def test_lines_are_even_and_no_word_stands_alone() -> None:
    found = _fit(
        "Which planet of our solar system has the most moons?", width_px=1200, height_px=200, max_size_px=60
    )
    assert len(found.lines) == 2
    narrow, wide = sorted(line.width_px for line in found.lines)
    assert narrow > 0.75 * wide


def test_even_lines_take_no_more_lines() -> None:
    words = "aaa bbb ccc ddd eee fff ggg hhh"
    one_line = set_text(words, style=STYLE, size_px=50)
    assert len(set_text(words, style=STYLE, size_px=50, max_width_px=one_line.width_px).lines) == 1
    assert len(set_text(words, style=STYLE, size_px=50, max_width_px=one_line.width_px - 1).lines) == 2


def test_a_space_is_a_better_line_end_than_a_hyphen() -> None:
    text = "a well-known song-writer sang"
    found = set_text(text, style=STYLE, size_px=50, max_width_px=450)
    assert len(found.lines) == 2
    assert all(not line.endswith("-") for line in _lines(found))


def test_line_ends_of_the_text_are_kept() -> None:
    assert _lines(set_text("one\ntwo three\n\nfour\n", style=STYLE, size_px=40)) == [
        "one",
        "two three",
        "",
        "four",
    ]


def test_no_more_lines_than_allowed() -> None:
    assert len(_fit(LONG, max_lines=3, min_size_px=10).lines) == 3


def test_a_text_that_does_not_fit_says_which_and_where() -> None:
    with pytest.raises(TextDoesNotFitError) as caught:
        _fit(LONG * 4, height_px=120, max_lines=2)
    assert "“Which of these typefaces was designed by…”" in str(caught.value)
    assert "900x120" in str(caught.value)
    assert "48 px" in str(caught.value)
    assert "2 lines" in str(caught.value)
    assert caught.value.retryable is False


def test_a_long_word_shrinks_before_it_is_broken() -> None:
    found = _fit(WORD[:24], width_px=900)
    assert _lines(found) == [WORD[:24]]
    assert found.size_px < 84


def test_a_word_of_sixty_letters_is_broken_with_a_hyphen_at_a_good_size() -> None:
    found = _fit(f"{WORD} is long")
    assert found.size_px >= 48
    assert found.width_px <= 900
    assert _lines(found)[0].endswith("-")
    assert "".join(_lines(found)).replace("-", "").replace(" ", "") == f"{WORD}islong"


def test_an_emoji_sequence_is_never_broken() -> None:
    family = "👨‍👩‍👧‍👦"
    found = set_text(family * 6, style=STYLE, size_px=60, max_width_px=200)
    assert len(found.lines) > 1
    assert set("".join(_lines(found)).replace(family, "")) == set()


def test_ideographs_break_between_characters_and_punctuation_does_not_start_a_line() -> None:
    found = set_text("日本の首都は、東京です。", style=STYLE, size_px=60, max_width_px=260)
    assert len(found.lines) > 1
    assert not any(line.startswith(("、", "。")) for line in _lines(found))


@pytest.mark.parametrize(
    ("text", "language", "direction"),
    [
        ("Who?", None, "ltr"),
        ("من؟", None, "rtl"),
        ("2007", "ar", "rtl"),
        ("NASA", "ar", "rtl"),
        ("NASA هي وكالة", "ar", "rtl"),
        ("שלום", "en", "rtl"),
    ],
)
def test_right_to_left_texts_start_on_the_right(text, language, direction) -> None:
    assert set_text(text, style=STYLE, size_px=50, language=language).direction == direction


def test_a_mixed_line_is_ordered_as_a_whole() -> None:
    found = set_text("أطلقت شركة Apple هاتف iPhone عام 2007", style=STYLE, size_px=60, language="ar")
    (line,) = found.lines
    runs = [(run.text.strip(), run.x_px) for run in line.runs if run.text.strip()]
    assert [text for text, _ in runs] == ["2007", "عام", "iPhone", "هاتف", "Apple", "أطلقت شركة"]
    assert [x for _, x in runs] == sorted(x for _, x in runs)
    assert len({run.face for run in line.runs}) == 2


def test_a_blank_after_a_symbol_is_as_wide_as_between_words() -> None:
    (line,) = set_text("a ☎ b 😀 c", style=STYLE, size_px=60).lines
    assert [run.text for run in line.runs] == ["a ", "☎", " b ", "😀", " c"]


def test_an_override_in_the_text_is_obeyed() -> None:
    turned = set_text("\u202eabc\u202c", style=STYLE, size_px=60)
    assert turned.width_px == set_text("cba", style=STYLE, size_px=60).width_px


@pytest.mark.parametrize(
    "text",
    ["a\ufeffb", "a\u200bb", "a\u2060b", "a\u200fb", "a\u2068b\u2069", "a\u00adb", "a\u200db", "a\ufe0eb"],
)
def test_invisible_characters_leave_no_trace(text) -> None:
    found = set_text(text, style=STYLE, size_px=60)
    assert abs(found.width_px - set_text("ab", style=STYLE, size_px=60).width_px) <= 1
    assert not found.missing


def test_tabs_and_controls_are_spaces() -> None:
    assert _lines(set_text("a\tb\x07c", style=STYLE, size_px=60)) == ["a b c"]


@pytest.mark.parametrize(
    "text", ["<b>{x}%s\\n'\":`", "$5 &amp; 100% C:\\temp [a] ~^|", "{{0}} %(a)s ${HOME}"]
)
def test_text_is_never_taken_for_markup(text) -> None:
    (line,) = set_text(text, style=STYLE, size_px=40).lines
    assert "".join(run.text for run in line.runs) == text


def test_characters_without_font_are_reported_once_each() -> None:
    assert set_text("漢字 漢 a", style=STYLE, size_px=40).missing == "漢字"
    assert set_text("été 👍🏽 عا", style=STYLE, size_px=40).missing == ""


def test_tracking_spaces_letters_out_but_not_joined_scripts() -> None:
    spaced = STYLE._replace(tracking=0.1)
    plain, wide = (set_text("QUESTION 3/10", style=style, size_px=40).width_px for style in (STYLE, spaced))
    assert wide - plain == pytest.approx(12 * 4, abs=8)
    arabic = [set_text("سؤال", style=style, size_px=40).width_px for style in (STYLE, spaced)]
    assert arabic[0] == arabic[1]


def test_leading_sets_the_distance_of_lines() -> None:
    found = set_text("one\ntwo\nthree", style=STYLE._replace(leading=1.5), size_px=40)
    first, second, third = found.baselines_px
    assert (second - first, third - second) == (60, 60)
    assert found.height_px == pytest.approx(180, abs=2)


def test_lines_move_apart_where_their_ink_would_touch() -> None:
    found = set_text("Ẩ̈̈Ộ̣̣\nẨ̈̈Ộ̣̣", style=STYLE._replace(leading=1.0), size_px=60)
    assert found.baselines_px[1] - found.baselines_px[0] > 60


def test_capitals_stand_in_the_middle_of_their_line() -> None:
    found = set_text("HH", style=STYLE, size_px=100)
    (baseline,) = found.baselines_px
    middle = baseline - found.lines[0].rise_px / 2
    assert middle == pytest.approx(found.height_px / 2, abs=1.5)


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\u200b"])
def test_a_text_without_ink_can_be_set(text) -> None:
    assert _fit(text).lines[0].runs == () or _fit(text).lines[0].rise_px == 0


def test_the_same_text_is_set_the_same_way_again() -> None:
    assert _fit(LONG, min_size_px=20) == _fit(LONG, min_size_px=20)


_ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("aé ßjعאक日👍🏽\u200d\u0301\u202e\u202c\u2067\u2069-—/«»1٣\n\u200b\ufe0f🇩🇪#\u20e3"),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_ANY_TEXT)
@example("\ud800 lone surrogate")
@example("﷽ في")
@example("\u2029\r\x1c\x85")
def test_any_text_can_be_set_and_is_either_within_its_box_or_refused(text) -> None:
    try:
        found = _fit(text, width_px=400, height_px=300, min_size_px=16)
    except TextDoesNotFitError:
        return
    assert found.width_px <= 400
    assert found.height_px <= 300
    draw_text(Image.new("RGBA", (400, 300)), found, x=0, y=0, width_px=400, colour="#ffffff")
