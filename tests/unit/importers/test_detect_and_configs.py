import json

import pytest

from trivia_render.errors import BadInputError
from trivia_render.importers import SourceFormat, import_questions, to_job_configs
from trivia_render.importers.detect import detect_format
from trivia_render.models.config import Question
from trivia_render.models.parse import parse_job_config

OPENTRIVIAQA = "#Q Which?\n^ x\nA x\nB y\n"


def questions(count: int) -> list[Question]:
    return [
        Question(question=f"Question {number}?", answer_a="x", answer_b="y", correct_answer="x")
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OPENTRIVIAQA, "opentriviaqa"),
        ("\n  \n" + OPENTRIVIAQA, "opentriviaqa"),
        ("Animals\n\n" + OPENTRIVIAQA, "opentriviaqa"),
        ('{"results": []}', "opentdb"),
        ("\ufeff [ ]", "opentdb"),
        ("question,answer_a\n", "csv"),
        ('"question";"answer_a"\n', "csv"),
    ],
)
def test_the_format_is_told_by_the_text(text: str, expected: str) -> None:
    assert detect_format(text.encode()) == expected


def test_a_named_format_is_not_guessed() -> None:
    with pytest.raises(BadInputError, match="no table of questions"):
        import_questions(OPENTRIVIAQA.encode(), format="csv", source="x")


def test_configs_share_the_questions_out_in_order() -> None:
    configs = to_job_configs(questions(5), channel="demo", per_video=2, title="Quiz")
    assert [len(config["questions"]) for config in configs] == [2, 2, 1]
    assert [config["title"] for config in configs] == ["Quiz 1", "Quiz 2", "Quiz 3"]
    assert [q["question"] for config in configs for q in config["questions"]] == [
        f"Question {number}?" for number in range(5)
    ]


def test_one_config_keeps_its_title_without_a_number() -> None:
    (config,) = to_job_configs(questions(2), channel="demo", per_video=10, title="Quiz")
    assert config["title"] == "Quiz"


def test_configs_are_valid_without_a_warning_and_hold_no_defaults() -> None:
    for config in to_job_configs(questions(5), channel="demo", per_video=2):
        assert parse_job_config(json.dumps(config))[1] == ()
        assert set(config) == {"channel", "total_questions", "questions"}
        assert set(config["questions"][0]) == {"question", "answer_a", "answer_b", "correct_answer"}


def test_no_questions_give_no_configs() -> None:
    assert to_job_configs([], channel="demo", per_video=10) == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"#Q Which?\n\0\n^ x\n", id="nul"),
        pytest.param(bytes(range(1, 256)) * 4, id="controls"),
        pytest.param("question,answer_a\n".encode("utf-16-le"), id="utf-16 without its mark"),
    ],
)
@pytest.mark.parametrize("format", ["auto", "csv", "opentriviaqa"])
def test_what_is_no_text_is_refused_as_a_whole(data: bytes, format: SourceFormat) -> None:
    with pytest.raises(BadInputError, match=r"questions\.bin is no text"):
        import_questions(data, format=format, source="questions.bin")
