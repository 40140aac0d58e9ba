"""The JSON that the Open Trivia DB's API answers with.

Its texts come with HTML entities, or URL-encoded, or in base64, as the request asked; the answer
does not say which. Its right answer always stands apart from the wrong ones, so the options get an
order here.
"""

import base64
import binascii
import hashlib
import html
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from trivia_render.errors import BadInputError
from trivia_render.importers.report import ImportReport, RawQuestion, check_all, reject
from trivia_render.models.answers import normal_form
from trivia_render.models.jsontext import read_json
from trivia_render.models.problems import Problem, json_path

_RESPONSES = {
    1: "the database has not enough questions for the request",
    2: "the request had an invalid parameter",
    3: "the session token does not exist",
    4: "the session token has returned all its questions",
    5: "there were too many requests",
}
_TRUE_FALSE = ("True", "False")


def import_opentdb(data: bytes, *, source: str) -> ImportReport:
    """Read an API answer, or the list of its results alone. Raises BadInputError."""
    value, problems = read_json(data, source=source)
    if problems:
        raise BadInputError(
            f"{source} is no Open Trivia DB answer:",
            evidence="\n".join(f"  {problem}" for problem in problems),
            remedy="Save the API's answer as it is.",
        )
    results, prefix = _results(value, source=source)
    decoded = _decoder(results)
    return check_all(
        _question(result, place=f"{source}: {json_path((*prefix, index))}", decoded=decoded)
        for index, result in enumerate(results)
    )


def _results(value: object, *, source: str) -> tuple[list[Any], tuple[str, ...]]:
    if isinstance(value, list):
        return value, ()
    if isinstance(value, dict) and isinstance(value.get("results"), list):
        code = value.get("response_code", 0)
        if code != 0 and not value["results"]:
            raise BadInputError(
                f"{source} holds no questions: response code {code}, "
                f"{_RESPONSES.get(code, 'which is not a known one')}.",
                remedy="Send the request again, with other parameters where it is not the rate limit.",
            )
        return value["results"], ("results",)
    raise BadInputError(
        f"{source} is no Open Trivia DB answer: there is no list `results`.",
        remedy="Save the API's answer as it is, or name the --format.",
    )


def _question(result: object, *, place: str, decoded: Callable[[str], str]) -> RawQuestion | Problem:
    if not isinstance(result, Mapping):
        return reject(place, "is no object.", "Save the API's answer as it is.")
    wrong = result.get("incorrect_answers")
    texts = [
        result.get("question"),
        result.get("correct_answer"),
        *(wrong if isinstance(wrong, list) else [None]),
    ]
    if not all(isinstance(text, str) for text in texts):
        return reject(
            place,
            "lacks a text: question, correct_answer and incorrect_answers must be there.",
            "Save the API's answer as it is.",
        )
    try:
        question, correct, *others = (decoded(text) for text in texts)
        extras = {
            key: decoded(result[key])
            for key in ("category", "difficulty")
            if isinstance(result.get(key), str)
        }
    except (binascii.Error, UnicodeDecodeError) as error:
        return reject(place, f"is not base64 of UTF-8 text ({error}).", "Request it again.")
    return RawQuestion(
        place=place,
        question=question,
        options=_ordered(question, (correct, *others)),
        correct_answer=correct,
        extras=extras,
    )


def _ordered(question: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """Give the options an order that says nothing of which is right, the same at every import."""
    if {normal_form(option) for option in options} == {normal_form(option) for option in _TRUE_FALSE}:
        return tuple(sorted(options, key=normal_form, reverse=True))
    return tuple(
        sorted(options, key=lambda option: hashlib.sha256(f"{question}\n{option}".encode()).digest())
    )


def _decoder(results: list[Any]) -> Callable[[str], str]:
    """Tell by all the texts together how they are encoded."""
    texts = list(_texts(results))
    types = {str(result.get("type")) for result in results if isinstance(result, Mapping)}
    if types and types <= {_base64("multiple"), _base64("boolean")}:
        return lambda text: base64.b64decode(text, validate=True).decode()
    if texts and not any(" " in text for text in texts):
        if any("%20" in text for text in texts):
            return unquote
        if any("+" in text for text in texts):
            return unquote_plus
    return html.unescape


def _texts(results: list[Any]) -> Iterator[str]:
    for result in results:
        if isinstance(result, Mapping):
            for value in result.values():
                yield from (
                    text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)
                )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
