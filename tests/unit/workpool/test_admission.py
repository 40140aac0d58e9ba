"""Whether a machine may take work, on a clock that the test turns."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from trivia_render.models.fleet import DrainRequest
from trivia_render.models.gpu import Preflight, Refusal
from trivia_render.workpool import admission
from trivia_render.workpool.admission import (
    AGAIN_SECONDS,
    FAULTS_SECONDS,
    MAX_FAULTS,
    UNHEALTHY_SECONDS,
    Admission,
)

LOST = Refusal(code="gpu_lost", message="It is lost.", evidence="  its words", remedy="Replace it.")


class Said:
    """What the machine says of itself, and whether it is drained."""

    def __init__(self) -> None:
        self.drain: DrainRequest | None = None
        self.says: list[tuple[str, Refusal | None]] = []

    def say(self, state: str, reason: str = "", *, refusal: Refusal | None = None) -> None:
        self.says.append((state, refusal))


class World:
    """A machine whose preflights pass, and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: Any = Said()
        self.looks = 0
        self.answers = threading.Event()
        self.answers.set()
        self.admission = Admission(self.look, worker_id="vm-1")

    def look(self) -> Preflight:
        self.looks += 1
        assert self.answers.wait(20)
        return Preflight()

    def start(self, turn: Callable[[], Any] | None = None) -> str:
        self.admission.begin(self.said)
        return self.admission.wait(self.said, turn or self.until_refused)

    def until_refused(self) -> Any:
        """A moment passes; a start that was refused is ended."""
        look = self.admission._look
        assert look is not None
        look.join(10)
        return "on" if self.said.says[-1][1] is None else "stopped"

    def fail_at_work(self) -> None:
        assert self.start() == "on"
        self.admission.add_fault(LOST)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(admission, "clock", lambda: world.now)
    return world


def test_a_machine_that_is_drained_in_its_first_preflight_is_healthy(world: World) -> None:
    drain: Any = object()

    def drained() -> str:
        world.said.drain = drain
        return "on"

    world.answers.clear()
    assert world.start(drained) == "drain"
    world.answers.set()
    world.now += UNHEALTHY_SECONDS + 1
    assert world.admission.unhealthy() is None


def test_a_start_that_begins_drained_forgets_since_when_the_last_one_was_refused(world: World) -> None:
    world.admission.begin(world.said)
    world.now += UNHEALTHY_SECONDS + 1
    assert world.admission.unhealthy() == "preflight"
    world.admission.rest()
    assert world.admission.unhealthy() is None


def test_a_gpu_that_fails_at_work_again_and_again_is_refused_though_each_preflight_has_passed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(MAX_FAULTS):
        world.fail_at_work()
        world.now += FAULTS_SECONDS / MAX_FAULTS - 1
    assert world.looks == MAX_FAULTS
    assert world.start() == "stopped"
    state, refusal = world.said.says[-1]
    assert (state, refusal.code) == ("refused", "gpu_lost")
    assert "failed at work 3 times within 60 minutes" in refusal.message
    assert "restarted" in refusal.remedy
    assert world.admission.unhealthy() is None
    world.now += UNHEALTHY_SECONDS
    assert world.admission.unhealthy() == "gpu_lost"
    # However much later.
    world.now += FAULTS_SECONDS + AGAIN_SECONDS
    assert world.start() == "stopped"
    assert world.looks == MAX_FAULTS, "it is not looked at again"
    assert len([record for record in caplog.records if getattr(record, "event", "") == "worker_refused"]) == 1


def test_faults_at_work_that_lie_apart_do_not_add_up(world: World) -> None:
    for _ in range(3 * MAX_FAULTS):
        world.fail_at_work()
        world.now += FAULTS_SECONDS / (MAX_FAULTS - 1)
    assert world.start() == "on"
    assert world.admission.unhealthy() is None


def test_a_machine_that_needs_no_gpu_is_admitted_at_once() -> None:
    none = Admission(None, worker_id="vm-1")
    said: Any = Said()
    none.begin(said)
    assert none.wait(said, lambda: "failed") == "on"
    assert (none.needs_gpu, none.unhealthy(), said.says) == (False, None, [])
