"""Find FFmpeg and run it: every call is watched, bounded and leaves nothing behind."""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from subprocess import CalledProcessError, TimeoutExpired, run

import imageio_ffmpeg

from trivia_render.encode.process import WatchedProcess
from trivia_render.errors import ProgramMissingError

#: What FFmpeg, the dynamic linker and NVIDIA's driver need to find their files. The rest stays behind:
#: FFREPORT, for one, would make each run write a log file.
_KEPT_VARIABLES = frozenset(
    {
        "HOME",
        "PATH",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_CACHE_PATH",
        "CUDA_CACHE_DISABLE",
    }
)
_KEPT_PREFIX = "NVIDIA_"
_VERSION_TIMEOUT_SECONDS = 20


def find_ffmpeg(configured: Path | None) -> Path:
    """Return the FFmpeg to use: the configured one, else the one packaged with imageio-ffmpeg.

    Raises ProgramMissingError.
    """
    if configured is not None:
        if configured.is_file() and os.access(configured, os.X_OK):
            return configured
        raise ProgramMissingError(
            f"There is no program at {configured}.",
            remedy="Set TRIVIA_FFMPEG to an ffmpeg, or unset it to use the packaged one.",
        )
    try:
        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ProgramMissingError(
            "This machine's imageio-ffmpeg package holds no FFmpeg.",
            evidence=f"  {error}",
            remedy="Install ffmpeg with the system's packages and set TRIVIA_FFMPEG to it.",
        ) from error


def ffmpeg_build(path: Path) -> str:
    """Return the first line of `ffmpeg -version` without its copyright: it names the build.

    Raises ProgramMissingError where the program does not answer as FFmpeg does.
    """
    try:
        answer = run(
            [path, "-version"],
            capture_output=True,
            check=True,
            env=child_environment(os.environ),
            text=True,
            timeout=_VERSION_TIMEOUT_SECONDS,
        ).stdout
    except (OSError, CalledProcessError, TimeoutExpired) as error:
        raise _not_ffmpeg(path, str(error)) from error
    first, *_ = answer.splitlines() or [""]
    if not first.startswith("ffmpeg version "):
        raise _not_ffmpeg(path, f"it answered: {first!r}")
    return re.sub(r"\s+Copyright .*", "", first)


def _not_ffmpeg(path: Path, evidence: str) -> ProgramMissingError:
    return ProgramMissingError(
        f"{path} does not work as FFmpeg.",
        evidence=f"  {evidence}",
        remedy="Set TRIVIA_FFMPEG to a working ffmpeg, or unset it to use the packaged one.",
    )


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what FFmpeg gets of this process's environment: the same behaviour wherever it runs. Pure."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIX)
    }
    return kept | {
        "LC_ALL": "C",
        "AV_LOG_FORCE_NOCOLOR": "1",
        # GPUs have the driver's numbers then. CUDA's own order is by speed.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


class Ffmpeg:
    """An FFmpeg to call: `ffmpeg(arguments, purpose)`. Threads may share one.

    `purpose` says in words what is being done, as in "encoding a clip". FFmpeg that makes no progress for
    `stall_timeout_seconds` is ended.
    """

    def __init__(self, path: Path, *, stall_timeout_seconds: float = 60.0) -> None:
        self.path = path.absolute()
        self._stall_timeout_seconds = stall_timeout_seconds
        self._environment = child_environment(os.environ)
        self._running: set[WatchedProcess] = set()
        self._cancels = 0
        self._lock = threading.Lock()

    @cached_property
    def build(self) -> str:
        """The build's name, asked once. Raises ProgramMissingError."""
        return ffmpeg_build(self.path)

    def __call__(self, arguments: Sequence[str], purpose: str, *, folder: Path | None = None) -> str:
        """Run without input, in a folder if one is given, and return standard error.

        Raises EncodeError, EncodeStalledError.
        """
        with self._started(arguments, purpose, fed=False, folder=folder) as process:
            return process.finish()

    def feed(self, arguments: Sequence[str], purpose: str, *, chunks: Iterable[bytes | memoryview]) -> str:
        """Run with the chunks as standard input, one after the other, and return standard error.

        A chunk may be changed as soon as the next one is asked for. Raises EncodeError, EncodeStalledError
        and whatever the chunks raise; FFmpeg has ended in every case.
        """
        with self._started(arguments, purpose, fed=True) as process:
            for chunk in chunks:
                process.write(chunk)
            return process.finish()

    def cancel(self) -> None:
        """End what runs now, from any thread; those runs raise EncodeError."""
        with self._lock:
            self._cancels += 1
            running = tuple(self._running)
        for process in running:
            process.cancel()

    def given_up(self) -> Callable[[], bool]:
        """Return what tells whether `cancel` was called since: for those who wait before they run."""
        before = self._cancels
        return lambda: self._cancels != before

    @contextlib.contextmanager
    def _started(
        self, arguments: Sequence[str], purpose: str, *, fed: bool, folder: Path | None = None
    ) -> Iterator[WatchedProcess]:
        # Started and entered into the list in one step, so that no process escapes `cancel`.
        with self._lock:
            started = WatchedProcess(
                self.path,
                arguments,
                purpose=purpose,
                environment=self._environment,
                stall_timeout_seconds=self._stall_timeout_seconds,
                fed=fed,
                folder=folder,
            )
            self._running.add(started)
        try:
            with started as process:
                yield process
        finally:
            with self._lock:
                self._running.discard(started)
