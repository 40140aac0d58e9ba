import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from trivia_render.errors import BadInputError
from trivia_render.importers import ImportReport, import_questions
from trivia_render.models.parse import correct_index, options_of

QUESTION = {
    "type": "multiple",
    "difficulty": "easy",
    "category": "Entertainment: Film & TV",
    "question": 'Who said "I\'ll be back" in 100% of the films?',
    "correct_answer": "Arnold Schwarzenegger",
    "incorrect_answers": ["Zoë Saldaña", "A + B", "<b>Nobody</b>"],
}
BOOLEAN = {
    "type": "boolean",
    "difficulty": "hard",
    "category": "Science & Nature",
    "question": "The sun is a star.",
    "correct_answer": "True",
    "incorrect_answers": ["False"],
}


def read(*results: Any, **answer: Any) -> ImportReport:
    data = json.dumps({"response_code": 0, "results": list(results), **answer}).encode()
    return import_questions(data, format="opentdb", source="api.json")


def encoded(question: dict[str, Any], encode: Callable[[str], str]) -> dict[str, Any]:
    return {
        key: [encode(text) for text in value] if isinstance(value, list) else encode(value)
        for key, value in question.items()
    }


def as_entities(text: str) -> str:
    pairs = {
        "&": "&amp;",
        '"': "&quot;",
        "'": "&#039;",
        "<": "&lt;",
        ">": "&gt;",
        "ë": "&euml;",
        "ñ": "&ntilde;",
    }
    return "".join(pairs.get(character, character) for character in text)


def as_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "encode",
    [as_entities, as_base64, lambda text: quote(text, safe=""), quote_plus],
    ids=["entities", "base64", "url3986", "urlLegacy"],
)
def test_every_encoding_of_the_api_gives_the_same_questions(encode: Callable[[str], str]) -> None:
    report = read(encoded(QUESTION, encode), encoded(BOOLEAN, encode))
    assert report.rejected == ()
    film, sun = report.questions
    assert film.question == QUESTION["question"]
    assert film.category == "Entertainment: Film & TV"
    assert film.difficulty == "easy"
    assert set(options_of(film)) == {"Arnold Schwarzenegger", "Zoë Saldaña", "A + B", "<b>Nobody</b>"}
    assert options_of(film)[correct_index(film)] == "Arnold Schwarzenegger"
    assert options_of(sun) == ("True", "False")
    assert correct_index(sun) == 0


def test_entities_are_resolved_once_only() -> None:
    (question,) = read({**BOOLEAN, "question": "What does &amp;lt; mean in HTML?"}).questions
    assert question.question == "What does &lt; mean in HTML?"


def test_the_right_answers_place_is_spread_and_the_same_each_time() -> None:
    results = [{**QUESTION, "question": f"Question number {number}?"} for number in range(400)]
    places = [correct_index(question) for question in read(*results).questions]
    assert places == [correct_index(question) for question in read(*results).questions]
    # 100 expected each; 4 standard deviations are 35.
    assert all(65 <= places.count(place) <= 135 for place in range(4)), places


def test_true_always_stands_before_false() -> None:
    false = {
        **BOOLEAN,
        "question": "The moon is a star.",
        "correct_answer": "False",
        "incorrect_answers": ["True"],
    }
    (question,) = read(false).questions
    assert options_of(question) == ("True", "False")
    assert correct_index(question) == 1


def test_a_bare_list_of_results_is_read() -> None:
    report = import_questions(json.dumps([QUESTION]).encode(), source="api.json")
    assert len(report.questions) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("text", "is no object"),
        ({**QUESTION, "correct_answer": None}, "lacks a text"),
        ({**QUESTION, "incorrect_answers": "x"}, "lacks a text"),
        ({**QUESTION, "incorrect_answers": ["a", 3]}, "lacks a text"),
        ({**QUESTION, "incorrect_answers": []}, "has 1 option"),
        ({**QUESTION, "incorrect_answers": list("abcd")}, "has 5 options"),
        ({**QUESTION, "incorrect_answers": ["arnold schwarzenegger"]}, "the same option"),
        ({**QUESTION, "difficulty": "insane"}, "difficulty must be one of"),
    ],
)
def test_a_bad_result_is_told_with_its_path_and_the_others_stay(bad: Any, message: str) -> None:
    report = read(BOOLEAN, bad)
    assert len(report.questions) == 1
    (problem,) = report.rejected
    assert problem.path == "api.json: $.results[1]"
    assert message in problem.message


def test_damaged_base64_is_told() -> None:
    bad = encoded(QUESTION, as_base64) | {"question": "not base64!"}
    report = read(encoded(BOOLEAN, as_base64), bad)
    assert len(report.questions) == 1
    assert "base64" in report.rejected[0].message


@pytest.mark.parametrize(
    ("code", "message"), [(1, "not enough questions"), (5, "too many requests"), (9, "known")]
)
def test_an_answer_without_questions_gives_the_apis_reason(code: int, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read(response_code=code)


@pytest.mark.parametrize("data", [b'{"results": 3}', b"{}", b"3", b"{"])
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(BadInputError, match="is no Open Trivia DB answer"):
        import_questions(data, format="opentdb", source="api.json")
