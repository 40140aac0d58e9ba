"""How a command ends: exit codes, and errors printed so that one knows what to do."""

import json
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from trivia_render.errors import BadInputError, ConfigInvalidError, InternalError, TriviaRenderError

DONE = 0
FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


@contextmanager
def reported(*, as_json: bool, debug: bool) -> Iterator[None]:
    """Turn what a command raises into a message and an exit code: 1 failed, 2 bad input, 130 interrupted."""
    _interrupt_on_sigterm()
    try:
        yield
    except TriviaRenderError as error:
        if debug:
            traceback.print_exc()
        _print_error(error, as_json=as_json)
        raise typer.Exit(BAD_INPUT if isinstance(error, BadInputError) else FAILED) from error
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        message = "Interrupted. What is finished stays; the same command goes on from there."
        print_error_line(json.dumps({"event": "interrupted", "message": message}) if as_json else message)
        raise typer.Exit(INTERRUPTED) from None
    except typer.Exit:
        raise
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone; nothing is left to tell.
        sys.stderr.close()
        raise typer.Exit(DONE) from None
    except Exception as error:
        # A mistake of ours: it has no remedy to offer, but the way to tell us about it.
        if debug:
            raise
        internal = InternalError(
            f"{type(error).__name__}: {error}",
            remedy="This is a fault of the program. Run it again with --debug and report what it prints.",
        )
        _print_error(internal, as_json=as_json)
        raise typer.Exit(FAILED) from error


def print_error_line(text: str) -> None:
    """Print to standard error, without markup."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _print_error(error: TriviaRenderError, *, as_json: bool) -> None:
    if not as_json:
        print_error_line(f"error: {error}")
        return
    record: dict[str, object] = {
        "event": "error",
        "code": error.code,
        "message": error.message,
        "evidence": error.evidence,
        "remedy": error.remedy,
    }
    if isinstance(error, ConfigInvalidError):
        record["problems"] = [problem.model_dump() for problem in error.problems]
    print_error_line(json.dumps(record, ensure_ascii=False))


def _interrupt_on_sigterm() -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
