"""The product's own phrases, in every language that has them."""

import string

import pytest

from trivia_render.models.phrases import phrase_languages, phrases_for, plural_category

LANGUAGES = ("en", "es", "fr", "de", "pt", "it", "nl", "pl", "tr", "ar", "hi", "id")


def test_every_language_is_there() -> None:
    assert set(phrase_languages()) == set(LANGUAGES)


def test_english_reads_as_a_person_would_write_it() -> None:
    english = phrases_for("en-US")
    assert english.progress_label(number=3, total=10) == "Question 3/10"
    assert english.intro_subtitle(questions=10, countdown_seconds=5) == "10 questions · 5 seconds each"
    assert english.intro_subtitle(questions=1, countdown_seconds=1) == "1 question · 1 second each"
    line = english.intro_line(title="World Capitals", questions=10)
    assert line == "Welcome! World Capitals. 10 questions. How many can you get right?"
    assert english.intro_line(title="Ready?", questions=1).startswith("Welcome! Ready? 1 question. ")
    assert english.answer_line(answer="Canberra", number=1) == "The answer is Canberra."
    assert english.option_line(option=1, text="Sydney") == "B: Sydney."


def test_arabic_counts_are_read_in_the_right_order() -> None:
    arabic = phrases_for("ar-XA")
    assert arabic.progress_label(number=3, total=10) == "السؤال 3 من 10"
    assert [
        arabic.intro_subtitle(questions=n, countdown_seconds=5).split(" · ")[0] for n in (1, 2, 3, 11, 100)
    ] == [
        "سؤال واحد",
        "سؤالان",
        "3 أسئلة",
        "11 سؤالًا",
        "100 سؤال",
    ]


@pytest.mark.parametrize(
    ("language", "count", "category"),
    [
        *[("pl", 1, "one"), ("pl", 2, "few"), ("pl", 5, "many"), ("pl", 12, "many"), ("pl", 22, "few")],
        *[("pl", 0, "many"), ("pl", 101, "many")],
        *[("ar", 0, "other"), ("ar", 2, "two"), ("ar", 10, "few"), ("ar", 11, "many"), ("ar", 102, "other")],
        *[("fr", 0, "one"), ("fr", 2, "other"), ("en", 0, "other"), ("en-GB", 1, "one"), ("xx", 7, "other")],
    ],
)
def test_plural_categories_follow_cldr(language: str, count: int, category: str) -> None:
    assert plural_category(language, count) == category


def test_a_language_without_phrases_gets_english() -> None:
    assert phrases_for("fi-FI") == phrases_for("en")
    assert phrases_for("pt_BR").language == "pt"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["{answer} {0} {{}} %s {x!r}", "\\1 \\g<0> $1", "<b>{text}</b>"])
def test_braces_in_a_text_stay_what_they_are(language: str, text: str) -> None:
    phrases = phrases_for(language)
    for number in range(1, 5):
        assert text in phrases.answer_line(answer=text, number=number)
    assert text in phrases.option_line(option=0, text=text)
    assert text in phrases.intro_line(title=text, questions=3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_field_is_left_unfilled_and_no_marks_meet(language: str) -> None:
    phrases = phrases_for(language)
    said = [
        phrases.progress_label(number=1, total=2),
        phrases.intro_line(title="Title", questions=3),
        phrases.outro_line(),
        phrases.option_line(option=3, text="a.m."),
        phrases.title,
        phrases.call_to_action,
        *(phrases.intro_subtitle(questions=n, countdown_seconds=n) for n in range(25)),
        *(
            phrases.answer_line(answer=text, number=n)
            for n in range(1, 4)
            for text in ("Rome", "U.S.", "Who?", "Jaws!")
        ),
    ]
    for text in said:
        assert text == text.strip()
        assert not set(text) & set("{}")
        assert not any(pair in text for pair in ("..", "?.", "!.", "?!", "!!", "  ", ".।", "?।"))


def test_answers_are_worded_in_rotation_and_always_the_same_for_a_number() -> None:
    english = phrases_for("en")
    said = [english.answer_line(answer="Rome", number=number) for number in range(1, 7)]
    assert len(set(said)) == len(english.answers) > 1
    assert said[:3] == said[3:]


@pytest.mark.parametrize("language", LANGUAGES)
def test_templates_hold_only_known_fields(language: str) -> None:
    phrases = phrases_for(language)
    fields = {
        field
        for text in (phrases.progress, phrases.option, *phrases.answers, *phrases.questions.values())
        for _, field, _, _ in string.Formatter().parse(text)
        if field
    }
    assert fields <= {"number", "total", "letter", "text", "answer", "count"}
    assert all("{answer}" in answer for answer in phrases.answers)
