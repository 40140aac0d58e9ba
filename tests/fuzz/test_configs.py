"""Job configs and question sets from anybody: read or refused with a reason, and in a short time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import examples, mutated, rounds
from trivia_render.errors import BadInputError, ConfigInvalidError
from trivia_render.importers import ImportReport, import_questions
from trivia_render.models.config import MAX_QUESTIONS, JobConfig
from trivia_render.models.parse import parse_job_config
from trivia_render.models.problems import MAX_PROBLEMS

ROOT = Path(__file__).parents[2]
EXAMPLES = [path.read_bytes() for path in sorted((ROOT / "examples").glob("*.json"))]
JSON_TOKENS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"\\",
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
    ),
    *(b"9" * 400, b"\\ud800", b"\\udfff", b"\\u0000", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\xaf"),
    *(
        b'"channel": "x",',
        b'"image": "gs://b/c",',
        b'"correct_answer": "A",',
        b"/*",
        b"//",
        b"\r\n",
        b"\x1b[",
    ),
]
#: Of this processor, so that a machine under load does not fail it; far above what any of these takes.
SECONDS = 5.0


@contextmanager
def soon() -> Iterator[None]:
    start = time.thread_time()
    yield
    assert time.thread_time() - start < SECONDS


def reads(data: bytes) -> JobConfig | None:
    refusal, config = None, None
    with soon():
        try:
            config, warnings = parse_job_config(data)
        except ConfigInvalidError as error:
            refusal = error
    if config is None:
        assert refusal is not None
        assert 0 < len(refusal.problems) <= MAX_PROBLEMS + 1
        for problem in refusal.problems:
            assert problem.path.startswith("$")
            assert problem.message
            assert problem.remedy
        assert len(str(refusal).encode()) < 1_000_000
        return None
    assert len(config.questions) <= MAX_QUESTIONS
    assert all(str(item).encode() for item in warnings)
    return config


def test_configs_that_are_almost_right_are_read_or_refused() -> None:
    @examples(150)
    @given(mutated(EXAMPLES, JSON_TOKENS))
    def target(data: bytes) -> None:
        config = reads(data)
        if config is not None:
            # What was read is valid: it is read again, and is the same.
            again, _ = parse_job_config(config.model_dump_json())
            assert again.digest() == config.digest()

    rounds(target)


def test_a_soup_of_json_is_read_or_refused() -> None:
    @examples(150)
    @given(st.lists(st.sampled_from(JSON_TOKENS) | st.binary(max_size=3), max_size=40))
    def target(pieces: list[bytes]) -> None:
        reads(b"".join(pieces))

    rounds(target)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"metadata":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"total_questions":' + b"9" * 1_000_000 + b"}",
        b'{"tts_speed":1e' + b"9" * 100_000 + b"}",
        b'{"title":"' + b"\\" * 1_000_001 + b'"}',
        b'{"title":"' + b"x" * 4_000_000 + b'"}',
        b'{"questions":[' + b"{}," * 150_000 + b"{}]}",
        b'{"questions":[' + b"0," * 150_000 + b"0]}",
        b"{" + b",".join(b'"k%d":1' % number for number in range(30_000)) + b"}",
        b"{" + b'"channel":"a",' * 100_000 + b'"channel":"b"}',
        b"\x00" * 1_000_000,
        b"\xff\xfe" * 500_000,
        b" " * 5_000_001,
        b'{"channel":"\xed\xa0\x80"}',
    ],
    ids=["[", "{", "deep", "digits", "exponent", "backslashes", "long", "objects", "numbers", "keys", "twice",
         "NUL", "UTF-16", "blanks", "surrogate"],
)  # fmt: skip
def test_what_is_large_or_deep_is_refused_soon(data: bytes) -> None:
    assert reads(data) is None


QUESTION_SETS = {
    "csv": [
        b"question,answer_a,answer_b,answer_c,answer_d,correct_answer,category\nQ?,x,y,z,w,x,Art\n",
        b'"question";"answer_a";"answer_b";"correct_answer"\n"a ""b""\nc";x;y;B\n',
        "question\tanswer_a\tanswer_b\tcorrect_answer\nÄ?\tx\ty\tx\n".encode("utf-16"),
    ],
    "opentdb": [
        json.dumps(
            {
                "response_code": 0,
                "results": [
                    {
                        "type": "multiple",
                        "difficulty": "easy",
                        "category": "Art &amp; more",
                        "question": "Q&quot;?",
                        "correct_answer": "x",
                        "incorrect_answers": ["y", "z", "w"],
                    }
                ],
            }
        ).encode(),
        b'[{"type":"bXVsdGlwbGU=","question":"UT8=","correct_answer":"eA==","incorrect_answers":["eQ=="]}]',
    ],
    "opentriviaqa": [b"#Q Which\nof these?\n^ x\nA x\nB y\nC z\nD w\n\n#Q Is it?\n^ True\nA True\nB False\n"],
}
SET_TOKENS = [
    *(
        b"#Q ",
        b"^ ",
        b"A ",
        b"D ",
        b"\n",
        b"\r",
        b"\n\n",
        b",",
        b";",
        b"\t",
        b'"',
        b'""',
        b"&#x110000;",
        b"%zz",
    ),
    *(
        b"\x00",
        b"\x85",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"&lt;",
        b"=cmd|' /C calc'!A0",
        b"{",
        b"]",
    ),
]


def imported(data: bytes, format: str) -> ImportReport | None:
    """Import, letting only the one allowed error pass, and only with its remedy."""
    with soon():
        try:
            return import_questions(data, format=format, source="set")  # type: ignore[arg-type]
        except BadInputError as error:
            refusal = error
    assert refusal.remedy
    assert str(refusal).encode()
    return None


@pytest.mark.parametrize("kind", ["csv", "opentdb", "opentriviaqa"])
def test_question_sets_that_are_almost_right_are_read_or_refused(kind: str) -> None:
    @examples(80)
    @given(mutated(QUESTION_SETS[kind], SET_TOKENS), st.sampled_from(["auto", kind]))
    def target(data: bytes, format: str) -> None:
        report = imported(data, format)
        if report is None:
            return
        for problem in report.rejected:
            assert problem.path.startswith("set")
            assert str(problem).encode()
        for question in report.questions:
            parse_job_config(
                {
                    "channel": "c",
                    "total_questions": 1,
                    "questions": [question.model_dump(mode="json", exclude_none=True)],
                }
            )

    rounds(target)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("csv", b"question,answer_a,answer_b,correct_answer\n" + b'"' * 2_000_001),
        ("csv", b"question,answer_a,answer_b,correct_answer\n" + b"," * 2_000_000),
        ("csv", b"question" + b",answer_a" * 100_000),
        ("opentriviaqa", b"#Q x\n^ y\n" + b"A \n" * 200_000),
        ("opentriviaqa", b"#Q" * 500_000),
        ("opentdb", b"[" + b"[]," * 50_000 + b"[]]"),
        (
            "opentdb",
            b'[{"question":"' + b"&" * 1_000_000 + b'","correct_answer":"x","incorrect_answers":["y"]}]',
        ),
    ],
    ids=["quotes", "commas", "columns", "options", "marks", "lists", "entities"],
)
def test_a_question_set_that_is_large_is_read_or_refused_soon(kind: str, data: bytes) -> None:
    report = imported(data, kind)
    assert report is None or report.questions == ()
