"""Threads beside a worker's main loop, and the clock that it goes by."""

import threading
import time
from collections.abc import Callable


def background(work: Callable[..., None], *arguments: object, **options: object) -> threading.Thread:
    """Start a thread that does not keep this process from ending."""
    thread = threading.Thread(target=work, args=arguments, kwargs=options, daemon=True)
    thread.start()
    return thread


def clock() -> float:
    """Seconds that go on while the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
