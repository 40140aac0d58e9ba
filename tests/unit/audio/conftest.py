"""Sounds to test with, and FFmpeg as the encoder and the independent meter."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

Sound = npt.NDArray[np.float32]


class EbuReading(NamedTuple):
    integrated_lufs: float | None
    true_peak_dbtp: float | None


def _ffmpeg(*arguments: str, data: bytes = b"") -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-y", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def _write(sound: Sound, path: Path, *options: str) -> Path:
    raw = np.ascontiguousarray(sound.T, np.float32).tobytes()
    _ffmpeg("-f", "f32le", "-ar", "48000", "-ac", "2", "-i", "-", *options, str(path), data=raw)
    return path


@pytest.fixture
def encode_aac(tmp_path: Path) -> Callable[[Sound], Path]:
    """Encode (2, n) as AAC-LC at 192 kbit/s."""
    return lambda sound: _write(sound, tmp_path / "sound.m4a", "-c:a", "aac", "-b:a", "192k")


@pytest.fixture
def meter_file() -> Callable[[Path], EbuReading]:
    """Measure a file by FFmpeg's EBU R 128 filter, with true peaks."""

    def measure(path: Path) -> EbuReading:
        report = _ffmpeg("-i", str(path), "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-")
        lufs = float(re.findall(r"I:\s+(\S+) LUFS", report)[-1])
        peak = float(re.findall(r"Peak:\s+(\S+) dBFS", report)[-1])
        return EbuReading(lufs if lufs > -70 else None, peak)

    return measure


@pytest.fixture
def meter(tmp_path: Path, meter_file: Callable[[Path], EbuReading]) -> Callable[[Sound], EbuReading]:
    """Measure samples, without a codec's loss."""
    return lambda sound: meter_file(_write(sound, tmp_path / "sound.wav", "-c:a", "pcm_f32le"))


@pytest.fixture
def babble() -> Callable[[float], Sound]:
    """Return something with the spectrum and the rhythm of speech: (n,) at -20 dBFS RMS while it sounds."""

    def speak(seconds: float) -> Sound:
        samples = round(seconds * 48_000)
        random = np.random.default_rng(5)
        spectrum = np.fft.rfft(random.standard_normal(samples))
        frequency = np.fft.rfftfreq(samples, 1 / 48_000)
        spectrum *= (frequency > 90) / (1 + (frequency / 500) ** 1.5)
        time = np.arange(samples) / 48_000
        syllables = np.clip(np.sin(2 * np.pi * 2.1 * time) + 0.45, 0, None) ** 0.7
        sound = np.fft.irfft(spectrum, samples) * syllables
        sounding = np.abs(syllables) > 0.3
        return (sound * 0.1 / np.sqrt(np.mean(sound[sounding] ** 2))).astype(np.float32)

    return speak
