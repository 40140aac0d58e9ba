"""What NVML tells of this machine's GPUs. A machine without NVML has none."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from trivia_render.models.fleet import GpuReading


class GpuReadings(NamedTuple):
    """A look at the GPUs: all of them, or none and `error`, why they could not be read.

    `fatal`: NVML's own words where it does not start, or does not reach a GPU: without these nothing encodes.
    """

    gpus: tuple[GpuReading, ...] = ()
    error: str | None = None
    fatal: str | None = None


def load_nvml() -> Any:
    """Return NVML's Python module."""
    with warnings.catch_warnings():
        # The package of this name only brings nvidia-ml-py and says so at each import.
        warnings.simplefilter("ignore", FutureWarning)
        import pynvml  # noqa: PLC0415 - half of the commands need no GPU
    return pynvml


class GpuReader:
    """Reads all GPUs again and again; NVML stays open in between. Not for several threads."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._open = False
        self._absent = False

    def read(self) -> GpuReadings:
        """Return the readings of now. Never raises for a fault of NVML: it is in the answer."""
        nvml = self._nvml
        if not self._open and (failed := self._start()) is not None:
            return failed
        try:
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            # A GPU that fell off the bus, or a driver that was replaced: begin anew at the next look.
            self.close()
            return GpuReadings(error=f"The GPUs could not be reached: {error}", fatal=str(error))
        try:
            return GpuReadings(tuple(self._of(handle) for handle in handles))
        except nvml.NVMLError as error:
            self.close()
            return GpuReadings(error=f"The GPUs could not be read: {error}")

    def _start(self) -> GpuReadings | None:
        """Open NVML; return the answer where that cannot be."""
        nvml = self._nvml
        if self._absent:
            return GpuReadings()
        try:
            nvml.nvmlInit()
        except nvml.NVMLError_LibraryNotFound:
            # No driver is installed, and none will be while this process runs.
            self._absent = True
            return GpuReadings()
        except nvml.NVMLError_DriverNotLoaded:
            return GpuReadings()
        except nvml.NVMLError as error:
            return GpuReadings(error=f"NVML could not be started: {error}", fatal=str(error))
        self._open = True
        return None

    def close(self) -> None:
        """Let NVML go."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                # It is as gone as it can be.
                return

    def _of(self, handle: Any) -> GpuReading:
        nvml = self._nvml
        name = nvml.nvmlDeviceGetName(handle)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        return GpuReading(
            name=name.decode() if isinstance(name, bytes) else str(name),
            memory_used_bytes=int(memory.used),
            memory_total_bytes=int(memory.total),
            utilisation_percent=self._percent(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            encoder_utilisation_percent=self._percent(
                lambda: nvml.nvmlDeviceGetEncoderUtilization(handle)[0]
            ),
        )

    def _percent(self, ask: Callable[[], float]) -> float:
        try:
            return min(100.0, float(ask()))
        except self._nvml.NVMLError:
            # A100 and H100, for two, have no encoder. Whatever else it is, it only informs.
            return 0.0
