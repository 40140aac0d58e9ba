"""What is read of a machine's GPUs, with a stand-in for NVML's module."""

from types import SimpleNamespace
from typing import Any

import pytest

from trivia_render.telemetry.gpu_readings import GpuReader, GpuReadings, load_nvml


class NVMLError(Exception):
    """The module's errors, of the same tree as the real ones."""


class LibraryNotFoundError(NVMLError):
    pass


class DriverNotLoadedError(NVMLError):
    pass


class NotSupportedError(NVMLError):
    pass


class Nvml:
    """The functions that are used of `pynvml`, for so many GPUs."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = LibraryNotFoundError
    NVMLError_DriverNotLoaded = DriverNotLoadedError
    NVMLError_NotSupported = NotSupportedError

    def __init__(self, *names: str | bytes) -> None:
        self.names = names
        self.at_start: NVMLError | None = None
        self.at_handle: dict[int, NVMLError] = {}
        self.at_reading: dict[int, NVMLError] = {}
        self.at_encoder: NVMLError | None = None
        self.calls: list[str] = []

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name, as those below
        self.calls.append("init")
        if self.at_start is not None:
            raise self.at_start

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index in self.at_handle:
            raise self.at_handle[index]
        return index

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:  # noqa: N802
        if handle in self.at_reading:
            raise self.at_reading[handle]
        return self.names[handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(used=(handle + 1) * 10**9, total=16 * 10**9, free=0)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=12 + handle, memory=3)

    def nvmlDeviceGetEncoderUtilization(self, handle: int) -> list[int]:  # noqa: N802
        if self.at_encoder is not None:
            raise self.at_encoder
        return [80 + handle, 167_000]


def test_each_gpu_is_read_with_its_encoder_and_nvml_stays_open() -> None:
    nvml = Nvml("Tesla T4", b"Tesla T4")
    reader = GpuReader(nvml)
    first, second = reader.read().gpus
    assert (first.name, second.name) == ("Tesla T4", "Tesla T4")
    assert (first.utilisation_percent, first.encoder_utilisation_percent) == (12.0, 80.0)
    assert (second.utilisation_percent, second.encoder_utilisation_percent) == (13.0, 81.0)
    assert (second.memory_used_bytes, second.memory_total_bytes) == (2 * 10**9, 16 * 10**9)
    reader.read()
    reader.close()
    reader.close()
    assert nvml.calls == ["init", "shutdown"]


def test_a_gpu_that_falls_off_the_bus_is_said_and_nvml_is_opened_anew() -> None:
    nvml = Nvml("Tesla T4", "Tesla T4")
    reader = GpuReader(nvml)
    nvml.at_handle = {1: NVMLError("GPU is lost")}
    assert reader.read() == GpuReadings(
        error="The GPUs could not be reached: GPU is lost", fatal="GPU is lost"
    )
    nvml.at_handle = {}
    assert len(reader.read().gpus) == 2
    assert nvml.calls == ["init", "shutdown", "init"]


def test_a_fact_that_cannot_be_read_is_said_and_is_not_fatal() -> None:
    nvml = Nvml("Tesla T4")
    reader = GpuReader(nvml)
    nvml.at_reading = {0: NVMLError("Unknown Error")}
    assert reader.read() == GpuReadings(error="The GPUs could not be read: Unknown Error")
    nvml.at_reading = {}
    assert len(reader.read().gpus) == 1


def test_a_machine_without_nvml_has_no_gpus_and_is_asked_once() -> None:
    nvml = Nvml()
    nvml.at_start = LibraryNotFoundError()
    reader = GpuReader(nvml)
    assert reader.read() == reader.read() == GpuReadings()
    assert nvml.calls == ["init"]


def test_a_driver_that_is_loaded_later_is_found_then() -> None:
    nvml = Nvml("Tesla T4")
    nvml.at_start = DriverNotLoadedError()
    reader = GpuReader(nvml)
    assert reader.read() == GpuReadings()
    nvml.at_start = None
    assert len(reader.read().gpus) == 1


def test_nvml_that_does_not_start_is_said() -> None:
    nvml = Nvml()
    nvml.at_start = NVMLError("Driver/library version mismatch")
    words = "Driver/library version mismatch"
    assert GpuReader(nvml).read() == GpuReadings(error=f"NVML could not be started: {words}", fatal=words)


@pytest.mark.parametrize("error", [NotSupportedError(), NVMLError("Unknown Error"), NVMLError("Not Found")])
def test_the_use_of_an_encoder_that_is_not_told_is_none(error: NVMLError) -> None:
    nvml = Nvml("A100")
    nvml.at_encoder = error
    (gpu,) = GpuReader(nvml).read().gpus
    assert (gpu.utilisation_percent, gpu.encoder_utilisation_percent) == (12.0, 0.0)


def test_the_real_module_has_all_that_is_used() -> None:
    nvml = load_nvml()
    used = {name for name in dir(Nvml) if name.startswith(("nvml", "NVML"))}
    assert used <= set(dir(nvml))
    for error in (
        nvml.NVMLError_LibraryNotFound,
        nvml.NVMLError_DriverNotLoaded,
        nvml.NVMLError_NotSupported,
    ):
        assert issubclass(error, nvml.NVMLError)


@pytest.mark.parametrize("reads", [1, 3])
def test_this_machine_can_be_read_whatever_it_has(reads: int) -> None:
    reader = GpuReader(load_nvml())
    for _ in range(reads):
        assert isinstance(reader.read(), GpuReadings)
    reader.close()
