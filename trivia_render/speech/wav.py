"""PCM out of a WAV file, as speech services send it. Pure."""

import struct

import numpy as np

from trivia_render.errors import SpeechError
from trivia_render.models.ports import Samples

_PCM, _EXTENSIBLE = 1, 0xFFFE


def read_wav(data: bytes) -> tuple[Samples, int]:
    """Return mono float32 samples in [-1, 1) and their rate.

    Chunks before and after the sound are skipped; a size that a streaming writer left open (0 or
    0xFFFFFFFF) means up to the end. Raises SpeechError for anything but mono 16-bit PCM.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise _unreadable(f"it starts with {data[:12]!r}")
    rate = 0
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        body = position + 8
        if name == b"fmt " and size >= 16 and body + 16 <= len(data):
            coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, body)
            if coding not in (_PCM, _EXTENSIBLE) or channels != 1 or bits != 16 or not rate:
                raise _unreadable(f"coding {coding}, {channels} channels, {bits} bits, {rate} Hz")
        if name == b"data":
            if not rate:
                raise _unreadable("its sound comes before its format")
            end = len(data) if size in (0, 0xFFFFFFFF) else min(body + size, len(data))
            pcm = np.frombuffer(data[body : end - (end - body) % 2], "<i2")
            return pcm.astype(np.float32) / np.float32(32768), int(rate)
        position = body + size + size % 2
    raise _unreadable("it holds no sound")


def _unreadable(evidence: str) -> SpeechError:
    return SpeechError(
        "The speech service answered with a sound that is not mono 16-bit PCM in a WAV file.",
        evidence=evidence,
        remedy="Try again; if it stays so, choose another `tts_voice`.",
    )
