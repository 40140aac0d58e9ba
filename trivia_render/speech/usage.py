"""What a voice has done, counted for manifests and metrics."""

import threading
from typing import NamedTuple


class SpeechUsage(NamedTuple):
    """Counts since the voice was made. `characters` are those that were sent, as providers bill them."""

    requests: int = 0
    characters: int = 0
    retries: int = 0
    cache_hits: int = 0
    cache_misses: int = 0


class UsageMeter:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = SpeechUsage()

    def add(self, usage: SpeechUsage) -> None:
        """Add to the counts."""
        with self._lock:
            self._usage = SpeechUsage(*(old + new for old, new in zip(self._usage, usage, strict=True)))

    @property
    def usage(self) -> SpeechUsage:
        """The counts so far."""
        return self._usage
