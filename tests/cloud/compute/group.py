"""A managed instance group: what it aims at, its machines, and what happens to them as time passes."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Scope = Literal["region", "zone"]


class ManualClock:
    """A clock, in seconds, that goes on when it is told to."""

    def __init__(self) -> None:
        self._now = 1_700_000_000.0

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


@dataclass
class Vm:
    """A machine of a group. `id` is a new one each time it is made; None while it does not exist."""

    name: str
    zone: str
    action: str
    status: str
    since: float
    id: str | None = None
    errors: tuple[tuple[str, str], ...] = ()


@dataclass
class Autoscaler:
    """Google's own autoscaler, attached to the group."""

    name: str
    mode: Literal["ON", "OFF", "ONLY_SCALE_OUT", "ONLY_UP"] = "ON"


@dataclass
class Group:
    """A managed instance group. Tests may set its fields at any time."""

    name: str
    project: str
    scope: Scope
    location: str
    zones: tuple[str, ...]
    now: Callable[[], float]
    target: int = 0
    #: From the order to a machine that runs, and from the order to delete one until it is gone.
    boot_seconds: float = 60.0
    delete_seconds: float = 30.0
    #: How long a preempted machine takes to stop.
    preemption_seconds: float = 30.0
    #: Zones that have no machine to give now, and how they say so.
    stockout_zones: set[str] = field(default_factory=set)
    stockout_code: str = "ZONE_RESOURCE_POOL_EXHAUSTED"
    #: A group answers in pages if it is told to; only then does it look at the page's size and token.
    paginated: bool = False
    page_size: int = 500
    autoscaler: Autoscaler | None = None
    vms: dict[str, Vm] = field(default_factory=dict)
    #: Machines that the group itself chose to delete, as it does when it is resized to fewer.
    victims: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(4_000_000_000_000_000_000))

    @property
    def url(self) -> str:
        """The group's own URL."""
        return f"{self.base}/{self.scope}s/{self.location}/instanceGroupManagers/{self.name}"

    @property
    def base(self) -> str:
        """The URL of the group's project."""
        return f"https://www.googleapis.com/compute/v1/projects/{self.project}"

    def vm_url(self, vm: Vm) -> str:
        """A machine's URL."""
        return f"{self.base}/zones/{vm.zone}/instances/{vm.name}"

    def resize(self, size: int) -> None:
        """Aim at so many machines; of too many the group chooses those that go."""
        self.target = size
        self.pass_time()
        staying = [vm for vm in self.vms.values() if vm.action != "DELETING"]
        # Those that do not run yet first, then whichever.
        staying.sort(key=lambda vm: (vm.status == "RUNNING", vm.since))
        for vm in staying[: max(0, len(staying) - size)]:
            self.victims.append(vm.name)
            self._delete(vm)
        self.pass_time()

    def delete(self, names: Sequence[str]) -> None:
        """Delete machines and aim at as many fewer. They must be members that are not going already."""
        for name in names:
            self._delete(self.vms[name])
        self.target -= len(names)
        self.pass_time()

    def is_going(self, name: str) -> bool:
        """Tell whether it is no member, or is being deleted."""
        return name not in self.vms or self.vms[name].action in {"DELETING", "ABANDONING"}

    def preempt(self, name: str) -> None:
        """Take a machine back: it stops; the group then makes another of the same name."""
        self._set(self.vms[name], action="NONE", status="STOPPING")

    def vanish(self, name: str) -> None:
        """Delete a machine behind the group's back; the group makes it anew."""
        self._set(self.vms[name], action="RECREATING", status="")

    def pass_time(self) -> None:
        """Bring the machines to where they are by now."""
        while sum(vm.action != "DELETING" for vm in self.vms.values()) < self.target:
            number = next(self._numbers)
            name = f"{self.name}-{number:04x}"
            zone = self.zones[number % len(self.zones)]
            self.vms[name] = Vm(name, zone, action="CREATING", status="", since=self.now())
        for vm in list(self.vms.values()):
            while self._step(vm):
                pass

    def _step(self, vm: Vm) -> bool:
        """Bring a machine one state further, if it is time; tell whether it was."""
        age = self.now() - vm.since
        match vm.action, vm.status:
            case "DELETING", _:
                if age >= self.delete_seconds:
                    self.vms.pop(vm.name, None)
                return False
            case "NONE", "STOPPING" if age >= self.preemption_seconds:
                self._set(
                    vm, action="RECREATING", status="TERMINATED", since=vm.since + self.preemption_seconds
                )
            case "CREATING" | "RECREATING", "" | "TERMINATED":
                if vm.zone in self.stockout_zones:
                    vm.errors = (
                        (self.stockout_code, f"The zone '{vm.zone}' does not have enough resources."),
                    )
                    return False
                if age < self.boot_seconds / 3:
                    return False
                vm.id, vm.errors = str(next(self._ids)), ()
                vm.status = "PROVISIONING"
            case "CREATING" | "RECREATING", "PROVISIONING" if age >= self.boot_seconds * 2 / 3:
                vm.status = "STAGING"
            case "CREATING" | "RECREATING", "STAGING" if age >= self.boot_seconds:
                self._set(vm, action="NONE", status="RUNNING", since=vm.since + self.boot_seconds)
            case _:
                return False
        return True

    def _delete(self, vm: Vm) -> None:
        self._set(vm, action="DELETING", status="STOPPING" if vm.id else vm.status)

    def _set(self, vm: Vm, *, action: str, status: str, since: float | None = None) -> None:
        vm.action, vm.status, vm.errors = action, status, ()
        vm.since = self.now() if since is None else since
        if not status:
            vm.id = None

    def as_json(self) -> dict[str, Any]:
        """The group as an `InstanceGroupManager`."""
        status: dict[str, Any] = {
            "isStable": all((vm.action, vm.status) == ("NONE", "RUNNING") for vm in self.vms.values()),
        }
        if self.autoscaler is not None:
            status["autoscaler"] = f"{self._location_url}/autoscalers/{self.autoscaler.name}"
        return {
            "kind": "compute#instanceGroupManager",
            "name": self.name,
            "baseInstanceName": self.name,
            "selfLink": self.url,
            self.scope: self._location_url,
            "targetSize": self.target,
            "listManagedInstancesResults": "PAGINATED" if self.paginated else "PAGELESS",
            "status": status,
        }

    def vm_as_json(self, vm: Vm) -> dict[str, Any]:
        """A machine as a `ManagedInstance`."""
        answer: dict[str, Any] = {
            "name": vm.name,
            "instance": self.vm_url(vm),
            "currentAction": vm.action,
            "targetStatus": "DELETED" if vm.action == "DELETING" else "RUNNING",
        }
        if vm.id is not None:
            answer["id"] = vm.id
        if vm.status:
            answer["instanceStatus"] = vm.status
        if vm.errors:
            errors = [{"code": code, "message": message} for code, message in vm.errors]
            answer["lastAttempt"] = {"errors": {"errors": errors}}
        return answer

    def autoscaler_as_json(self) -> dict[str, Any]:
        """The attached autoscaler as an `Autoscaler`."""
        assert self.autoscaler is not None
        return {
            "kind": "compute#autoscaler",
            "name": self.autoscaler.name,
            "target": self.url,
            self.scope: self._location_url,
            "status": "ACTIVE",
            "autoscalingPolicy": {"mode": self.autoscaler.mode, "minNumReplicas": 0, "maxNumReplicas": 20},
        }

    @property
    def _location_url(self) -> str:
        return f"{self.base}/{self.scope}s/{self.location}"
