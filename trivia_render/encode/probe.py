"""Find out which encoder works here, by encoding a frame with it."""

from typing import Literal

from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.errors import EncodeError, EncoderUnavailableError, EncodeStalledError
from trivia_render.models.plan import EncoderName, EncoderSpec, Fallback

#: Turing's NVENC refuses H.264 frames under 145 x 49 pixels.
PROBE_WIDTH, PROBE_HEIGHT = 320, 240

_REMEDIES: dict[EncoderName, str] = {
    "h264_nvenc": (
        "NVENC needs an NVIDIA GPU, its driver and libnvidia-encode (in a container: the `video` driver "
        "capability). Set TRIVIA_ENCODER=auto to use libx264 where NVENC is missing."
    ),
    "libx264": "Set TRIVIA_FFMPEG to an ffmpeg built with libx264, or unset it to use the packaged one.",
}


def resolve_encoder(
    requested: Literal["auto", "h264_nvenc", "libx264"], *, ffmpeg: Ffmpeg
) -> tuple[EncoderSpec, Fallback | None]:
    """Return the encoder that this machine really has. `auto` prefers NVENC.

    The fallback is there when `auto` had to do without NVENC, and says in FFmpeg's words why.
    Raises EncoderUnavailableError when the forced encoder, or for `auto` either, does not encode a frame.
    """
    if requested != "auto":
        _encode_a_frame(requested, ffmpeg)
        return EncoderSpec(name=requested, build=ffmpeg.build), None
    try:
        _encode_a_frame("h264_nvenc", ffmpeg)
    except EncoderUnavailableError as error:
        _encode_a_frame("libx264", ffmpeg)
        return EncoderSpec(name="libx264", build=ffmpeg.build), Fallback(
            what="encoder", asked="auto", used="libx264", reason=_reason(error.evidence)
        )
    return EncoderSpec(name="h264_nvenc", build=ffmpeg.build), None


def _encode_a_frame(name: EncoderName, ffmpeg: Ffmpeg) -> None:
    grey = bytes([128]) * (PROBE_WIDTH * PROBE_HEIGHT * 3 // 2)
    try:
        ffmpeg.feed(
            arguments.probe_encoder(width=PROBE_WIDTH, height=PROBE_HEIGHT, encoder=name),
            f"trying {name}",
            chunks=[grey],
        )
    except EncoderUnavailableError as error:
        # FFmpeg's words were recognised: the error says what they mean.
        remedy = f"{error.remedy} {_REMEDIES[name]}"
        raise type(error)(
            f"{name} does not encode on this machine: {_reason(error.evidence)}",
            evidence=error.evidence,
            remedy=remedy,
        ) from error
    except EncodeError as error:
        # What an encoder that hangs did not say, the error's own words tell.
        evidence = error.evidence if not isinstance(error, EncodeStalledError) else f"  {error.message}"
        raise EncoderUnavailableError(
            f"{name} does not encode on this machine: {_reason(evidence)}",
            evidence=evidence,
            remedy=_REMEDIES[name],
        ) from error


def _reason(evidence: str) -> str:
    """Return FFmpeg's first words on the matter, without its component's address."""
    first = evidence.strip().splitlines()[0].strip()
    return first.rpartition("] ")[2]
