"""The names of pools, queues and deployments, as prefect.yaml and deployments/ declare them."""

from typing import Final

from trivia_render.models.config import Priority

#: Renders: process workers on the machines with the GPUs.
RENDER_POOL: Final = "gpu-t4"
#: The scheduled flows that keep the fleet well.
CONTROL_POOL: Final = "control"
POOLS: Final = (RENDER_POOL, CONTROL_POOL)

RENDER_VIDEO: Final = "render-video/gpu"
RENDER_BATCH: Final = "render-batch/gpu"
MAINTENANCE: Final = "maintenance/scheduled"

#: Work queues of the render pool, each with its priority: 1 is served first.
QUEUES: Final[dict[Priority, int]] = {"high": 1, "default": 2, "low": 3}
