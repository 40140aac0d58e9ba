"""What Compute Engine says of a group's machine, as the port's three states. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

from trivia_render.fleet.machines import STOCKOUT_PROBLEMS

State = Literal["starting", "running", "leaving"]

#: `ManagedInstance.currentAction`: what the group is doing with the machine. None: see its status.
BY_ACTION: Mapping[str, State | None] = {
    "NONE": None,
    # Configuration is brought to it while it runs on.
    "REFRESHING": None,
    "CREATING": "starting",
    "CREATING_WITHOUT_RETRIES": "starting",
    # Preempted, failed or deleted by hand: made anew under its name.
    "RECREATING": "starting",
    "RESTARTING": "starting",
    "RESUMING": "starting",
    "STARTING": "starting",
    # Made, and not known to be healthy yet; one that never is gets recreated by the group.
    "VERIFYING": "starting",
    "ABANDONING": "leaving",
    "DELETING": "leaving",
    # Somebody takes it out of service; the group does not start it again.
    "STOPPING": "leaving",
    "SUSPENDING": "leaving",
}

#: `ManagedInstance.instanceStatus`, where the group has nothing to do with the machine. What has been made is
#: `running` even when it has stopped: it should serve, and is judged by whether it does. The group makes one
#: that was preempted anew a moment later; one that it leaves alone has to be replaced.
BY_STATUS: Mapping[str, State] = {
    # Not there yet.
    "": "starting",
    "PENDING": "starting",
    "PROVISIONING": "starting",
    "STAGING": "starting",
    # By Compute Engine, after a fault of the host.
    "REPAIRING": "starting",
    "RUNNING": "running",
    "PENDING_STOP": "running",
    "STOPPING": "running",
    "SUSPENDING": "running",
    "DEPROVISIONING": "running",
    "STOPPED": "running",
    "SUSPENDED": "running",
    "TERMINATED": "running",
}

#: `ManagedInstance.targetStatus`: what it is to become. Machines that are stopped on purpose are not counted
#: in the group's size, and those that go will not be.
BY_TARGET: Mapping[str, State | None] = {
    "ABANDONED": "leaving",
    "DELETED": "leaving",
    "STOPPED": "leaving",
    "SUSPENDED": "leaving",
    "RUNNING": None,
    "INVALID": None,
}


def state_of(*, action: str, status: str, target: str) -> State:
    """Return a machine's state. A value that came after this was written says nothing of itself."""
    return BY_TARGET.get(target) or BY_ACTION.get(action) or BY_STATUS.get(status, "running")


def problem_of(state: State, codes: Sequence[str]) -> str | None:
    """Return why a machine could not be made, of its last attempt's error codes; that of a stockout first.

    Errors of one that is there, or is being deleted, are old or another matter.
    """
    if state != "starting" or not codes:
        return None
    return next((code for code in codes if code in STOCKOUT_PROBLEMS), codes[0])
