"""One FFmpeg process under watch: fed, drained, timed, and ended with everything it started.

One thread does it all: whenever it waits, it waits for the input to take more, for messages and for
progress at once, so that no full pipe can lock the two processes.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired, run
from time import monotonic
from types import TracebackType
from typing import IO, Final, Self

from trivia_render.encode.nvenc_faults import nvenc_error, nvenc_fault, nvenc_hangs
from trivia_render.encode.pipe import FramePipe
from trivia_render.errors import (
    DISK_REMEDY,
    DiskFullError,
    EncodeError,
    EncoderUnavailableError,
    EncodeStalledError,
    ProgramMissingError,
)

#: What the C library calls ENOSPC, EDQUOT and EFBIG; FFmpeg runs with LC_ALL=C.
_NO_SPACE: Final = re.compile("No space left on device|Disk quota exceeded|File too large")
#: Standard error that is kept; of more, the end. A loudness reading of an hour of sound stays under it.
_KEPT_BYTES: Final = 4 << 20
_EVIDENCE_LINES: Final = 15
#: All that a pipe of the usual size holds.
_READ_BYTES: Final = 1 << 16
#: How often the process is asked whether it still runs while it says nothing.
_LOOK_SECONDS: Final = 0.5
_REAP_SECONDS: Final = 10.0
#: What tells in `-progress` that work was done. The rest changes with the clock alone.
_PROGRESS_KEYS: Final = (b"frame", b"total_size", b"out_time_us")


@lru_cache(maxsize=1)
def _death_wrapper() -> tuple[str, ...]:
    """Return a command prefix by which the kernel kills the child when this process dies, or nothing.

    util-linux's `setpriv` sets PR_SET_PDEATHSIG and then becomes the program. Setting it in Python between
    fork and exec would run the fork handlers of every library, gRPC's among them. Without it (macOS) a
    child that waits for frames still ends: its standard input closes with us.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL")
    understood = run([*prefix, "true"], stdin=DEVNULL, capture_output=True, check=False).returncode == 0
    return prefix if understood else ()


class WatchedProcess:
    """A running FFmpeg. As a context manager it never outlives its block, whatever happens there."""

    def __init__(
        self,
        program: Path,
        arguments: Sequence[str],
        *,
        purpose: str,
        environment: Mapping[str, str],
        stall_timeout_seconds: float,
        fed: bool,
        folder: Path | None = None,
    ) -> None:
        self._purpose = purpose
        # Only then are FFmpeg's words about a GPU.
        self._on_gpu = "h264_nvenc" in arguments
        self._limit_seconds = stall_timeout_seconds
        self._stderr = bytearray()
        self._progress_tail = b""
        self._progress: dict[bytes, bytes] = {}
        self._cancelled = False
        if not os.access(program, os.X_OK):
            raise _not_startable(program, purpose, "it is not there, or may not be run")
        progress_read, progress_write = os.pipe()
        command = [
            *_death_wrapper(),
            str(program),
            *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y"),
            *("-progress", f"pipe:{progress_write}"),
            *arguments,
        ]
        try:
            self._process = Popen(
                command,
                stdin=PIPE if fed else DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                bufsize=0,
                env=dict(environment),
                cwd=folder,
                pass_fds=(progress_write,),
                # A group of its own: Ctrl-C in the terminal reaches us alone, and we end the whole group.
                process_group=0,
            )
        except OSError as error:
            os.close(progress_read)
            raise _not_startable(program, purpose, str(error)) from error
        finally:
            os.close(progress_write)
        self._progress_pipe = os.fdopen(progress_read, "rb", buffering=0)
        self._last_progress = monotonic()
        self._input = _descriptor(self._process.stdin)
        self._messages_output = _descriptor(self._process.stderr)
        self._outputs = {
            descriptor for descriptor in (self._messages_output, progress_read) if descriptor >= 0
        }
        # poll(2) by itself: with `selectors`, waiting for room costs ten times as much, twice a frame.
        self._poll = select.poll()
        for descriptor in self._outputs:
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        self._pipe = FramePipe(self._input) if self._input >= 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        for pipe in (self._process.stdin, self._process.stderr, self._progress_pipe):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def cancel(self) -> None:
        """End the process from another thread; its run then raises EncodeError."""
        self._cancelled = True
        self._kill()

    def write(self, data: bytes | memoryview) -> None:
        """Hand all of the data to the process; it may be changed afterwards.

        Raises EncodeError, EncodeStalledError, DiskFullError, and EncoderUnavailableError where NVENC fails.
        """
        if self._pipe is None:
            raise ValueError("this process was started without an input")
        rest = memoryview(data).cast("B")
        lend = self._pipe.lendable_bytes(len(rest))
        # Drawing the next frame takes its time too: the clock runs only while we wait for FFmpeg.
        self._last_progress = monotonic()
        while rest:
            try:
                taken = self._pipe.send(rest, lend=lend)
            except BlockingIOError:
                self._await_room()
            except BrokenPipeError:
                self._collect()
                raise self._failure("stopped reading its input") from None
            else:
                self._last_progress = monotonic()
                rest, lend = rest[taken:], lend - taken

    def finish(self) -> str:
        """Close the input, wait for a good end and return standard error. Raises as `write` does."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._last_progress = monotonic()
        self._collect()
        if self._process.returncode != 0:
            raise self._failure("failed")
        return self._messages()

    def _await_room(self) -> None:
        self._poll.register(self._input, select.POLLOUT)
        try:
            while not self._drain():
                self._check_progress()
        finally:
            self._poll.unregister(self._input)

    def _collect(self) -> None:
        """Drain until the process has ended and been waited for."""
        while self._process.poll() is None:
            if self._outputs:
                self._drain()
            else:
                # It closed both pipes: it is ending, or hides what it does.
                with contextlib.suppress(TimeoutExpired):
                    self._process.wait(min(_LOOK_SECONDS, self._limit_seconds))
            self._check_progress()
        # What was written just before the end. A grandchild may hold the pipes open, so no wait for EOF.
        self._drain(timeout_seconds=0)

    def _drain(self, *, timeout_seconds: float = _LOOK_SECONDS) -> bool:
        """Read what is there, waiting for it a moment; tell whether the input takes more."""
        has_room = False
        for descriptor, _ in self._poll.poll(min(timeout_seconds, self._limit_seconds) * 1000):
            if descriptor == self._input:
                has_room = True
            else:
                self._read(descriptor)
        return has_room

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._poll.unregister(descriptor)
            self._outputs.discard(descriptor)
        elif descriptor == self._messages_output:
            self._stderr += data
            del self._stderr[:-_KEPT_BYTES]
        else:
            self._note_progress(data)

    def _note_progress(self, data: bytes) -> None:
        *lines, self._progress_tail = (self._progress_tail + data).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            if name in _PROGRESS_KEYS and self._progress.get(name) != value:
                self._progress[name] = value
                self._last_progress = monotonic()

    def _check_progress(self) -> None:
        if monotonic() - self._last_progress > self._limit_seconds and self._process.poll() is None:
            self._end()
            self._drain(timeout_seconds=0)
            raise self._gpu_failure() or self._stalled()

    def _stalled(self) -> EncodeStalledError | EncoderUnavailableError:
        words = f"FFmpeg made no progress for {self._limit_seconds:g} s while {self._purpose} and was ended."
        if self._on_gpu:
            # A GPU that is lost often answers nothing at all. NVENC that works takes milliseconds a frame.
            return nvenc_hangs(words, evidence=self._evidence())
        return EncodeStalledError(
            words,
            evidence=self._evidence(),
            remedy="Try again. If the machine is only slow, raise TRIVIA_ENCODE_STALL_SECONDS.",
        )

    def _failure(self, what: str) -> EncodeError | DiskFullError | EncoderUnavailableError:
        if self._cancelled:
            return EncodeError(
                f"FFmpeg was ended while {self._purpose}, because the run was given up.",
                remedy="Start the job again; finished clips are kept.",
            )
        code = self._process.returncode
        if _NO_SPACE.search(self._messages()) or code == -signal.SIGXFSZ:
            return DiskFullError(
                f"The disk was full, or a file too large for it, while {self._purpose}.",
                evidence=self._evidence(),
                remedy=DISK_REMEDY,
            )
        if failure := self._gpu_failure():
            return failure
        ended_by = f" (ended by signal {-code}, {signal.strsignal(-code)})" if code and code < 0 else ""
        return EncodeError(
            f"FFmpeg {what}{ended_by} while {self._purpose}; exit code {code}.",
            evidence=self._evidence(),
            remedy="Run `trivia doctor`; a full disk or too little memory are the usual causes.",
        )

    def _gpu_failure(self) -> EncoderUnavailableError | None:
        fault = nvenc_fault(self._messages()) if self._on_gpu else None
        return None if fault is None else nvenc_error(fault, purpose=self._purpose, evidence=self._evidence())

    def _messages(self) -> str:
        return self._stderr.decode(errors="replace")

    def _evidence(self) -> str:
        lines = [line for line in self._messages().splitlines() if line.strip()]
        return "\n".join(f"  {line}" for line in lines[-_EVIDENCE_LINES:]) or "  (it said nothing)"

    def _kill(self) -> None:
        # Not reaped before `poll` says so, the number cannot belong to another group yet.
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self) -> None:
        self._kill()
        # A process stuck inside a driver cannot be killed before the driver lets go: report, don't hang too.
        with contextlib.suppress(TimeoutExpired):
            self._process.wait(_REAP_SECONDS)


def _not_startable(program: Path, purpose: str, why: str) -> ProgramMissingError:
    return ProgramMissingError(
        f"FFmpeg cannot be started for {purpose}: {program}: {why}.",
        remedy="Set TRIVIA_FFMPEG to a working ffmpeg, or unset it to use the packaged one.",
    )


def _descriptor(pipe: IO[bytes] | None) -> int:
    return -1 if pipe is None else pipe.fileno()
