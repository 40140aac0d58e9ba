"""What the fault suite asks of every job after its fault, and the table it makes of the answers."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import av
from prefect.client.schemas.objects import FlowRun

from tests.fleet import CHANNEL, Fleet, small_config, until
from trivia_render.models.results import JobStatus, Manifest
from trivia_render.pipeline.job import artefacts


class Row(NamedTuple):
    """A line of the table."""

    fault: str
    outcome: str
    seconds: str
    again: str


class FaultTable:
    """Rows in the order of the tests."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, fault: str, outcome: str, seconds: str, again: str) -> None:
        """Add a row."""
        self.rows.append(Row(fault, outcome, seconds, again))

    def text(self) -> str:
        head = "| Fault | What happened | Longest pause, seconds | Clips rendered again |\n"
        head += "|---|---|---|---|\n"
        return head + "".join(f"| {' | '.join(row)} |\n" for row in self.rows)


class Case:
    """One job, its fault, and how it came through."""

    def __init__(self, fleet: Fleet, name: str, table: FaultTable) -> None:
        self.fleet = fleet
        self.job_id = re.sub(r"[^A-Za-z0-9_-]+", "-", name.removeprefix("test_"))[:60].strip("-_")
        self.table = table
        self.config = small_config(self.job_id.replace("_", " "))
        self.faulted_at: datetime | None = None

    def submit(self) -> FlowRun:
        return self.fleet.submit(self.job_id, self.config)

    def wait_for_event(self, event: str, count: int = 1, **fields: Any) -> None:
        """Wait until the job has told of so many such events. Looks a hundred times a second."""

        def seen() -> bool:
            found = self.fleet.events(self.job_id, event)
            return sum(all(entry.get(k) == v for k, v in fields.items()) for entry in found) >= count

        until(seen, seconds=90, what=f"{event} of {self.job_id}", pause=0.01)

    def now(self) -> None:
        """Note that the fault happens now."""
        self.faulted_at = datetime.now(UTC)

    def came_through(
        self,
        fault: str,
        *,
        seconds: float = 120.0,
        again: int = 0,
        crashes: int | None = None,
        outcome: Callable[[JobStatus, Manifest], str] | None = None,
    ) -> Manifest:
        """Check that the job ended with one whole video and nothing else; add its row.

        `again`: how many clips may be rendered again beside the one in flight.
        """
        status = self.fleet.wait_until_ended(self.job_id, seconds=seconds)
        assert status.state == "completed", status
        manifest = self.fleet.manifest(self.job_id)
        assert manifest is not None
        self._check_files(manifest)
        self._wait_for_completed_run(status)
        rendered = Counter(self.fleet.clips_rendered(self.job_id))
        repeated = sum(count - 1 for count in rendered.values())
        assert repeated <= again, rendered
        started = Counter(self.fleet.clips_started(self.job_id))
        begun_again = sum(count - 1 for count in started.values())
        if crashes is not None:
            assert status.crashes == crashes
        said = (
            outcome(status, manifest)
            if outcome is not None
            else f"completed by {status.worker_id}, attempt {status.attempt}"
        )
        in_flight = begun_again - repeated
        self.table.add(
            fault,
            said,
            self._longest_pause(),
            f"{repeated}" + (f" (and {in_flight} in flight)" if in_flight else ""),
        )
        return manifest

    def _longest_pause(self) -> str:
        """Seconds, from the fault on, for which no process told anything of the job."""
        if self.faulted_at is None:
            return "-"
        told = [
            datetime.fromisoformat(str(line.fields["time"]))
            for line in self.fleet.lines(self.job_id)
            if "event" in line.fields
        ]
        moments = [self.faulted_at, *(moment for moment in told if moment > self.faulted_at)]
        pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        return f"{max(pauses, default=0.0):.1f}"

    def _check_files(self, manifest: Manifest) -> None:
        store = self.fleet.ports.store
        named = {ref.key for video in manifest.videos for ref in artefacts(video)}
        folder = f"videos/{CHANNEL}/{self.job_id}/"

        def nothing_else() -> bool:
            # A late loser deletes its own files a moment after it has lost.
            return {info.key for info in store.list(folder)} == named | {f"{folder}manifest.json"}

        until(nothing_else, seconds=20, what=f"{folder} to hold the manifest's files alone")
        target = self.fleet.folder / f"{self.job_id}.mp4"
        for video in manifest.videos:
            store.download(video.video.key, target, crc32c=video.video.crc32c)
            with av.open(str(target)) as file:
                assert sum(1 for _ in file.decode(video=0)) == video.frames
            target.unlink()

    def _wait_for_completed_run(self, status: JobStatus) -> None:
        assert status.flow_run_id is not None

        def completed() -> bool:
            state = self.fleet.run(status.flow_run_id).state
            return state is not None and state.is_completed()

        until(completed, seconds=60, what="the run to say Completed", pause=0.2)
