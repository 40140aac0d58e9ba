import pytest

from trivia_render.scene.breaking import may_be_split, segments, split_segment


def _parts(text: str, **options) -> list[str]:
    return [text[part.start : part.ink_end] + part.hyphen for part in segments(text, **options)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two  three", ["one", "two", "three"]),
        ("well-known and/or", ["well-", "known", "and/", "or"]),
        ("word—word – word", ["word—", "word", "–", "word"]),
        ("1914–1918 5-4 -7", ["1914–1918", "5-4", "-7"]),
        ("10\u00a0km 5\u202f%", ["10\u00a0km", "5\u202f%"]),
        ("non\u2011breaking", ["non\u2011breaking"]),
        ("zero\u200bwidth", ["zero\u200b", "width"]),
        ("soft\u00adhyphen", ["soft\u00ad-", "hyphen"]),
        ("Où ? « Ici » !", ["Où ?", "« Ici » !"]),
        ("日本、東京。", ["日", "本、", "東", "京。"]),
        ("「東京」", ["「東", "京」"]),
        ("🇩🇪🇫🇷👍🏽", ["🇩🇪", "🇫🇷", "👍🏽"]),
        ("<b>{x}%s", ["<b>{x}%s"]),
        ("", [""]),
        ("   ", [""]),
    ],
)
def test_lines_end_where_a_reader_expects(text, parts) -> None:
    assert _parts(text) == parts


def test_spaces_alone_can_be_asked_for() -> None:
    assert _parts("well-known and/or", at="spaces") == ["well-known", "and/or"]


@pytest.mark.parametrize("text", ["one two  three", "日本、東京。", " a-b c ", "👩🏽‍🚀👨‍👩‍👧‍👦 x"])
def test_segments_hold_every_character_once(text) -> None:
    found = segments(text)
    assert [part.start for part in found] == [0, *(part.end for part in found[:-1])]
    assert found[-1].end == len(text)


def test_an_overlong_word_is_cut_between_letters_with_a_hyphen() -> None:
    pieces = split_segment("naïve", segments("naïve")[0])
    assert [piece.hyphen for piece in pieces] == ["-", "-", "-", "-", ""]


def test_digits_and_emoji_are_cut_without_hyphen() -> None:
    for text in ("12345", "👩🏽‍🚀👨‍👩‍👧‍👦", "日本"):
        whole = segments(text)[0]._replace(ink_end=len(text), end=len(text))
        assert not any(piece.hyphen for piece in split_segment(text, whole))


def test_an_emoji_sequence_is_never_cut() -> None:
    text = "👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿1️⃣"
    whole = segments(text)[0]._replace(ink_end=len(text), end=len(text))
    assert [text[p.start : p.end] for p in split_segment(text, whole)] == ["👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣"]


def test_a_thai_vowel_stays_before_its_consonant() -> None:
    text = "เมืองไทย"
    assert may_be_split(text, segments(text)[0])
    pieces = [text[p.start : p.end] for p in split_segment(text, segments(text)[0])]
    assert "เ" not in pieces
    assert "ไ" not in pieces


def test_an_english_word_is_not_a_phrase_without_spaces() -> None:
    assert not may_be_split("word", segments("word")[0])
