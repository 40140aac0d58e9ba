"""What a voice has done, counted for manifests and metrics."""

import threading
from typing import Protocol

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.ports import Voice


class SpeechUsage(Model):
    """Counts since the voice was made."""

    requests: int = Field(default=0, ge=0, description="Sent to the voice, repeats included.")
    characters: int = Field(default=0, ge=0, description="In those requests, markup included.")
    billed_characters: int = Field(
        default=0, ge=0, description="Characters that were paid for: of answered requests, without marks."
    )
    retries: int = Field(default=0, ge=0, description="Requests repeated after a passing fault.")
    unmarked: int = Field(default=0, ge=0, description="Calls spoken line by line, since marks failed.")
    cache_hits: int = Field(default=0, ge=0, description="Lines that were there.")
    cache_misses: int = Field(default=0, ge=0, description="Lines that were not there, or damaged.")
    cache_damaged: int = Field(default=0, ge=0, description="Lines whose sound was missing or damaged.")

    def __add__(self, other: "SpeechUsage") -> "SpeechUsage":
        return SpeechUsage(
            **{name: getattr(self, name) + getattr(other, name) for name in SpeechUsage.model_fields}
        )


class CountingVoice(Voice, Protocol):
    """A voice that counts what it does."""

    @property
    def usage(self) -> SpeechUsage:
        """The counts so far."""
        ...


class UsageMeter:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = SpeechUsage()

    def add(self, usage: SpeechUsage) -> None:
        """Add to the counts."""
        with self._lock:
            self._usage += usage

    @property
    def usage(self) -> SpeechUsage:
        """The counts so far."""
        return self._usage
