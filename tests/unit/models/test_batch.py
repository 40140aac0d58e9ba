"""Batch files: which lines are which jobs, and what is wrong with the others."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivia_render.models.batch import BadLine, BatchJob, read_batch
from trivia_render.models.config import ID_PATTERN
from trivia_render.models.jobs import JobName


def config(**changes: Any) -> dict[str, Any]:
    question = {"question": "Which?", "answer_a": "This", "answer_b": "That", "correct_answer": "This"}
    return {"channel": "quiz", "total_questions": 1, "questions": [question], **changes}


def lines(*values: object) -> bytes:
    return "\n".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values).encode()


def jobs_of(*values: object, name: str = "batch") -> list[BatchJob]:
    jobs, bad = read_batch(lines(*values), name=name)
    assert bad == []
    return jobs


def bad_of(*values: object) -> list[BadLine]:
    return read_batch(lines(*values), name="batch")[1]


def the_id(value: object, *, name: str = "batch") -> str:
    (job,) = jobs_of(value, name=name)
    return job.job.job_id


def test_a_line_is_a_config_or_a_config_with_its_id() -> None:
    plain, wrapped = jobs_of(config(), {"job_id": "my-job", "config": config(title="Two")})
    assert (plain.line, wrapped.line) == (1, 2)
    assert re.fullmatch(r"batch-[0-9a-f]{12}", plain.job.job_id)
    assert wrapped.job == JobName(channel="quiz", job_id="my-job")
    assert plain.config == config()
    assert wrapped.config == config(title="Two")
    assert wrapped.parsed.title == "Two"


@pytest.mark.parametrize("wrapper", [{"config": config()}, {"job_id": None, "config": config()}])
def test_a_wrapper_without_an_id_means_what_its_config_alone_does(wrapper: dict[str, Any]) -> None:
    assert the_id(wrapper) == the_id(config())


def test_an_id_depends_on_the_content_and_on_the_batchs_name_alone() -> None:
    first = the_id(config())
    shuffled = json.dumps(dict(reversed(list(config().items()))), indent=None, separators=(" , ", " :  "))
    assert the_id(shuffled) == first
    assert jobs_of(config(title="Other"), config())[1].job.job_id == first
    assert the_id(config(title="Other")) != first
    assert the_id(config(), name="another") != first


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("week 12 (final)", "week-12-final"),
        ("--", "job"),
        ("", "job"),
        ("Größe", "Gr-e"),
        ("../../etc", "etc"),
        ("x" * 200, "x" * 50),
        ("$(reboot)", "reboot"),
    ],
)
def test_any_file_name_makes_an_id(name: str, stem: str) -> None:
    assert re.fullmatch(rf"{stem}-[0-9a-f]{{12}}", the_id(config(), name=name))


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_whatever_the_file_is_called_the_id_can_be_one(name: str) -> None:
    assert re.fullmatch(ID_PATTERN, the_id(config(), name=name))


def test_blank_lines_and_a_byte_order_mark_do_no_harm_and_lines_are_counted_from_1() -> None:
    data = b"\xef\xbb\xbf" + lines("", config(), "   ", "\t", config(title="Two")) + b"\r\n\r\n"
    jobs, bad = read_batch(data, name="batch")
    assert bad == []
    assert [job.line for job in jobs] == [2, 5]


def test_lines_may_end_as_on_windows() -> None:
    data = lines(config(), config(title="Two")).replace(b"\n", b"\r\n")
    assert [job.line for job in read_batch(data, name="batch")[0]] == [1, 2]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_line_feeds_and_carriage_returns_end_a_line(separator: str) -> None:
    # A title may hold the first two; the others are refused as control characters, as parts of their line.
    jobs, bad = read_batch(lines(config(title=f"One{separator}two")), name="batch")
    assert [job.line for job in jobs] + [line.line for line in bad] == [1]


def test_an_empty_file_holds_no_job() -> None:
    for data in (b"", b"\n\n", b"\xef\xbb\xbf", b"  \r\n"):
        assert read_batch(data, name="batch") == ([], [])


def test_a_line_that_is_there_twice_is_one_job() -> None:
    jobs = jobs_of(config(), config(title="Two"), config(), {"config": config()})
    assert [job.line for job in jobs] == [1, 2]
    wrapped = {"job_id": "a", "config": config()}
    assert len(jobs_of(wrapped, wrapped)) == 1


def test_the_same_config_under_two_ids_is_two_jobs() -> None:
    assert len(jobs_of({"job_id": "a", "config": config()}, {"job_id": "b", "config": config()})) == 2


def test_the_same_id_in_two_channels_is_two_jobs() -> None:
    assert len(jobs_of(*[{"job_id": "a", "config": config(channel=name)} for name in ("one", "two")])) == 2


def test_two_configs_under_one_id_are_a_conflict_that_names_both_lines() -> None:
    (bad,) = bad_of(
        config(), {"job_id": "a", "config": config()}, {"job_id": "a", "config": config(title="Two")}
    )
    assert bad.line == 3
    (problem,) = bad.problems
    assert problem.path == "$.job_id"
    assert "'a', as in line 2" in problem.message
    assert problem.remedy


def test_every_bad_line_is_reported_with_its_number_and_all_that_is_wrong_with_it() -> None:
    jobs, bad = read_batch(
        lines(
            config(),
            "{oops",
            "",
            config(tts_speed=99, channel="../etc"),
            config(title="Two"),
            "[]",
            '"text"',
            "null",
        )
        + b"\n\xff\xfe\n",
        name="batch",
    )
    assert [job.line for job in jobs] == [1, 5]
    assert [line.line for line in bad] == [2, 4, 6, 7, 8, 9]
    assert {problem.path for problem in bad[1].problems} == {"$.channel", "$.tts_speed"}
    for line in bad:
        assert all(problem.message and problem.remedy for problem in line.problems)


@pytest.mark.parametrize(
    ("wrapper", "paths"),
    [
        ({"job_id": "../../etc/passwd", "config": config()}, {"$.job_id"}),
        ({"job_id": "", "config": config()}, {"$.job_id"}),
        ({"job_id": "a\n", "config": config()}, {"$.job_id"}),
        ({"job_id": "x" * 64, "config": config()}, {"$.job_id"}),
        ({"job_id": 7, "config": config()}, {"$.job_id"}),
        ({"job_id": ["a"], "config": config()}, {"$.job_id"}),
        ({"job_id": False, "config": config()}, {"$.job_id"}),
        ({"job_id": "a", "config": config(), "force": True, "channel": "x"}, {"$.force", "$.channel"}),
        ({"job_id": "a", "config": None}, {"$.config"}),
        ({"job_id": "a", "config": []}, {"$.config"}),
        ({"job_id": "a", "config": 7}, {"$.config"}),
        # JSON text is no config, although a config may come as text.
        ({"job_id": "a", "config": json.dumps(config())}, {"$.config"}),
        ({"job_id": "a", "config": {"config": config()}}, {"$.config", "$.channel", "$.questions"}),
        ({"job_id": "a b", "config": config(tts_speed=99)}, {"$.job_id", "$.tts_speed"}),
        ({"job_id": "a b", "config": 7, "x": 1}, {"$.job_id", "$.config", "$.x"}),
        # Without a config it is one, and a bad one.
        ({"job_id": "a"}, {"$.job_id", "$.channel", "$.questions"}),
    ],
)
def test_a_wrapper_that_is_none_is_a_bad_line_with_all_its_problems(
    wrapper: dict[str, Any], paths: set[str]
) -> None:
    (bad,) = bad_of(wrapper)
    assert paths <= {problem.path for problem in bad.problems}


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('{"job_id": "a", "job_id": "b", "config": %s}', "$.job_id"),
        ('{"job_id": "a", "config": %s, "config": %s}', "$.config"),
        ('{"job_id": "a", "config": {"title": "x", "title": "y", %s', "$.config.title"),
    ],
)
def test_a_key_that_is_written_twice_in_a_wrapper_is_a_problem(line: str, path: str) -> None:
    text = json.dumps(config())
    filled = line.replace("%s", text) if line.endswith("%s}") else line.replace("%s", text[1:] + "}")
    (bad,) = bad_of(filled)
    assert path in {problem.path for problem in bad.problems}


def test_the_problems_of_a_plain_line_are_those_of_the_text() -> None:
    text = json.dumps(config())
    (bad,) = bad_of('{"tts_speed": NaN, "title": "a", "title": "b", ' + text[1:])
    assert {"$.tts_speed", "$.title"} <= {problem.path for problem in bad.problems}


def test_warnings_stay_with_their_job() -> None:
    first, second = jobs_of(config(), config(total_questions=5))
    assert first.warnings == ()
    assert [problem.path for problem in second.warnings] == ["$.total_questions"]


GOOD = st.builds(lambda title: json.dumps(config(title=title)), st.sampled_from(["A", "B", "C"]))
ODD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=40)


@given(st.lists(GOOD | ODD | st.just("")))
@settings(max_examples=60)
def test_every_line_is_a_job_a_repetition_a_bad_line_or_blank(texts: list[str]) -> None:
    jobs, bad = read_batch(lines(*texts), name="batch")
    told = {job.line for job in jobs} | {line.line for line in bad}
    assert len(told) == len(jobs) + len(bad)
    ids = {job.config["title"]: job.job for job in jobs}
    assert len(set(ids.values())) == len(jobs)
    for number, text in enumerate(texts, start=1):
        if text.encode().strip() and number not in told:
            assert json.loads(text)["title"] in ids
