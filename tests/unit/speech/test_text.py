"""What is spoken of a text, and where its sentences end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivia_render.speech.text import sentences, speakable, split_sentences


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Great job 👍🏽🎉!", "Great job!"),
        ("🇫🇷 France 🇫🇷", "France"),
        ("Keycap 1️⃣", "Keycap 1"),
        ("The <b>bold</b> one", "The b bold b one"),
        ("Is 1 < 2 > 0?", "Is 1 < 2 > 0?"),
        ("{answer} and [word](/wɜd/)", "answer and word (/wɜd/)"),
        ("zero\u200bwidth\ufeff soft\u00adly z\u200dero", "zerowidth softly z\u200dero"),
        ("a\tb\r\nc\x07", "a b c"),
        ("Cafe\u0301", "Café"),
        ("50 % of $3.20", "50 % of $3.20"),
        ("20 °C, ½ cup, №5, ™", "20 °C, ½ cup, №5, ™"),
        ("+", "+"),
        ("...", ""),
        ("🤷‍♂️", ""),
        ("", ""),
    ],
)
def test_a_voice_is_given_what_can_be_spoken(written: str, spoken: str) -> None:
    assert speakable(written, language="en-US") == spoken


@pytest.mark.parametrize(
    ("language", "spoken"), [("en-US", "The blank is blue."), ("de-DE", "The Lücke is blue.")]
)
def test_a_gap_to_fill_in_is_named_in_the_language(language: str, spoken: str) -> None:
    assert speakable("The _____ is blue.", language=language) == spoken


def test_joiners_stay_inside_words_of_scripts_that_need_them() -> None:
    assert speakable("می\u200cخواهم", language="fa-IR") == "می\u200cخواهم"
    assert speakable("क्\u200dष", language="hi-IN") == "क्\u200dष"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Smith met J. K. Rowling in the U.S. Senate.", None),
        ("It costs 3.5 million. Really?", ["It costs 3.5 million.", "Really?"]),
        ("The answer is no. Next one.", ["The answer is no.", "Next one."]),
        ("Who said “I am.” He did.", ["Who said “I am.”", "He did."]),
        ("“Quoi ?” dit-il. Oui.", ["“Quoi ?” dit-il.", "Oui."]),
        ("Wait... what? Yes.", ["Wait... what?", "Yes."]),
        ("And it is… Canberra!", ["And it is…", "Canberra!"]),
        ("ما هذا؟ هذا كتاب.", ["ما هذا؟", "هذا كتاب."]),
        ("यह क्या है? यह दिल्ली है। हाँ।", ["यह क्या है?", "यह दिल्ली है।", "हाँ।"]),
        (
            "日本の首都は？東京です。「はい。」そうです。",
            ["日本の首都は？", "東京です。", "「はい。」", "そうです。"],
        ),
        ("First line\n\nSecond  line", ["First line", "Second line"]),
        ("A line that\ngoes on", ["A line that goes on"]),
        ("   ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, parts: list[str] | None) -> None:
    assert list(split_sentences(text)) == ([text] if parts is None else parts)


def test_what_cannot_be_spoken_goes_with_its_neighbour() -> None:
    found = sentences("🎉! Is it true? ... 🙈. Yes.", language="en-US")
    assert [sentence.spoken for sentence in found] == ["Is it true?", "Yes."]
    assert " ".join(sentence.written for sentence in found) == "🎉! Is it true? ... 🙈. Yes."


@given(st.text(max_size=200))
def test_no_text_is_lost_for_captions_and_nothing_empty_is_spoken(text: str) -> None:
    found = sentences(text, language="en-US")
    assert all(sentence.spoken.strip() for sentence in found)
    if found:
        written = "".join("".join(sentence.written.split()) for sentence in found)
        assert written == "".join(text.split())


@given(st.text(max_size=200))
def test_what_is_spoken_holds_no_control_characters_and_no_brackets(text: str) -> None:
    spoken = speakable(text, language="en-US")
    assert not set(spoken) & set("[]{}\\`\u200b\ufeff\ufffe")
    assert all(ord(character) >= 32 for character in spoken)
