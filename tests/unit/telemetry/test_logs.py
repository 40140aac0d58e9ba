"""What a log line says, and that nothing in a config can make it say anything else."""

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest

from trivia_render.errors import ConfigInvalidError, StoreError
from trivia_render.models.problems import Problem
from trivia_render.pipeline.log_report import LogReport
from trivia_render.pipeline.progress import (
    ClipAdvanced,
    ClipFinished,
    ClipStarted,
    Event,
    JobFound,
    JobStarted,
    StageStarted,
)
from trivia_render.telemetry import logs
from trivia_render.telemetry.log_context import context_fields, log_context
from trivia_render.telemetry.logs import CloudFormatter, OfFlowRun, TextFormatter, make_formatter
from trivia_render.wiring import make_log_formatter

HOSTILE = [
    'line\nbreak\r\n{"severity": "ERROR"}',
    "\"quotes\" 'and' \\backslash\\n",
    "%s %d %(message)s %",
    "{} {0} {name} ${HOME}",
    "\x00\x07\x1b[31mred\x1b[0m\x7f\x9b31m",
    "lone \ud800 and \udfff surrogates",
    "\u202eevil\u202c \u2066isolate\u2069 \u200fmark",
    "next\x85line \u2028line\u2029paragraph\x0b\x0c\x1c\x1d\x1e",
    "🎉 اختبار हिन्दी क्‍ष",
]


class Lines:
    """A logger with a formatter, and what it wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.output = StringIO()
        handler = logging.StreamHandler(self.output)
        handler.setFormatter(formatter)
        # Not a child of the root: pytest's own handlers are there.
        self.logger = logging.Logger("trivia_render.test")
        self.logger.addHandler(handler)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.getvalue().split("\n")[:-1]]

    @property
    def entry(self) -> dict[str, Any]:
        assert len(self.entries) == 1
        return self.entries[0]


def raised(error: Exception) -> Exception:
    """The error with a traceback."""
    with pytest.raises(type(error)):
        raise error
    return error


@pytest.fixture
def cloud() -> Lines:
    return Lines(CloudFormatter())


@pytest.fixture
def text() -> Lines:
    return Lines(TextFormatter())


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"])
def test_a_line_has_cloud_loggings_own_fields(cloud: Lines, level: str) -> None:
    before = datetime.now(UTC)
    cloud.logger.log(logging.getLevelNamesMapping()[level], "a %s", "message")
    entry = cloud.entry
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["time"])
    assert abs((datetime.fromisoformat(entry["time"]) - before).total_seconds()) < 5
    assert (entry["severity"], entry["message"]) == (level, "a message")
    assert set(entry) == {"time", "severity", "message", "logger"}


def test_a_level_between_two_counts_as_the_lower(cloud: Lines) -> None:
    cloud.logger.log(25, "x")
    assert cloud.entry["severity"] == "INFO"


def test_a_line_has_every_field_of_its_context_and_of_its_own(cloud: Lines) -> None:
    with log_context(
        channel="quiz", job_id="j", attempt=3, clip="question 7", flow_run_id="f", worker_id="w"
    ):
        cloud.logger.info("x", extra={"error_code": "speech_quota", "seconds": 1.5, "reused": False})
    known = {
        "channel": "quiz", "job_id": "j", "attempt": 3, "clip": "question 7", "flow_run_id": "f",
        "worker_id": "w", "error_code": "speech_quota", "seconds": 1.5, "reused": False,
    }  # fmt: skip
    assert known.items() <= cloud.entry.items()


def test_a_records_own_fields_win_and_unknown_ones_are_left_out(cloud: Lines) -> None:
    with log_context(flow_run_id="ours", worker_id="w"):
        extra = {"flow_run_id": "prefects", "worker_id": "<unknown>", "flow_name": "f", "secret": "x"}
        cloud.logger.info("x", extra=extra)
    entry = cloud.entry
    assert (entry["flow_run_id"], entry["worker_id"]) == ("prefects", "w")
    assert not {"flow_name", "secret"} & set(entry)


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("way", ["message", "argument", "field", "error"])
def test_no_text_is_more_than_data(cloud: Lines, text: Lines, hostile: str, way: str) -> None:
    for lines in (cloud, text):
        if way == "message":
            lines.logger.info(hostile)
        elif way == "argument":
            lines.logger.info("title %s", hostile)
        elif way == "field":
            with log_context(clip=hostile):
                lines.logger.info("x", extra={"stage": hostile})
        else:
            error = raised(StoreError(hostile, evidence=hostile, remedy=hostile))
            lines.logger.error("it failed", exc_info=error)
    output = cloud.output.getvalue()
    assert output.isascii()
    assert output.count("\n") == 1
    assert not re.search(r"\\ud[89ab]..(?!\\ud[c-f])", output), "a lone surrogate"
    clean = re.sub("[\ud800-\udfff]", "\ufffd", hostile)
    entry = cloud.entry
    assert entry["severity"] == ("ERROR" if way == "error" else "INFO")
    said = {"message": "message", "argument": "message", "field": "clip", "error": "stack_trace"}[way]
    assert clean in entry[said]
    shown = text.output.getvalue()
    shown.encode()
    assert all(
        character == "\n" or character.isprintable() or character in "\u200c\u200d" for character in shown
    )
    first, *rest = shown.splitlines()
    assert re.match(r"\d\d:\d\d:\d\d (INFO|ERROR)", first)
    assert all(line.startswith("  | ") for line in rest)
    assert bool(rest) == (way == "error")


def test_letters_of_every_script_stay_readable_on_a_terminal(text: Lines) -> None:
    text.logger.info("title %s", HOSTILE[-1])
    assert HOSTILE[-1] in text.output.getvalue()


def test_a_message_that_does_not_go_with_its_arguments_is_not_lost(cloud: Lines) -> None:
    cloud.logger.info("%d of %d", "many")  # noqa: PLE1206 - that is the case
    assert cloud.entry["message"] == "%d of %d ('many',)"


def test_a_line_is_never_too_long_for_cloud_logging(cloud: Lines) -> None:
    long = "\N{PARTY POPPER}" * 200_000
    with log_context(clip=long):
        cloud.logger.error(long, exc_info=raised(StoreError(long, remedy=long)))
    assert len(cloud.output.getvalue()) < 256 * 1024
    entry = cloud.entry
    assert "194000 characters cut" in entry["message"]
    assert entry["stack_trace"].startswith("Traceback (most recent call last):\n")


def test_an_error_of_ours_gives_its_code_its_remedy_and_its_stack(cloud: Lines) -> None:
    problem = Problem(path="$.title", severity="error", message="is missing", remedy="Add it.")
    error = ConfigInvalidError([problem])
    error.__cause__ = raised(KeyError("inner"))
    cloud.logger.error("the job failed", exc_info=raised(error))
    entry = cloud.entry
    assert (entry["severity"], entry["message"]) == ("ERROR", "the job failed")
    assert (entry["error_code"], entry["remedy"]) == ("config_invalid", "Correct them and submit it again.")
    # Error Reporting knows Python's stacks by their first line.
    assert entry["stack_trace"].startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'inner'" in entry["stack_trace"]
    assert "$.title" in entry["stack_trace"]


def test_another_exception_has_a_stack_and_no_code(cloud: Lines) -> None:
    cloud.logger.error("x", exc_info=raised(ZeroDivisionError()))
    assert "ZeroDivisionError" in cloud.entry["stack_trace"]
    assert "error_code" not in cloud.entry


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError


def test_an_exception_without_a_text_is_logged_all_the_same(cloud: Lines) -> None:
    cloud.logger.error("x", exc_info=raised(UnspeakableError()))
    assert "UnspeakableError" in cloud.entry["stack_trace"]


def test_no_exception_being_handled_is_no_stack(cloud: Lines) -> None:
    cloud.logger.error("x", exc_info=True)
    assert "stack_trace" not in cloud.entry


def test_inner_contexts_add_to_outer_ones_and_end_with_their_block() -> None:
    with log_context(channel="quiz", clip="intro"):
        with log_context(clip="outro", attempt=1, job_id=None):
            assert context_fields() == {"channel": "quiz", "clip": "outro", "attempt": 1}
        assert context_fields() == {"channel": "quiz", "clip": "intro"}
    assert context_fields() == {}


def test_a_context_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), log_context(channel="quiz"):
        raise ZeroDivisionError
    assert context_fields() == {}


@contextlib.contextmanager
def open_job() -> Iterator[None]:
    with log_context(channel="quiz"), log_context(attempt=1):
        yield


def test_a_context_may_be_inside_a_generator() -> None:
    with open_job():
        assert context_fields() == {"channel": "quiz", "attempt": 1}
    assert context_fields() == {}


def test_a_block_may_end_in_another_context_than_it_began_in() -> None:
    block = open_job()
    began, elsewhere = Context(), Context()
    began.run(block.__enter__)
    elsewhere.run(block.__exit__, None, None, None)
    assert elsewhere.run(context_fields) == {}

    block = open_job()
    began = Context()
    began.run(block.__enter__)
    later = began.run(copy_context)
    later.run(block.__exit__, None, None, None)
    assert later.run(context_fields) == {}


def test_blocks_may_end_in_any_order() -> None:
    outer, inner = log_context(channel="quiz"), log_context(channel="quiz", attempt=1)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert context_fields() == {"channel": "quiz", "attempt": 1}
    inner.__exit__(None, None, None)
    assert context_fields() == {}


def test_a_generator_that_nobody_ends_disturbs_nobody() -> None:
    def endless() -> Iterator[int]:
        with log_context(clip="intro"):
            yield 1

    def leave() -> None:
        next(endless())

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert context_fields() == {}


def test_threads_have_a_context_of_their_own_unless_it_is_copied(cloud: Lines) -> None:
    def work(number: int) -> None:
        with log_context(clip=f"question {number}"):
            cloud.logger.info("x", extra={"frames": number})

    with ThreadPoolExecutor(4) as pool:
        with log_context(channel="quiz"):
            for number in range(40):
                pool.submit(copy_context().run, work, number)
        pool.submit(work, 99).result()
    for entry in cloud.entries:
        assert entry["clip"] == f"question {entry['frames']}"
        assert entry.get("channel") == (None if entry["frames"] == 99 else "quiz")
    assert len(cloud.entries) == 41


def test_only_lines_of_a_flow_run_go_to_prefect_and_name_it() -> None:
    def sent(**extra: Any) -> Any:
        record = logging.makeLogRecord(extra)
        return OfFlowRun().filter(record) and record.flow_run_id  # type: ignore[attr-defined]

    assert sent() is False
    assert sent(flow_run_id="a") == "a"
    with log_context(flow_run_id="b"):
        assert sent() == "b"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("asked", "stream", "kind"),
    [
        ("auto", Terminal(), TextFormatter),
        ("auto", StringIO(), CloudFormatter),
        ("json", Terminal(), CloudFormatter),
        ("text", StringIO(), TextFormatter),
    ],
)
def test_a_terminal_gets_text_and_everything_else_json(
    asked: logs.LogFormat, stream: StringIO, kind: type[logging.Formatter]
) -> None:
    assert type(make_formatter(asked, stream=stream)) is kind


def test_the_environment_decides_and_cannot_break_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    for value, kind in (("json", CloudFormatter), ("text", TextFormatter), ("xml", TextFormatter)):
        monkeypatch.setenv("TRIVIA_LOG_FORMAT", value)
        assert type(make_log_formatter()) is kind


@pytest.mark.parametrize(
    ("event", "message", "fields"),
    [
        (JobFound("A %s"), "“A %s” is published already; nothing is left to do", {"event": "job_found"}),
        (JobStarted("A {x}", 7), "Rendering “A {x}”: 7 clips", {"event": "job_started", "clips_total": 7}),
        (
            ClipStarted("k", "intro", 90),
            "Clip intro: rendering 90 frames",
            {"event": "clip_started", "clip": "intro", "clip_key": "k", "frames": 90},
        ),
        (
            ClipFinished("k", "intro", reused=False, seconds=1.23456),
            "Clip intro is rendered (1.2 s)",
            {"event": "clip_finished", "clip": "intro", "clip_key": "k", "reused": False, "seconds": 1.235},
        ),
        (
            ClipFinished("k", "intro", reused=True, seconds=0.0),
            "Clip intro was there already (0.0 s)",
            {"event": "clip_finished", "reused": True},
        ),
        (
            StageStarted("mixing", "16:9"),
            "mixing (16:9) has begun",
            {"event": "stage_started", "stage": "mixing", "format": "16:9"},
        ),
    ],
)
def test_each_event_of_a_job_is_a_line(
    event: Event, message: str, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="trivia_render.job"), log_context(channel="quiz"):
        LogReport()(event)
        entry = json.loads(CloudFormatter().format(caplog.records[0]))
    assert (entry["message"], entry["logger"], entry["channel"]) == (message, "trivia_render.job", "quiz")
    assert fields.items() <= entry.items()


def test_frames_done_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="trivia_render.job"):
        LogReport()(ClipAdvanced("k", 5))
    assert caplog.records == []
