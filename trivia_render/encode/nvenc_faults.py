"""What FFmpeg's and NVML's words say about a GPU that does not encode. Pure.

The words are those of FFmpeg 5.1 (Debian bookworm) to 9, on Linux:

- `libavcodec/nvenc.c`, `nvenc_print_error`: "CALL failed: DESCRIPTION (NUMBER): DETAILS", the descriptions
  and numbers from its table `nvenc_errors` (NVENCSTATUS in nvEncodeAPI.h).
- `libavutil/cuda_check.h`, `ff_cuda_check`: "CALL failed -> CUDA_ERROR_NAME: WORDS", the names and words from
  the driver itself (CUresult in cuda.h).
- `compat/cuda/dynlink_loader.h` of nv-codec-headers, `GENERIC_LOAD_FUNC_PREAMBLE` and `LOAD_SYMBOL`: "Cannot
  load LIBRARY" and "Cannot load SYMBOL".
- NVML's: `nvmlErrorString`, as `pynvml` gives it.
"""

import re
from typing import Final, NamedTuple

from trivia_render.errors import (
    DriverTooOldError,
    EncoderUnavailableError,
    GpuLostError,
    GpuMissingError,
    NvencSessionsExhaustedError,
)


class NvencFault(NamedTuple):
    """What is wrong. `what` is a sentence without its end; `line` are the driver's or FFmpeg's own words."""

    error: type[EncoderUnavailableError]
    what: str
    remedy: str
    line: str


class _Rule(NamedTuple):
    """A class of faults. `ffmpeg`: in a line of FFmpeg's; `nvml`: all of an error's words."""

    error: type[EncoderUnavailableError]
    what: str
    remedy: str
    ffmpeg: tuple[re.Pattern[str], ...]
    nvml: tuple[str, ...]


def _rule(
    error: type[EncoderUnavailableError],
    what: str,
    remedy: str,
    *,
    ffmpeg: tuple[str, ...],
    nvml: tuple[str, ...] = (),
) -> _Rule:
    return _Rule(error, what, remedy, tuple(map(re.compile, ffmpeg)), nvml)


_REPLACE: Final = (
    "Replace the machine: a managed instance group does it once /healthz fails. If each new one is the same, "
    "look at its driver and at the kernel's log (`dmesg | grep -i xid`)."
)
#: The first pattern that matches counts. Each says one thing, and a test has a text that only it matches.
_RULES: Final = (
    _rule(
        GpuMissingError,
        "The NVIDIA driver's libraries are missing",
        "Install the driver. In a container mount its libraries, name them in LD_LIBRARY_PATH, and ask for "
        "the `video`, `compute` and `utility` driver capabilities (NVIDIA_DRIVER_CAPABILITIES).",
        ffmpeg=(
            # nvenc.c, nvenc_load_libraries. After the second FFmpeg names a driver's version, to no purpose.
            r"Cannot load libcuda\.so",
            r"Cannot load libnvidia-encode\.so",
        ),
        nvml=("Driver Not Loaded",),
    ),
    _rule(
        DriverTooOldError,
        "The NVIDIA driver is too old for this FFmpeg, or its parts do not match",
        "Install the driver that the message names, or an FFmpeg that was built for an older one "
        "(TRIVIA_FFMPEG). After an upgrade of the driver restart the machine.",
        ffmpeg=(
            # nvenc.c, nvenc_load_libraries and nvenc_print_driver_requirement.
            r"Driver does not support the required nvenc API version",
            r"The minimum required Nvidia driver for nvenc is",
            # A function that the driver does not have yet.
            r"Cannot load cu[A-Z]\w+",
            r"Cannot load NvEncodeAPI\w+",
            r": invalid version \(15\)",
            r"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH\b",
            r"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE\b",
        ),
        nvml=("Function Not Found", "RM has detected an NVML/RM version mismatch."),
    ),
    _rule(
        NvencSessionsExhaustedError,
        "The GPU takes no further encode now: its NVENC sessions or its memory are used up",
        "Lower TRIVIA_ENCODES_PER_GPU, and let nothing else use the GPU. GeForce drivers limit the number of "
        "sessions; a T4's does not.",
        ffmpeg=(
            # Of any call: a full session table or memory. Some drivers say 21 instead of 10.
            r": out of memory \(10\)",
            r": incompatible client key \(21\)",
            r": encoder busy \(18\)",
            r"CUDA_ERROR_OUT_OF_MEMORY\b",
        ),
    ),
    _rule(
        GpuLostError,
        "The GPU is lost, or its driver no longer reaches it",
        _REPLACE,
        ffmpeg=(
            # Errors after which a context, and often the GPU, cannot be used any more. UNKNOWN (999) comes of
            # cuInit and cuCtxCreate where the kernel's part of the driver does not answer.
            r"CUDA_ERROR_UNKNOWN\b",
            r"CUDA_ERROR_DEVICE_UNAVAILABLE\b",
            r"CUDA_ERROR_ECC_UNCORRECTABLE\b",
            r"CUDA_ERROR_ILLEGAL_ADDRESS\b",
            r"CUDA_ERROR_LAUNCH_FAILED\b",
            r"CUDA_ERROR_INVALID_CONTEXT\b",
            # nvenc.c: the session's device is gone.
            r": invalid encoder device \(3\)",
            r": invalid device \(4\)",
            r": device does not exist \(5\)",
            # What a GPU says that is in no state to encode: of the first calls, or in the middle of an encode
            # after all was well. The arguments are the same on each machine, so that they are not to blame.
            r": encoder not initialized \(\d+\)",
            r": map failed \(16\)",
            r": generic error \(20\)",
            r": resource register failed \(23\)",
            # A number that FFmpeg does not know. In small letters, and so not av_strerror's.
            r": unknown error \(\d+\)",
        ),
        # NVML_ERROR_UNKNOWN is what the handle of a GPU says that is gone.
        nvml=("GPU is lost", "GPU requires restart", "Unknown Error"),
    ),
    _rule(
        EncoderUnavailableError,
        "The GPU's encoder does not know what production asks of it",
        "Use a GPU of the Turing generation or later (a T4, say), or report the driver and the message.",
        ffmpeg=(
            # nvenc.c, nvenc_check_capabilities.
            r"B frames as references are not supported",
            r"Width \d+ exceeds \d+",
            r"Height \d+ exceeds \d+",
            # nvenc.c, nvenc_setup_encoder and nvenc_open_session.
            r"InitializeEncoder failed: invalid param \(8\)",
            r"InitializeEncoder failed: unsupported param \(12\)",
            r"Cannot get the preset configuration: unsupported param \(12\)",
            # FFmpeg's own command line: a build without NVENC, or an option or a value unknown to it.
            r"Unknown encoder 'h264_nvenc'",
            r"Error setting option \w+ to value",
            r"Unrecognized option '",
        ),
    ),
    _rule(
        GpuMissingError,
        "No GPU with NVENC is to be seen",
        "Give the machine a GPU with NVENC (a T4, say; A100 and H100 have none), let CUDA_VISIBLE_DEVICES "
        "name it, and in a container hand over its /dev/nvidia* devices.",
        ffmpeg=(
            # nvenc.c, nvenc_setup_device; "NVENC capable" in FFmpeg before 4.3.
            r"No capable devices found",
            r"No CUDA capable devices found",
            r"No NVENC capable devices found",
            r"Requested GPU \d+, but only \d+ GPUs are available",
            r": no encode device \(1\)",
            r": unsupported device \(2\)",
            r"CUDA_ERROR_NO_DEVICE\b",
            r"CUDA_ERROR_INVALID_DEVICE\b",
            # Of cuInit, without the /dev/nvidia* devices or with those of a driver that is not there.
            r"CUDA_ERROR_OPERATING_SYSTEM\b",
            r"CUDA_ERROR_NOT_INITIALIZED\b",
        ),
        # Of a device's handle.
        nvml=("Not Found", "Insufficient Permissions", "The operating system has blocked the request."),
    ),
)
#: "[h264_nvenc @ 0x55ba4a4bbec0] ", also several of them.
_COMPONENT: Final = re.compile(r"^(?:\[[^\]]*\]\s*)+")


def nvenc_fault(words: str) -> NvencFault | None:
    """Return what FFmpeg's words say is wrong with NVENC, or None where they do not say.

    The first line that says anything counts: FFmpeg names the cause first, and then what follows from it.
    Only for words of an encode that was to use NVENC: others may hold the same ones.
    """
    for line in words.splitlines():
        said = _COMPONENT.sub("", line.strip()).rstrip(" :")
        for rule in _RULES:
            if any(pattern.search(said) for pattern in rule.ffmpeg):
                return NvencFault(rule.error, rule.what, rule.remedy, said)
    return None


def nvml_fault(words: str) -> NvencFault | None:
    """Return what an error of NVML's says is wrong with the GPUs, or None where it does not say.

    `words`: the error's own, and all of them. They are too common to be looked for within others.
    """
    for rule in _RULES:
        if words in rule.nvml:
            return NvencFault(rule.error, rule.what, rule.remedy, words)
    return None


def nvenc_error(fault: NvencFault, *, purpose: str, evidence: str) -> EncoderUnavailableError:
    """Return the error of an encode that has failed by the fault, with FFmpeg's last lines as evidence."""
    return fault.error(
        f"{fault.what} ({fault.line}), while {purpose}.", evidence=evidence, remedy=fault.remedy
    )


def nvenc_hangs(words: str, *, evidence: str) -> GpuLostError:
    """Return the error of an encode on a GPU that did not go on; `words` say of which, and for how long."""
    return GpuLostError(
        f"The GPU hangs: {words}",
        evidence=f"  {words}\n{evidence}",
        remedy=f"{_REPLACE} If the machine is only slow, raise TRIVIA_ENCODE_STALL_SECONDS.",
    )
