"""What holds for every test: the developer's own settings and accounts play no part."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

_FOREIGN = (
    "TRIVIA_",
    "GCS_BUCKET",
    "GOOGLE_",
    "CLOUDSDK_",
    "WORKER_ID",
    "PROJECT_ID",
    "REGION",
    "ZONE",
    "PREFECT_",
    "GCE_METADATA_HOST",
)
_KEPT = ("TRIVIA_REQUIRE_ALL",)


def pytest_configure(config: pytest.Config) -> None:
    """Clear the environment before any test module imports Prefect, which reads it at import."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            del os.environ[name]
    prefect_home = tempfile.mkdtemp(prefix="trivia-tests-prefect-")
    atexit.register(shutil.rmtree, prefect_home, ignore_errors=True)
    os.environ["PREFECT_HOME"] = prefect_home
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    # Encodes of other test runs on this machine take no slots from this one's, nor does one that hangs.
    os.environ["TRIVIA_SLOTS_FOLDER"] = str(Path(prefect_home, "slots"))
    # The same examples at every run: a red test is the change's doing, not luck's.
    settings.register_profile("house", derandomize=True, deadline=None, database=None)
    settings.load_profile("house")


@pytest.fixture(autouse=True)
def _environment_stays() -> Iterator[None]:
    """A command that is called in this process sets variables, meant for its own children alone."""
    before = dict(os.environ)
    yield
    for name in {*os.environ, *before}:
        if name.startswith("TRIVIA_TESTS_"):
            # Set by the tests' own fixtures, which outlive a test.
            continue
        if name.startswith((*_FOREIGN, "DO_NOT_TRACK")) and os.environ.get(name) != before.get(name):
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the tests that need a Prefect server to one worker: each would start a server of its own.

    xdist's own way, `--dist loadgroup`, renames tests, which pytest 9 does not let it do.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneWorkerForPrefect(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            together = {
                "tests/orchestration/": "one server",
                # Each is a whole fleet, whose renders take every core.
                "tests/end_to_end/test_fleet.py": "fleets",
                "tests/end_to_end/test_scaling.py": "fleets",
                "tests/end_to_end/test_up_and_down.py": "fleets",
                "tests/end_to_end/test_worker_endpoints.py": "fleets",
            }
            return next((name for start, name in together.items() if nodeid.startswith(start)), nodeid)

    return OneWorkerForPrefect(config, log)
