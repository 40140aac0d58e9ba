"""What a worker reads of itself every few seconds: its runs, its processors, its GPUs, its disk."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

from trivia_render.encode.nvenc_faults import NvencFault, nvml_fault
from trivia_render.models.fleet import GpuReading, JobProgress
from trivia_render.models.gpu import LASTING_FAULTS, Refusal
from trivia_render.pipeline.board import read_board, remove_entry
from trivia_render.telemetry.gpu_readings import GpuReader
from trivia_render.workpool.cpu_meter import CpuMeter, read_times
from trivia_render.workpool.processes import find_engines

log = logging.getLogger("trivia_render.worker")

#: `/status` and `/metrics` tell what was read so long ago at most.
LOOK_SECONDS = 2.0
#: What the GPUs said so long ago is no longer told.
GPU_SECONDS = 30.0


class Readings(NamedTuple):
    """One look. `runs`: flow runs that have a process; `idle_since`: None while there is one."""

    runs: int = 0
    jobs: tuple[JobProgress, ...] = ()
    idle_since: datetime | None = None
    gpus: tuple[GpuReading, ...] = ()
    cpu_percent: float | None = None
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None


class Sampler:
    """Looks from threads of its own: one for the GPUs, whose driver may hang, and one for the rest."""

    def __init__(self, *, gpus: GpuReader, disk: Path, every_seconds: float, cpu: CpuMeter) -> None:
        self._gpus = gpus
        self._disk = disk
        self._every_seconds = every_seconds
        self._cpu = cpu
        self._start: tuple[str, Path] | None = None
        self._idle_since: datetime | None = datetime.now(UTC)
        self._latest = Readings(idle_since=self._idle_since)
        #: What the GPUs said last, and when.
        self._gpu_look: tuple[float, tuple[GpuReading, ...]] = (float("-inf"), ())
        self._complaint: str | None = None
        #: What was found broken of the machine, and by which start of the worker.
        self._fault: tuple[str, Refusal] | None = None
        self._told: set[tuple[int, datetime | None]] = set()

    def follow(self, name: str, board: Path) -> None:
        """Look at this start of the worker from now on. Never waits."""
        self._start = (name, board)

    def latest(self) -> Readings:
        """Return the last look. Never waits."""
        return self._latest

    def fault(self, name: str) -> Refusal | None:
        """Return the lasting fault of the machine that this start's runs, or NVML during it, have found."""
        found = self._fault
        return None if found is None or found[0] != name else found[1]

    def look(self) -> Readings:
        """Look now, the GPUs as they were last. For one thread."""
        start = self._start
        now = datetime.now(UTC)
        name, board = start or ("", None)
        engines = find_engines(name) if start else []
        jobs = () if board is None else self._jobs(name, board, {engine.process.pid for engine in engines})
        # Where the worker has ended, its runs are nobody's children.
        roots = [psutil.Process(), *(engine.process for engine in engines)]
        self._cpu.add(read_times(roots), at=time.monotonic())
        runs = len({engine.flow_run_id for engine in engines})
        if runs:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        free, total = _disk(self._disk)
        read_at, gpus = self._gpu_look
        self._latest = Readings(
            runs=runs,
            jobs=jobs,
            idle_since=self._idle_since,
            # Nothing rather than what a driver said that has hung since.
            gpus=gpus if time.monotonic() - read_at < GPU_SECONDS else (),
            cpu_percent=self._cpu.percent(),
            disk_free_bytes=free,
            disk_total_bytes=total,
        )
        return self._latest

    def look_at_gpus(self) -> None:
        """Read the GPUs now; the next look tells of them. For one thread."""
        start = self._start
        found = self._gpus.read()
        fault = None if found.fatal is None else nvml_fault(found.fatal)
        # Said twice: a single look may meet a driver that is busy.
        twice = self._complaint == found.error
        if fault is not None and fault.error.code in LASTING_FAULTS and start is not None and twice:
            self._fault = (start[0], _refusal(fault))
        self._complain(found.error)
        self._gpu_look = (time.monotonic(), found.gpus)

    def run(self, ended: threading.Event) -> None:
        """Look again and again until the event."""
        self._repeat(self.look, ended)

    def watch_gpus(self, ended: threading.Event) -> None:
        """Read the GPUs again and again until the event."""
        self._repeat(self.look_at_gpus, ended)
        self._gpus.close()

    def _repeat(self, look: Callable[[], object], ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                look()
            except Exception:
                # Whatever a driver or the system's tables may bring: what is told is older then.
                log.exception("The worker could not look at itself; tried again.")
            ended.wait(self._every_seconds)

    def _jobs(self, name: str, board: Path, alive: set[int]) -> tuple[JobProgress, ...]:
        entries = read_board(board)
        for entry in entries.values():
            if entry.fault is not None and entry.fault.code in LASTING_FAULTS:
                self._fault = (name, entry.fault)
            # Once each: a shard goes on after a job that failed.
            if entry.error is not None and (entry.pid, entry.error_at) not in self._told:
                self._told.add((entry.pid, entry.error_at))
                log.warning("A job has failed: %s", entry.error)
        for pid in entries.keys() - alive:
            try:
                remove_entry(board, pid)
            except OSError as error:
                log.warning("The entry of process %d stays: %s", pid, error)
        jobs = [entry.job for pid, entry in entries.items() if pid in alive and entry.job is not None]
        return tuple(sorted(jobs, key=lambda job: job.started_at))

    def _complain(self, complaint: str | None) -> None:
        if complaint is not None and complaint != self._complaint:
            log.warning("%s", complaint)
        self._complaint = complaint


def _refusal(fault: NvencFault) -> Refusal:
    return Refusal(
        code=fault.error.code,
        message=f"{fault.what} ({fault.line}).",
        evidence=f"  NVML: {fault.line}",
        remedy=fault.remedy,
    )


def _disk(folder: Path) -> tuple[int | None, int | None]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        # Not made yet, or not there any more: nothing is known then.
        return None, None
    return usage.free, usage.total
