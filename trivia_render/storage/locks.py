"""Locks between the processes of one machine, and the generations handed out under them."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivia_render.errors import StoreError

# So many lock files stand for all keys. Two keys of one file wait for each other, only for as long as a
# rename takes.
_LOCK_FILES = 64
# File systems keep times to 1 ns (ext4, xfs, btrfs, apfs), 100 ns, 1 ms, or 2 s (exFAT).
_GRAINS_NS = (1, 100, 1_000_000, 2_000_000_000)


class HeldLock:
    """A lock that is held: whoever has it may change the objects that it stands for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def stamp(self, path: Path, *, over: os.stat_result | None) -> None:
        """Give a file, about to become an object, a modification time greater than any handed out before.

        That time is the object's generation. The last one is kept in the lock file, so that it is not
        handed out again after the object was deleted, the clock was set back, or the file system rounded
        it. Raises StoreError.
        """
        recorded = os.pread(self._descriptor, 20, 0)
        last = max(int(recorded) if recorded.isdigit() else 0, over.st_mtime_ns if over else 0)
        for grain in _GRAINS_NS:
            wanted = max(time.time_ns(), last + grain)
            os.utime(path, ns=(wanted, wanted))
            if (kept := path.stat().st_mtime_ns) > last:
                os.pwrite(self._descriptor, f"{kept:020d}".encode(), 0)
                return
        raise StoreError(
            f"The file system of {path.parent} does not keep modification times.",
            remedy="Put the store on a local disk.",
        )


class GenerationLocks:
    """Lock files in a folder, each for a share of all keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, key: str) -> Iterator[HeldLock]:
        """Hold the lock of a key, against other threads too. The system frees it when a process dies."""
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:2], "big") % _LOCK_FILES
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / f"{number:02d}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield HeldLock(descriptor)
        finally:
            os.close(descriptor)
