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
_KEPT = ("TRIVIA_REQUIRE_ALL", "TRIVIA_FUZZ_SECONDS")


def pytest_configure(config: pytest.Config) -> None:
    """Clear the environment before any test module imports Prefect, which reads it at import."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            del os.environ[name]
    prefect_home = tempfile.mkdtemp(prefix="trivia-tests-prefect-")
    atexit.register(shutil.rmtree, prefect_home, ignore_errors=True)
    os.environ["PREFECT_HOME"] = prefect_home
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    # Tests start the package's own programs a hundred times: it is compiled once, not by each of them.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
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


#: What of the tests one process runs where several share them; all others file by file.
_TOGETHER = {
    # Each is a whole fleet, whose renders take every core. The last two are one fleet.
    "tests/end_to_end/test_scaling.py": "fleets",
    "tests/end_to_end/test_up_and_down.py": "fleets",
    "tests/end_to_end/test_fleet.py": "fleets",
    "tests/end_to_end/test_worker_endpoints.py": "fleets",
    # Each process would start a Prefect server of its own.
    "tests/orchestration/": "one server",
    # They share the clips of one job.
    "tests/unit/pipeline/test_clips_in_slots.py": "clips",
    "tests/unit/pipeline/test_costing.py": "clips",
    "tests/unit/pipeline/test_run.py": "clips",
}


def _together(nodeid: str) -> str:
    """Name what a test is run with: its file's tests at least, which share what the file sets up."""
    return next((name for start, name in _TOGETHER.items() if nodeid.startswith(start)), _file(nodeid))


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put those that take longest first where several processes share the tests: the rest fills in."""
    if hasattr(config, "workerinput"):
        starts = list(_TOGETHER)
        place = {
            file: next((place for place, start in enumerate(starts) if file.startswith(start)), len(starts))
            for file in {_file(item.nodeid) for item in items}
        }
        items.sort(key=lambda item: place[_file(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests that belong together to one process, in the order in which they were collected.

    xdist's own way, `--dist loadgroup`, renames tests, which pytest 9 does not let it do.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid)

    # The largest number of tests is not the longest time.
    config.option.loadscopereorder = False
    return Together(config, log)
