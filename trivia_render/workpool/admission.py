"""Whether a machine may take work: one with a GPU only after its preflight, and no longer once that is lost.

A machine that is refused stays up, says why, and looks again every minute: a driver may be installed only
after the worker has started. If that does not help soon, /healthz fails, so that the group makes the machine
anew. A GPU that fails at work again and again ends it too, though each preflight in between has passed.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from trivia_render.encode.preflight import refusal_of
from trivia_render.errors import InternalError
from trivia_render.models.gpu import Preflight, Refusal
from trivia_render.workpool.background import background, clock
from trivia_render.workpool.heartbeat import Heartbeat

log = logging.getLogger("trivia_render.worker")

#: Between two looks at a machine that is refused.
AGAIN_SECONDS = 60.0
#: A machine that is refused for so long, two looks at least, is to be made anew.
UNHEALTHY_SECONDS = 120.0
#: So many faults at work within so long, whatever preflights say, and a machine is not looked at again.
MAX_FAULTS = 3
FAULTS_SECONDS = 3600.0
#: What /healthz says of a preflight that does not end.
LOOKING: Final = "preflight"

Turn = Literal["on", "stopped", "failed"]


class Admission:
    """The answer for one machine. Its main loop waits here; other threads may ask how it is."""

    def __init__(self, preflight: Callable[[], Preflight] | None, *, worker_id: str) -> None:
        """`preflight`: None where the machine needs no GPU; it is always admitted then."""
        self._preflight = preflight
        self._worker_id = worker_id
        self._refusal: Refusal | None = None
        self._refused_since: float | None = None
        self._look: threading.Thread | None = None
        self._logged: str | None = None
        self._faulted_at: deque[float] = deque(maxlen=MAX_FAULTS)
        #: Why it stays refused for good.
        self._final: Refusal | None = None

    @property
    def needs_gpu(self) -> bool:
        """Whether what is found broken of a GPU ends this machine's work, until a preflight has passed."""
        return self._preflight is not None

    def unhealthy(self) -> str | None:
        """Return the code for which this machine is to be made anew, or None. Never waits."""
        since, refusal = self._refused_since, self._refusal
        if since is None or clock() - since < UNHEALTHY_SECONDS:
            return None
        return LOOKING if refusal is None else refusal.code

    def begin(self, heartbeat: Heartbeat) -> None:
        """Say that this start does not take work yet. Before its first heartbeat."""
        if self._preflight is not None:
            self._refused_since = self._refused_since or clock()
            heartbeat.say("refused", "Its GPU is being looked at.")

    def rest(self) -> None:
        """Let the machine be: one that is drained is not made anew for its GPU."""
        self._refused_since = None

    def add_fault(self, fault: Refusal) -> None:
        """Note that the fault has ended this machine's work. Too often, and no preflight admits it again."""
        now = clock()
        self._faulted_at.append(now)
        if len(self._faulted_at) == MAX_FAULTS and now - self._faulted_at[0] < FAULTS_SECONDS:
            times = f"{MAX_FAULTS} times within {FAULTS_SECONDS / 60:.0f} minutes"
            self._final = Refusal(
                code=fault.code,
                message=f"The GPU has failed at work {times}, the last time so: {fault.message}",
                evidence=fault.evidence,
                remedy=f"{fault.remedy} The worker does not look at this GPU again before it is restarted.",
            )

    def wait(self, heartbeat: Heartbeat, turn: Callable[[], Turn]) -> Turn | Literal["drain"]:
        """Return `on` once the machine may take work, `drain` once it shall not, or why the start has ended.

        `turn` waits a moment and tells if the start goes on.
        """
        if self._preflight is None:
            return "on"
        while True:
            # One that hangs in a driver is not started twice.
            if self._look is None or not self._look.is_alive():
                self._look = background(self._look_once, self._preflight)
            look, until = self._look, clock() + AGAIN_SECONDS
            while look.is_alive() or (self._refusal is not None and clock() < until):
                if (now := turn()) != "on":
                    return now
                if heartbeat.drain is not None:
                    self.rest()
                    return "drain"
                if not look.is_alive() and self._refusal is not None:
                    heartbeat.say("refused", self._refusal.reason(), refusal=self._refusal)
            if self._refusal is None:
                self._refused_since = None
                heartbeat.say("ready")
                return "on"

    def _look_once(self, preflight: Callable[[], Preflight]) -> None:
        try:
            found = preflight() if self._final is None else Preflight(refusal=self._final)
        except Exception as error:
            log.exception("The preflight of %s could not be made.", self._worker_id)
            failed = InternalError(
                f"The preflight could not be made: {error}", remedy="Report the log's stack."
            )
            found = Preflight(refusal=refusal_of(failed))
        self._tell(found)
        self._refusal = found.refusal

    def _tell(self, found: Preflight) -> None:
        refusal = found.refusal
        if refusal is None:
            gpus = (
                "; ".join(f"{gpu.name}, driver {gpu.driver_version}" for gpu in found.gpus)
                or "not named by NVML"
            )
            log.info(
                "The GPU of %s encodes: %s.",
                self._worker_id,
                gpus,
                extra={"event": "worker_admitted", "worker_id": self._worker_id},
            )
        elif refusal.code != self._logged:
            # Once, and not at each look: this line is what alerts on logs count.
            log.error(
                "Worker %s takes no work: %s\n%s",
                self._worker_id,
                refusal.message,
                refusal.evidence,
                extra={
                    "event": "worker_refused",
                    "worker_id": self._worker_id,
                    "error_code": refusal.code,
                    "remedy": refusal.remedy,
                },
            )
        self._logged = None if refusal is None else refusal.code
