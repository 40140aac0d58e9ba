"""The adapters that pass the store contract: add one to `STORES` and the whole suite runs over it."""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.fault_proxy import strict_gcs
from tests.cloud.gcs_server import client_for, create_bucket
from trivia_render.models.ports import Store
from trivia_render.storage.gcs import GcsStore
from trivia_render.storage.gcs_errors import Limits
from trivia_render.storage.local import LocalStore

#: Holds the URL of this test run's Cloud Storage, for the processes that tests start too.
GCS_URL = "TRIVIA_TESTS_GCS_URL"
_QUICK = Limits(first_delay_seconds=0.02, longest_delay_seconds=1)


def _gcs_store(folder: Path) -> Store:
    """Make a store in a bucket that is the folder's own."""
    url = os.environ[GCS_URL]
    bucket = f"contract-{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"
    create_bucket(url, bucket)
    return GcsStore(bucket, client=lambda: _client(url), limits=_QUICK)


@cache
def _client(url: str) -> Any:
    return client_for(url)


#: Each makes a store that is empty, or reaches the same objects again when given the same folder.
STORES: dict[str, Callable[[Path], Store]] = {
    "gcs": _gcs_store,
    "local": lambda folder: LocalStore(folder / "store"),
}


@pytest.fixture(scope="session")
def cloud() -> Iterator[None]:
    """Run a Cloud Storage for the adapter `gcs`, one a process of pytest."""
    with strict_gcs() as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv(GCS_URL, proxy.url)
        yield
        _client(proxy.url).close()
        _client.cache_clear()


@pytest.fixture(params=sorted(STORES))
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Make adapters onto the same objects, as several processes would."""
    if request.param == "gcs":
        request.getfixturevalue("cloud")
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()
