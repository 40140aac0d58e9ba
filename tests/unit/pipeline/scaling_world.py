"""What passes of the autoscaler work with in tests."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trivia_render.errors import FleetError
from trivia_render.fleet.machines import MachineGroup
from trivia_render.fleet.observation import Patience
from trivia_render.models.fleet import QueueCounts, ScalingPolicy, WorkerRecord
from trivia_render.models.ports import ObjectInfo
from trivia_render.pipeline.autoscaling import Autoscaler, autoscale_once
from trivia_render.pipeline.fleet_records import read_history
from trivia_render.pipeline.workers import write_worker
from trivia_render.storage.local import LocalStore


class TimedStore(LocalStore):
    """A store whose clock is the test's."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime]) -> None:
        super().__init__(folder)
        self._now = now
        self._written: dict[str, datetime] = {}

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        self._written[key] = self._now()
        return super().write(key, data, content_type=content_type, if_generation=if_generation)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for info in super().list(prefix):
            yield info._replace(updated=self._written[info.key])


class World:
    """A store, a group, and workers that say what a test lets them say. Its clock stands still."""

    def __init__(self, folder: Path, group: MachineGroup | None, **policy: Any) -> None:
        self.now = datetime.now(UTC)
        self.turn_is_lost = False
        self.store = TimedStore(folder, now=lambda: self.now)
        self.group = group
        self.scaler = Autoscaler(
            store=self.store,
            fleet="none" if group is None else "gce",
            group=group,
            policy=ScalingPolicy(**policy),
            patience=Patience(lost_seconds=35, boot_seconds=600),
            pool="gpu-t4",
            now=lambda: self.now,
            hold_turn=self.hold_turn,
        )

    def hold_turn(self) -> None:
        if self.turn_is_lost:
            raise FleetError("Another pass has taken over.", remedy="Nothing to do.")

    def worker(self, name: str, *, state: Any = "ready", runs: int = 0, idle_seconds: float = 3600) -> None:
        record = WorkerRecord(
            name=f"{name}-ab12",
            worker_id=name,
            pool="gpu-t4",
            state=state,
            runs=runs,
            started_at=self.now - timedelta(hours=2),
            updated_at=self.now,
            idle_since=None if runs else self.now - timedelta(seconds=idle_seconds),
            cpu_percent=50.0 * runs,
        )
        write_worker(self.store, record)

    def step(self, pending: int = 0, running: int = 0) -> Any:
        queue = QueueCounts(pending={"default": pending}, running={"default": running})
        return autoscale_once(self.scaler, queue, videos_per_machine_per_day=None)

    def history(self) -> list[Any]:
        return list(read_history(self.store, since=self.now - timedelta(minutes=30), until=self.now))
