"""What is asked of each encoder, as data. Pure."""

from typing import Final

from trivia_render.models.formats import FPS, GOP_FRAMES
from trivia_render.models.plan import EncoderName

#: Asked of both encoders alike.
_COMMON: Final = {
    "profile:v": "high",
    "maxrate": "5M",
    "bufsize": "6M",
    "pix_fmt": "yuv420p",
    "r": str(FPS),
    # A keyframe each 60 frames from the clip's start, and an IDR each: see the encoders' own lines.
    "g": str(GOP_FRAMES),
    # Clips carry no metadata chunk before their frames, finished videos start playing at once.
    "movflags": "+faststart",
}

_LIBX264: Final = {
    "c:v": "libx264",
    "preset": "veryfast",
    "crf": "23",
    # x264 opens a GOP early at a scene cut, and each card is one: keyframes stay on the grid only without.
    "sc_threshold": "0",
    # Closed GOPs: no picture refers across a keyframe, so every keyframe is an IDR. x264's default, said
    # here because the joins depend on it.
    "flags": "+cgop",
}

_NVENC: Final = {
    "c:v": "h264_nvenc",
    "preset": "p4",
    "rc": "vbr",
    "cq": "23",
    "b:v": "3M",
    # Where a driver's preset turns look-ahead on, it would also insert I frames at scene cuts.
    "no-scenecut": "1",
    # NVENC makes each GOP's first picture an IDR by itself; this makes a keyframe that anything else
    # forces an IDR too.
    "forced-idr": "1",
}

#: BT.709 in limited range, as everything in a video is drawn. Said of the *input*: FFmpeg hands frame tags
#: on to the encoder, which writes them into the stream. Said of the output alone, FFmpeg takes the frames
#: for untagged and converts every one of them (30 % more CPU for 1080p, and not the same pixels).
COLOUR_TAGS: Final = {
    "color_range": "tv",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "colorspace": "bt709",
}


def encoder_options(name: EncoderName, *, threads: int, gpu: int | None = None) -> dict[str, str]:
    """Return FFmpeg's output options for this encoder, without dashes.

    `threads` binds libx264 (its output depends on the number, so it belongs to the engine version);
    NVENC works on the GPU and takes none. `gpu` is CUDA's number of the GPU for NVENC; None: the first that
    can.
    """
    if name == "libx264":
        return {**_LIBX264, **_COMMON, "threads": str(threads)}
    return {**_NVENC, **_COMMON, **({} if gpu is None else {"gpu": str(gpu)})}
