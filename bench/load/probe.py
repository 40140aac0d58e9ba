"""What is watched while a load runs: how fast the API answers, and memory."""

import threading
import time
from uuid import UUID

import httpx

from bench.load.measure import Meter
from bench.load.results import Latency

_PROBE_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
_MEMORY_SECONDS = 20.0


class Probe:
    """Reads a flow run once a second, and each role's memory every twenty."""

    def __init__(self, api_url: str, *, flow_run_id: UUID, meter: Meter) -> None:
        self._url = f"{api_url}/flow_runs/{flow_run_id}"
        self._meter = meter
        self._seconds: list[float] = []
        self._failed = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Probe":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(2 * _TIMEOUT_SECONDS)

    def latency(self) -> Latency:
        """Sum up what was measured so far."""
        return Latency.of(list(self._seconds), failed=self._failed)

    def _run(self) -> None:
        memory_at = time.monotonic()
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
            while not self._ended.wait(_PROBE_SECONDS):
                self._ask(client)
                if time.monotonic() >= memory_at:
                    self._meter.note_memory()
                    memory_at = time.monotonic() + _MEMORY_SECONDS

    def _ask(self, client: httpx.Client) -> None:
        started = time.perf_counter()
        try:
            status = client.get(self._url).status_code
        except httpx.HTTPError:
            self._failed += 1
            return
        if status >= 500:
            self._failed += 1
        else:
            self._seconds.append(time.perf_counter() - started)
