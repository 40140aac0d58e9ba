"""So many encodes at once and no more, over all processes of a machine: a slot is a locked file.

The kernel gives a slot back when its holder ends, however it ends: nothing is left to clean up after a kill.
Each GPU has a few slots for NVENC, each core has one for libx264. Whoever waits stands in line behind a lock
of its own: the thread that has just given a slot back cannot take it again before those who wait.
"""

import hashlib
import os
import random
import re
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from filelock import FileLock, Timeout

from trivia_render.encode.gpus import Gpu
from trivia_render.errors import EncodeError, StoreError
from trivia_render.models.plan import EncoderName

#: How long the first two in line, and those behind, wait between two looks. A clip takes seconds to encode;
#: encodes of less than the longer wait would not be given fair turns.
_FIRST_SECONDS: Final = 0.02
_BEHIND_SECONDS: Final = 0.05

_T = TypeVar("_T")


class _Device(NamedTuple):
    """What encodes: a GPU with its number, or all cores together. One file a slot."""

    gpu: int | None
    slots: tuple[str, ...]


class EncodingSlots:
    """The slots of this machine: `with slots.hold("h264_nvenc") as gpu:`. Threads may share one.

    `folder` is the whole machine's; all processes that are to share slots must name the same one. `gpus` is
    asked once, when NVENC is first wanted; where it names none, whatever GPU FFmpeg takes counts as one.
    `cores` are the numbers of the cores that this process may run on.
    """

    def __init__(
        self, folder: Path, *, gpus: Callable[[], Sequence[Gpu]], per_gpu: int, cores: Collection[int]
    ) -> None:
        if per_gpu < 1 or not cores:
            raise ValueError("a machine needs at least one slot")
        self._folder = folder.absolute()
        self._find_gpus = gpus
        self._per_gpu = per_gpu
        self._cores = tuple(sorted(cores))
        # One thread a process looks for a slot; the others wait here, without polling files.
        self._lines: dict[EncoderName, threading.Lock] = {
            "h264_nvenc": threading.Lock(),
            "libx264": threading.Lock(),
        }
        # Processes that start together try different GPUs first.
        self._turn = os.getpid()

    @contextmanager
    def hold(
        self, encoder: EncoderName, *, given_up: Callable[[], bool] = lambda: False
    ) -> Iterator[int | None]:
        """Wait for a slot and hold it during the block. Yield the GPU's number; None: any, or no GPU.

        `given_up` is asked while waiting. Not to be nested: a thread that waits for its own slot waits for
        ever. Raises EncodeError when given up, StoreError where the folder cannot be used.
        """
        lock, gpu = self._wait(encoder, given_up)
        try:
            yield gpu
        finally:
            lock.release()

    def _wait(self, encoder: EncoderName, given_up: Callable[[], bool]) -> tuple[FileLock, int | None]:
        line = self._lines[encoder]
        while not line.acquire(timeout=_BEHIND_SECONDS):
            _check(given_up)
        try:
            check_folder(self._folder)
            # First and second in line. Who has just been first finds the second already there, and so
            # cannot be first again before that one was.
            first, second = f"{self._line(encoder)}-1", f"{self._line(encoder)}-2"
            behind = _until(lambda: self._try(second), given_up, look_seconds=_BEHIND_SECONDS)
            try:
                head = _until(lambda: self._try(first), given_up, look_seconds=_FIRST_SECONDS)
            finally:
                behind.release()
            try:
                return _until(lambda: self._take(encoder), given_up, look_seconds=_FIRST_SECONDS)
            finally:
                head.release()
        finally:
            line.release()

    def _take(self, encoder: EncoderName) -> tuple[FileLock, int | None] | None:
        """Take a slot of the device that has the most to spare, if any has. Only the head of the line may."""
        devices = self._devices(encoder)
        self._turn += 1
        turn = self._turn % len(devices)
        best: tuple[list[FileLock], int | None] = ([], None)
        # Held for a moment only, and by the head of the line: nobody behind it misses a slot for it.
        for device in devices[turn:] + devices[:turn]:
            free = self._free(device, at_most=1 if len(devices) == 1 else len(device.slots))
            worse, best = (
                ((free, device.gpu), best) if len(free) <= len(best[0]) else (best, (free, device.gpu))
            )
            for lock in worse[0]:
                lock.release()
        locks, gpu = best
        if not locks:
            return None
        for lock in locks[1:]:
            lock.release()
        return locks[0], gpu

    def _free(self, device: _Device, *, at_most: int) -> list[FileLock]:
        locks: list[FileLock] = []
        for name in device.slots:
            if len(locks) == at_most:
                break
            lock = self._try(name)
            if lock is not None:
                locks.append(lock)
        return locks

    def _devices(self, encoder: EncoderName) -> tuple[_Device, ...]:
        return self._gpus if encoder == "h264_nvenc" else (self._processor,)

    def _line(self, encoder: EncoderName) -> str:
        # One for those who wait for the very same slots: nobody stands behind who waits for others.
        names = " ".join(name for device in self._devices(encoder) for name in device.slots)
        return f"line-{hashlib.sha256(names.encode()).hexdigest()[:16]}"

    # By UUID and by core: processes that are shown different GPUs or cores still share what is the same.

    @cached_property
    def _gpus(self) -> tuple[_Device, ...]:
        found: list[tuple[int | None, str]] = [(gpu.number, gpu.uuid) for gpu in self._find_gpus()]
        return tuple(
            _Device(
                number,
                tuple(f"gpu-{re.sub('[^A-Za-z0-9-]', '-', uuid)}-{slot}" for slot in range(self._per_gpu)),
            )
            for number, uuid in found or [(None, "any")]
        )

    @property
    def _processor(self) -> _Device:
        return _Device(None, tuple(f"core-{core}" for core in self._cores))

    def _try(self, name: str) -> FileLock | None:
        """Lock this file now, or return None. Raises StoreError where that is not possible at all."""
        path = self._folder / f"{name}.lock"
        # A lock of its own for each try: filelock's are re-entrant, so a shared one would let its process in.
        lock = FileLock(
            path,
            mode=0o600,
            thread_local=False,
            # Its substitute for flock would outlive a holder that is killed.
            fallback_to_soft=False,
            # systemd-tmpfiles removes files that nobody has touched for days.
            on_acquired=os.utime,
        )
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except OSError as error:
            raise _unusable(self._folder, f"{path.name} cannot be locked: {error.strerror}") from error
        return lock


def usable_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    # macOS binds no process to cores.
    return tuple(range(os.cpu_count() or 1))


def check_folder(folder: Path) -> None:
    """Make the folder unless it is there, for this user alone. Raises StoreError where it is not safe to use.

    It may lie where everybody can write: another user who owns it, or a link in its place, could hold
    every slot for ever or have files made elsewhere.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise _unusable(folder, f"it cannot be made: {error.strerror}") from error
    if stat.S_ISLNK(found.st_mode):
        raise _unusable(folder, "it is a symbolic link")
    if found.st_uid != os.getuid():
        raise _unusable(folder, f"it belongs to user {found.st_uid}, and this is user {os.getuid()}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(folder, f"other users may write to it (mode {stat.S_IMODE(found.st_mode):04o})")


def _unusable(folder: Path, why: str) -> StoreError:
    return StoreError(
        f"The folder {folder} for encoding slots cannot be used: {why}.",
        remedy="Remove it, or set TRIVIA_SLOTS_FOLDER to a folder of this user's own on a local disk.",
    )


def _until(take: Callable[[], _T | None], given_up: Callable[[], bool], *, look_seconds: float) -> _T:
    while True:
        _check(given_up)
        taken = take()
        if taken is not None:
            return taken
        # Not in step with the others who look.
        time.sleep(look_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - nothing secret


def _check(given_up: Callable[[], bool]) -> None:
    if given_up():
        raise EncodeError(
            "A clip's encode was not begun, because the run was given up while it waited for its turn.",
            remedy="Start the job again; finished clips are kept.",
        )
