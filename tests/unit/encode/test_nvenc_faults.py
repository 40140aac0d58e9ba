"""What FFmpeg and NVML say when a GPU does not encode, and what is understood of it.

The texts are real: those of `stub` were written by FFmpeg 5.1.9 (Debian bookworm) and 9.0.2 (imageio-ffmpeg)
on the stand-in driver of this folder (`test_nvenc_driver.py` makes many of them anew), those of `both` by the
two without a driver, and the rest are from the source that is named or from reports.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from trivia_render.encode import nvenc_faults
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.nvenc_faults import nvenc_error, nvenc_fault, nvml_fault
from trivia_render.errors import (
    MACHINE_FAULTS,
    DriverTooOldError,
    EncodeError,
    EncoderUnavailableError,
    GpuLostError,
    GpuMissingError,
    NvencSessionsExhaustedError,
)
from trivia_render.telemetry.gpu_readings import load_nvml

#: What FFmpeg 5.1 and 9 add to the cause, in the order in which they write it.
AFTER_5 = (
    "Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0 - maybe "
    "incorrect parameters such as bit_rate, rate, width or height"
)
AFTER_9 = """\
[vost#0:0/h264_nvenc @ 0x56500cdd1940] [enc:h264_nvenc @ 0x56500cdd1f80] Error while opening encoder - maybe \
incorrect parameters such as bit_rate, rate, width or height.
[vf#0:0 @ 0x56500cdf0140] Error sending frames to consumers: Unknown error occurred
[vf#0:0 @ 0x56500cdf0140] Task finished with error code: -1313558101 (Unknown error occurred)
[vost#0:0/h264_nvenc @ 0x56500cdd1940] [enc:h264_nvenc @ 0x56500cdd1f80] Could not open encoder before EOF
[out#0/mp4 @ 0x56500cdcfdc0] Nothing was written into output file, because at least one of its streams \
received no packets."""
NO_DEVICE_LINE = "[h264_nvenc @ 0x55ae2087d700] No capable devices found\n"
INIT = "dl_fn->cuda_dl->cuInit(0) failed -> "
CTX = "dl_fn->cuda_dl->cuCtxCreate(&ctx->cu_context_internal, 0, cu_device) failed -> "

#: By class: FFmpeg's words on the cause without its component, and where they come from.
TEXTS: dict[type[EncoderUnavailableError], dict[str, str]] = {
    GpuMissingError: {
        "Cannot load libcuda.so.1": "both, without a driver; dynlink_loader.h, LOAD_LIBRARY",
        "Cannot load libnvidia-encode.so.1": "a container without the capability `video`; the same",
        INIT + "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected": "stub",
        "No CUDA capable devices found": "stub; nvenc.c, nvenc_setup_device",
        "No capable devices found": "stub; the same",
        "No NVENC capable devices found": "github.com/HandBrake/HandBrake/issues/1998: FFmpeg 4",
        "Requested GPU 3, but only 1 GPUs are available!": "nvenc.c, nvenc_setup_device",
        "OpenEncodeSessionEx failed: unsupported device (2): (no details)": "stub; HandBrake/issues/2204",
        "OpenEncodeSessionEx failed: no encode device (1): (no details)": "stub; nvenc.c, nvenc_open_session",
        "dl_fn->cuda_dl->cuDeviceGet(&cu_device, idx) failed -> CUDA_ERROR_INVALID_DEVICE: invalid device "
        "ordinal": "stub; nvenc.c, nvenc_check_device",
        INIT
        + "CUDA_ERROR_OPERATING_SYSTEM: OS call failed or operation not supported on this OS": "stub; 304",
        INIT + "CUDA_ERROR_NOT_INITIALIZED: initialization error": "cuda.h, CUresult 3; cuGetErrorString",
    },
    DriverTooOldError: {
        "Driver does not support the required nvenc API version. Required: 12.1 Found: 11.1": "nvenc.c, "
        "nvenc_load_libraries",
        "Driver does not support the required nvenc API version. Required: 13.1 Found: 11.1": "stub, 9",
        "The minimum required Nvidia driver for nvenc is 470.57.02 or newer": "nvenc.c of FFmpeg 5.1, "
        "nvenc_print_driver_requirement",
        "Cannot load cuArrayGetPlane": "dynlink_loader.h, LOAD_SYMBOL: a function that a later driver has",
        "Cannot load NvEncodeAPIGetMaxSupportedVersion": "the same",
        INIT + "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver / cuda driver "
        "combination": "stub",
        INIT
        + "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted on non supported "
        "HW": "cuda.h, CUresult 804; cuGetErrorString",
        "InitializeEncoder failed: invalid version (15): ": "nvenc.c, nvenc_errors",
    },
    NvencSessionsExhaustedError: {
        "OpenEncodeSessionEx failed: out of memory (10): (no details)": "stub; a GeForce's session limit",
        "OpenEncodeSessionEx failed: out of memory (10)": "FFmpeg 4.1, without details",
        "OpenEncodeSessionEx failed: incompatible client key (21): (no details)": "stub; "
        "github.com/keylase/nvidia-patch/issues/987",
        "CreateInputBuffer failed: out of memory (10): ": "stub; nvenc.c, nvenc_alloc_surface",
        "CreateBitstreamBuffer failed: out of memory (10)": "github.com/keylase/nvidia-patch/issues/13",
        "EncodePicture failed!: out of memory (10): ": "stub; nvenc.c, nvenc_send_frame",
        "Failed locking bitstream buffer: out of memory (10): ": "nvenc.c, process_output_surface",
        "EncodePicture failed!: encoder busy (18): ": "nvenc.c, nvenc_errors",
        CTX + "CUDA_ERROR_OUT_OF_MEMORY: out of memory": "stub",
    },
    GpuLostError: {
        INIT + "CUDA_ERROR_UNKNOWN: unknown error": "stub; github.com/Huanshere/VideoLingo/issues/349",
        CTX + "CUDA_ERROR_UNKNOWN: unknown error": "stub",
        CTX + "CUDA_ERROR_DEVICE_UNAVAILABLE: CUDA-capable device(s) is/are busy or unavailable": "stub",
        CTX + "CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered": "stub; Xid 48",
        "dl_fn->cuda_dl->cuCtxPushCurrent(ctx->cu_context) failed -> CUDA_ERROR_LAUNCH_FAILED: unspecified "
        "launch failure": "stub; nvenc.c, nvenc_push_context",
        "dl_fn->cuda_dl->cuCtxPushCurrent(ctx->cu_context) failed -> CUDA_ERROR_ILLEGAL_ADDRESS: an illegal "
        "memory access was encountered": "stub",
        "dl_fn->cuda_dl->cuCtxPushCurrent(ctx->cu_context) failed -> CUDA_ERROR_INVALID_CONTEXT: invalid "
        "device context": "cuda.h, CUresult 201; cuGetErrorString",
        "EncodePicture failed!: generic error (20): ": "stub",
        "Failed locking bitstream buffer: generic error (20): ": "stub",
        "OpenEncodeSessionEx failed: generic error (20): (no details)": "stub",
        "InitializeEncoder failed: generic error (20): ": "stub",
        "CreateInputBuffer failed: generic error (20): ": "stub",
        "EncodePicture failed!: encoder not initialized (11): ": "stub",
        "EncodePicture failed!: map failed (16): ": "stub",
        "EncodePicture failed!: resource register failed (23): ": "stub",
        "EncodePicture failed!: unknown error (99): ": "stub; nvenc.c, nvenc_map_error",
        "EncodePicture failed!: invalid device (4): ": "stub",
        "OpenEncodeSessionEx failed: invalid encoder device (3): (no details)": "nvenc.c, nvenc_errors",
        "Failed locking bitstream buffer: device does not exist (5): ": "stub",
    },
    EncoderUnavailableError: {
        "B frames as references are not supported": "nvenc.c, nvenc_check_capabilities: before Turing",
        "Width 1920 exceeds 0": "stub",
        "Height 1920 exceeds 1080": "nvenc.c, nvenc_check_capabilities",
        "InitializeEncoder failed: invalid param (8): ": "stub; frames under 145 x 49 on Turing",
        "InitializeEncoder failed: unsupported param (12): ": "nvenc.c, nvenc_errors",
        "Cannot get the preset configuration: unsupported param (12): ": "stub",
        "Unknown encoder 'h264_nvenc'": "FFmpeg built without NVENC",
        "Error setting option preset to value p4.": "both, of p9; opt.c: before 4.4 there is no p1 to p7",
        "Unrecognized option 'forced-idr'.": "both, of an option that they do not have; ffmpeg_opt.c",
    },
}
#: NVML's errors, which the real module words.
NVML_ERRORS: dict[type[EncoderUnavailableError], tuple[str, ...]] = {
    GpuMissingError: (
        "NVML_ERROR_DRIVER_NOT_LOADED",
        "NVML_ERROR_NOT_FOUND",
        "NVML_ERROR_NO_PERMISSION",
        "NVML_ERROR_OPERATING_SYSTEM",
    ),
    DriverTooOldError: ("NVML_ERROR_FUNCTION_NOT_FOUND", "NVML_ERROR_LIB_RM_VERSION_MISMATCH"),
    GpuLostError: ("NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_RESET_REQUIRED", "NVML_ERROR_UNKNOWN"),
}
NVML_CASES = [(kind, name) for kind, names in NVML_ERRORS.items() for name in names]
CASES = [(kind, text) for kind, texts in TEXTS.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[text[:60] for _, text in CASES])
@pytest.mark.parametrize("version", ["5.1", "9"])
def test_a_text_of_ffmpeg_is_classified(kind: type[EncoderUnavailableError], text: str, version: str) -> None:
    first = f"[h264_nvenc @ 0x55c616689040] {text}\n"
    fault = nvenc_fault(first + NO_DEVICE_LINE + (AFTER_5 if version == "5.1" else AFTER_9))
    assert fault is not None
    assert fault.error is kind
    assert fault.line in text, "FFmpeg's own words, without its component's address"
    assert fault.what
    assert fault.remedy


def nvml_words(name: str) -> str:
    nvml = load_nvml()
    return str(nvml.NVMLError(getattr(nvml, name)))


@pytest.mark.parametrize(("kind", "name"), NVML_CASES)
def test_an_error_of_nvml_is_classified(kind: type[EncoderUnavailableError], name: str) -> None:
    fault = nvml_fault(nvml_words(name))
    assert fault is not None
    assert (fault.error, fault.line) == (kind, nvml_words(name))


@pytest.mark.parametrize(
    "name",
    ["NVML_ERROR_TIMEOUT", "NVML_ERROR_UNINITIALIZED", "NVML_ERROR_NOT_SUPPORTED", "NVML_ERROR_MEMORY"],
)
def test_an_error_of_nvml_that_says_nothing_of_the_gpu_is_not_classified(name: str) -> None:
    assert nvml_fault(nvml_words(name)) is None


def test_nvmls_words_are_all_of_an_error_and_none_of_ffmpegs() -> None:
    """They are so common that a file may be called so."""
    for _, name in NVML_CASES:
        words = nvml_words(name)
        assert nvml_fault(f"The GPUs could not be read: {words}") is None
        assert nvenc_fault(f"/renders/.{words}.mp4.partial: Permission denied") is None


PATTERNS = [(place, pattern) for place, rule in enumerate(nvenc_faults._RULES) for pattern in rule.ffmpeg]
WORDS = [(place, words) for place, rule in enumerate(nvenc_faults._RULES) for words in rule.nvml]


@pytest.mark.parametrize(("place", "pattern"), PATTERNS, ids=lambda value: getattr(value, "pattern", None))
def test_each_pattern_has_a_text_that_is_understood_by_it_alone(
    place: int, pattern: re.Pattern[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = nvenc_faults._RULES
    assert "|" not in pattern.pattern, "an alternative is a pattern of its own, or else it may have no text"
    mine = [text for text in TEXTS[rules[place].error] if pattern.search(text)]
    rest = tuple(other for other in rules[place].ffmpeg if other is not pattern)
    without = (*rules[:place], rules[place]._replace(ffmpeg=rest), *rules[place + 1 :])
    monkeypatch.setattr(nvenc_faults, "_RULES", without)
    assert [text for text in mine if nvenc_fault(text) is None], "without it nothing is understood less"


@pytest.mark.parametrize(("place", "words"), WORDS)
def test_each_word_of_nvmls_is_one_of_its_errors(place: int, words: str) -> None:
    assert words in [nvml_words(name) for name in NVML_ERRORS[nvenc_faults._RULES[place].error]]
    assert sum(words in rule.nvml for rule in nvenc_faults._RULES) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        AFTER_5,
        AFTER_9,
        "[h264_nvenc @ 0x5] Failed locking bitstream buffer: invalid param (8): ",
        "[h264_nvenc @ 0x5] The selected preset is deprecated. Use p1 to p7 + -tune or fast/medium/slow.",
        "[out#0/mp4 @ 0x5] Error writing trailer: No space left on device",
        "[h264_nvenc @ 0x5] Cannot load optional cuEGLStreamProducerConnect",
        "/renders/.Not Found.mp4.partial: Permission denied",
        "[out#0/mp4 @ 0x5] Task finished with error code: -542398533 (Generic error in an external library)",
    ],
)
def test_what_says_nothing_of_the_gpu_is_not_classified(text: str) -> None:
    assert nvenc_fault(text) is None


def test_the_missing_library_counts_and_not_the_driver_version_that_follows_it() -> None:
    """nvenc_load_libraries writes both."""
    fault = nvenc_fault(
        "[h264_nvenc @ 0x5] Cannot load libnvidia-encode.so.1\n"
        "[h264_nvenc @ 0x5] The minimum required Nvidia driver for nvenc is 610.00 or newer"
    )
    assert fault is not None
    assert (fault.error, fault.line) == (GpuMissingError, "Cannot load libnvidia-encode.so.1")
    assert "`video`" in fault.remedy


def test_every_class_is_a_fault_of_the_machine_and_only_a_full_gpu_is_worth_a_retry() -> None:
    retryable = {kind for kind in TEXTS if kind.retryable}
    assert all(issubclass(kind, MACHINE_FAULTS) for kind in TEXTS)
    assert retryable == {NvencSessionsExhaustedError}
    assert len({kind.code for kind in TEXTS}) == len(TEXTS)


def test_the_error_has_the_words_and_the_last_lines() -> None:
    fault = nvenc_fault("[h264_nvenc @ 0x5] EncodePicture failed!: invalid device (4): ")
    assert fault is not None
    error = nvenc_error(fault, purpose="encoding clip.mp4", evidence="  its last lines")
    assert isinstance(error, GpuLostError)
    assert error.message == (
        "The GPU is lost, or its driver no longer reaches it (EncodePicture failed!: invalid device (4)), "
        "while encoding clip.mp4."
    )
    assert error.evidence == "  its last lines"


GPU_WORDS = "echo '[h264_nvenc @ 0x5] EncodePicture failed!: generic error (20): ' >&2"


@pytest.mark.parametrize(
    ("arguments", "kind"), [(["-c:v", "h264_nvenc"], GpuLostError), (["-c:v", "libx264"], EncodeError)]
)
def test_only_an_encode_with_nvenc_is_judged_by_such_words(
    program: Callable[[str], Path], arguments: list[str], kind: type[Exception]
) -> None:
    """They may stand in a file's name or title as well."""
    fails = Ffmpeg(program(f"head -c 3000000 >/dev/null; {GPU_WORDS}; exit 1"), stall_timeout_seconds=20)
    with pytest.raises(kind, match="while encoding a clip") as caught:
        fails.feed(arguments, "encoding a clip", chunks=(bytes(1 << 20) for _ in range(50)))
    assert "EncodePicture failed!" in str(caught.value)


@pytest.mark.parametrize("words", ["", GPU_WORDS])
def test_nvenc_that_stands_still_is_a_lost_gpu(program: Callable[[str], Path], words: str) -> None:
    hangs = Ffmpeg(program(f"{words}\nexec sleep 60"), stall_timeout_seconds=0.3)
    with pytest.raises(GpuLostError, match="while encoding a clip") as caught:
        hangs.feed(["-c:v", "h264_nvenc"], "encoding a clip", chunks=[bytes(1 << 21)])
    said = "EncodePicture failed!" if words else "made no progress for 0.3 s"
    assert said in caught.value.evidence
