"""A machine's GPUs as its preflight found them."""

from typing import Final

from pydantic import Field

from trivia_render.errors import (
    DriverTooOldError,
    GpuLostError,
    GpuMissingError,
    NvencSessionsExhaustedError,
)
from trivia_render.models.base import Model

#: Why machines are refused, as metrics tell it; whatever else it may be is `other`.
REFUSAL_CODES: Final = (
    *(kind.code for kind in (GpuMissingError, GpuLostError, DriverTooOldError, NvencSessionsExhaustedError)),
    "other",
)

#: Faults that do not pass by themselves: a machine that has met one takes no work before another preflight.
LASTING_FAULTS: Final = frozenset({GpuMissingError.code, GpuLostError.code, DriverTooOldError.code})


class GpuFacts(Model):
    """A GPU with an H.264 encoder, as NVML tells of it. What it does not tell is None."""

    number: int = Field(ge=0, description="CUDA's, in this process's environment.")
    uuid: str
    name: str
    driver_version: str
    memory_total_bytes: int | None = Field(default=None, ge=0)
    encoder_capacity_percent: int | None = None
    encoder_sessions: int | None = Field(default=None, description="Encodes that were under way.")
    ecc_errors: int | None = Field(default=None, description="Uncorrectable ones since the driver's start.")


class Refusal(Model):
    """Why a machine must not be given work: an error's code, words and remedy."""

    code: str
    message: str
    evidence: str
    remedy: str

    def reason(self) -> str:
        """Return the code and the message in one line."""
        return f"{self.code}: {self.message.rstrip(':')}"


def counted_code(code: str | None) -> str | None:
    """Return the code as metrics tell it; None where there is none."""
    return code if code is None or code in REFUSAL_CODES else REFUSAL_CODES[-1]


class Preflight(Model):
    """What a preflight found. It passed where there is no refusal."""

    gpus: tuple[GpuFacts, ...] = Field(default=(), description="None where NVML is not there.")
    refusal: Refusal | None = None
