"""The fleet of the fault suite, and the table that it prints."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.fault_proxy import FaultProxy, strict_gcs
from tests.cloud.gcs_server import create_bucket
from tests.faults.rows import Case, FaultTable
from tests.fleet import BUCKET, CONTROL, Fleet
from tests.postgres import Postgres, postgres

_TABLE = pytest.StashKey[FaultTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = FaultTable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if table.rows:
        terminalreporter.write_sep("=", "faults")
        terminalreporter.write(table.text())


@pytest.fixture(scope="session")
def bucket() -> Iterator[FaultProxy]:
    """fake-gcs-server behind the proxy that checks preconditions and makes faults."""
    with strict_gcs() as proxy:
        create_bucket(proxy.url, BUCKET)
        before = os.environ.get("STORAGE_EMULATOR_HOST")
        os.environ["STORAGE_EMULATOR_HOST"] = proxy.url
        yield proxy
        if before is None:
            del os.environ["STORAGE_EMULATOR_HOST"]
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = before


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="session")
def the_fleet(
    bucket: FaultProxy, database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    fleet = Fleet(
        tmp_path_factory.mktemp("fleet"), gcs_url=bucket.url, database_url=database.url, encoder="libx264"
    )
    try:
        fleet.start_server()
        fleet.declare()
        fleet.add_worker("control-1", pool=CONTROL)
        fleet.start_maintenance()
        fleet.add_worker("gpu-a")
        fleet.add_worker("gpu-b")
        yield fleet
    finally:
        fleet.end()


@pytest.fixture
def fleet(the_fleet: Fleet, bucket: FaultProxy) -> Iterator[Fleet]:
    """The fleet, whole again after each test: every worker runs, and the bucket is well."""
    bucket.heal()
    yield the_fleet
    bucket.heal()
    the_fleet.mend()


@pytest.fixture
def case(fleet: Fleet, request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """A job of this test's own, and its row in the table."""
    return Case(fleet, request.node.name.replace("[", "-").rstrip("]"), request.config.stash[_TABLE])
