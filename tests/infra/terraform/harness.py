"""Runs Terraform on a copy of infra/terraform, against the schema-only stand-in for the google provider.

Nothing is written into the tree: no lock file, no `.terraform`. A copy may have faults planted in it.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.infra.terraform.provider import serving
from tests.infra.terraform.schema import google_schema
from tests.programs import require

ROOT = Path(__file__).parents[3]
TERRAFORM = ROOT / "infra" / "terraform"

#: Terraform itself takes a tenth of a second; the rest is a busy machine's.
_TIMEOUT_SECONDS = 120


class Result(NamedTuple):
    """What a command of Terraform said. `output` is standard output and error."""

    code: int
    output: str

    @property
    def passed(self) -> bool:
        """Whether Terraform found nothing to complain about."""
        return self.code == 0


#: Addresses of resources with their arguments; what is known after the apply alone is missing, or None.
Plan = Mapping[str, Mapping[str, Any]]


class Report(NamedTuple):
    """What tests told: the whole output, the status of each file, and the plan of each file's runs."""

    result: Result
    files: Mapping[str, str]
    plans: Mapping[str, Plan]

    def plan(self, file: str, run: str) -> Plan:
        """Return the plan of a run. Raises AssertionError with Terraform's words where a test failed."""
        name = f"{file} {run}"
        if not self.result.passed or name not in self.plans:
            raise AssertionError(self.result.output)
        return self.plans[name]


class Plant(NamedTuple):
    """A fault to plant: in a file of the tree, the one place that says `old` says `new` instead."""

    file: str
    old: str
    new: str


class Terraform:
    """Terraform with the provider attached, working in copies under one folder."""

    def __init__(self, program: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._program = program
        self._folder = folder / "copies"
        self._started = folder / "started"
        self._folder.mkdir()
        # All copies are of one state of the tree.
        self._original = folder / "original"
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(TERRAFORM, self._original, ignore=ignored)
        self._environment = environment

    def copy(self, *plants: Plant) -> Path:
        """Return a fresh copy of infra/terraform with the faults planted. Raises where one has no place."""
        target = self._folder / f"{len(list(self._folder.iterdir()))}"
        shutil.copytree(self._original, target)
        for plant in plants:
            path = target / plant.file
            text = path.read_text(encoding="utf-8")
            if text.count(plant.old) != 1:
                raise AssertionError(f"{plant.file} says {text.count(plant.old)} times: {plant.old!r}")
            path.write_text(text.replace(plant.old, plant.new), encoding="utf-8")
        return target

    def fmt(self, folder: Path) -> Result:
        """Check the formatting of a folder and all below it."""
        return self._run(folder, "fmt", "-check", "-recursive", "-diff", "-no-color")

    def init(self, folder: Path) -> Result:
        """Resolve modules and the provider, without a backend."""
        return self._run(folder, "init", "-backend=false", "-input=false", "-no-color")

    def validate(self, folder: Path) -> list[str]:
        """Initialise and validate a root module. Return what is wrong, warnings too."""
        started = self._ready(folder)
        if not started.passed:
            return [started.output]
        found = self._run(folder, "validate", "-json")
        return [
            f"{entry['severity']}: {entry['summary']}: {entry['detail']}"
            for entry in json.loads(found.output)["diagnostics"]
        ]

    def test(self, folder: Path, *files: str) -> Result:
        """Initialise a root module and run its tests, or those of some files such as `storage.tftest.hcl`."""
        started = self._ready(folder)
        if not started.passed:
            return started
        return self._run(folder, "test", "-no-color", *(f"-filter=tests/{file}" for file in files))

    def report(self, folder: Path, *files: str) -> Report:
        """Run tests as `test` does, and return which passed and what their plans would make."""
        started = self._ready(folder)
        if not started.passed:
            return Report(started, {}, {})
        done = self._run(folder, "test", "-json", "-verbose", *(f"-filter=tests/{file}" for file in files))
        events = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
        statuses = {
            event["test_file"]["path"].removeprefix("tests/"): event["test_file"]["status"]
            for event in events
            if event["type"] == "test_file" and "status" in event["test_file"]
        }
        changes = {
            f"{event['@testfile'].removeprefix('tests/')} {event['@testrun']}": event["test_plan"].get(
                "resource_changes", []
            )
            for event in events
            if event["type"] == "test_plan"
        }
        plans = {
            run: {change["address"]: change["change"]["after"] for change in found}
            for run, found in changes.items()
        }
        return Report(done, statuses, plans)

    def planned(self, folder: Path, file: str) -> Plan:
        """Return what the one run `whole` of a file of tests would make. Raises where a test fails."""
        return self.report(folder, file).plan(file, "whole")

    def _ready(self, folder: Path) -> Result:
        """Initialise a folder, once for all copies: modules lie in the same places in each."""
        known = self._started / folder.relative_to(self._folder).relative_to(
            folder.relative_to(self._folder).parts[0]
        )
        state = folder / ".terraform"
        if state.exists():
            return Result(0, "")
        if known.exists():
            shutil.copytree(known / ".terraform", state)
            return Result(0, "")
        started = self.init(folder)
        if started.passed and state.exists():
            shutil.copytree(state, known / ".terraform")
        return started

    def show_schema(self, folder: Path) -> Any:
        """Return the provider's schema as Terraform has understood it."""
        self._ready(folder)
        return json.loads(self._run(folder, "providers", "schema", "-json").output)

    def _run(self, folder: Path, *arguments: str) -> Result:
        done = subprocess.run(
            [str(self._program), *arguments],
            cwd=folder,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Result(done.returncode, done.stdout)


@contextmanager
def terraform(folder: Path) -> Iterator[Terraform]:
    """Yield Terraform with the stand-in attached. Skips the test where Terraform is missing.

    No configuration of the machine's user counts, and nothing of the environment that Terraform reads.
    """
    program = require("terraform")
    configuration = folder / "terraform.rc"
    configuration.write_text("disable_checkpoint = true\n", encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_"))}
    with serving(google_schema()) as attached:
        yield Terraform(program, folder, {**clean, **attached, "TF_CLI_CONFIG_FILE": str(configuration)})
