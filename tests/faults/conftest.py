"""The fleet of the fault suite, and the table that it prints."""

from collections.abc import Iterator

import pytest

from tests.cloud.fault_proxy import FaultProxy
from tests.faults.rows import Case, FaultTable
from tests.fleet import Fleet, Running, running_fleet
from tests.postgres import Postgres
from tests.speech_stand_in import SpeechStandIn, speech_stand_in

_TABLE = pytest.StashKey[FaultTable]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = FaultTable()


def table_of(config: pytest.Config) -> FaultTable:
    """Return the table that is printed at the end."""
    return config.stash[_TABLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if table.rows:
        terminalreporter.write_sep("=", "faults")
        terminalreporter.write(table.text())


@pytest.fixture(scope="session")
def speech() -> Iterator[SpeechStandIn]:
    with speech_stand_in() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def running(speech: SpeechStandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One fleet for all: a start takes half a minute."""
    with running_fleet(
        tmp_path_factory.mktemp("fleet"),
        workers=("gpu-a", "gpu-b"),
        TRIVIA_SPEECH_ENDPOINT=speech.endpoint,
        TRIVIA_SPEECH_TIMEOUT_SECONDS="2",
    ) as running:
        yield running


@pytest.fixture
def bucket(running: Running) -> FaultProxy:
    """The bucket's proxy, to make faults with."""
    return running.bucket


@pytest.fixture
def database(running: Running) -> Postgres:
    return running.database


@pytest.fixture
def fleet(running: Running) -> Iterator[Fleet]:
    """The fleet, whole again after each test: every worker runs, and the bucket is well."""
    running.bucket.heal()
    yield running.fleet
    running.bucket.heal()
    running.fleet.mend()


@pytest.fixture
def case(fleet: Fleet, request: pytest.FixtureRequest) -> Case:
    """A job of this test's own, and its row in the table."""
    return Case(fleet, request.node.name.replace("[", "-").rstrip("]"), request.config.stash[_TABLE])
