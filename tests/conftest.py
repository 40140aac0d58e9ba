"""What holds for every test: the developer's own settings and accounts play no part."""

import atexit
import os
import shutil
import tempfile

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
    # The same examples at every run: a red test is the change's doing, not luck's.
    settings.register_profile("house", derandomize=True, deadline=None, database=None)
    settings.load_profile("house")
