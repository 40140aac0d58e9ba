"""Speech that was spoken before, kept in the store by what was said, by whom and how fast.

The unit is a line. A call still takes one request at most for all its lines that are not there yet, so
it never takes more than a cache of whole calls would; and a changed answer does not have its question
spoken again, nor a sentence that many clips share.
"""

import hashlib
import json
import logging
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from pydantic import Field, ValidationError

from trivia_render.errors import ObjectDamagedError, ObjectMissingError, PreconditionFailedError
from trivia_render.models.base import Model
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples, Speech, Store
from trivia_render.models.results import ObjectRef
from trivia_render.models.timeline import Line, MeasuredLine, Sentence
from trivia_render.speech.flac import from_16_bit, read_flac, to_16_bit, write_flac
from trivia_render.speech.usage import CountingVoice, SpeechUsage, UsageMeter

#: Part of every key: raise it whenever the same line of the same voice would sound another way.
SPEECH_VERSION = 1

_log = logging.getLogger(__name__)


class SpeechRecord(Model):
    """`speech/{key}.json`: a spoken line. Written after its sound, it is the commit."""

    version: int
    voice: VoiceSpec
    text: str
    samples: int = Field(ge=0)
    sentences: tuple[Sentence, ...]
    audio: ObjectRef


class _Spoken(NamedTuple):
    samples: Samples
    sentences: tuple[Sentence, ...]


def speech_key(text: str, *, voice: VoiceSpec) -> str:
    """Hash everything that shapes a line's sound: 64 hex digits, the same on every machine."""
    shape = {"version": SPEECH_VERSION, "text": text, **voice.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(shape, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class CachedVoice:
    """A voice that speaks a line once. Safe to use from several threads; reads what others wrote.

    The sound is kept as 16-bit FLAC. What was just spoken is rounded the same way, so that a clip is the
    same whether its speech was there or not.
    """

    def __init__(self, inner: CountingVoice, *, store: Store, scratch: Path) -> None:
        self._inner = inner
        self._store = store
        self._scratch = scratch
        self._meter = UsageMeter()
        self._locks = _KeyLocks()

    @property
    def usage(self) -> SpeechUsage:
        """The voice's counts, with hits and misses."""
        return self._inner.usage + self._meter.usage

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        """Speak the lines, or read them where they were spoken before.

        Raises as the voice does, and StoreError and its kin. Silence (`none`) is not kept.
        """
        if voice.provider == "none":
            return self._inner.synthesize(lines, voice=voice)
        keys = [speech_key(line.text, voice=voice) for line in lines]
        with self._locks.hold(keys):
            spoken = self._read_all(keys)
            missing = {key: line for key, line in zip(keys, lines, strict=True) if key not in spoken}
            self._meter.add(SpeechUsage(cache_hits=len(set(keys)) - len(missing), cache_misses=len(missing)))
            if missing:
                spoken |= self._speak(missing, voice)
        samples = tuple(spoken[key].samples for key in keys)
        measured = tuple(
            MeasuredLine(line=line, samples=len(spoken[key].samples), sentences=spoken[key].sentences)
            for key, line in zip(keys, lines, strict=True)
        )
        return Speech(samples, measured)

    def _read_all(self, keys: Sequence[str]) -> dict[str, _Spoken]:
        found = ((key, self._read(key)) for key in dict.fromkeys(keys))
        return {key: spoken for key, spoken in found if spoken is not None}

    def _read(self, key: str) -> _Spoken | None:
        try:
            data, _ = self._store.read(_record_key(key))
        except ObjectMissingError:
            return None
        try:
            record = SpeechRecord.model_validate_json(data)
            return _Spoken(self._download(record), record.sentences)
        except (ObjectMissingError, ObjectDamagedError, ValidationError) as error:
            _log.warning("Speech %s is missing or damaged and is spoken again: %s", key, error)
            self._meter.add(SpeechUsage(cache_damaged=1))
            return None

    def _download(self, record: SpeechRecord) -> Samples:
        with self._scratch_file() as path:
            self._store.download(record.audio.key, path, crc32c=record.audio.crc32c)
            return from_16_bit(read_flac(path, samples=record.samples))

    def _speak(self, missing: dict[str, Line], voice: VoiceSpec) -> dict[str, _Spoken]:
        speech = self._inner.synthesize(list(missing.values()), voice=voice)
        return {
            key: self._write(key, samples, measured, voice)
            for key, samples, measured in zip(missing, speech.samples, speech.lines, strict=True)
        }

    def _write(self, key: str, samples: Samples, measured: MeasuredLine, voice: VoiceSpec) -> _Spoken:
        rounded = to_16_bit(samples)
        with self._scratch_file() as path:
            write_flac(path, rounded)
            audio = self._upload(path)
        record = SpeechRecord(
            version=SPEECH_VERSION,
            voice=voice,
            text=measured.line.text,
            samples=len(rounded),
            sentences=measured.sentences,
            audio=audio,
        )
        self._store.write(
            _record_key(key), record.model_dump_json().encode(), content_type="application/json"
        )
        return _Spoken(from_16_bit(rounded), measured.sentences)

    def _upload(self, path: Path) -> ObjectRef:
        # Named by its own content: two machines that speak a line at once (a cloud voice never says it the
        # same way twice) do not get in each other's way, and the record names one of the two.
        key = f"speech/{hashlib.sha256(path.read_bytes()).hexdigest()}.flac"
        try:
            info = self._store.upload(key, path, content_type="audio/flac")
        except PreconditionFailedError:
            # What does not hold the content that its name says is damaged.
            self._store.delete(key)
            info = self._store.upload(key, path, content_type="audio/flac")
        return ObjectRef(key=key, size_bytes=info.size_bytes, crc32c=info.crc32c)

    @contextmanager
    def _scratch_file(self) -> Iterator[Path]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="speech-") as folder:
            yield Path(folder) / "line.flac"


class _KeyLock:
    """A lock that the stack of its holder keeps alive, and that a dictionary can hold weakly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _KeyLocks:
    """One lock a key, for as long as somebody uses it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, _KeyLock] = WeakValueDictionary()

    @contextmanager
    def hold(self, keys: Sequence[str]) -> Iterator[None]:
        """Hold the locks of all keys, taken in one order by everybody, so that none waits in a circle."""
        with ExitStack() as stack:
            for key in sorted(set(keys)):
                with self._guard:
                    lock = self._locks.setdefault(key, _KeyLock())
                stack.enter_context(lock)
            yield


def _record_key(key: str) -> str:
    return f"speech/{key}.json"
