import pytest

from trivia_render.scene.clusters import clean_text, clusters, drawn_part, is_emoji, shaped_part, skin_tones

MEDIUM = (213, 171, 136)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\x00c\x1bd", "a b c d"),
        ("a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"),
        ("e\u0301", "é"),
        ("a\ud83db", "a\ufffdb"),
        ("<b>{x}%s\\n'\":` $5 &amp;", "<b>{x}%s\\n'\":` $5 &amp;"),
    ],
)
def test_only_controls_and_composition_change(text, clean) -> None:
    assert clean_text(text) == clean


@pytest.mark.parametrize(
    "cluster",
    ["é", "e\u0304\u0301", "क्षि", "👍🏽", "👩🏽‍🚀", "👨‍👩‍👧‍👦", "👩🏻‍🤝‍👨🏿", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "❤️‍🔥"],
)
def test_what_a_reader_sees_as_one_is_one_cluster(cluster) -> None:
    assert clusters(f"a{cluster}b") == ["a", cluster, "b"]


def test_two_flags_are_two_clusters() -> None:
    assert clusters("🇩🇪🇫🇷") == ["🇩🇪", "🇫🇷"]


@pytest.mark.parametrize("cluster", ["😀", "⭐", "👍🏽", "🇩🇪", "1️⃣", "❤️", "👨‍👩‍👧‍👦", "🏽"])
def test_emoji_are_recognised(cluster) -> None:
    assert is_emoji(cluster)


@pytest.mark.parametrize("cluster", ["a", "1", "#", "©", "™", "❤", "❤\ufe0e", "✓", "क्षि"])
def test_text_is_not_taken_for_emoji(cluster) -> None:
    assert not is_emoji(cluster)


def test_skin_tones_are_read_in_order() -> None:
    light, dark = skin_tones("👩🏻‍🤝‍👨🏿")
    assert light > MEDIUM > dark
    assert skin_tones("👍🏽") == (MEDIUM,)
    assert skin_tones("👍") == skin_tones("a🏽") == ()


def test_invisible_characters_need_no_glyph() -> None:
    assert drawn_part("a\u200b\ufeff\u00ad\u200f\u2066\u2060b\u200d") == "ab"


def test_joiners_reach_the_shaper_and_hints_do_not() -> None:
    assert shaped_part("a\u200b\ufeff\u00ad\u200f\u2066\u2060b") == "ab"
    assert shaped_part("می\u200cخواهم") == "می\u200cخواهم"
    assert shaped_part("👩\u200d🚀") == "👩\u200d🚀"
