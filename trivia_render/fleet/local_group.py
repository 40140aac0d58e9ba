"""A group of machines that are worker processes of this one: the same loop, without a cloud.

A file holds what the group aims at. It is looked at and put right by whoever asks: what has died is started
again under its name, and what no longer belongs to the group is ended.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from trivia_render.errors import FleetError, FleetUnavailableError
from trivia_render.fleet.local_processes import LocalProcesses, Part
from trivia_render.fleet.machines import GroupState, Instance
from trivia_render.models.base import Model

#: Somebody else may be ending machines meanwhile, which takes up to half a minute.
_LOCK_SECONDS = 60.0
_PREFIX = "worker-"
#: A machine's state or log.
_OF_A_MACHINE = re.compile(rf"{_PREFIX}(\d+)\.(?:json|log)")


class GroupFile(Model):
    """`fleet-local/group.state`: how many machines there should be, and which there are."""

    target: int = Field(default=0, ge=0)
    machines: tuple[str, ...] = Field(default=(), description="By their process's name.")
    next_number: int = Field(default=1, ge=1, description="A name is never used again.")
    started_in: str | None = Field(default=None, description="The folder that relative paths begin at.")


class LocalGroup:
    """Worker processes of this machine as a `MachineGroup`."""

    def __init__(
        self,
        processes: LocalProcesses,
        *,
        folder: Path,
        host: str,
        api_url: str,
        command: tuple[str, ...] = (sys.executable, "-m", "trivia_render", "worker"),
    ) -> None:
        self._processes = processes
        self._folder = folder
        self._host = host
        self._api_url = api_url
        self._command = command

    def read(self) -> GroupState:
        """Put the group right and return it as it is then."""
        with self._locked():
            return self._reconciled(self._load())

    def grow(self, size: int, *, request_id: str) -> None:  # noqa: ARG002 - the size itself says it all
        """Make the group aim at so many machines. Raises FleetError for fewer than it aims at now."""
        with self._locked():
            state = self._load()
            if size < state.target:
                raise FleetError(
                    f"The group aims at {state.target} machines: it does not grow to {size}.",
                    remedy="Delete machines by their names.",
                )
            changed = state.model_copy(
                update={"target": size, "started_in": state.started_in or str(Path.cwd())}
            )
            self._save(changed)
            self._reconciled(changed)

    def delete(self, names: Sequence[str], *, request_id: str) -> None:  # noqa: ARG002 - gone is gone
        """End these machines and lower the target by their number; those that are gone are passed over."""
        with self._locked():
            state = self._load()
            doomed = {part for part in state.machines if self.machine_name(part) in names}
            changed = state.model_copy(
                update={
                    "target": max(0, state.target - len(doomed)),
                    "machines": tuple(part for part in state.machines if part not in doomed),
                }
            )
            # Before they are ended: killed in between, whoever looks next ends them.
            self._save(changed)
            self._reconciled(changed)

    def stop(self) -> list[str]:
        """End all machines; return the names of the processes that ran.

        A state file that cannot be read is written anew.
        """
        with self._locked():
            try:
                state = self._load()
            except FleetError:
                state = GroupFile(next_number=self._unused_number())
            self._save(state.model_copy(update={"target": 0, "machines": ()}))
            return self._processes.stop(*self._processes.names(_PREFIX))

    def machine_name(self, part: str) -> str:
        """Return the machine's name: its WORKER_ID."""
        return worker_id_of(part, host=self._host)

    def _reconciled(self, state: GroupFile) -> GroupState:
        strangers = set(self._processes.names(_PREFIX)) - set(state.machines)
        if strangers:
            self._processes.stop(*strangers)
        missing = state.target - len(state.machines)
        if missing > 0:
            numbers = range(state.next_number, state.next_number + missing)
            state = state.model_copy(
                update={
                    "machines": (*state.machines, *(f"{_PREFIX}{number}" for number in numbers)),
                    "next_number": numbers.stop,
                }
            )
            self._save(state)
        for part in state.machines:
            self._start(part, folder=state.started_in)
        return GroupState(
            target=state.target, instances=tuple(self._instance(part) for part in state.machines)
        )

    def _start(self, part: str, *, folder: str | None) -> None:
        # A port of its own: several workers are on this machine.
        extra = {"WORKER_ID": self.machine_name(part), "TRIVIA_WORKER_PORT": "0"}
        there = Path(folder) if folder is not None and Path(folder).is_dir() else None
        self._processes.start(Part(part, self._command), api_url=self._api_url, extra=extra, folder=there)

    def _instance(self, part: str) -> Instance:
        running = self._processes.running(part)
        since = None if running is None else datetime.fromtimestamp(running.created, UTC)
        return Instance(self.machine_name(part), "starting" if running is None else "running", since)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self._folder / "group.lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise FleetUnavailableError(
                f"Another process has been changing the group in {self._folder} for {_LOCK_SECONDS:.0f} s.",
                remedy="Wait for it, or end it.",
            ) from error

    def _load(self) -> GroupFile:
        try:
            return GroupFile.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return GroupFile()
        except ValidationError as error:
            raise FleetError(
                f"{self._file} cannot be read.",
                evidence=f"  {error}",
                remedy="`trivia down` ends all machines and writes it anew; then `trivia up`.",
            ) from error

    def _unused_number(self) -> int:
        """Return a number above those that the unreadable file or a machine's own files tell of."""
        told = re.search(rb'"next_number":\s*(\d{1,9})', self._file.read_bytes())
        names = (_OF_A_MACHINE.match(file.name) for file in self._folder.iterdir())
        used = (int(name[1]) for name in names if name is not None)
        return max(1, int(told[1]) if told is not None else 1, 1 + max(used, default=0))

    def _save(self, state: GroupFile) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(state.model_dump_json())
        draft.replace(self._file)

    @property
    def _file(self) -> Path:
        return self._folder / "group.state"


def worker_id_of(part: str, *, host: str) -> str:
    """Return a name for a worker of this machine's own fleet. Pure."""
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{host}-{part}").lstrip("-")[:100] or part
