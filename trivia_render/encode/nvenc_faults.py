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
    error: type[EncoderUnavailableError]
    what: str
    remedy: str
    pattern: re.Pattern[str]


def _rule(error: type[EncoderUnavailableError], what: str, remedy: str, *words: str) -> _Rule:
    return _Rule(error, what, remedy, re.compile("|".join(words)))


_REPLACE: Final = (
    "Replace the machine: a managed instance group does it once /healthz fails. If each new one is the same, "
    "look at its driver and at the kernel's log (`dmesg | grep -i xid`)."
)
_RULES: Final = (
    _rule(
        GpuMissingError,
        "The NVIDIA driver's libraries are missing",
        "Install the driver. In a container mount its libraries, name them in LD_LIBRARY_PATH, and ask for "
        "the `video`, `compute` and `utility` driver capabilities (NVIDIA_DRIVER_CAPABILITIES).",
        # nvenc.c, nvenc_load_libraries. After the second FFmpeg also names a driver version, to no purpose.
        r"Cannot load libcuda\.so",
        r"Cannot load libnvidia-encode\.so",
        # NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_DRIVER_NOT_LOADED.
        r"NVML Shared Library Not Found",
        r"Driver Not Loaded",
        # cuInit with the library of the CUDA toolkit's `stubs` folder.
        r"CUDA_ERROR_STUB_LIBRARY",
    ),
    _rule(
        DriverTooOldError,
        "The NVIDIA driver is too old for this FFmpeg, or its parts do not match",
        "Install the driver that the message names, or an FFmpeg that was built for an older one "
        "(TRIVIA_FFMPEG). After an upgrade of the driver restart the machine.",
        # nvenc.c, nvenc_load_libraries and nvenc_print_driver_requirement.
        r"Driver does not support the required nvenc API version",
        r"The minimum required Nvidia driver for nvenc is",
        # A function that the driver does not have yet.
        r"Cannot load (?:cu[A-Z]|NvEncodeAPI)\w+",
        r"failed: invalid version \(15\)",
        r"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
        r"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
        # NVML_ERROR_FUNCTION_NOT_FOUND.
        r"Function Not Found",
        # NVML_ERROR_LIB_RM_VERSION_MISMATCH, as pynvml and as the library words it.
        r"NVML/RM version mismatch",
        r"Driver/library version mismatch",
    ),
    _rule(
        NvencSessionsExhaustedError,
        "The GPU takes no further encode now: its NVENC sessions or its memory are used up",
        "Lower TRIVIA_ENCODES_PER_GPU, and let nothing else use the GPU. GeForce drivers limit the number of "
        "sessions; a T4's does not.",
        # nvenc.c, nvenc_open_session: 10 is a full session table or memory, 21 what some drivers say instead.
        r"\w+ failed!?: out of memory \(10\)",
        r"\w+ failed!?: incompatible client key \(21\)",
        # nvenc.c, nvenc_alloc_surface, nvenc_send_frame and process_output_surface.
        r"(?:buffer|resource|configuration): out of memory \(10\)",
        r"failed!?: encoder busy \(18\)",
        r"CUDA_ERROR_OUT_OF_MEMORY",
    ),
    _rule(
        GpuLostError,
        "The GPU is lost, or its driver no longer reaches it",
        _REPLACE,
        # The kernel's words for Xid 79.
        r"fallen off the bus",
        # NVML_ERROR_GPU_IS_LOST, NVML_ERROR_RESET_REQUIRED (the library's and pynvml's words).
        r"GPU is lost",
        r"GPU requires (?:reset|restart)",
        # NVML_ERROR_UNKNOWN: what a GPU's handle says that is gone. FFmpeg writes its own in small letters.
        r"Unknown Error",
        # cuda.h: errors after which a context, and often the GPU, cannot be used any more. UNKNOWN (999)
        # comes of cuInit and cuCtxCreate where the kernel's part of the driver does not answer.
        r"CUDA_ERROR_(?:UNKNOWN|DEINITIALIZED|DEVICE_UNAVAILABLE|ECC_UNCORRECTABLE|NVLINK_UNCORRECTABLE"
        r"|HARDWARE_STACK_ERROR|ILLEGAL_ADDRESS|ILLEGAL_INSTRUCTION|INVALID_PC|MISALIGNED_ADDRESS|LAUNCH_FAILED"
        r"|LAUNCH_TIMEOUT|CONTAINED|CONTEXT_IS_DESTROYED|INVALID_CONTEXT|MAP_FAILED|SYSTEM_NOT_READY"
        r"|EXTERNAL_DEVICE)\b",
        r"unspecified launch failure",
        # nvenc.c: the session's device is gone.
        r": (?:invalid encoder device \(3\)|invalid device \(4\)|device does not exist \(5\))",
        # In the middle of an encode (nvenc_send_frame, process_output_surface), when all was well before.
        r"(?:EncodePicture failed!|Failed locking bitstream buffer): (?:generic error \(20\)|unknown error)",
    ),
    _rule(
        EncoderUnavailableError,
        "The GPU's encoder does not know what production asks of it",
        "Use a GPU of the Turing generation or later (a T4, say), or report the driver and the message.",
        # nvenc.c, nvenc_check_capabilities.
        r"B frames as references are not supported",
        r"Max B-frames \d+ exceed",
        r"RC lookahead not supported",
        r"(?:Width|Height) \d+ exceeds \d+",
        r"Codec not supported",
        r"doesn't support required NVENC features",
        # nvenc.c, nvenc_setup_encoder.
        r"(?:InitializeEncoder failed|Cannot get the preset configuration): "
        r"(?:invalid param \(8\)|unsupported param \(12\)|unimplemented \(22\))",
        # libavutil/opt.c and FFmpeg's own command line: a build without NVENC, or an option unknown to it.
        r"Unknown encoder 'h264_nvenc'",
        r"Unable to parse option value",
        r"Error setting option \w+ to value",
        r"Error applying encoder options",
        r"Unrecognized option '",
    ),
    _rule(
        GpuMissingError,
        "No GPU with NVENC is to be seen",
        "Give the machine a GPU with NVENC (a T4, say; A100 and H100 have none), let CUDA_VISIBLE_DEVICES "
        "name it, and in a container hand over its /dev/nvidia* devices.",
        # nvenc.c, nvenc_setup_device; "NVENC capable" in FFmpeg before 4.3.
        r"No (?:CUDA |NVENC )?capable devices found",
        r"Requested GPU \d+, but only \d+ GPUs are available",
        r"failed: no encode device \(1\)",
        r"failed: unsupported device \(2\)",
        r"CUDA_ERROR_(?:NO_DEVICE|INVALID_DEVICE|OPERATING_SYSTEM|NOT_PERMITTED|NOT_INITIALIZED)\b",
        # NVML_ERROR_NOT_FOUND and NVML_ERROR_NO_PERMISSION of a device's handle.
        r"Not Found",
        r"Insufficient Permissions",
        r"operating system has blocked the request",
    ),
)
#: "[h264_nvenc @ 0x55ba4a4bbec0] ", also several of them.
_COMPONENT: Final = re.compile(r"^(?:\[[^\]]*\]\s*)+")


def nvenc_fault(words: str) -> NvencFault | None:
    """Return what FFmpeg's or NVML's words say is wrong with NVENC, or None where they do not say.

    The first line that says anything counts: FFmpeg names the cause first, and then what follows from it.
    Only for words of an encode that was to use NVENC, or of NVML: others may hold the same ones.
    """
    for line in words.splitlines():
        said = _COMPONENT.sub("", line.strip()).rstrip(" :")
        for rule in _RULES:
            if rule.pattern.search(said):
                return NvencFault(rule.error, rule.what, rule.remedy, said)
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
