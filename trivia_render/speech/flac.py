"""Speech as 16-bit FLAC files: lossless, a quarter of a float WAV, playable by hand."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from trivia_render.errors import ObjectDamagedError
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

_FULL_SCALE = 32768


def to_16_bit(samples: Samples) -> npt.NDArray[np.int16]:
    """Round to what a FLAC file holds."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    rounded: npt.NDArray[np.int16] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return rounded


def from_16_bit(samples: npt.NDArray[np.int16]) -> Samples:
    """Return what was rounded as float32 in [-1, 1)."""
    return samples.astype(np.float32) / np.float32(_FULL_SCALE)


def write_flac(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """Write mono 48 kHz samples; the same samples give the same bytes."""
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def read_flac(path: Path, *, samples: int) -> npt.NDArray[np.int16]:
    """Read so many mono 48 kHz samples. Raises ObjectDamagedError for a file that holds something else."""
    try:
        with av.open(str(path), "r", format="flac") as container:
            parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    except (av.error.FFmpegError, IndexError) as error:
        raise _damaged(str(error)) from error
    found = np.concatenate([np.zeros(0, np.int16), *parts]).astype(np.int16)
    if len(found) != samples:
        raise _damaged(f"{len(found)} samples instead of {samples}")
    return found


def _damaged(evidence: str) -> ObjectDamagedError:
    return ObjectDamagedError(
        "A FLAC file of spoken sound is damaged.", evidence=evidence, remedy="It is spoken again."
    )
