import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trivia_render.errors import JobConflictError, LeaseLostError, PreconditionFailedError, StoreError
from trivia_render.models.ports import ObjectInfo
from trivia_render.models.results import Lease
from trivia_render.pipeline.lease import LIFETIME, hold_lease
from trivia_render.storage.keys import lease_key
from trivia_render.storage.local import LocalStore

KEY = lease_key("quiz", "job-1")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Machine:
    """The part of the ports that a lease needs."""

    store: LocalStore
    worker_id: str = "worker-a"
    host: str = "host-a"
    pid: int = 1
    clock: list[datetime] = field(default_factory=lambda: [NOON])

    def now(self) -> datetime:
        return self.clock[0]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(LocalStore(tmp_path))


def hold(machine: Machine, *, min_attempt: int = 1):  # type: ignore[no-untyped-def]
    return hold_lease(machine, channel="quiz", job_id="job-1", flow_run_id=None, min_attempt=min_attempt)  # type: ignore[arg-type]


def test_each_claim_raises_the_attempt(machine: Machine) -> None:
    with hold(machine) as first:
        assert first.attempt == 1
    with hold(machine) as second:
        assert second.attempt == 2
    with hold(machine, min_attempt=9) as third:
        assert third.attempt == 9


def test_a_held_job_is_refused_with_the_name_of_who_holds_it(machine: Machine) -> None:
    other = Machine(machine.store, worker_id="worker-b", host="host-b")
    with hold(machine), pytest.raises(JobConflictError, match="worker-a on host-a"), hold(other):
        pass


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_may_not_publish(machine: Machine) -> None:
    with hold(machine) as late:
        other = Machine(machine.store, worker_id="worker-b", host="host-b", clock=[NOON + LIFETIME])
        with hold(other) as held:
            assert held.attempt == 2
            held.check()
            late.renew()
            with pytest.raises(LeaseLostError):
                late.check()


def test_the_lease_of_a_dead_process_on_this_machine_is_taken_over_at_once(machine: Machine) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lease = Lease(
        owner="x", worker_id="w", flow_run_id=None, attempt=4, host=machine.host, pid=dead.pid,
        expires_at=NOON + LIFETIME,
    )  # fmt: skip
    machine.store.write(KEY, lease.model_dump_json().encode(), content_type="application/json")
    with hold(machine) as held:
        assert held.attempt == 5


def test_renewing_extends_the_lease(machine: Machine) -> None:
    with hold(machine) as held:
        machine.clock[0] = NOON + LIFETIME - timedelta(seconds=1)
        held.renew()
        machine.clock[0] += LIFETIME - timedelta(seconds=1)
        held.check()


def test_a_lease_that_ran_out_and_that_nobody_took_is_renewed(machine: Machine) -> None:
    with hold(machine) as held:
        machine.clock[0] = NOON + 10 * LIFETIME
        held.check()
        other = Machine(machine.store, worker_id="worker-b", host="host-b", clock=machine.clock)
        with pytest.raises(JobConflictError), hold(other):
            pass


def test_a_lease_that_cannot_be_renewed_runs_out_and_says_why(tmp_path: Path) -> None:
    class Full(LocalStore):
        full = False

        def write(
            self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
        ) -> ObjectInfo:
            if self.full:
                raise StoreError("No space left on device.", remedy="Free some.")
            return super().write(key, data, content_type=content_type, if_generation=if_generation)

    store = Full(tmp_path)
    machine = Machine(store)
    with hold(machine) as held:
        store.full = True
        held.renew()
        held.check()
        machine.clock[0] = NOON + LIFETIME
        with pytest.raises(LeaseLostError, match="could not renew") as caught:
            held.check()
        assert "No space left" in str(caught.value)


def test_a_claim_whose_answer_was_lost_is_recognised_by_its_owner_token(tmp_path: Path) -> None:
    class AnswerLost(LocalStore):
        def write(
            self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
        ) -> ObjectInfo:
            info = super().write(key, data, content_type=content_type, if_generation=if_generation)
            if if_generation == 0:
                raise PreconditionFailedError("412", remedy="")
            return info

    with hold(Machine(AnswerLost(tmp_path))) as held:
        held.check()
