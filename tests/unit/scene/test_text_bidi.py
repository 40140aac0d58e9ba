import pytest

from trivia_render.scene.bidi import (
    alignment_direction,
    base_direction,
    first_strong,
    levels,
    line_levels,
    visual_order,
)

# Hebrew letters in logical order; shown from right to left they read backwards here.


def _shown(text: str, base) -> str:
    """Return the characters from left to right."""
    found = line_levels(text, levels(text, base=base), base=base)
    return "".join(text[index] for index in visual_order(found))


@pytest.mark.parametrize(
    ("text", "base", "shown"),
    [
        ("abc 123", "ltr", "abc 123"),
        ("אבג", "ltr", "גבא"),
        ("אבג", "rtl", "גבא"),
        ("say אבג now", "ltr", "say גבא now"),
        ("אבג car דה", "rtl", "הד car גבא"),
        ("אבג 123 דה", "rtl", "הד 123 גבא"),
        ("אבג 1,234.5 דה", "rtl", "הד 1,234.5 גבא"),
        ("אב 10% ג", "rtl", "ג 10% בא"),
        ("אב $5 ג", "rtl", "ג $5 בא"),
        ("אב?", "rtl", "?בא"),
        ("abc?", "rtl", "?abc"),
        ("אב (abc) ג", "rtl", "ג )abc( בא"),
        ("abc (אב) d", "ltr", "abc (בא) d"),
        ("אב c++", "rtl", "++c בא"),
        ("עא 12-15", "rtl", "12-15 אע"),
        # Arabic turns the hyphen between European digits around; Hebrew does not (W2, W4).
        ("عا 12-15", "rtl", "15-12 اع"),
        ("عا ١٢٫٥", "rtl", "١٢٫٥ اع"),
        ("abc אב ", "ltr", "abc בא "),
        ("", "rtl", ""),
    ],
)
def test_lines_are_put_in_visual_order(text, base, shown) -> None:
    assert _shown(text, base) == shown


def test_a_mark_stays_with_its_letter() -> None:
    assert levels("a\u0301ב\u05b8", base="ltr") == [0, 0, 1, 1]


def test_brackets_follow_what_they_hold() -> None:
    # N0: the pair holds the paragraph's direction and so takes it, although Latin stands beside it.
    assert levels("א a(ב) a", base="rtl") == [1, 1, 2, 1, 1, 1, 1, 2]


def test_an_isolate_does_not_touch_what_is_around_it() -> None:
    text = "a \u2067ב 1\u2069 2"
    assert levels(text, base="ltr") == [0, 0, 0, 1, 1, 2, 0, 0, 0]


def test_a_first_strong_isolate_finds_its_own_direction() -> None:
    assert levels("\u2068ב a\u2069", base="ltr")[1:4] == [1, 1, 2]


def test_an_override_turns_letters_around() -> None:
    assert levels("\u202eabc\u202cd", base="ltr")[1:4] == [1, 1, 1]
    assert levels("\u202eabc\u202cd", base="ltr")[5] == 0


def test_the_bounds_of_a_run_are_the_explicit_levels_beside_it() -> None:
    # X10: the mark sees the embedding's level 2 (left to right), not the level 3 of the letter in it.
    assert levels("\u202bב\u202aא\u202c\u0301,", base="ltr")[5] == 2


def test_embeddings_beyond_the_depth_limit_are_ignored() -> None:
    text = "\u202b" * 200 + "a"
    assert max(levels(text, base="ltr")) <= 126


def test_unmatched_closing_controls_are_harmless() -> None:
    assert levels("\u202c\u2069a", base="ltr") == [0, 0, 0]


def test_trailing_blanks_take_the_base_level() -> None:
    text = "abc אב  "
    assert line_levels(text, levels(text, base="ltr"), base="ltr")[-2:] == [0, 0]


@pytest.mark.parametrize(
    ("text", "direction"),
    [("abc", "ltr"), ("123 אב", "rtl"), ("؟ عا", "rtl"), ("123 ?", None), ("\u2067א\u2069 a", "ltr")],
)
def test_the_first_strong_letter_decides(text, direction) -> None:
    assert first_strong(text) == direction


def test_a_latin_name_at_the_start_does_not_turn_an_arabic_sentence() -> None:
    assert base_direction("NASA هي وكالة", language="ar") == "rtl"
    assert base_direction("NASA هي وكالة", language="en") == "ltr"


def test_a_wholly_latin_answer_keeps_its_order_but_aligns_with_the_others() -> None:
    assert base_direction("C++ (1985)", language="ar") == "ltr"
    assert alignment_direction("C++ (1985)", language="ar") == "rtl"
    assert base_direction("1985", language="ar-XA") == "rtl"


def test_hebrew_text_in_an_english_video_is_still_right_to_left() -> None:
    assert base_direction("שלום", language="en") == alignment_direction("שלום", language="en") == "rtl"
