"""A local Compute Engine for tests: managed instance groups over real HTTP, held to the published schema.

    with compute_server() as compute:
        group = compute.add_group("render", size=2)
        ...  # TRIVIA_COMPUTE_ENDPOINT=compute.url, here or in another process
        compute.clock.advance(90)

Time stands still but for `advance`; `compute_server(clock=time.time)` takes the real one.
"""

from tests.cloud.compute.group import Autoscaler, Group, ManualClock, Vm
from tests.cloud.compute.server import FOR_EVER, ComputeServer, compute_server

__all__ = ["FOR_EVER", "Autoscaler", "ComputeServer", "Group", "ManualClock", "Vm", "compute_server"]
