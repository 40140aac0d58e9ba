"""CRC-32C of local files, remembered so that a file is read once and not at each look."""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import google_crc32c

_CHUNK_BYTES = 1 << 20
# Reading so little costs no more than reading a record of it.
_REMEMBERED_FROM_BYTES = 256 << 10
# A kernel's file times stand still for up to 10 ms. A sum read from a file that changed so recently
# is not recorded, since a second change could leave the times as they are.
_SETTLED_NS = 1_000_000_000


class Crc32c:
    """A running CRC-32C."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Add bytes."""
        self._value = google_crc32c.extend(self._value, data)

    def base64(self) -> str:
        """Return it as Cloud Storage writes it: base64 of the four bytes, big-endian."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode()


def crc32c(data: bytes) -> str:
    """Return the CRC-32C of bytes, base64, big-endian."""
    running = Crc32c()
    running.update(data)
    return running.base64()


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of at most 1 MiB."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


class SumIndex:
    """Sums by file, each valid for the inode, size and times that the file had when it was read.

    Any write changes the modification time, and no program can set the change time, so a file that was
    damaged, replaced or restored is read again. Losing the index costs time and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def crc32c(self, key: str, file: BinaryIO) -> str:
        """Return the sum of an open file, from the index if the file is as it was, else by reading it."""
        before = os.fstat(file.fileno())
        if before.st_size < _REMEMBERED_FROM_BYTES:
            return _read(file)
        if (recorded := self._recorded(key, before)) is not None:
            return recorded
        value = _read(file)
        after = os.fstat(file.fileno())
        settled = time.time_ns() - max(after.st_ctime_ns, after.st_mtime_ns) > _SETTLED_NS
        if settled and _identity(before) == _identity(after):
            self.record(key, after, value)
        return value

    def record(self, key: str, stat: os.stat_result, value: str) -> None:
        """Remember the sum of a file that was just written or read."""
        if stat.st_size < _REMEMBERED_FROM_BYTES:
            return
        path = self._folder / key
        # Only a memory: without it (a read-only or full disk) the file is read again next time. A torn
        # record does not match any file.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{_identity(stat)} {value}\n")

    def forget(self, key: str) -> None:
        """Drop what is remembered of a deleted file."""
        with suppress(OSError):
            (self._folder / key).unlink()

    def _recorded(self, key: str, stat: os.stat_result) -> str | None:
        try:
            record = (self._folder / key).read_text()
        except (OSError, UnicodeDecodeError):
            return None
        identity, _, value = record.rstrip("\n").rpartition(" ")
        return value if identity == _identity(stat) and record.endswith("=\n") else None


def _identity(stat: os.stat_result) -> str:
    return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _read(file: BinaryIO) -> str:
    file.seek(0)
    running = Crc32c()
    for chunk in chunks(file):
        running.update(chunk)
    return running.base64()
