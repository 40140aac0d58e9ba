"""Somebody who runs a whole fleet on one machine by `trivia up`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fleet import CHANNEL, SHORT
from tests.ports import free_port


class Operator:
    """Somebody at a terminal, whose fleet lies in a folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.home = folder / "home"
        self.api_url = f"http://127.0.0.1:{free_port()}/api"
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **SHORT,
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": self.api_url,
            "TRIVIA_DASHBOARD_PORT": self.dashboard.rpartition(":")[2],
            "TRIVIA_HOME": str(self.home),
            "TRIVIA_ENCODER": "libx264",
            "TRIVIA_PARALLEL_CLIPS": "1",
            **settings,
        }

    def trivia(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "trivia_render", *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self, job_id: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.home / f"jobs/{CHANNEL}/{job_id}/status.json").read_text())
        return told

    def processes(self) -> dict[str, int]:
        """The fleet's processes by name, as its files say."""
        files = (self.home / "fleet-local").glob("*.json")
        return {file.stem: json.loads(file.read_text())["pid"] for file in files}
