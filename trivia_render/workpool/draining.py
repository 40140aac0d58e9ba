"""A drain: Prefect's worker is gone, and its runs go on to their end without it.

Prefect's worker, told to stop, kills its runs. Killed itself, it leaves them alone: they tell Prefect's
server by themselves how they end, and what their worker would have done for them is done here.
"""

import logging
import threading
import time
from collections.abc import Callable

from prefect.client.schemas.objects import StateType

from trivia_render.errors import WorkflowServerError
from trivia_render.workpool.books import Books, HandBack
from trivia_render.workpool.processes import find_engines, kill_trees

log = logging.getLogger("trivia_render.worker")

_TICK_SECONDS = 0.5
#: Between two looks at a run that has no process, before it counts as dead.
_CONFIRM_SECONDS = 2.0
#: A process that the worker had just started bears its run's mark by then.
_SETTLE_SECONDS = 0.5
#: A run in one of these states still is somebody's to end.
_OPEN = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


class Drain:
    """Watches over the runs of a worker that is gone.

    `done` once none has a process and the server has said that it takes none for this worker's.
    """

    def __init__(
        self,
        name: str,
        *,
        pool: str,
        hand_back: HandBack,
        look_seconds: float,
        on_crash: Callable[[], None],
    ) -> None:
        self._name = name
        self._books = Books(name, pool=pool)
        self._hand_back = hand_back
        self._look_seconds = look_seconds
        self._on_crash = on_crash
        self._unstarted_given_back = False
        self.done = threading.Event()

    def run(self, ended: threading.Event) -> None:
        """Watch until no run is left, or the event. For a thread of its own."""
        ended.wait(_SETTLE_SECONDS)
        looked_at, seen = float("-inf"), self._at_work()
        while not ended.is_set():
            at_work = self._at_work()
            pause = _CONFIRM_SECONDS if self._books.doubtful else self._look_seconds
            if at_work != seen or time.monotonic() - looked_at >= pause:
                if self._nothing_is_left(ended):
                    self.done.set()
                    return
                looked_at, seen = time.monotonic(), at_work
            ended.wait(_TICK_SECONDS)

    def _at_work(self) -> frozenset[str]:
        return frozenset(engine.flow_run_id for engine in find_engines(self._name))

    def _nothing_is_left(self, ended: threading.Event) -> bool:
        """Put the books right as far as that goes now; tell whether nothing is left to put right.

        A server or a store that does not answer has not said so.
        """
        try:
            if not self._unstarted_given_back:
                self._give_back_unstarted()
                self._unstarted_given_back = True
            if not ended.is_set():
                self._look()
            return not self._at_work() and not self._books.entries(_OPEN)
        except WorkflowServerError as error:
            log.warning("The drain of worker %s waits: %s", self._name, error)
        except Exception:
            # Whatever a proxy may answer: nobody else looks after these runs while this worker lives.
            log.exception("The books of worker %s could not be kept; tried again.", self._name)
        return False

    def _give_back_unstarted(self) -> None:
        """Give back what the worker had only just been handed: nobody will start a process for it."""
        # The server first: what has begun in between has its process by then.
        waiting = self._books.entries([StateType.PENDING])
        for flow_run_id in sorted(waiting - self._at_work()):
            self._hand_back(flow_run_id, reason="Its worker takes no more work.", counted=False)

    def _look(self) -> None:
        for run in self._books.runs([StateType.CANCELLING]):
            kill_trees(
                engine.process for engine in find_engines(self._name) if engine.flow_run_id == str(run.id)
            )
            self._hand_back.cancelled(run)
        for flow_run_id in sorted(self._books.orphans()):
            if self._hand_back(flow_run_id, reason="Its process ended.", counted=True):
                self._on_crash()
