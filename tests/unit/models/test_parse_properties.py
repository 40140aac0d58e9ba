import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivia_render.errors import ConfigInvalidError
from trivia_render.models.answers import LETTERS, OPTION_KEYS, normal_form
from trivia_render.models.config import JobConfig
from trivia_render.models.explain import explain
from trivia_render.models.parse import correct_index, options_of, parse_job_config

KEYS = st.sampled_from([*JobConfig.model_fields, *OPTION_KEYS, "name", "colours", "formats", "qestions"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["16:9", "A", "none"])
)
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=6)
)
#: Letters, marks, symbols, blanks of many scripts, without what a config refuses.
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u115f\u1160\u3164\uffa0")
    | st.sampled_from("ABCD éß\u0301\u200b\"\\{}<>%:'"),
    min_size=1,
    max_size=30,
).filter(lambda text: any(character.isalnum() for character in text))


def reads(data: Any) -> None:
    """Parse, letting only the one allowed error pass."""
    try:
        parse_job_config(data)
    except ConfigInvalidError as refusal:
        problems = refusal.problems
    else:
        return
    assert problems
    for problem in problems:
        assert problem.path.startswith("$")
        assert problem.message
        assert problem.remedy
        assert str(problem).encode()


@given(JSON_VALUES)
def test_any_json_is_read_or_refused_as_a_config(value: Any) -> None:
    reads(json.dumps(value))


@given(st.dictionaries(KEYS, JSON_VALUES))
@settings(max_examples=60)
def test_any_mapping_with_known_keys_is_read_or_refused(value: dict[str, Any]) -> None:
    reads(value)


@given(st.binary() | st.text())
def test_any_bytes_and_any_text_are_read_or_refused(data: bytes | str) -> None:
    reads(data)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    options = draw(st.lists(TEXTS, min_size=2, max_size=4, unique_by=normal_form))
    correct = draw(st.integers(0, len(options) - 1))
    letter = LETTERS[correct]
    taken = {normal_form(option) for option in options}
    spelt = [options[correct], f" {options[correct]}\n"]
    if normal_form(letter) not in taken:
        spelt += [letter, letter.lower()]
    return {
        "question": draw(TEXTS),
        **dict(zip(OPTION_KEYS, options, strict=False)),
        "correct_answer": draw(st.sampled_from(spelt)),
        "explanation": draw(st.none() | TEXTS),
        "difficulty": draw(st.sampled_from([None, "easy", "medium", "hard"])),
    }


CONFIGS = st.fixed_dictionaries(
    {
        "channel": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True),
        "total_questions": st.integers(1, 500),
        "questions": st.lists(questions(), min_size=1, max_size=4),
    },
    optional={
        "tts_speed": st.floats(0.25, 4.0),
        "title": TEXTS,
        "theme": st.sampled_from(["aurora", {"name": "aurora", "colours": {"card": "#0aB1c2"}}]),
        "formats": st.lists(st.sampled_from(["16:9", "9:16", "1:1"]), min_size=1, max_size=3, unique=True),
        "metadata": st.dictionaries(TEXTS, st.integers(-(2**70), 2**70) | TEXTS | st.none()),
    },
)


@given(CONFIGS)
def test_a_valid_config_survives_being_written_and_read_again(value: dict[str, Any]) -> None:
    config, _ = parse_job_config(value)
    again, _ = parse_job_config(config.model_dump_json())
    assert again == config
    assert again.digest() == config.digest()
    assert len(config.questions) == min(len(value["questions"]), value["total_questions"])


@given(questions())
def test_the_right_option_is_the_one_that_was_meant(value: dict[str, Any]) -> None:
    config, _ = parse_job_config({"channel": "c", "total_questions": 1, "questions": [value]})
    question = config.questions[0]
    right = normal_form(options_of(question)[correct_index(question)])
    assert normal_form(value["correct_answer"]) in (right, LETTERS[correct_index(question)].lower())


@given(CONFIGS, st.data())
@settings(max_examples=50)
def test_breaking_one_place_gives_a_problem_at_that_place(value: dict[str, Any], data: st.DataObject) -> None:
    path, broken = data.draw(
        st.sampled_from(
            [
                ("$.channel", {"channel": "no channel"}),
                ("$.total_questions", {"total_questions": 501}),
                ("$.tts_speed", {"tts_speed": 4.1}),
                ("$.unknown", {"unknown": 1}),
                ("$.formats[0]", {"formats": ["2:1"]}),
            ]
        )
    )
    with pytest.raises(ConfigInvalidError) as refusal:
        parse_job_config({**value, **broken})
    assert [problem.path for problem in refusal.value.problems] == [path]


def test_findings_of_an_unforeseen_kind_are_told_in_pydantics_words() -> None:
    detail: Any = {"type": "brand_new", "loc": ("channel",), "msg": "Is odd", "input": "x"}
    (problem,) = explain([detail], config={})
    assert (problem.path, problem.message) == ("$.channel", "cannot be used: Is odd.")
