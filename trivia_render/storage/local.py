"""Objects as files in one local folder, with the guarantees of a bucket."""

import builtins
import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import BinaryIO

from trivia_render.errors import (
    ObjectDamagedError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage.keys import check_key, check_prefix
from trivia_render.storage.locks import GenerationLocks
from trivia_render.storage.sums import Crc32c, SumIndex, chunks, crc32c

# The store's own files. No key starts with a dot, so this is never an object.
_PRIVATE = ".store"
# A temporary file so old belongs to no living upload.
_ABANDONED_SECONDS = 24 * 3600

_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class LocalStore:
    """A `Store` in a folder; every process of one machine may use it at once.

    An object's generation is its file's modification time in nanoseconds, which every write makes greater
    than any before it. A write goes to a temporary file that is synced and renamed, so that neither a
    reader nor a power cut ever meets half an object. Preconditions are checked under a lock between
    processes. Symbolic links are never objects. Content types are not kept: a file has its extension.

    Nothing is created before the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        private = self.root / _PRIVATE
        self._tmp = private / "tmp"
        self._locks = GenerationLocks(private / "locks")
        self._sums = SumIndex(private / "sums")
        self._swept = False

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        """Return a small object whole. Raises ObjectMissingError."""
        with self._faults(key), self._open(key) as file:
            stat = os.fstat(file.fileno())
            data = file.read()
        return data, _info(key, stat, crc32c(data))

    def write(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,  # noqa: ARG002
        if_generation: int | None = None,
    ) -> ObjectInfo:
        """Write a small object; see `Store.write`. Raises PreconditionFailedError."""
        with self._faults(key), self._temporary() as (tmp, file):
            file.write(data)
            _sync(file)
            with self._locks.hold(key) as lock:
                current = self._lstat(key)
                _check_generation(key, current, if_generation)
                lock.stamp(tmp, over=current)
                return self._publish(key, tmp, crc32c(data))

    def upload(self, key: str, path: Path, *, content_type: str) -> ObjectInfo:  # noqa: ARG002
        """Copy a file in, never overwriting; see `Store.upload`. Raises PreconditionFailedError."""
        with self._faults(key), path.open("rb") as source, self._temporary() as (tmp, file):
            running = Crc32c()
            for chunk in chunks(source):
                running.update(chunk)
                file.write(chunk)
            _sync(file)
            with self._locks.hold(key) as lock:
                present = self.stat(key)
                if present is None:
                    lock.stamp(tmp, over=None)
                    return self._publish(key, tmp, running.base64())
                if (present.size_bytes, present.crc32c) != (file.tell(), running.base64()):
                    raise PreconditionFailedError(
                        f"{key} holds other content already.",
                        evidence=f"there: {present.size_bytes} bytes, crc32c {present.crc32c}; "
                        f"new: {file.tell()} bytes, crc32c {running.base64()}",
                        remedy="Finished files are never overwritten: delete it first if it is damaged.",
                    )
                return present

    def download(self, key: str, path: Path, *, crc32c: str | None = None) -> None:
        """Copy an object out, whole or not at all. Raises ObjectMissingError, ObjectDamagedError."""
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with self._faults(key), self._open(key) as source:
            try:
                running = Crc32c()
                with partial.open("wb") as file:
                    for chunk in chunks(source):
                        running.update(chunk)
                        file.write(chunk)
                if crc32c is not None and running.base64() != crc32c:
                    raise ObjectDamagedError(
                        f"{key} is damaged.",
                        evidence=f"crc32c {running.base64()} instead of {crc32c}",
                        remedy="Delete it and run the job again: it is made anew.",
                    )
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def stat(self, key: str) -> ObjectInfo | None:
        """Return what is known of the object, or None where there is none."""
        with self._faults(key):
            try:
                with self._open(key) as file:
                    return _info(key, os.fstat(file.fileno()), self._sums.crc32c(key, file))
            except ObjectMissingError:
                return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with the prefix, in key order.

        Objects that come or go meanwhile may or may not be among them.
        """
        folder = check_prefix(prefix).rpartition("/")[0]
        for key in self._walk(f"{folder}/" if folder else "", prefix):
            if (info := self.stat(key)) is not None:
                yield info

    def delete(self, key: str, *, if_generation: int | None = None) -> None:
        """Delete; an absent object is no error. Raises PreconditionFailedError."""
        with self._faults(key):
            if self._lstat(key) is None:
                return
            with self._locks.hold(key):
                current = self._lstat(key)
                if current is None:
                    return
                _check_generation(key, current, if_generation)
                (self.root / key).unlink()
                self._sums.forget(key)

    def uri(self, key: str) -> str:
        """Return the file's absolute path."""
        return str(self.root / check_key(key))

    def _lstat(self, key: str) -> os.stat_result | None:
        """Return the file's stat, None where there is none. Raises StoreError for a link or a folder."""
        path = self.root
        stat = None
        for part in check_key(key).split("/"):
            path /= part
            try:
                stat = path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            if S_ISLNK(stat.st_mode):
                raise StoreError(
                    f"{path} is a symbolic link.",
                    remedy="The store follows none: put the file or the folder itself there.",
                )
        if stat is None or S_ISDIR(stat.st_mode):
            return None
        if not S_ISREG(stat.st_mode):
            raise StoreError(f"{path} is not a regular file.", remedy="Remove it from the store's folder.")
        return stat

    def _open(self, key: str) -> BinaryIO:
        if self._lstat(key) is None:
            raise _missing(key)
        try:
            return (self.root / key).open("rb")
        except FileNotFoundError:
            raise _missing(key) from None

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, BinaryIO]]:
        """Open a new file in the store's file system; it is removed unless it was renamed."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        self._sweep()
        tmp = self._tmp / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with tmp.open("xb") as file:
                yield tmp, file
        finally:
            tmp.unlink(missing_ok=True)

    def _publish(self, key: str, tmp: Path, crc: str) -> ObjectInfo:
        """Rename the synced, stamped temporary file to its name. The key's lock is held."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        stat = path.stat()
        self._sums.record(key, stat, crc)
        return _info(key, stat, crc)

    def _sweep(self) -> None:
        """Remove what killed processes left, once in a process."""
        if self._swept:
            return
        self._swept = True
        for path in self._tmp.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps too
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        """Yield the keys under a folder that start with the prefix, in key order."""
        names: builtins.list[str] = []
        absent = suppress(FileNotFoundError, NotADirectoryError)
        with self._faults(folder), absent, os.scandir(self.root / folder) as entries:
            # A slash sorts after `-` and `.`: with it, folders come where their keys do.
            names = sorted(
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in entries
                if not entry.is_symlink()
            )
        for name in names:
            key = f"{folder}{name}"
            if not (key.startswith(prefix) or prefix.startswith(key)) or not _is_key(key.rstrip("/")):
                continue
            if name.endswith("/"):
                yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                yield key

    @contextmanager
    def _faults(self, key: str) -> Iterator[None]:
        """Turn the operating system's errors into ours."""
        try:
            yield
        except OSError as error:
            raise _store_error(key, self.root, error) from error


def _is_key(text: str) -> bool:
    """Whether a file found in the folder can be an object: others, such as `.DS_Store`, are passed over."""
    try:
        check_key(text)
    except StoreError:
        return False
    return True


def _info(key: str, stat: os.stat_result, crc: str) -> ObjectInfo:
    return ObjectInfo(
        key, stat.st_size, crc, stat.st_mtime_ns, datetime.fromtimestamp(stat.st_mtime_ns / 1e9, UTC)
    )


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _check_generation(key: str, current: os.stat_result | None, wanted: int | None) -> None:
    generation = 0 if current is None else current.st_mtime_ns
    if wanted is None or wanted == generation:
        return
    found = f"has generation {generation}" if generation else "does not exist"
    raise PreconditionFailedError(
        f"{key} {found}; it should {f'have {wanted}' if wanted else 'not exist'}.",
        remedy="Another process changed it: read it again and decide anew.",
    )


def _missing(key: str) -> ObjectMissingError:
    return ObjectMissingError(f"There is no object {key}.", remedy="Check the name, or make it again.")


def _store_error(key: str, root: Path, error: OSError) -> StoreError:
    evidence = f"{key}: {error}"
    if error.errno in _FULL:
        return StoreError(
            f"The disk of {root} is full.",
            evidence=evidence,
            remedy="Free some space or move the folder to a larger disk, then run it again.",
        )
    if error.errno in _FORBIDDEN:
        return StoreError(
            f"{root} may not be used by this user.",
            evidence=evidence,
            remedy="Give this user read and write permission on the folder and all in it.",
        )
    if error.errno in _PASSING:
        return StoreUnavailableError(
            f"{root} did not answer.", evidence=evidence, remedy="Check its disk and try again."
        )
    return StoreError(
        f"{key} cannot be read or written in {root}.",
        evidence=evidence,
        remedy="See the system's message, correct its cause and run it again.",
    )
