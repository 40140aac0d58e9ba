"""One fleet for all tests that do with one: starting it takes half a minute."""

from collections.abc import Iterator

import pytest

from tests.fleet import Running, running_fleet


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A fleet of two render workers, over PostgreSQL and an emulated bucket."""
    with running_fleet(tmp_path_factory.mktemp("fleet"), workers=("gpu-a", "gpu-b")) as running:
        yield running
