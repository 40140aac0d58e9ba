"""The adapters that pass the store contract: add one to `STORES` and the whole suite runs over it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trivia_render.models.ports import Store
from trivia_render.storage.local import LocalStore

#: Each makes a store that is empty, or reaches the same objects again when given the same folder.
STORES: dict[str, Callable[[Path], Store]] = {
    "local": lambda folder: LocalStore(folder / "store"),
}


@pytest.fixture(params=sorted(STORES))
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Make adapters onto the same objects, as several processes would."""
    return lambda: STORES[request.param](tmp_path)


@pytest.fixture
def store(make_store: Callable[[], Store]) -> Store:
    return make_store()
