"""Reading time without a voice, and what is the offline voice's own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from trivia_render.errors import LanguageNotSpokenError, ProgramMissingError, SpeechError
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Samples
from trivia_render.models.timeline import Line
from trivia_render.speech import offline
from trivia_render.speech.offline import OfflineVoice
from trivia_render.speech.offline_identity import engine_missing
from trivia_render.speech.silent import SilentVoice, reading_seconds

ENGLISH = VoiceSpec(provider="offline", name="hibari", language="en-US", speed=1.0)
LINE = Line(role="question", text="Is it true? It is.")


def test_english_is_read_at_the_pace_of_subtitles() -> None:
    words = " ".join(["word"] * 171)
    assert reading_seconds(words, language="en-US", speed=1.0) == pytest.approx(60, rel=0.01)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja-JP", "日本の首都はどこですか"),
        ("cmn-CN", "中国的首都是哪里"),
        ("th-TH", "เมืองหลวงของประเทศไทยคือที่ไหน"),
    ],
)
def test_scripts_without_spaces_are_counted_by_characters(language: str, text: str) -> None:
    one = reading_seconds(text, language=language, speed=1.0)
    assert one > 1.5
    assert reading_seconds(text * 2, language=language, speed=1.0) == pytest.approx(2 * one)


def test_reading_in_arabic_takes_longer_than_in_english() -> None:
    words = "كلمة " * 10
    assert reading_seconds(words, language="ar-XA", speed=1.0) > reading_seconds(
        "word " * 10, language="en", speed=1.0
    )


def test_emoji_and_signs_take_no_time_and_a_word_takes_a_moment() -> None:
    assert reading_seconds("🎉 ... —", language="en", speed=1.0) == 0
    spec = VoiceSpec(provider="none", name="none", language="en-US", speed=1.0)
    speech = SilentVoice().synthesize([Line(role="answer", text="Rome.")], voice=spec)
    assert speech.lines[0].samples == pytest.approx(0.8 * 48_000, abs=1)
    assert not speech.samples[0].any()


def test_the_offline_voice_refuses_other_languages() -> None:
    french = ENGLISH.model_copy(update={"language": "fr-FR"})
    with pytest.raises(LanguageNotSpokenError, match="fr-FR"):
        OfflineVoice().synthesize([LINE], voice=french)


def test_a_missing_engine_says_what_to_install() -> None:
    def missing() -> offline.Engine:
        raise engine_missing(ImportError("No module named 'hibari'"))

    with pytest.raises(ProgramMissingError, match="pip install hibari-tts"):
        OfflineVoice(load_engine=missing).synthesize([LINE], voice=ENGLISH)


def test_whatever_the_engine_raises_names_the_sentence() -> None:
    def broken(text: str, speed: float) -> Samples:
        raise IndexError("inside the rules")

    with pytest.raises(SpeechError, match="Is it true") as raised:
        OfflineVoice(load_engine=lambda: broken).synthesize([LINE], voice=ENGLISH)
    assert "IndexError: inside the rules" in str(raised.value)


def test_an_engine_that_gives_no_sound_gives_short_silence() -> None:
    voice = OfflineVoice(load_engine=lambda: lambda text, speed: np.zeros(0, np.float32))
    speech = voice.synthesize([LINE], voice=ENGLISH)
    assert speech.lines[0].samples == 0.3 * 48_000
    assert not speech.samples[0].any()


def test_the_model_is_loaded_once_a_process_however_many_threads_start_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: offline._shared_engine(), range(4)))
    assert len({id(engine) for engine in engines}) == 1


def test_the_offline_voice_counts_its_sentences() -> None:
    voice = OfflineVoice(load_engine=lambda: lambda text, speed: np.full(4800, 0.1, np.float32))
    voice.synthesize([LINE, LINE], voice=ENGLISH)
    assert (voice.usage.requests, voice.usage.characters) == (4, 2 * len("Is it true?It is."))
