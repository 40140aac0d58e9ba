"""Speech that was spoken before is read from the store, and only whole."""

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from trivia_render.errors import SpeechUnavailableError
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Speech
from trivia_render.models.timeline import Line
from trivia_render.speech.cache import CachedVoice, SpeechRecord, speech_key
from trivia_render.speech.flac import write_flac
from trivia_render.speech.lines import Part, join
from trivia_render.speech.silent import SilentVoice
from trivia_render.speech.usage import SpeechUsage
from trivia_render.storage import keys
from trivia_render.storage.local import LocalStore

SPEC = VoiceSpec(provider="google", name="en-US-Neural2-F", language="en-US", speed=1.0)
QUESTION = Line(role="question", text="What is the capital of Australia?")
ANSWER = Line(role="answer", text="The answer is Canberra.")


class Mumbler:
    """Speaks noise that is never the same twice, as cloud voices do, and counts."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate: threading.Event | None = None
        self.fails = False
        self._noise = np.random.default_rng(7)

    @property
    def usage(self) -> SpeechUsage:
        return SpeechUsage(requests=len(self.calls))

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        self.calls.append([line.text for line in lines])
        if self.gate:
            assert self.gate.wait(30)
        if self.fails:
            raise SpeechUnavailableError("No answer.", remedy="Try again.")
        spoken = [
            join(line, [Part(self._noise.normal(0, 0.1, 4800).astype(np.float32), ())], speed=voice.speed)
            for line in lines
        ]
        return Speech(tuple(line.samples for line in spoken), tuple(line.measured for line in spoken))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def mumbler() -> Mumbler:
    return Mumbler()


@pytest.fixture
def voice(mumbler: Mumbler, store: LocalStore, tmp_path: Path) -> CachedVoice:
    return CachedVoice(mumbler, store=store, scratch=tmp_path / "scratch")


def _same(one: Speech, other: Speech) -> bool:
    sounds = zip(one.samples, other.samples, strict=True)
    return one.lines == other.lines and all(np.array_equal(a, b) for a, b in sounds)


def _objects(store: LocalStore, suffix: str) -> list[str]:
    return [info.key for info in store.list("speech/") if info.key.endswith(suffix)]


def test_what_was_spoken_is_read_and_is_the_same_to_the_last_bit(
    voice: CachedVoice, mumbler: Mumbler, store: LocalStore, tmp_path: Path
) -> None:
    first = voice.synthesize([QUESTION, ANSWER], voice=SPEC)
    again = voice.synthesize([QUESTION, ANSWER], voice=SPEC)
    elsewhere = CachedVoice(Mumbler(), store=store, scratch=tmp_path / "other")

    assert _same(first, again)
    assert _same(first, elsewhere.synthesize([QUESTION, ANSWER], voice=SPEC))
    assert elsewhere.usage == SpeechUsage(cache_hits=2)
    assert mumbler.calls == [[QUESTION.text, ANSWER.text]]
    assert voice.usage == SpeechUsage(requests=1, cache_hits=2, cache_misses=2)


def test_a_changed_answer_leaves_the_question_as_it_was_spoken(voice: CachedVoice, mumbler: Mumbler) -> None:
    changed = ANSWER.model_copy(update={"text": "The answer is Sydney."})
    first = voice.synthesize([QUESTION, ANSWER], voice=SPEC)
    second = voice.synthesize([QUESTION, changed], voice=SPEC)

    assert np.array_equal(first.samples[0], second.samples[0])
    assert mumbler.calls[1:] == [[changed.text]]


def test_a_text_is_spoken_once_whatever_its_role_and_however_often_it_comes(
    voice: CachedVoice, mumbler: Mumbler
) -> None:
    twin = Line(role="option", text=ANSWER.text, option=2)
    speech = voice.synthesize([ANSWER, twin, ANSWER], voice=SPEC)

    assert mumbler.calls == [[ANSWER.text]]
    assert [measured.line for measured in speech.lines] == [ANSWER, twin, ANSWER]


@pytest.mark.parametrize(
    "change",
    [
        {"speed": 1.25},
        {"name": "en-US-Neural2-G"},
        {"language": "en-GB"},
        {"provider": "offline"},
    ],
)
def test_another_voice_or_speed_is_spoken_anew(
    voice: CachedVoice, mumbler: Mumbler, change: dict[str, object]
) -> None:
    voice.synthesize([ANSWER], voice=SPEC)
    voice.synthesize([ANSWER], voice=SPEC.model_copy(update=change))
    assert len(mumbler.calls) == 2


def test_objects_lie_where_the_storage_layout_says(voice: CachedVoice, store: LocalStore) -> None:
    voice.synthesize([ANSWER], voice=SPEC)

    record_key = keys.speech_key(speech_key(ANSWER.text, voice=SPEC), ".json")
    assert _objects(store, ".json") == [record_key]
    record = SpeechRecord.model_validate_json(store.read(record_key)[0])
    assert _objects(store, ".flac") == [record.audio.key]
    info = store.stat(record.audio.key)
    assert info is not None
    assert (info.size_bytes, info.crc32c) == (record.audio.size_bytes, record.audio.crc32c)


def test_the_sound_is_a_flac_file_that_anything_plays(voice: CachedVoice, store: LocalStore) -> None:
    speech = voice.synthesize([ANSWER], voice=SPEC)
    with av.open(store.uri(_objects(store, ".flac")[0])) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("flac", 48_000, 1)
        assert sum(frame.samples for frame in container.decode(stream)) == speech.lines[0].samples


def _flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _put_another_sound(path: Path) -> None:
    write_flac(path, np.ones(4800, np.int16))


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: path.unlink(), id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:100]), id="cut short"),
        pytest.param(_flip_a_byte, id="a byte flipped"),
        pytest.param(_put_another_sound, id="another whole sound"),
    ],
)
@pytest.mark.parametrize("suffix", [".flac", ".json"])
def test_a_missing_or_damaged_object_is_spoken_again(
    voice: CachedVoice, mumbler: Mumbler, store: LocalStore, suffix: str, harm: object
) -> None:
    voice.synthesize([ANSWER], voice=SPEC)
    before = _objects(store, suffix)[0]
    harm(Path(store.uri(before)))  # type: ignore[operator]
    is_plain_miss = suffix == ".json" and store.stat(before) is None

    second = voice.synthesize([ANSWER], voice=SPEC)
    third = voice.synthesize([ANSWER], voice=SPEC)
    assert len(mumbler.calls) == 2
    assert _same(second, third)
    assert voice.usage.cache_damaged == (0 if is_plain_miss else 1)


@pytest.mark.parametrize("keeps_its_time", [False, True])
def test_a_damaged_sound_of_a_voice_that_repeats_itself_is_replaced(
    store: LocalStore, tmp_path: Path, keeps_its_time: bool
) -> None:
    def speak() -> CachedVoice:
        voice = CachedVoice(Mumbler(), store=store, scratch=tmp_path)
        voice.synthesize([ANSWER], voice=SPEC)
        return voice

    speak()
    sound = Path(store.uri(_objects(store, ".flac")[0]))
    whole, times = sound.read_bytes(), sound.stat()
    _flip_a_byte(sound)
    if keeps_its_time:
        # As a failing disk does it: nothing but the content shows the damage.
        os.utime(sound, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert speak().usage.cache_damaged == 1
    assert sound.read_bytes() == whole
    assert speak().usage == SpeechUsage(cache_hits=1)


def test_a_record_that_says_another_length_is_not_believed(
    voice: CachedVoice, mumbler: Mumbler, store: LocalStore
) -> None:
    voice.synthesize([ANSWER], voice=SPEC)
    key = _objects(store, ".json")[0]
    record = json.loads(store.read(key)[0]) | {"samples": 5}
    store.write(key, json.dumps(record).encode(), content_type="application/json")

    assert voice.synthesize([ANSWER], voice=SPEC).lines[0].samples == 4800
    assert len(mumbler.calls) == 2


def test_a_failure_leaves_nothing_behind(voice: CachedVoice, mumbler: Mumbler, store: LocalStore) -> None:
    mumbler.fails = True
    with pytest.raises(SpeechUnavailableError):
        voice.synthesize([ANSWER], voice=SPEC)
    assert list(store.list("speech/")) == []

    mumbler.fails = False
    voice.synthesize([ANSWER], voice=SPEC)
    assert len(mumbler.calls) == 2


def test_two_formats_rendered_at_once_speak_once(voice: CachedVoice, mumbler: Mumbler) -> None:
    mumbler.gate = threading.Event()
    orders = [[QUESTION, ANSWER], [ANSWER, QUESTION], [ANSWER]]
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(voice.synthesize, lines, voice=SPEC) for lines in orders]
        mumbler.gate.set()
        speeches = [future.result(timeout=30) for future in running]

    assert sorted(text for call in mumbler.calls for text in call) == sorted([QUESTION.text, ANSWER.text])
    assert np.array_equal(speeches[0].samples[1], speeches[1].samples[0])
    assert np.array_equal(speeches[0].samples[1], speeches[2].samples[0])


def test_other_lines_do_not_wait_for_one_that_is_being_spoken(
    mumbler: Mumbler, store: LocalStore, tmp_path: Path
) -> None:
    voice = CachedVoice(mumbler, store=store, scratch=tmp_path)
    voice.synthesize([QUESTION], voice=SPEC)
    mumbler.gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(voice.synthesize, [ANSWER], voice=SPEC)
        quick = pool.submit(voice.synthesize, [QUESTION], voice=SPEC)
        assert len(quick.result(timeout=30).samples) == 1
        assert not slow.done()
        mumbler.gate.set()
        slow.result(timeout=30)


def test_silence_is_not_kept(store: LocalStore, tmp_path: Path) -> None:
    voice = CachedVoice(SilentVoice(), store=store, scratch=tmp_path)
    spec = VoiceSpec(provider="none", name="none", language="en-US", speed=1.0)
    assert voice.synthesize([QUESTION], voice=spec).lines[0].line == QUESTION
    assert list(store.list("speech/")) == []
    assert voice.usage == SpeechUsage()


def test_no_scratch_file_is_left(voice: CachedVoice, tmp_path: Path) -> None:
    voice.synthesize([QUESTION, ANSWER], voice=SPEC)
    voice.synthesize([QUESTION, ANSWER], voice=SPEC)
    assert list((tmp_path / "scratch").iterdir()) == []
