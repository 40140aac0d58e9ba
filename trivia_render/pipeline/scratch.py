"""Folders for unfinished files: a full disk is told from a fault of the program."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trivia_render.errors import DISK_REMEDY, DiskFullError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def scratch_folder(root: Path, *, prefix: str) -> Iterator[Path]:
    """Make a folder that is gone after the block. Raises DiskFullError where the disk takes no more."""
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(
            f"The disk of {root} is full.", evidence=f"  {error}", remedy=DISK_REMEDY
        ) from error
