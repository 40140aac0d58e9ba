from pathlib import Path

import av
import numpy as np
import pytest

from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.sound import (
    LoudnessReading,
    encode_aac,
    measure_loudness,
    parse_loudness,
    read_flac,
    write_flac,
)
from trivia_render.errors import AssetInvalidError, EncodeError
from trivia_render.models.ports import Samples


def tone(*, dbfs: float, seconds: float = 5.0, hertz: float = 997.0) -> Samples:
    wave = np.sin(2 * np.pi * hertz * np.arange(int(seconds * 48_000)) / 48_000) * 10 ** (dbfs / 20)
    return np.stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [1, 1600, 200_001])
def test_clip_sound_comes_back_as_it_was_to_16_bits(tmp_path: Path, channels: int, length: int) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (channels, length)).astype(np.float32)
    write_flac(tmp_path / "clip.flac", samples)
    read = read_flac(tmp_path / "clip.flac")
    assert read.shape == samples.shape
    assert read.dtype == np.float32
    assert read.flags.c_contiguous
    assert np.abs(read - samples).max() <= 0.51 / 32_767  # half a step, and float32


def test_full_scale_survives(tmp_path: Path) -> None:
    samples = np.array([[1.0, -1.0, 0.0, 1.0]], np.float32)
    write_flac(tmp_path / "clip.flac", samples)
    assert np.array_equal(read_flac(tmp_path / "clip.flac"), samples)


def test_silence_and_two_unlike_rows_stay_apart(tmp_path: Path) -> None:
    samples = tone(dbfs=-20)
    samples[1] = 0
    write_flac(tmp_path / "clip.flac", samples)
    assert not read_flac(tmp_path / "clip.flac")[1].any()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(100, np.float32),
        np.zeros((3, 100), np.float32),
        np.full((1, 9), 1.01),
        np.full((1, 9), np.nan),
    ],
)
def test_sound_that_does_not_fit_is_refused_and_not_clipped(tmp_path: Path, samples: Samples) -> None:
    with pytest.raises(ValueError, match="sound"):
        write_flac(tmp_path / "clip.flac", samples)
    assert not (tmp_path / "clip.flac").exists()


def test_a_damaged_or_foreign_flac_is_named(tmp_path: Path) -> None:
    write_flac(tmp_path / "clip.flac", tone(dbfs=-20))
    whole = (tmp_path / "clip.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[:20])
    (tmp_path / "text.flac").write_text("no sound")
    for name in ("cut.flac", "text.flac", "none.flac"):
        with pytest.raises(AssetInvalidError, match=name):
            read_flac(tmp_path / name)


def test_a_flac_of_another_rate_is_refused(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(
        ["-f", "lavfi", "-i", "sine=d=0.1:r=44100", "-sample_fmt", "s16", str(tmp_path / "x.flac")], "making"
    )
    with pytest.raises(AssetInvalidError, match="44100 Hz"):
        read_flac(tmp_path / "x.flac")


def test_the_encoded_sound_is_aac_lc_of_the_same_length(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    samples = tone(dbfs=-20, seconds=3.3)
    path = encode_aac(samples, output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    with av.open(path) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.profile) == ("aac", "LC")
        assert (stream.rate, stream.codec_context.channels) == (48_000, 2)
        assert stream.duration == samples.shape[1]
        decoded = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1)
    # Not shifted by a sample: the encoder's priming is taken off again by the file's edit list.
    assert np.abs(decoded[:, 4800:150_000] - samples[:, 4800:150_000]).max() < 0.01
    assert [path.name for path in tmp_path.iterdir()] == ["sound.m4a"]


def test_a_wav_file_is_encoded_too(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg(["-f", "lavfi", "-i", "sine=d=1:r=48000", "-ac", "2", str(tmp_path / "x.wav")], "making")
    path = encode_aac(tmp_path / "x.wav", output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    with av.open(path) as container:
        assert container.streams.audio[0].duration == 48_000


def test_the_bitrate_is_the_one_asked_for(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 480_000)).astype(np.float32)
    path = encode_aac(noise, output=tmp_path / "sound.m4a", ffmpeg=ffmpeg, bitrate_kbps=96)
    assert path.stat().st_size * 8 / 10 == pytest.approx(96_000, rel=0.1)


def test_a_second_encode_replaces_the_first(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    output = tmp_path / "sound.m4a"
    encode_aac(tone(dbfs=-30), output=output, ffmpeg=ffmpeg)
    encode_aac(tone(dbfs=-10, seconds=2), output=output, ffmpeg=ffmpeg)
    with av.open(output) as container:
        assert container.streams.audio[0].duration == 96_000


def test_mono_is_no_master(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    with pytest.raises(ValueError, match=r"not \(2, n\)"):
        encode_aac(np.zeros((1, 100), np.float32), output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    assert list(tmp_path.iterdir()) == []


def test_a_sine_measures_as_ebu_tech_3341_says(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """Its first case: 1 kHz in both channels at -23 dBFS is -23 LUFS."""
    path = encode_aac(tone(dbfs=-23, seconds=20, hertz=1000), output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    reading = measure_loudness(path, ffmpeg=ffmpeg)
    assert reading.integrated_lufs == pytest.approx(-23.0, abs=0.1)
    assert reading.true_peak_dbtp == pytest.approx(-23.0, abs=0.2)


def test_a_peak_between_the_samples_is_found(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """A quarter of the sampling rate at 45 degrees: samples reach -3 dBFS, the wave 0."""
    wave = (np.sin(np.pi / 2 * np.arange(96_000) + np.pi / 4) * 10 ** (-6 / 20)).astype(np.float32)
    path = encode_aac(np.stack([wave, wave]), output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    reading = measure_loudness(path, ffmpeg=ffmpeg)
    assert np.abs(wave).max() == pytest.approx(10 ** (-9 / 20), rel=0.01)
    assert reading.true_peak_dbtp == pytest.approx(-6.0, abs=0.3)


def test_silence_has_no_loudness(tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    path = encode_aac(np.zeros((2, 96_000), np.float32), output=tmp_path / "sound.m4a", ffmpeg=ffmpeg)
    assert measure_loudness(path, ffmpeg=ffmpeg) == LoudnessReading(None, None)


def test_the_last_reading_counts_and_none_is_an_error() -> None:
    report = (
        "lavfi.r128.I=-70.000\nlavfi.r128.true_peak=0.1\nlavfi.r128.I=-14.020\nlavfi.r128.true_peak=0.794\n"
    )
    reading = parse_loudness(report)
    assert reading.integrated_lufs == -14.02
    assert reading.true_peak_dbtp == pytest.approx(-2.0, abs=0.01)
    with pytest.raises(EncodeError, match="no loudness"):
        parse_loudness("Stream map matches no streams")
