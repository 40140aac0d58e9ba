"""How many machines a fleet needs. Pure."""

import math
from typing import Final

from pydantic import Field

from trivia_render.models.base import Model

#: The operator's formula: a machine is good for 200 videos, of which half is planned with.
VIDEOS_A_MACHINE: Final = 200
PLANNED_SHARE: Final = 0.5
MIN_MACHINES: Final = 1
MAX_MACHINES: Final = 20


class Decision(Model):
    """How many machines there should be, and why."""

    pending_jobs: int = Field(ge=0)
    machines: int = Field(ge=MIN_MACHINES, le=MAX_MACHINES)
    reason: str


def desired_machines(pending_jobs: int) -> Decision:
    """Return `ceil(pending / (200 * 0.5))`, from 1 to 20."""
    wanted = math.ceil(pending_jobs / (VIDEOS_A_MACHINE * PLANNED_SHARE))
    machines = min(max(wanted, MIN_MACHINES), MAX_MACHINES)
    bound = "" if machines == wanted else f", bounded to {machines}"
    return Decision(
        pending_jobs=pending_jobs,
        machines=machines,
        reason=f"{pending_jobs} jobs wait: {wanted} machines{bound}.",
    )
