"""Sound files: lossless for clips, AAC for the finished video, and its loudness."""

import math
import re
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.errors import AssetInvalidError, EncodeError
from trivia_render.models.formats import SAMPLE_RATE
from trivia_render.models.ports import Samples

#: Of 16-bit sound. Its rounding noise lies at -98 dB: under speech at -26 LUFS, raised by 12 dB for the
#: final master, it stays 70 dB below. 24 bits would be 2.5 times the size for nothing audible.
_FULL_SCALE: Final = 32_767
#: Reading of a meter that heard nothing: the absolute gate of BS.1770.
_SILENCE_LUFS: Final = -70.0
_CHUNK_SAMPLES: Final = 1 << 16


class LoudnessReading(NamedTuple):
    """What the meter says. Both are None for silence, where there is nothing to measure."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None


def write_flac(path: Path, samples: Samples) -> None:
    """Write (channels, n) float32 in [-1, 1], one or two channels at 48 kHz, as 16-bit FLAC.

    Raises ValueError for other shapes and for samples out of range.
    """
    if samples.ndim != 2 or samples.shape[0] not in (1, 2):
        raise ValueError(f"sound has the shape {samples.shape}, not (1 or 2, n)")
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak <= 1.0:
        raise ValueError(f"sound peaks at {peak:.3f}, over full scale")
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    interleaved = np.rint(samples.T * _FULL_SCALE).astype(np.int16).reshape(1, -1)
    with av.open(path, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout=layout, format="s16")
        step = _CHUNK_SAMPLES * samples.shape[0]
        for start in range(0, interleaved.shape[1], step):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(interleaved[:, start : start + step]), format="s16", layout=layout
            )
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_flac(path: Path) -> Samples:
    """Read what `write_flac` wrote: (channels, n) float32 at 48 kHz. Raises AssetInvalidError."""
    try:
        with av.open(path, "r", format="flac") as container:
            stream = container.streams.audio[0]
            if stream.rate != SAMPLE_RATE or stream.format is None or stream.format.name != "s16":
                raise _not_ours(path, f"it has {stream.rate} Hz and {stream.format}")
            channels = stream.codec_context.channels
            frames = [frame.to_ndarray().reshape(-1, channels) for frame in container.decode(stream)]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise _not_ours(path, str(error)) from error
    if not frames:
        return np.zeros((channels, 0), np.float32)
    whole = np.concatenate(frames)
    return np.ascontiguousarray(whole.T).astype(np.float32) / np.float32(_FULL_SCALE)


def _not_ours(path: Path, why: str) -> AssetInvalidError:
    return AssetInvalidError(
        f"{path.name} is not a clip's 48 kHz, 16-bit FLAC: {why}.", remedy="Render the clip again."
    )


def encode_aac(samples: Samples | Path, *, output: Path, ffmpeg: Ffmpeg, bitrate_kbps: int = 160) -> Path:
    """Encode (2, n) float32 at 48 kHz, or a WAV file, to AAC-LC in MP4 at `output`, and return it.

    An earlier file is replaced; the new one appears whole or not at all.
    Raises EncodeError, EncodeStalledError, and ValueError for another shape.
    """
    partial = output.with_name(f".{output.name}.partial")
    try:
        if isinstance(samples, Path):
            ffmpeg(
                arguments.encode_aac(output=partial, bitrate_kbps=bitrate_kbps, wav=samples),
                "encoding the sound",
            )
        else:
            if samples.ndim != 2 or samples.shape[0] != 2:
                raise ValueError(f"sound has the shape {samples.shape}, not (2, n)")
            interleaved = np.ascontiguousarray(samples.T, dtype="<f4")
            ffmpeg.feed(
                arguments.encode_aac(output=partial, bitrate_kbps=bitrate_kbps),
                "encoding the sound",
                chunks=[interleaved.data.cast("B")],
            )
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return output


def measure_loudness(path: Path, *, ffmpeg: Ffmpeg) -> LoudnessReading:
    """Decode a sound or video file and measure it after EBU R 128, true peak four times oversampled.

    Raises EncodeError, EncodeStalledError.
    """
    return parse_loudness(ffmpeg(arguments.measure_loudness(path), "measuring loudness"))


def parse_loudness(report: str) -> LoudnessReading:
    """Read the last figures of FFmpeg's `ebur128` metadata. Pure. Raises EncodeError without any."""
    integrated = re.findall(r"^lavfi\.r128\.I=(\S+)$", report, re.MULTILINE)
    peaks = re.findall(r"^lavfi\.r128\.true_peak=(\S+)$", report, re.MULTILINE)
    if not integrated or not peaks:
        raise EncodeError(
            "FFmpeg measured no loudness.",
            evidence="\n".join(f"  {line}" for line in report.splitlines()[-15:]),
            remedy="Run `trivia doctor`; set TRIVIA_FFMPEG to another build if this one lacks ebur128.",
        )
    lufs, peak = float(integrated[-1]), float(peaks[-1])
    if lufs <= _SILENCE_LUFS or peak <= 0:
        return LoudnessReading(None, None)
    return LoudnessReading(lufs, 20 * math.log10(peak))
