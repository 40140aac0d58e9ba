"""The preflight, with a stand-in for NVML's module, and FFmpeg on libx264 or what fails in its place."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trivia_render.encode import preflight as module
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.preflight import preflight
from trivia_render.models.gpu import GpuFacts, Preflight
from trivia_render.telemetry.gpu_readings import load_nvml

T4 = "Tesla T4"


class NVMLError(Exception):
    """The module's errors, of the same tree as the real ones."""


class LibraryNotFoundError(NVMLError):
    pass


class NotSupportedError(NVMLError):
    pass


class Nvml:
    """The functions that are used of `pynvml`, for so many GPUs."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = LibraryNotFoundError
    NVMLError_NotSupported = NotSupportedError
    NVML_ENCODER_QUERY_H264 = 0
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
    NVML_VOLATILE_ECC = 0

    def __init__(self, *names: str) -> None:
        self.names = names
        self.at_start: NVMLError | None = None
        self.at_handle: dict[int, NVMLError] = {}
        self.without_encoder: set[int] = set()
        self.at_facts: NVMLError | None = None
        self.at_end: NVMLError | None = None
        self.opened = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name, as those below
        if self.at_start is not None:
            raise self.at_start
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1
        if self.at_end is not None:
            raise self.at_end

    def _tell_facts(self) -> None:
        assert self.opened == 1, "the real one raises where it is not open"
        if self.at_facts is not None:
            raise self.at_facts

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        self._tell_facts()
        return "535.183.01"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index in self.at_handle:
            raise self.at_handle[index]
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        self._tell_facts()
        return self.names[handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        self._tell_facts()
        return SimpleNamespace(used=0, total=16 * 2**30, free=0)

    def nvmlDeviceGetEncoderCapacity(self, handle: int, query: int) -> int:  # noqa: N802
        if handle in self.without_encoder:
            raise NotSupportedError
        self._tell_facts()
        return 100

    def nvmlDeviceGetEncoderStats(self, handle: int) -> list[int]:  # noqa: N802
        self._tell_facts()
        return [2, 60, 900]

    def nvmlDeviceGetTotalEccErrors(self, handle: int, kind: int, counter: int) -> int:  # noqa: N802
        self._tell_facts()
        raise NotSupportedError


Look = Callable[..., Preflight]


@pytest.fixture
def look(ffmpeg: Ffmpeg, tmp_path: Path) -> Look:
    """The preflight on libx264: the same code, with an encoder that this machine has."""

    def run(nvml: Any, *, ffmpeg: Ffmpeg = ffmpeg, visible: str | None = None, **options: Any) -> Preflight:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        found = preflight(
            ffmpeg=ffmpeg, nvml=nvml, scratch=scratch, visible=visible, **({"encoder": "libx264"} | options)
        )
        assert list(scratch.iterdir()) == [], "nothing is left behind"
        return found

    return run


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """The encodes that a preflight makes, none of them made."""
    made: list[tuple[str, int | None]] = []
    monkeypatch.setattr(module, "_try", lambda name, device, **_: made.append((name, device.number)))
    return made


def test_each_format_is_encoded_and_decoded_and_the_gpu_is_named(look: Look) -> None:
    nvml = Nvml(T4)
    assert look(nvml) == Preflight(
        gpus=(
            GpuFacts(
                number=0,
                uuid="GPU-0",
                name=T4,
                driver_version="535.183.01",
                memory_total_bytes=16 * 2**30,
                encoder_capacity_percent=100,
                encoder_sessions=2,
                ecc_errors=None,
            ),
        )
    )
    assert nvml.opened == 0


def test_every_gpu_that_is_shown_and_can_encode_is_tried(
    look: Look, tries: list[tuple[str, int | None]]
) -> None:
    nvml = Nvml(T4, "A100", T4, T4)
    nvml.without_encoder = {1}
    found = look(nvml, visible="2,1,0")
    assert [gpu.uuid for gpu in found.gpus] == ["GPU-2", "GPU-0"]
    assert tries == [(name, number) for number in (0, 2) for name in ("16:9", "9:16", "1:1")]


def test_where_nvml_is_not_there_or_shows_nothing_ffmpeg_has_the_word(
    look: Look, tries: list[tuple[str, int | None]]
) -> None:
    absent = Nvml()
    absent.at_start = LibraryNotFoundError("NVML Shared Library Not Found")
    for nvml in (absent, Nvml()):
        assert look(nvml) == Preflight()
    assert {number for _, number in tries} == {None}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("GPU is lost", "gpu_lost"),
        ("Unknown Error", "gpu_lost"),
        ("what no version has said yet", "gpu_lost"),
        ("Insufficient Permissions", "gpu_missing"),
    ],
)
def test_a_gpu_that_nvml_cannot_reach_is_refused_without_an_encode(
    look: Look, tries: list[tuple[str, int | None]], words: str, code: str
) -> None:
    nvml = Nvml(T4, T4)
    nvml.at_handle = {1: NVMLError(words)}
    refusal = look(nvml).refusal
    assert refusal is not None
    assert refusal.code == code
    assert words in refusal.message
    assert refusal.remedy
    assert (tries, nvml.opened) == ([], 0)


@pytest.mark.parametrize(
    "words", ["Unknown Error", "Not Found", "Insufficient Permissions", "Function Not Found", "Timeout"]
)
def test_a_fact_that_nvml_does_not_tell_refuses_no_gpu(
    look: Look, tries: list[tuple[str, int | None]], words: str
) -> None:
    nvml = Nvml(T4)
    nvml.at_facts = NVMLError(words)
    found = look(nvml)
    assert found.refusal is None
    (gpu,) = found.gpus
    assert (gpu.name, gpu.driver_version, gpu.memory_total_bytes) == ("a GPU without a name", "unknown", None)
    assert (gpu.encoder_capacity_percent, gpu.encoder_sessions, gpu.ecc_errors) == (None, None, None)
    assert tries == [(name, 0) for name in ("16:9", "9:16", "1:1")]


@pytest.mark.parametrize("at_handle", [{}, {0: NVMLError("GPU is lost")}])
def test_nvml_that_does_not_end_changes_nothing_of_what_was_found(
    look: Look, tries: list[tuple[str, int | None]], at_handle: dict[int, NVMLError]
) -> None:
    nvml = Nvml(T4)
    nvml.at_handle, nvml.at_end = at_handle, NVMLError("Unknown Error")
    refusal = look(nvml).refusal
    assert (None if refusal is None else refusal.code, len(tries)) == (
        ("gpu_lost", 0) if at_handle else (None, 3)
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Driver Not Loaded", "gpu_missing"),
        ("RM has detected an NVML/RM version mismatch.", "driver_too_old"),
    ],
)
def test_a_driver_that_does_not_start_is_refused(look: Look, words: str, code: str) -> None:
    nvml = Nvml(T4)
    nvml.at_start = NVMLError(words)
    refusal = look(nvml).refusal
    assert refusal is not None
    assert refusal.code == code


def test_gpus_without_an_encoder_are_refused_by_name(look: Look) -> None:
    nvml = Nvml("NVIDIA A100-SXM4-40GB")
    nvml.without_encoder = {0}
    refusal = look(nvml).refusal
    assert refusal is not None
    assert refusal.code == "gpu_missing"
    assert "A100" in refusal.message


def test_without_a_driver_the_real_ffmpeg_says_so(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(load_nvml(), encoder="h264_nvenc")
    if found.gpus:
        pytest.skip("This machine has a GPU; without one the refusal would be looked at.")
    assert found.refusal is not None
    assert found.refusal.code == "gpu_missing"
    assert "Cannot load libcuda.so.1" in found.refusal.evidence
    assert "NVML:" in found.refusal.evidence


VERSION = '[ "$1" = -version ] && echo "ffmpeg version 9.1-stand-in" && exit 0\n'


def stand_in(tmp_path: Path, body: str) -> Ffmpeg:
    path = tmp_path / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{VERSION}{body}\n")
    path.chmod(0o755)
    return Ffmpeg(path, stall_timeout_seconds=0.3)


def test_nvenc_that_hangs_is_a_lost_gpu(look: Look, tmp_path: Path) -> None:
    refusal = look(Nvml(T4), ffmpeg=stand_in(tmp_path, "exec sleep 60"), encoder="h264_nvenc").refusal
    assert refusal is not None
    assert refusal.code == "gpu_lost"
    assert "hangs" in refusal.message
    assert "made no progress for 0.3 s" in refusal.evidence


def test_a_gpu_that_makes_something_else_of_the_picture_is_refused(
    look: Look, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    # Memory that loses what was written there: FFmpeg is handed nothing but zeros.
    blank = stand_in(
        tmp_path, f'head -c 9331200 /dev/zero | {ffmpeg.path} "$@"; code=$?; cat >/dev/null; exit $code'
    )
    blank = Ffmpeg(blank.path, stall_timeout_seconds=30)
    refusal = look(Nvml(T4), ffmpeg=blank).refusal
    assert refusal is not None
    assert refusal.code == "video_out_of_spec"
    assert "frame 0 is not the picture that was handed over" in refusal.evidence


def test_a_program_that_is_no_ffmpeg_is_refused(look: Look, tmp_path: Path) -> None:
    refusal = look(Nvml(T4), ffmpeg=Ffmpeg(tmp_path / "absent")).refusal
    assert refusal is not None
    assert refusal.code == "program_missing"


def test_a_folder_that_cannot_be_written_is_refused(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    found = preflight(ffmpeg=ffmpeg, nvml=Nvml(T4), scratch=tmp_path / "absent", visible=None)
    assert found.refusal is not None
    assert found.refusal.code == "store_failed"
    assert "TRIVIA_HOME" in found.refusal.remedy


def test_the_real_module_has_all_that_is_used() -> None:
    nvml = load_nvml()
    used = {name for name in dir(Nvml) if name.startswith(("nvml", "NVML"))}
    assert used <= set(dir(nvml))
    for name in ("NVML_ENCODER_QUERY_H264", "NVML_MEMORY_ERROR_TYPE_UNCORRECTED", "NVML_VOLATILE_ECC"):
        assert getattr(nvml, name) == getattr(Nvml, name)
