"""FFmpeg's arguments, without the program's name. Pure: nothing here runs or reads anything.

No text of a job config is ever an argument or part of a filter: paths are ours, numbers are checked,
and titles travel as data in a metadata file (`metadata.py`).
"""

from pathlib import Path
from typing import Any

import ffmpeg

from trivia_render.encode.profiles import COLOUR_TAGS, encoder_options
from trivia_render.models.formats import FPS, SAMPLE_RATE
from trivia_render.models.plan import EncoderName

#: Ticks a second of a file's own clock, in which durations and edit lists are written: whole for frames
#: (1,600 ticks each) and for samples. FFmpeg's default of 1,000 cuts both.
MOVIE_TIMESCALE = SAMPLE_RATE


def encode_clip(
    *,
    width: int,
    height: int,
    encoder: EncoderName,
    threads: int,
    output: Path,
    frames: int | None = None,
    gpu: int | None = None,
) -> list[str]:
    """Encode raw I420 frames from standard input, all of them or the first `frames`, to MP4."""
    options: dict[str, Any] = encoder_options(encoder, threads=threads, gpu=gpu)
    if frames is not None:
        options["frames:v"] = frames
    # One tick a frame: every timestamp is the frame's number, and joining cannot round it elsewhere.
    options["video_track_timescale"] = FPS
    return _arguments(
        ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pixel_format="yuv420p",
            video_size=(width, height),
            framerate=FPS,
            **COLOUR_TAGS,
        ).output(_url(output), format="mp4", movie_timescale=MOVIE_TIMESCALE, **options)
    )


def probe_encoder(*, width: int, height: int, encoder: EncoderName) -> list[str]:
    """Encode one raw I420 frame from standard input as a clip is encoded, and throw the result away."""
    options: dict[str, Any] = encoder_options(encoder, threads=1)
    del options["movflags"]
    return _arguments(
        ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pixel_format="yuv420p",
            video_size=(width, height),
            framerate=FPS,
            **COLOUR_TAGS,
        ).output("pipe:1", format="null", **options)
    )


def join_clips(*, clip_list: Path, audio: Path | None, metadata: Path, output: Path) -> list[str]:
    """Join the clips of a list file, in order, and add sound, title and chapters: all without encoding."""
    pictures = ffmpeg.input(
        _url(clip_list),
        format="concat",
        # Packets as they are: all clips have the first one's parameter sets, so none need converting.
        auto_convert=0,
    )
    streams = [pictures["v:0"]]
    if audio is not None:
        streams.append(ffmpeg.input(_url(audio))["a:0"])
    metadata_input = len(streams)
    arguments = _arguments(
        ffmpeg.output(
            *streams,
            _url(output),
            format="mp4",
            c="copy",
            map_metadata=metadata_input,
            map_chapters=metadata_input,
            movflags="+faststart",
            movie_timescale=MOVIE_TIMESCALE,
        )
    )
    # ffmpeg-python adds only inputs whose streams are mapped; this one has none.
    first_map = arguments.index("-map")
    arguments[first_map:first_map] = ["-f", "ffmetadata", "-i", _url(metadata)]
    return arguments


def encode_aac(*, output: Path, bitrate_kbps: int, wav: Path | None = None) -> list[str]:
    """Encode 48 kHz stereo to AAC-LC in MP4: interleaved float32 from standard input, or a WAV file."""
    source = (
        ffmpeg.input("pipe:0", format="f32le", ar=SAMPLE_RATE, ac=2)
        if wav is None
        else ffmpeg.input(_url(wav), format="wav")
    )
    return _arguments(
        source.output(
            _url(output),
            format="mp4",
            acodec="aac",
            profile="aac_low",
            # The default coder is for low bitrates. At 160 kbit/s this one is closer to the source (signal
            # to noise 40 dB against 27) for a third of the time (1.8 CPU-s against 5.8 for 150 s).
            aac_coder="fast",
            # Intensity stereo is for low bitrates too. Without it, peaks of speech over music rise by 0.2 dB
            # at most and not by 0.9, so the first encode passes the true-peak limit.
            aac_is=0,
            audio_bitrate=f"{bitrate_kbps}k",
            ar=SAMPLE_RATE,
            ac=2,
            movie_timescale=MOVIE_TIMESCALE,
        )
    )


def measure_loudness(path: Path) -> list[str]:
    """Measure EBU R 128 loudness and true peak; the readings so far are written to standard error.

    As frame metadata, since the filter's summary is rounded to 0.1 dB.
    """
    measured = (
        ffmpeg.input(_url(path))
        # Debian's FFmpeg 5.1 knows no `quiet`; at our log level, `verbose` says as little.
        .audio.filter("ebur128", peak="true", framelog="verbose", metadata=1)
        .filter("ametadata", mode="print", key="lavfi.r128.I", file="pipe:2")
        .filter("ametadata", mode="print", key="lavfi.r128.true_peak", file="pipe:2")
    )
    return _arguments(measured.output("pipe:1", format="null"))


def _arguments(stream: Any) -> list[str]:
    arguments: list[str] = stream.get_args()
    return arguments


def _url(path: Path) -> str:
    # Said to be a file, a name such as `concat:x` or `-y` is never taken for a protocol or an option.
    return f"file:{path}"
