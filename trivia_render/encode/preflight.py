"""Find out before the first job whether this machine's GPUs encode, by encoding with each as a clip is.

NVML tells what the GPUs are, and that one is lost. Whether they encode, only an encode tells: FFmpeg's NVENC
asks for parts of the driver, and for a version of it, that NVML does not need.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import av
import av.error
import numpy as np

from trivia_render.encode.clip import MIN_FRAMES, encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.gpus import visible_gpus
from trivia_render.encode.nvenc_faults import nvml_fault
from trivia_render.errors import (
    GpuLostError,
    GpuMissingError,
    StoreError,
    TriviaRenderError,
    VideoOutOfSpecError,
)
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.gpu import GpuFacts, Preflight, Refusal
from trivia_render.models.plan import EncoderName, EncoderSpec
from trivia_render.models.ports import Planes

#: The test picture's luma, and by how much a mean may differ after an encode.
_DARK, _LIGHT, _TOLERANCE = 40, 200, 6.0
_GREY: Final = 128

_Answer = TypeVar("_Answer")


class _Device(NamedTuple):
    number: int | None
    name: str


def preflight(
    *, ffmpeg: Ffmpeg, nvml: Any, scratch: Path, visible: str | None, encoder: EncoderName = "h264_nvenc"
) -> Preflight:
    """Encode a few frames of each format with each visible GPU, and look at what came out.

    `nvml`: NVML's Python module. `scratch`: a folder for the files, which are removed again. `visible` is
    CUDA_VISIBLE_DEVICES. Takes some seconds a GPU. A fault of the machine is not raised, but the refusal.
    """
    try:
        gpus, nvml_words = _read_gpus(nvml, visible)
    except TriviaRenderError as error:
        return Preflight(refusal=refusal_of(error))
    devices = [_Device(gpu.number, f"{gpu.name} (GPU {gpu.number})") for gpu in gpus]
    try:
        for device in devices or [_Device(None, "the first GPU")]:
            for name in FORMATS:
                _try(name, device, encoder=encoder, ffmpeg=ffmpeg, scratch=scratch)
    except TriviaRenderError as error:
        return Preflight(gpus=gpus, refusal=refusal_of(error, nvml_words=nvml_words))
    except OSError as error:
        failed = StoreError(
            f"The preflight could not write its files: {error.strerror}.",
            evidence=f"  {error}",
            remedy="Free some space where TRIVIA_HOME lies, or set it to a folder that can be written.",
        )
        return Preflight(gpus=gpus, refusal=refusal_of(failed))
    return Preflight(gpus=gpus)


def refusal_of(error: TriviaRenderError, *, nvml_words: str = "") -> Refusal:
    """Return the refusal for an error. Pure."""
    said = f"\n  NVML: {nvml_words}" if nvml_words else ""
    return Refusal(
        code=error.code, message=error.message, evidence=f"{error.evidence}{said}", remedy=error.remedy
    )


def _try(format: FormatName, device: _Device, *, encoder: EncoderName, ffmpeg: Ffmpeg, scratch: Path) -> None:
    """Encode with the very function that encodes clips. Raises what that does, and VideoOutOfSpecError."""
    size = FORMATS[format]
    with tempfile.TemporaryDirectory(prefix="preflight-", dir=scratch) as folder:
        name = f"{format.replace(':', 'x')} on {device.name}"
        path = Path(folder) / "preflight.mp4"
        encode_clip(
            _test_frames(size.width, size.height),
            frame_count=MIN_FRAMES,
            width=size.width,
            height=size.height,
            encoder=EncoderSpec(name=encoder, build=ffmpeg.build),
            ffmpeg=ffmpeg,
            output=path,
            threads=1,
            on_progress=None,
            gpu=device.number,
        )
        _check_picture(path, width=size.width, height=size.height, name=name)


def _test_frames(width: int, height: int) -> Iterator[Planes]:
    """Yield I420 frames, dark on the left and light on the right: a picture that is lost shows."""
    planes = np.full((height * 3 // 2, width), _GREY, dtype=np.uint8)
    planes[:height, : width // 2] = _DARK
    planes[:height, width // 2 :] = _LIGHT
    for _ in range(MIN_FRAMES):
        yield planes


def _check_picture(path: Path, *, width: int, height: int, name: str) -> None:
    """Decode the file. Raises VideoOutOfSpecError unless it is the test picture in H.264 High."""
    deviations: list[str] = []
    try:
        with av.open(path, mode="r") as container:
            stream = container.streams.video[0]
            if stream.codec_context.name != "h264" or stream.profile != "High":
                deviations.append(f"it is {stream.codec_context.name} {stream.profile}, not H.264 High")
            frames = [frame.reformat(format="gray") for frame in container.decode(stream)]
    except av.error.FFmpegError as error:
        raise _out_of_spec(name, [f"it cannot be decoded: {error}"]) from error
    if len(frames) != MIN_FRAMES:
        deviations.append(f"it decodes to {len(frames)} frames instead of {MIN_FRAMES}")
    for number, frame in enumerate(frames):
        if (frame.width, frame.height) != (width, height):
            deviations.append(f"frame {number} is {frame.width}x{frame.height}, not {width}x{height}")
            continue
        luma = frame.to_ndarray()
        # Away from the edge, which the encoder may blur.
        means = (luma[:, : width // 2 - 16].mean(), luma[:, width // 2 + 16 :].mean())
        if any(abs(mean - want) > _TOLERANCE for mean, want in zip(means, _luma(), strict=True)):
            deviations.append(f"frame {number} is not the picture that was handed over")
    if deviations:
        raise _out_of_spec(name, deviations)


def _luma() -> tuple[float, float]:
    """Return what the picture's halves read as in full range, into which the frames are turned."""
    return tuple((value - 16) * 255 / 219 for value in (_DARK, _LIGHT))  # type: ignore[return-value]


def _out_of_spec(name: str, deviations: list[str]) -> VideoOutOfSpecError:
    return VideoOutOfSpecError(
        f"What the encoder made of the test picture ({name}) is not as it must be:",
        evidence="\n".join(f"  {deviation}" for deviation in deviations),
        remedy="Replace the machine; if each new one is the same, report the driver and the FFmpeg build.",
    )


def _read_gpus(nvml: Any, visible: str | None) -> tuple[tuple[GpuFacts, ...], str]:
    """Return the visible GPUs that can encode, and NVML's words where it is not there.

    Raises GpuLostError, DriverTooOldError or GpuMissingError where NVML says so of the driver or of a GPU.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError_LibraryNotFound as error:
        # In a container without the `utility` capability NVENC works all the same.
        return (), str(error)
    except nvml.NVMLError as error:
        raise _nvml_error(error) from error
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        by_uuid = {_text(nvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
        shown = visible_gpus(list(by_uuid), visible=visible)
        able = [gpu for gpu in shown if _has_encoder(nvml, by_uuid[gpu.uuid])]
        if shown and not able:
            names = ", ".join(_name(nvml, by_uuid[gpu.uuid]) for gpu in shown)
            raise GpuMissingError(
                f"No GPU here has an H.264 encoder: {names}.", remedy="Use GPUs with NVENC, such as the T4."
            )
        facts = tuple(_facts(nvml, by_uuid[gpu.uuid], gpu.number, gpu.uuid) for gpu in able)
    except nvml.NVMLError as error:
        raise _nvml_error(error) from error
    finally:
        # What could not be read is told, and not that NVML does not let go of it.
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    return facts, "" if shown else "It shows no GPU."


def _has_encoder(nvml: Any, handle: Any) -> bool:
    """Tell whether NVML says nothing against an H.264 encoder (A100 and H100, for two, have none)."""
    try:
        nvml.nvmlDeviceGetEncoderCapacity(handle, nvml.NVML_ENCODER_QUERY_H264)
    except nvml.NVMLError_NotSupported:
        return False
    except nvml.NVMLError:
        # FFmpeg has the word.
        return True
    return True


def _facts(nvml: Any, handle: Any, number: int, uuid: str) -> GpuFacts:
    """Return what NVML tells of a GPU. What it does not tell refuses none: that its encode decides."""
    return GpuFacts(
        number=number,
        uuid=uuid,
        name=_name(nvml, handle),
        driver_version=_told(nvml, lambda: _text(nvml.nvmlSystemGetDriverVersion())) or "unknown",
        memory_total_bytes=_told(nvml, lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total)),
        encoder_capacity_percent=_told(
            nvml, lambda: int(nvml.nvmlDeviceGetEncoderCapacity(handle, nvml.NVML_ENCODER_QUERY_H264))
        ),
        encoder_sessions=_told(nvml, lambda: int(nvml.nvmlDeviceGetEncoderStats(handle)[0])),
        ecc_errors=_told(
            nvml,
            lambda: int(
                nvml.nvmlDeviceGetTotalEccErrors(
                    handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
                )
            ),
        ),
    )


def _name(nvml: Any, handle: Any) -> str:
    return _told(nvml, lambda: _text(nvml.nvmlDeviceGetName(handle))) or "a GPU without a name"


def _told(nvml: Any, ask: Callable[[], _Answer]) -> _Answer | None:
    try:
        return ask()
    except nvml.NVMLError:
        return None


def _nvml_error(error: Exception) -> TriviaRenderError:
    fault = nvml_fault(str(error))
    if fault is None:
        return GpuLostError(
            f"NVML cannot read the GPUs: {error}.",
            evidence=f"  NVML: {error}",
            remedy="Look with nvidia-smi and at the kernel's log; restart or replace the machine.",
        )
    return fault.error(f"{fault.what} ({fault.line}).", evidence=f"  NVML: {error}", remedy=fault.remedy)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
