"""Leases that are taken from their holder, and leases as others see them."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    JOB,
    NOON,
    Clock,
    Interrupted,
    lease_in,
    ports_in,
    put_lease,
    snapshot,
)
from trivia_render.errors import JobHeldError, LeaseLostError
from trivia_render.pipeline.lease import LIFETIME, HeldLease, expire_lease, hold_lease, live_lease
from trivia_render.pipeline.ports import Ports
from trivia_render.storage.keys import lease_key
from trivia_render.storage.local import LocalStore

KEY = lease_key(CHANNEL, JOB)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports(tmp_path: Path, clock: Clock) -> Ports:
    return ports_in(tmp_path, now=clock)


def hold(ports: Ports, *, flow_run_id: str | None = "run-1") -> AbstractContextManager[HeldLease]:
    return hold_lease(ports, channel=CHANNEL, job_id=JOB, flow_run_id=flow_run_id, min_attempt=1)


def expire(ports: Ports, *, of_runs: set[str] | None = None) -> bool:
    return expire_lease(ports.store, channel=CHANNEL, job_id=JOB, now=ports.now(), of_runs=of_runs)


def test_who_loses_the_lease_can_neither_renew_it_nor_pass_a_check(ports: Ports) -> None:
    with hold(ports) as held:
        held.check()
        assert expire(ports)
        expired = lease_in(ports.store)
        held.renew()
        with pytest.raises(LeaseLostError, match="Attempt 1 no longer holds"):
            held.check()
        assert lease_in(ports.store) == expired
    assert lease_in(ports.store) == expired, "leaving does not write it either"


def test_an_expired_lease_keeps_a_higher_attempt_so_that_the_next_claim_is_higher_still(ports: Ports) -> None:
    with hold(ports) as first:
        expire(ports)
        assert lease_in(ports.store).attempt == first.attempt + 1
        with hold(ports, flow_run_id="run-2") as second:
            assert second.attempt == first.attempt + 2
            second.check()


def test_a_lease_is_taken_only_once(ports: Ports) -> None:
    put_lease(ports.store)
    assert expire(ports)
    before = snapshot(ports.store)
    assert not expire(ports)
    assert snapshot(ports.store) == before


def test_there_is_nothing_to_take_where_nobody_holds_the_job(ports: Ports) -> None:
    assert not expire(ports)
    assert live_lease(ports, channel=CHANNEL, job_id=JOB) is None
    with hold(ports):
        pass
    assert not expire(ports), "released"
    assert live_lease(ports, channel=CHANNEL, job_id=JOB) is None


def test_the_lease_of_another_run_is_left_alone(ports: Ports) -> None:
    with hold(ports, flow_run_id="run-2") as held:
        assert not expire(ports, of_runs={"run-1"})
        held.renew()
        held.check()
        assert expire(ports, of_runs={"run-1", "run-2"})


def test_the_lease_of_a_run_without_a_flow_belongs_to_no_flow_run(ports: Ports) -> None:
    with hold(ports, flow_run_id=None) as held:
        assert not expire(ports, of_runs={"run-1"})
        held.check()
        assert expire(ports)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b'{"attempt": 1}'])
def test_a_lease_that_cannot_be_read_holds_nobody_back_and_is_not_taken(ports: Ports, content: bytes) -> None:
    ports.store.write(KEY, content, content_type="application/json")
    assert not expire(ports)
    assert live_lease(ports, channel=CHANNEL, job_id=JOB) is None
    with hold(ports) as held:
        held.check()


def test_a_lease_that_is_renewed_at_this_moment_is_taken_all_the_same(tmp_path: Path, clock: Clock) -> None:
    store = Interrupted(tmp_path / "store")
    ports = replace(ports_in(tmp_path, now=clock), store=LocalStore(tmp_path / "store"))
    with hold(ports) as held:
        store.before_next_write(KEY, held.renew, held.renew)
        clock.pass_seconds(1)
        assert expire_lease(store, channel=CHANNEL, job_id=JOB, now=clock())
        held.renew()
        with pytest.raises(LeaseLostError):
            held.check()


def test_a_lease_that_is_released_at_this_moment_needs_not_be_taken(tmp_path: Path, clock: Clock) -> None:
    store = Interrupted(tmp_path / "store")
    ports = ports_in(tmp_path, now=clock)
    with hold(ports) as held:
        store.before_next_write(KEY, held.release)
        assert not expire_lease(store, channel=CHANNEL, job_id=JOB, now=clock())
        assert lease_in(store).attempt == held.attempt


def test_a_live_lease_tells_who_renders_the_job(ports: Ports, clock: Clock) -> None:
    with hold(ports, flow_run_id="run-7") as held:
        lease = live_lease(ports, channel=CHANNEL, job_id=JOB)
        assert lease is not None
        assert (lease.flow_run_id, lease.attempt, lease.pid) == ("run-7", held.attempt, os.getpid())
        clock.pass_seconds(LIFETIME.total_seconds())
        assert live_lease(ports, channel=CHANNEL, job_id=JOB) is None


def test_the_lease_of_a_process_of_this_machine_that_died_is_not_live(ports: Ports) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    put_lease(ports.store, host=ports.host, pid=dead.pid)
    assert live_lease(ports, channel=CHANNEL, job_id=JOB) is None


def test_the_lease_of_a_process_of_another_machine_is_live_until_it_runs_out(ports: Ports) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    put_lease(ports.store, host="elsewhere", pid=dead.pid, expires_at=NOON + timedelta(seconds=1))
    assert live_lease(ports, channel=CHANNEL, job_id=JOB) is not None
    with pytest.raises(JobHeldError, match="worker-a on elsewhere"), hold(ports):
        pass
