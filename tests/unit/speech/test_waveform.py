"""Levels, ends, rates and tempo of waveforms, and sound out of WAV files."""

import struct

import numpy as np
import pytest

from trivia_render.errors import SpeechError
from trivia_render.models.ports import Samples
from trivia_render.speech import waveform
from trivia_render.speech.places import cut_at_breaks, pauses, place_sentences
from trivia_render.speech.text import SpokenSentence
from trivia_render.speech.wav import read_wav

RATE = 48_000


def _tone(seconds: float, *, hertz: float = 440.0, level: float = 0.2, rate: int = RATE) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def _silence(seconds: float) -> Samples:
    return waveform.silence(seconds)


def test_trimming_keeps_the_sound_with_a_margin_and_fades_the_cut() -> None:
    sound = np.concatenate([_silence(0.5), _tone(1.0), _silence(0.7)])
    cut, extent = waveform.trim(sound)

    assert len(cut) / RATE == pytest.approx(1.0 + 2 * waveform.MARGIN_SECONDS, abs=0.011)
    assert extent.start / RATE == pytest.approx(waveform.MARGIN_SECONDS, abs=0.006)
    assert cut[0] == 0
    assert abs(cut[-1]) < 1e-4


def test_trimming_sound_without_silence_around_it_makes_no_click() -> None:
    cut, extent = waveform.trim(np.full(RATE, 0.5, np.float32))

    assert extent == (0, RATE)
    assert abs(cut[0]) < 1e-4
    assert abs(cut[-1]) < 1e-4
    assert np.abs(np.diff(cut)).max() < 0.01


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(RATE, np.float32)])
def test_silence_trims_to_nothing(samples: Samples) -> None:
    cut, extent = waveform.trim(samples)
    assert len(cut) == 0
    assert extent == (0, 0)
    assert waveform.active_level_dbfs(samples) is None
    assert waveform.at_speech_level(samples) is samples


@pytest.mark.parametrize("level", [0.003, 0.05, 0.9])
def test_the_level_is_that_of_the_sound_whatever_the_pauses(level: float) -> None:
    sound = np.concatenate([_tone(0.6, level=level), _silence(2.0), _tone(0.4, level=level)])
    assert waveform.active_level_dbfs(waveform.at_speech_level(sound)) == pytest.approx(-20.0, abs=0.05)


def test_peaks_over_the_limit_are_turned_down_alone_and_without_a_click() -> None:
    sound = _tone(1.0, hertz=100.0, level=0.1)
    swell = slice(24_000, 24_480)
    sound[swell] *= 1 + 15 * np.hanning(480).astype(np.float32)
    quieter = waveform.at_speech_level(sound)
    gains = quieter[np.abs(sound) > 0.01] / sound[np.abs(sound) > 0.01]

    assert np.abs(quieter).max() <= 10 ** (waveform.SPEECH_PEAK_DBFS / 20) + 1e-6
    assert gains.min() < 0.8 * gains.max()
    assert np.abs(np.diff(gains)).max() < 0.03 * gains.max()
    untouched = np.abs(np.arange(RATE) - 24_240) > 800
    assert (
        np.ptp(quieter[untouched & (np.abs(sound) > 0.01)] / sound[untouched & (np.abs(sound) > 0.01)]) < 1e-4
    )


@pytest.mark.parametrize("length", [1, 59, 60, 61, 12_345])
def test_no_sample_is_over_the_peak_limit_whatever_the_sound(length: int) -> None:
    spikes = np.random.default_rng(length).standard_t(1.5, length).astype(np.float32) * np.float32(0.01)
    assert np.abs(waveform.at_speech_level(spikes)).max() <= 10 ** (waveform.SPEECH_PEAK_DBFS / 20) + 1e-6


@pytest.mark.parametrize("hertz", [100, 1000, 5000, 9000, 11_000])
def test_doubling_the_rate_adds_no_image(hertz: int) -> None:
    doubled = waveform.double_rate(_tone(1.0, hertz=hertz, level=0.5, rate=RATE // 2))[4800:-4800]
    spectrum = np.abs(np.fft.rfft(doubled * np.hanning(len(doubled))))
    frequencies = np.fft.rfftfreq(len(doubled), 1 / RATE)
    near = np.abs(frequencies - hertz) < 100

    assert spectrum[near].max() / (0.5 * np.hanning(len(doubled)).sum() / 2) == pytest.approx(1.0, rel=0.002)
    assert 20 * np.log10(spectrum[~near].max() / spectrum[near].max()) < -80


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_keeps_length_and_pitch(rate: int) -> None:
    resampled = waveform.to_speech_rate(_tone(1.0, rate=rate), rate=rate)
    crossings = np.count_nonzero(np.diff(np.signbit(resampled)))

    assert len(resampled) == pytest.approx(RATE, abs=0.002 * RATE)
    assert crossings == pytest.approx(880, abs=4)


@pytest.mark.parametrize("tempo", [0.25, 0.4, 0.5, 1.3, 2.0, 4.0])
def test_stretching_changes_length_and_keeps_pitch(tempo: float) -> None:
    stretched = waveform.stretch(_tone(2.0), tempo=tempo)
    crossings = np.count_nonzero(np.diff(np.signbit(stretched)))

    assert len(stretched) / RATE == pytest.approx(2.0 / tempo, rel=0.06)
    assert crossings / (len(stretched) / RATE) == pytest.approx(880, rel=0.03)


def test_a_speed_is_shared_between_voice_and_stretching() -> None:
    def share(speed: float) -> tuple[float, float]:
        return waveform.native_speed(speed, slowest=0.5, fastest=2.0)

    assert share(1.3) == (1.3, 1.0)
    assert share(4.0) == (2.0, 2.0)
    assert share(0.25) == (0.5, 0.5)


def _sentences(*texts: str) -> list[SpokenSentence]:
    return [SpokenSentence(text, text) for text in texts]


def test_sentences_are_found_at_the_pauses_nearest_to_their_share() -> None:
    # The longest pause is inside the second sentence: after a third of the letters, not a half.
    sound = np.concatenate(
        [_tone(1.0), _silence(0.3), _tone(1.0), _silence(0.15), _tone(0.4), _silence(0.35), _tone(1.0)]
    )
    places = place_sentences(sound, _sentences("a" * 20, "b" * 28, "c" * 20), marks=None)
    assert [place.start_seconds for place in places] == pytest.approx([0.0, 1.3, 3.2], abs=0.01)
    assert [place.end_seconds for place in places] == pytest.approx([1.0, 2.85, 4.2], abs=0.01)


def test_marks_outweigh_the_length_of_a_pause() -> None:
    sound = np.concatenate([_tone(1.0), _silence(0.15), _tone(0.5), _silence(0.6), _tone(1.0)])
    places = place_sentences(sound, _sentences("aa", "bb"), marks=[1.15])
    assert places[1].start_seconds == pytest.approx(1.15, abs=0.01)


def test_without_a_pause_a_sentence_starts_at_its_mark() -> None:
    places = place_sentences(_tone(2.0), _sentences("aa", "bb"), marks=[1.2])
    assert places[0].end_seconds == pytest.approx(1.2, abs=0.01)
    assert places[1].start_seconds == pytest.approx(1.2, abs=0.01)


def test_breaks_are_cut_in_their_silence_or_not_at_all() -> None:
    sound = np.concatenate([_tone(1.0), _silence(1.0), _tone(1.0)])
    first, second = cut_at_breaks(sound, [(1.0, 2.0)]) or (None, None)
    assert first is not None
    assert second is not None
    assert first.end / RATE == pytest.approx(1.5, abs=0.02)
    assert cut_at_breaks(sound, [(2.5, 2.6)]) is None
    assert cut_at_breaks(sound, [(1.0, 2.0), (1.0, 2.0)]) is None
    assert cut_at_breaks(_silence(1.0), []) is None


def test_pauses_lie_between_sounds_only() -> None:
    sound = np.concatenate([_silence(1.0), _tone(0.5), _silence(0.2), _tone(0.5), _silence(1.0)])
    (pause,) = pauses(sound)
    assert (pause.end - pause.start) / RATE == pytest.approx(0.2, abs=0.011)


def _wav(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, data: bytes, *, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


FORMAT = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 24_000, 48_000, 2, 16))
PCM = struct.pack("<4h", 0, 16_384, -32_768, 32_767)


@pytest.mark.parametrize(
    "data",
    [
        _wav(FORMAT, _chunk(b"data", PCM)),
        _wav(_chunk(b"LIST", b"odd"), FORMAT, _chunk(b"fact", b"1234"), _chunk(b"data", PCM)),
        _wav(FORMAT, _chunk(b"data", PCM), _chunk(b"LIST", b"after it")),
        _wav(FORMAT, _chunk(b"data", PCM, size=0xFFFFFFFF)),
        _wav(FORMAT, _chunk(b"data", PCM, size=0)),
        _wav(FORMAT, _chunk(b"data", PCM, size=5000)),
    ],
    ids=["plain", "chunks before", "chunk after", "open size", "no size", "size too large"],
)
def test_a_wav_file_is_read_without_its_header(data: bytes) -> None:
    samples, rate = read_wav(data)
    assert rate == 24_000
    assert samples.tolist() == pytest.approx([0.0, 0.5, -1.0, 0.99997], abs=1e-4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3 this is an MP3",
        _wav(FORMAT),
        _wav(_chunk(b"data", PCM)),
        _wav(_chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 24_000, 96_000, 4, 16)), _chunk(b"data", PCM)),
        _wav(_chunk(b"fmt ", struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8)), _chunk(b"data", PCM)),
    ],
    ids=["empty", "mp3", "no sound", "no format", "stereo", "mu-law"],
)
def test_a_file_of_another_kind_is_an_error(data: bytes) -> None:
    with pytest.raises(SpeechError, match="mono 16-bit PCM"):
        read_wav(data)
