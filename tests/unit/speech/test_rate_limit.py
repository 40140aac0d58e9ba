"""The limit of requests a minute, between threads and real processes."""

import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trivia_render.errors import SpeechQuotaError
from trivia_render.speech.rate_limit import FileRateLimit

WINDOW_SECONDS = 60.0

#: Takes as many slots as it gets without waiting, and says how many.
TAKER = """
import sys
from pathlib import Path
from trivia_render.errors import SpeechQuotaError
from trivia_render.speech.rate_limit import FileRateLimit
limit = FileRateLimit(
    Path(sys.argv[1]), name="speech", requests_per_minute=int(sys.argv[2]), longest_wait_seconds=0
)
sys.stdin.readline()
taken = 0
for _ in range(int(sys.argv[3])):
    try:
        limit.acquire()
        taken += 1
    except SpeechQuotaError:
        pass
print(taken)
"""


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _limit(folder: Path, clock: Clock, *, requests: int, longest_wait_seconds: float = 1e6) -> FileRateLimit:
    return FileRateLimit(
        folder,
        name="speech",
        requests_per_minute=requests,
        longest_wait_seconds=longest_wait_seconds,
        clock=clock.time,
        sleep=clock.sleep,
    )


@pytest.mark.parametrize("requests", [1, 2, 7])
def test_no_minute_holds_more_requests_than_the_limit(tmp_path: Path, requests: int) -> None:
    clock = Clock()
    limit = _limit(tmp_path, clock, requests=requests)
    passed = []
    for number in range(5 * requests):
        limit.acquire()
        passed.append(clock.now)
        clock.now += (number % 3) * 0.5

    for first, later in zip(passed, passed[requests:], strict=False):
        assert later - first >= WINDOW_SECONDS - 1e-6
    assert passed[-1] - passed[0] <= 5 * WINDOW_SECONDS


def test_a_quiet_minute_gives_the_whole_limit_back(tmp_path: Path) -> None:
    clock = Clock()
    limit = _limit(tmp_path, clock, requests=3)
    for _ in range(3):
        limit.acquire()
    clock.now += WINDOW_SECONDS
    start = clock.now
    for _ in range(3):
        limit.acquire()
    assert clock.now == start


def test_a_wait_past_the_longest_is_a_quota_error_and_takes_no_slot(tmp_path: Path) -> None:
    clock = Clock()
    limit = _limit(tmp_path, clock, requests=2, longest_wait_seconds=10)
    limit.acquire()
    limit.acquire()
    for _ in range(5):
        with pytest.raises(SpeechQuotaError, match="2 speech requests a minute"):
            limit.acquire()
    clock.now += 55
    limit.acquire()
    assert clock.now == pytest.approx(1_800_000_060.0)


def test_a_part_has_its_share_of_the_number_and_slots_of_its_own(tmp_path: Path) -> None:
    limit = _limit(tmp_path, Clock(), requests=20, longest_wait_seconds=0)
    part = limit.part("chirp3", share=0.2)
    for _ in range(4):
        part.acquire()
    with pytest.raises(SpeechQuotaError, match="4 speech requests a minute"):
        part.acquire()
    limit.acquire()
    limit.part("journey", share=0.03).acquire()


def test_processes_share_the_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKER, str(tmp_path), "20", "10"]
    takers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for taker in takers:
        assert taker.stdin is not None
        taker.stdin.write("go\n")
        taker.stdin.flush()
    taken = [int(taker.communicate(timeout=60)[0]) for taker in takers]

    assert sum(taken) == 20
    assert all(taker.returncode == 0 for taker in takers)


def test_threads_share_the_limit_although_each_has_an_object_of_its_own(tmp_path: Path) -> None:
    def take(_: int) -> int:
        limit = FileRateLimit(tmp_path, name="speech", requests_per_minute=25, longest_wait_seconds=0)
        taken = 0
        for _ in range(10):
            try:
                limit.acquire()
                taken += 1
            except SpeechQuotaError:
                continue
        return taken

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(take, range(5))) == 25


@pytest.mark.parametrize("left", [b"", b"abc", b"\xff" * 12, array("d", [9e99, float("nan")]).tobytes()])
def test_a_damaged_file_does_not_stop_requests(tmp_path: Path, left: bytes) -> None:
    clock = Clock()
    (tmp_path / "speech.slots").write_bytes(left)
    limit = _limit(tmp_path, clock, requests=2)
    for _ in range(3):
        limit.acquire()
    assert clock.now == pytest.approx(1_800_000_000.0 + WINDOW_SECONDS)


def test_a_limit_of_none_a_minute_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FileRateLimit(tmp_path, name="speech", requests_per_minute=0)
