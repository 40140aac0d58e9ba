"""Log lines: JSON in Cloud Logging's field names for machines, plain text for a terminal.

One event is one physical line in JSON. Texts of job configs are data: nothing in them starts a line, moves
the cursor, turns the writing direction, or is read as a format. No address keeps its user and password.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO

from trivia_render.errors import TriviaRenderError
from trivia_render.models.redaction import without_users
from trivia_render.telemetry.log_context import context_fields

LogFormat = Literal["auto", "json", "text"]

#: What a line is found by; from the context, or from the record itself as `extra`.
IDENTITY_FIELDS: Final = ("channel", "job_id", "attempt", "clip", "flow_run_id", "worker_id")
#: What an event may say besides, as `extra`. Everything else on a record stays where it is.
EVENT_FIELDS: Final = (
    "event",
    "clip_key",
    "clips_total",
    "frames",
    "reused",
    "seconds",
    "stage",
    "format",
    "task_run_name",
    "error_code",
    "remedy",
)
#: Cloud Logging takes entries of 256 KiB. Escaped, a character is up to 12 bytes.
MAX_MESSAGE_CHARACTERS: Final = 6_000
MAX_STACK_CHARACTERS: Final = 12_000
MAX_FIELD_CHARACTERS: Final = 500

#: Error Reporting knows a stack by it.
_STACK_BEGIN: Final = "Traceback (most recent call last):"
#: What Prefect writes where it does not know.
_UNKNOWN: Final = frozenset({None, "", "<unknown>"})
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
#: Controls of both sets, what breaks lines, and what turns the writing direction (Unicode TR 36, 3.4).
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


class CloudFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: `time`, `severity`, `message`, and the fields that are known.

    An exception's stack is in `stack_trace`, where Error Reporting groups by it; an error of ours adds
    its `error_code` and `remedy`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        entry: dict[str, object] = {
            "time": _time(record).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "severity": severity(record.levelno),
            "message": _clean(message_of(record), MAX_MESSAGE_CHARACTERS),
            "logger": _clean(record.name, MAX_FIELD_CHARACTERS),
            **{name: _jsonable(value) for name, value in fields_of(record).items()},
        }
        if stack := stack_of(record):
            # The end names the error itself.
            entry["stack_trace"] = _clean(stack, MAX_STACK_CHARACTERS, keep="end")
        return json.dumps(entry, ensure_ascii=True, allow_nan=False)


class TextFormatter(logging.Formatter):
    """Local time, severity, message and fields on one line; below it a stack, each line marked with `|`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines, without the last one's end."""
        time = _time(record).astimezone().strftime("%H:%M:%S")
        known = fields_of(record)
        # What happened is in the message; the fields say to what.
        shown = (name for name in (*IDENTITY_FIELDS, "error_code") if name in known)
        fields = " ".join(f"{name}={known[name]}" for name in shown)
        line = f"{time} {severity(record.levelno):<7} {message_of(record)}" + (
            f" [{fields}]" if fields else ""
        )
        stack = stack_of(record).splitlines()
        return "\n".join([printable(line), *(f"  | {printable(part)}" for part in stack)])


def make_formatter(log_format: LogFormat, *, stream: TextIO | None = None) -> logging.Formatter:
    """Return the formatter for the stream, by default standard output. `auto`: text on a terminal."""
    if log_format == "auto":
        # Asked now and not at import; a process without standard output has none.
        output = stream or sys.stdout
        log_format = "text" if output is not None and output.isatty() else "json"
    return CloudFormatter() if log_format == "json" else TextFormatter()


def severity(level: int) -> str:
    """Return Cloud Logging's name for a level; those in between count as the next lower one."""
    for limit, name in ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO")):
        if level >= limit:
            return name
    return "DEBUG"


def message_of(record: logging.LogRecord) -> str:
    """Return the message. One that does not go with its arguments is given as it is, with them."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever another library's arguments raise, its line must not be lost
        return f"{record.msg!s} {record.args!r}"


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what is known of the event, by field: the record's own, then its error's, then the context's."""
    error = record.exc_info[1] if record.exc_info else None
    known: dict[str, Any] = dict(context_fields())
    if isinstance(error, TriviaRenderError):
        known |= {"error_code": error.code, "remedy": error.remedy}
    given = {name: getattr(record, name, None) for name in (*IDENTITY_FIELDS, *EVENT_FIELDS)}
    known |= {name: value for name, value in given.items() if not _is_unknown(value)}
    return {name: known[name] for name in (*IDENTITY_FIELDS, *EVENT_FIELDS) if name in known}


def stack_of(record: logging.LogRecord) -> str:
    """Return the exception's stack, else the one that the caller asked for, or an empty text."""
    if record.exc_info and record.exc_info[1] is not None:
        return _formatted(record.exc_info[1], record.exc_info[2])
    return record.exc_text or record.stack_info or ""


def printable(text: str) -> str:
    """Return the text with everything escaped that would do more than stand there. For terminals."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], without_users(text))


class OfFlowRun(logging.Filter):
    """Lets lines pass that belong to a flow run, and names it on them: only those can Prefect's API keep.

    Threads of ours know their run by the log context where Prefect does not know it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the run is known."""
        run = getattr(record, "flow_run_id", None) or context_fields().get("flow_run_id")
        record.flow_run_id = run
        return run is not None


def _formatted(error: BaseException, trace: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # noqa: BLE001 - an exception whose own text cannot be made still is one
        return f"{type(error).__name__}, whose text cannot be told\n"


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _is_unknown(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in _UNKNOWN)


def _jsonable(value: object) -> object:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # JSON has no word for infinity.
        return value if abs(value) < float("inf") else str(value)
    return _clean(str(value), MAX_FIELD_CHARACTERS)


def _clean(text: str, limit: int, *, keep: Literal["start", "end"] = "start") -> str:
    """Return the text within the limit, without lone surrogates: strict readers of JSON refuse them."""
    text = without_users(text)
    if len(text) > limit:
        cut = f"[{len(text) - limit} characters cut]"
        text = f"{text[:limit]} … {cut}" if keep == "start" else f"{_STACK_BEGIN}\n  {cut}\n{text[-limit:]}"
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
