import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest

from trivia_render.errors import ConfigInvalidError
from trivia_render.models.config import JobConfig
from trivia_render.models.parse import correct_index, options_of, parse_job_config, parse_jsonl
from trivia_render.models.problems import Problem
from trivia_render.models.theme import THEME_NAMES


def question(**changes: object) -> dict[str, Any]:
    """A good question with these keys changed; `...` removes one."""
    value = {
        "question": "Which planet is the largest?",
        "answer_a": "Mars",
        "answer_b": "Jupiter",
        "answer_c": "Venus",
        "answer_d": "Saturn",
        "correct_answer": "Jupiter",
        **changes,
    }
    return {key: item for key, item in value.items() if item is not ...}


def job(*questions: Mapping[str, Any], **changes: object) -> dict[str, Any]:
    """A good config of these questions with these keys changed; `...` removes one."""
    used = list(questions) or [question()]
    value = {"channel": "space", "total_questions": len(used), "questions": used, **changes}
    return {key: item for key, item in value.items() if item is not ...}


def problems_of(data: bytes | str | Mapping[str, Any]) -> list[Problem]:
    with pytest.raises(ConfigInvalidError) as refusal:
        parse_job_config(data)
    return list(refusal.value.problems)


def only_problem(data: bytes | str | Mapping[str, Any]) -> Problem:
    found = problems_of(data)
    assert len(found) == 1, found
    return found[0]


def warnings_of(data: Mapping[str, Any]) -> tuple[Problem, ...]:
    return parse_job_config(data)[1]


def right_option(value: Mapping[str, Any]) -> int:
    config, _ = parse_job_config(job(value))
    return correct_index(config.questions[0])


# What is accepted


def test_a_minimal_config_gets_every_default() -> None:
    config, warnings = parse_job_config(job())
    assert warnings == ()
    assert config.tts_voice == "en-US-Neural2-F"
    assert config.tts_speed == 1.0
    assert config.theme.name == "aurora"
    assert config.formats == ("16:9",)
    assert config.timing.countdown_seconds == 5


def test_text_bytes_and_mappings_give_the_same_config() -> None:
    text = json.dumps(job())
    assert parse_job_config(text) == parse_job_config(text.encode()) == parse_job_config(job())


def test_a_byte_order_mark_before_utf8_does_no_harm() -> None:
    assert parse_job_config(b"\xef\xbb\xbf" + json.dumps(job()).encode())[1] == ()


def test_a_theme_may_be_a_name_or_an_object() -> None:
    by_name, _ = parse_job_config(job(theme="aurora"))
    by_object, _ = parse_job_config(job(theme={"name": "aurora"}))
    assert by_name == by_object


def test_a_whole_number_serves_as_a_speed() -> None:
    assert parse_job_config(job(tts_speed=2))[0].tts_speed == 2.0


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"answer_c": ..., "answer_d": ...}, ("Mars", "Jupiter")),
        ({"answer_c": None, "answer_d": None}, ("Mars", "Jupiter")),
        ({"answer_d": ...}, ("Mars", "Jupiter", "Venus")),
        ({"answer_d": None}, ("Mars", "Jupiter", "Venus")),
        ({}, ("Mars", "Jupiter", "Venus", "Saturn")),
    ],
)
def test_two_to_four_options_are_allowed(changes: dict[str, Any], options: tuple[str, ...]) -> None:
    config, _ = parse_job_config(job(question(**changes)))
    assert options_of(config.questions[0]) == options


def test_metadata_is_passed_through_unread() -> None:
    metadata = {"a b": [1, 2.5, None, True, {"deep": "ü"}], "": {}}
    assert parse_job_config(job(metadata=metadata))[0].metadata == metadata


# The right answer


@pytest.mark.parametrize(
    ("correct", "index"),
    [
        ("Jupiter", 1),
        ("  jUPITER\t", 1),
        ("B", 1),
        ("d", 3),
    ],
)
def test_the_right_answer_is_found_by_text_or_letter(correct: str, index: int) -> None:
    assert right_option(question(correct_answer=correct)) == index


def test_the_right_answer_may_spell_its_accents_in_another_way() -> None:
    composed, decomposed = "Bogot\u00e1", "BOGOTA\u0301"
    assert right_option(question(answer_c=composed, correct_answer=decomposed)) == 2


def test_sharp_s_and_double_s_are_the_same_option() -> None:
    assert right_option(question(answer_c="Straße", correct_answer="STRASSE")) == 2


def test_an_option_that_is_a_letter_wins_over_the_letter() -> None:
    vitamins = question(answer_a="D", answer_b="C", answer_c="B", answer_d="A", correct_answer="A")
    assert right_option(vitamins) == 3


def test_a_right_answer_that_is_no_option_is_refused() -> None:
    problem = only_problem(job(question(), question(question="Other?", correct_answer="Pluto")))
    assert problem.path == "$.questions[1].correct_answer"
    assert '"Pluto"' in problem.message
    assert '"Jupiter"' in problem.message


def test_a_letter_without_its_option_is_refused() -> None:
    problem = only_problem(job(question(answer_d=None, correct_answer="D")))
    assert problem.path == "$.questions[0].correct_answer"
    assert "no answer_d" in problem.message


@pytest.mark.parametrize("twin", ["mars", " Mars ", "MARS"])
def test_options_that_differ_only_in_case_or_blanks_are_duplicates(twin: str) -> None:
    problem = only_problem(job(question(answer_d=twin)))
    assert problem.path == "$.questions[0].answer_d"
    assert "answer_a" in problem.message


def test_the_fourth_option_needs_the_third() -> None:
    problem = only_problem(job(question(answer_c=None)))
    assert problem.path == "$.questions[0].answer_d"
    assert "answer_c" in problem.remedy


# How many questions


def test_of_surplus_questions_the_first_are_used() -> None:
    names = [question(question=f"Question {number}?") for number in range(5)]
    config, warnings = parse_job_config(job(*names, total_questions=3))
    assert [q.question for q in config.questions] == ["Question 0?", "Question 1?", "Question 2?"]
    assert [w.path for w in warnings] == ["$.total_questions"]
    assert "the last 2 will not be used" in warnings[0].message


def test_surplus_questions_are_not_checked() -> None:
    config, _ = parse_job_config(job(question(), {"nonsense": 1}, total_questions=1))
    assert len(config.questions) == 1


def test_too_few_questions_are_a_warning() -> None:
    (warning,) = warnings_of(job(total_questions=10))
    assert warning.severity == "warning"
    assert warning.path == "$.total_questions"
    assert "the video will have 1" in warning.message


def test_a_question_that_comes_twice_is_a_warning() -> None:
    (warning,) = warnings_of(job(question(), question(question="WHICH planet is the largest? ")))
    assert warning.path == "$.questions[1].question"
    assert "questions[0]" in warning.message


def test_no_questions_are_refused() -> None:
    assert only_problem(job(questions=[])).path == "$.questions"


# What is refused, and how


def test_every_problem_is_reported_at_once_in_the_order_of_places() -> None:
    bad = [question(correct_answer="Pluto", difficulty="hrd")] + [question(answer_a=n) for n in range(11)]
    found = problems_of(job(*bad, channel="a/b", tts_speed=9, timing={"reveal": 1}))
    assert [problem.path for problem in found] == [
        "$.channel",
        "$.questions[0].correct_answer",
        "$.questions[0].difficulty",
        *(f"$.questions[{index}].answer_a" for index in range(1, 12)),
        "$.timing.reveal",
        "$.tts_speed",
    ]
    assert all(problem.severity == "error" and problem.remedy for problem in found)


@pytest.mark.parametrize("channel", ["", "-a", "_a", "a b", "a/b", "../up", "ä", "a\n", "x" * 64, ".", "a.b"])
def test_hostile_channels_are_refused(channel: str) -> None:
    assert only_problem(job(channel=channel)).path == "$.channel"


@pytest.mark.parametrize("channel", ["a", "0", "A-b_9", "x" * 63])
def test_plain_channels_are_accepted(channel: str) -> None:
    assert parse_job_config(job(channel=channel))[0].channel == channel


@pytest.mark.parametrize("speed", [0.24, 4.01, 0, -1, 1e300])
def test_a_speed_out_of_range_is_refused_with_the_range(speed: float) -> None:
    problem = only_problem(job(tts_speed=speed))
    assert problem.path == "$.tts_speed"
    assert problem.remedy == "Choose a number from 0.25 to 4."


@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_speeds_at_the_limits_are_accepted(speed: float) -> None:
    assert parse_job_config(job(tts_speed=speed))[0].tts_speed == speed


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none_are_refused_at_their_place(written: str) -> None:
    text = json.dumps(job(tts_speed="SPEED")).replace('"SPEED"', written)
    assert only_problem(text).path == "$.tts_speed"


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400])
def test_a_mapping_may_not_hold_them_either(value: float) -> None:
    assert only_problem(job(tts_speed=value)).path == "$.tts_speed"


def test_a_syntax_trap_does_not_hide_the_other_problems() -> None:
    text = json.dumps(job(question(correct_answer="Pluto"), tts_speed="SPEED")).replace('"SPEED"', "NaN")
    assert [p.path for p in problems_of(text)] == ["$.questions[0].correct_answer", "$.tts_speed"]


@pytest.mark.parametrize(
    ("changes", "path", "message", "remedy"),
    [
        ({"total_questions": "10"}, "$.total_questions", 'not the text "10"', "Write 10 without quotes."),
        ({"total_questions": 1.0}, "$.total_questions", "whole number", "Write 1."),
        ({"total_questions": 1.5}, "$.total_questions", "whole number", "Write a whole number."),
        ({"total_questions": True}, "$.total_questions", "not true", "Write a whole number."),
        ({"total_questions": 0}, "$.total_questions", "under the smallest", "from 1 to 500"),
        ({"tts_speed": "1.2"}, "$.tts_speed", 'not the text "1.2"', "Write 1.2 without quotes."),
        ({"channel": 7}, "$.channel", "not the number 7", 'Write "7".'),
        ({"questions": {}}, "$.questions", "must be a list, not an object", "Write a list."),
        ({"questions": ["Who?"]}, "$.questions[0]", "must be an object", "Write an object."),
        ({"timing": None}, "$.timing", "not null", "leave the key out"),
        ({"theme": 3}, "$.theme", "a theme's name or an object", "Write a theme's name"),
        ({"theme": "No Such"}, "$.theme", "no theme name", "trivia themes"),
        ({"theme": {"name": "No Such"}}, "$.theme.name", "no theme name", "trivia themes"),
        ({"theme": {"colours": {"card": "red"}}}, "$.theme.colours.card", '"red" is no colour', "#rrggbb"),
        ({"formats": ["16:10"]}, "$.formats[0]", 'one of "16:9", "9:16", "1:1"', "Choose one"),
        ({"priority": "hig"}, "$.priority", 'not "hig"', 'Did you mean "high"?'),
        ({"formats": []}, "$.formats", "empty list", "at least 1"),
        ({"theme": "aurara"}, "$.theme", '"aurara" is no theme name', 'Did you mean "aurora"?'),
        ({"theme": {"name": "papers"}}, "$.theme.name", "no theme name", 'Did you mean "paper"?'),
        ({"theme": "nothing-like-it"}, "$.theme", "no theme name", '"aurora", "neon", "paper"'),
        ({"formats": ["1:1", "1:1"]}, "$.formats", "more than once", "once"),
        ({"formats": "16:9"}, "$.formats", "must be a list", 'Write ["16:9"].'),
        ({"captions": {"formats": ["srt", "srt"]}}, "$.captions.formats", "more than once", "once"),
        ({"sound_effects": {"enabled": "no"}}, "$.sound_effects.enabled", "true or false", "true or false"),
        ({"timing": {"countdown_seconds": 2}}, "$.timing.countdown_seconds", "under", "from 3 to 30"),
        ({"metadata": [1]}, "$.metadata", "must be an object, not a list", "Write an object."),
        ({"title": "x" * 201}, "$.title", "has 201 characters; at most 200", "Shorten"),
        ({"title": " "}, "$.title", "is empty", "leave the key out"),
        ({"tts_voice": "../etc"}, "$.tts_voice", "no voice name", "en-US-Neural2-F"),
        ({"channel": ...}, "$.channel", "is missing", "Add it: The channel"),
    ],
)
def test_a_problem_says_what_was_expected_and_what_to_do(
    changes: dict[str, Any], path: str, message: str, remedy: str
) -> None:
    problem = only_problem(job(**changes))
    assert problem.path == path
    assert message in problem.message
    assert remedy in problem.remedy
    assert "input" not in problem.message.lower()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"formats": ["16:10", "1:1", "1:1"]}, "$.formats"),
        ({"captions": {"formats": ["ass", "srt", "srt"]}}, "$.captions.formats"),
    ],
)
def test_an_unknown_and_a_repeated_entry_of_one_list_are_reported_together(
    changes: dict[str, Any], path: str
) -> None:
    repeated, unknown = problems_of(job(**changes))
    assert (repeated.path, unknown.path) == (path, f"{path}[0]")
    assert "more than once" in repeated.message
    assert "must be one of" in unknown.message


def test_the_themes_that_configs_may_name_are_those_that_there_are() -> None:
    files = resources.files("trivia_render.scene.themes").iterdir()
    assert sorted(THEME_NAMES) == sorted(
        file.name.removesuffix(".json") for file in files if file.name.endswith(".json")
    )


@pytest.mark.parametrize(
    ("value", "path", "near"),
    [
        (job(tittle="x"), "$.tittle", "title"),
        (job(Title="x"), "$.Title", "title"),
        (job(timing={"countdown": 5}), "$.timing.countdown", "countdown_seconds"),
        (job(theme={"colors": {}}), "$.theme.colors", "colours"),
        (job(theme={"colours": {"acent": "#ffffff"}}), "$.theme.colours.acent", "accent"),
        (job(question(explanaton="x")), "$.questions[0].explanaton", "explanation"),
        (job(question(timing={"reveal_second": 1})), "$.questions[0].timing.reveal_second", "reveal_seconds"),
        (job(narration={"providr": "none"}), "$.narration.providr", "provider"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(value: dict[str, Any], path: str, near: str) -> None:
    problem = only_problem(value)
    assert problem.path == path
    assert f" {near};" in problem.remedy


def test_an_unknown_key_that_is_near_to_none_lists_the_known_ones() -> None:
    assert "provider, read_options" in only_problem(job(narration={"xyz": 1})).remedy


def test_a_misspelt_required_key_is_one_problem() -> None:
    problem = only_problem(job(question(correct_answer=..., corect_answer="Mars")))
    assert problem.path == "$.questions[0].corect_answer"
    assert problem.remedy == "Rename it to correct_answer."


def test_an_odd_key_is_quoted_in_its_path() -> None:
    assert only_problem(job(**{"a b": 1})).path == '$["a b"]'


@pytest.mark.parametrize("text", ["\u200b", "\u200b\u2060\ufeff", "\u3164", "\u00ad", "\u0301"])
def test_a_text_that_shows_nothing_is_refused(text: str) -> None:
    assert "no visible character" in only_problem(job(question(answer_a=text))).message


@pytest.mark.parametrize("text", ["\"%:\\{}<b>'", "👩🏽\u200d🚀", "🇫🇷", "ما", "a\u200bb", "x" * 60, "?"])
def test_any_visible_text_is_kept_as_written(text: str) -> None:
    config, _ = parse_job_config(job(question(answer_a=text)))
    assert config.questions[0].answer_a == text


def test_control_characters_are_refused() -> None:
    problem = only_problem(job(question(question="Which\x00one?")))
    assert problem.path == "$.questions[0].question"
    assert "U+0000" in problem.message


def test_half_a_surrogate_pair_is_refused() -> None:
    text = json.dumps(job(question(explanation="SMILE"))).replace("SMILE", "\\ud83d")
    assert only_problem(text).path == "$.questions[0].explanation"


# JSON text that is none


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ('{"channel": "a",\n "total_questions": 1,\n}', "line 3, column 1", "comma after the last"),
        ("{'channel': 'a'}", "line 1, column 2", "double quotes"),
        ('{"channel": "a"\n "title": "b"}', "line 2, column 2", "Put a comma"),
        ('// config\n{"channel": "a"}', "line 1, column 1", "Remove the comment"),
        ('{"channel": "a", "questions": [', "line 1, column 32", "ends too early"),
        ('{"channel": "a"} {}', "line 1, column 18", "Correct the JSON"),
    ],
)
def test_a_syntax_error_gives_line_column_and_remedy(text: str, place: str, remedy: str) -> None:
    problem = only_problem(text)
    assert problem.path == "$"
    assert place in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"channel":\n "caf\xe9"}', "line 2, column 6 has the byte 0xE9"),
        (json.dumps(job()).encode("utf-16"), "UTF-16"),
        (b"[" * 100_000, "levels inside each other"),
        (b'{"channel": ' + b" " * 5_000_000 + b'"a"}', "bytes long"),
        ("[]", "not a list"),
        ("null", "not null"),
        ('"text"', 'not just "text"'),
    ],
)
def test_what_is_no_config_at_all_is_refused_plainly(data: bytes | str, message: str) -> None:
    assert message in only_problem(data).message


def test_deep_metadata_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"in": deep}
    assert "32 levels" in only_problem(job(metadata=deep)).message


def test_a_key_written_twice_is_refused() -> None:
    text = json.dumps(job()).replace('"channel"', '"channel": "other", "channel"')
    problem = only_problem(text)
    assert (problem.path, "more than once" in problem.message) == ("$.channel", True)


def test_a_mapping_with_values_that_json_lacks_is_refused() -> None:
    found = problems_of(job(metadata={"when": object(), "raw": b"x", 3: "y"}))
    assert [problem.path for problem in found] == ["$.metadata", "$.metadata.raw", "$.metadata.when"]


def test_a_list_of_thousands_of_problems_is_cut_off_and_says_so() -> None:
    found = problems_of({f"key{number}": 1 for number in range(3000)})
    assert len(found) == 1001
    assert "the rest is not listed" in found[-1].message


# Many configs and the error itself


def test_jsonl_gives_each_lines_outcome_with_its_number() -> None:
    lines = [json.dumps(job()), "", "{", json.dumps(job(total_questions=2))]
    outcomes = dict(parse_jsonl(lines))
    assert list(outcomes) == [1, 3, 4]
    assert isinstance(outcomes[3], ConfigInvalidError)
    assert str(outcomes[3]).startswith("line 3 has 1 problem:")
    parsed = outcomes[4]
    assert not isinstance(parsed, ConfigInvalidError)
    assert [warning.path for warning in parsed[1]] == ["$.total_questions"]


def test_the_error_names_the_source_and_lists_everything() -> None:
    with pytest.raises(ConfigInvalidError) as refusal:
        parse_job_config(job(channel="a b", tts_speed=9), source="monday.json")
    text = str(refusal.value)
    assert text.startswith("monday.json has 2 problems:\n  $.channel: ")
    assert "\n  $.tts_speed: " in text


def test_a_question_cannot_be_made_without_a_right_option() -> None:
    with pytest.raises(ValueError, match="none of the options"):
        JobConfig.model_validate(job(question(correct_answer="Pluto")))
