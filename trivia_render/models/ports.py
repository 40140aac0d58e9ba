"""The ports: what the pipeline needs of the outside, as protocols. Adapters live in the rooms."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from trivia_render.models.plan import VoiceSpec
from trivia_render.models.timeline import Line, MeasuredLine

Samples = npt.NDArray[np.float32]
Planes = npt.NDArray[np.uint8]


class ObjectInfo(NamedTuple):
    """An object as the store knows it. `generation` changes with every write, never repeats."""

    key: str
    size_bytes: int
    crc32c: str
    generation: int
    updated: datetime


class Store(Protocol):
    """Objects by key. A key is `/`-separated, relative, of [A-Za-z0-9._-] parts.

    Every method raises StoreUnavailableError when the store cannot be reached. Nothing half-written
    is ever visible.
    """

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        """Return a small object whole. Raises ObjectMissingError."""
        ...

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        """Write a small object. `if_generation` 0: only if absent; n: only over that generation.

        Raises PreconditionFailedError.
        """
        ...

    def upload(self, key: str, path: Path, *, content_type: str) -> ObjectInfo:
        """Upload a file, never overwriting: an object that is there with the same content stays.

        Raises PreconditionFailedError when the key holds other content.
        """
        ...

    def download(self, key: str, path: Path, *, crc32c: str | None = None) -> None:
        """Fetch into a file, checked. Raises ObjectMissingError, ObjectDamagedError."""
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Return what the store knows of the object, or None where there is none."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with the prefix, in key order."""
        ...

    def delete(self, key: str, *, if_generation: int | None = None) -> None:
        """Delete; an absent object is no error. Raises PreconditionFailedError."""
        ...

    def uri(self, key: str) -> str:
        """Where a person finds it: a `gs://` URI, or the file's absolute path."""
        ...


class RemoteAssets(Protocol):
    """Images that a config names by `gs://` or `https://`."""

    def fetch(self, reference: str) -> bytes:
        """Return an image's bytes, up to a size. Its format is not looked at.

        Raises AssetInvalidError for a place that is not allowed, and for what is not there or too large;
        AssetUnavailableError and the store's errors for faults that may pass. Messages name no reference.
        """
        ...


class Speech(NamedTuple):
    """Spoken lines: one mono float32 array at 48 kHz a line, in [-1, 1], and their measures."""

    samples: tuple[Samples, ...]
    lines: tuple[MeasuredLine, ...]


class Voice(Protocol):
    """A voice: lines in, speech out, in the same order."""

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Speak the lines. Raises SpeechError and its kin, SpeechTooLongError."""
        ...


#: Runs FFmpeg: (arguments without the program, what it is for in words) -> its standard error.
#: Raises EncodeError, EncodeStalledError.
FfmpegRunner = Callable[[Sequence[str], str], str]
