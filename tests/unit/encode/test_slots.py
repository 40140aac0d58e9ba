"""How many encodes run at once on a machine, whatever becomes of those who encode."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.encode.gpus import Gpu, visible_gpus
from trivia_render.encode.slots import EncodingSlots, usable_cores
from trivia_render.errors import EncodeError, StoreError
from trivia_render.models.plan import EncoderName

TWO_GPUS = (Gpu(0, "GPU-aa"), Gpu(1, "GPU-bb"))


def make_slots(
    folder: Path, *, gpus: Sequence[Gpu] = TWO_GPUS[:1], per_gpu: int = 3, cores: Sequence[int] = (0,)
) -> EncodingSlots:
    return EncodingSlots(folder, gpus=lambda: gpus, per_gpu=per_gpu, cores=cores)


#: Each thread takes a slot so many times, and writes who held which GPU from when to when.
HOLDERS = """
import sys, threading, time
from pathlib import Path
from trivia_render.encode.gpus import Gpu
from trivia_render.encode.slots import EncodingSlots

folder, encoder, gpus, per_gpu, cores, threads, times, seconds = sys.argv[1:]
slots = EncodingSlots(
    Path(folder),
    gpus=lambda: tuple(Gpu(number, f"GPU-{number}") for number in range(int(gpus))),
    per_gpu=int(per_gpu),
    cores=[int(core) for core in cores.split(",")],
)
lines = []

def work(thread):
    for _ in range(int(times)):
        with slots.hold(encoder) as gpu:
            entered = time.monotonic()
            time.sleep(float(seconds))
            lines.append((entered, time.monotonic(), gpu, thread))

workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
for worker in workers: worker.start()
for worker in workers: worker.join()
for line in lines: print(*line)
"""


class Hold:
    """One stay in a slot, in seconds of the machine's monotonic clock."""

    def __init__(self, process: int, line: str) -> None:
        entered, left, gpu, thread = line.split()
        self.entered, self.left, self.gpu = float(entered), float(left), gpu
        self.who = (process, thread)


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_holders(
    folder: Path, encoder: EncoderName, *, processes: int, threads: int, times: int, seconds: float,
    gpus: int = 1, per_gpu: int = 3, cores: Sequence[str] = ("0",),
) -> list[Hold]:  # fmt: skip
    """Let so many processes and threads work; `cores` are those of each process, in turn."""
    started = [
        start(HOLDERS, folder, encoder, gpus, per_gpu, cores[number % len(cores)], threads, times, seconds)
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs: list[str] = []
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        outputs.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    return [Hold(number, line) for number, output in enumerate(outputs) for line in output.splitlines()]


def most_at_once(holds: Sequence[Hold]) -> int:
    # Those who leave come first: a slot passes on between two readings of the clock.
    steps = sorted([(hold.left, -1) for hold in holds] + [(hold.entered, 1) for hold in holds])
    now = most = 0
    for _, change in steps:
        now += change
        most = max(most, now)
    return most


def test_processes_and_threads_together_never_hold_more_than_there_are(tmp_path: Path) -> None:
    holds = run_holders(
        tmp_path / "slots", "h264_nvenc", processes=3, threads=4, times=4, seconds=0.06, per_gpu=3
    )
    assert len(holds) == 3 * 4 * 4
    assert most_at_once(holds) == 3
    assert {hold.gpu for hold in holds} == {"0"}


def test_several_gpus_share_the_work_and_none_takes_more_than_its_own(tmp_path: Path) -> None:
    holds = run_holders(
        tmp_path / "slots", "h264_nvenc", processes=2, threads=4, times=5, seconds=0.05, gpus=2, per_gpu=2
    )
    for gpu in ("0", "1"):
        assert most_at_once([hold for hold in holds if hold.gpu == gpu]) <= 2
    assert most_at_once(holds) == 4
    share = Counter(hold.gpu for hold in holds)
    assert min(share.values()) >= len(holds) * 0.35, share


def test_nobody_starves(tmp_path: Path) -> None:
    """One process with one thread beside one with six, all of whom want the one slot again at once."""
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    turns: Counter[str] = Counter()
    stop = threading.Event()

    def work(name: str, mine: EncodingSlots) -> None:
        while not stop.is_set():
            with mine.hold("h264_nvenc"):
                turns[name] += 1
                time.sleep(0.1)

    # Two objects share nothing but the files, as two processes.
    alone = make_slots(tmp_path / "slots", per_gpu=1)
    threads = [threading.Thread(target=work, args=("many", slots)) for _ in range(6)]
    threads.append(threading.Thread(target=work, args=("alone", alone)))
    for thread in threads:
        thread.start()
    time.sleep(2.5)
    stop.set()
    for thread in threads:
        thread.join()
    # Processes take turns, however many threads each has.
    assert min(turns.values()) >= sum(turns.values()) / 4, turns


def test_the_first_slots_of_all_gpus_are_taken_before_the_second_of_any(tmp_path: Path) -> None:
    four = tuple(Gpu(number, f"GPU-{number}") for number in range(4))
    slots = make_slots(tmp_path / "slots", gpus=four, per_gpu=2)
    with ExitStack() as held:
        taken = [held.enter_context(slots.hold("h264_nvenc")) for _ in range(8)]
    assert sorted(taken[:4], key=str) == [0, 1, 2, 3]
    assert sorted(taken[4:], key=str) == [0, 1, 2, 3]


def test_the_gpu_with_the_most_to_spare_is_taken(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", gpus=TWO_GPUS, per_gpu=3)
    only_first = make_slots(tmp_path / "slots", gpus=TWO_GPUS[:1], per_gpu=3)
    with only_first.hold("h264_nvenc"), only_first.hold("h264_nvenc"), ExitStack() as held:
        assert [held.enter_context(slots.hold("h264_nvenc")) for _ in range(2)] == [1, 1]


def test_processes_that_are_shown_different_gpus_share_those_they_have_in_common(tmp_path: Path) -> None:
    both = make_slots(tmp_path / "slots", gpus=TWO_GPUS, per_gpu=1)
    second = make_slots(tmp_path / "slots", gpus=[Gpu(0, "GPU-bb")], per_gpu=1)
    with second.hold("h264_nvenc") as its_number, both.hold("h264_nvenc") as other:
        assert (its_number, other) == (0, 0)
        assert waits(both, "h264_nvenc")


def test_where_the_driver_names_no_gpu_there_is_one_without_a_number(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", gpus=[], per_gpu=2)
    with slots.hold("h264_nvenc") as first, slots.hold("h264_nvenc") as second:
        assert (first, second) == (None, None)
        assert waits(slots, "h264_nvenc")


def test_x264_has_a_slot_a_core_and_processes_on_other_cores_have_their_own(tmp_path: Path) -> None:
    holds = run_holders(
        tmp_path / "slots", "libx264", processes=2, threads=3, times=3, seconds=0.15, cores=["0,1", "1,2"]
    )
    assert most_at_once(holds) == 3
    assert most_at_once([hold for hold in holds if hold.who[0] == 0]) <= 2
    assert {hold.gpu for hold in holds} == {"None"}


def test_x264_and_nvenc_do_not_wait_for_each_other(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    with slots.hold("libx264"):
        assert not waits(slots, "h264_nvenc")


def test_the_machine_tells_the_cores_that_may_be_used() -> None:
    assert len(usable_cores()) >= 1
    if sys.platform == "linux":
        assert set(usable_cores()) == os.sched_getaffinity(0)


#: Holds the one slot, and has a child that outlives it.
KILLED = """
import subprocess, sys, time
from pathlib import Path
from trivia_render.encode.gpus import Gpu
from trivia_render.encode.slots import EncodingSlots

slots = EncodingSlots(Path(sys.argv[1]), gpus=lambda: [Gpu(0, "GPU-aa")], per_gpu=1, cores=[0])
with slots.hold("h264_nvenc"):
    child = subprocess.Popen(["sleep", "20"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_holders_slot_is_free_at_once(tmp_path: Path) -> None:
    holder = start(KILLED, tmp_path / "slots")
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    assert waits(slots, "h264_nvenc")
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    killed = time.monotonic()
    with slots.hold("h264_nvenc"):
        assert time.monotonic() - killed < 0.5
    os.kill(child, signal.SIGKILL)
    holder.communicate()


def test_a_process_killed_while_it_waits_holds_nobody_up(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    with slots.hold("h264_nvenc"):
        waiter = start(KILLED, tmp_path / "slots")
        time.sleep(1)
        assert waiter.poll() is None
        waiter.kill()
        waiter.communicate()
    assert not waits(slots, "h264_nvenc")


def test_a_slot_is_given_back_by_an_error(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    with pytest.raises(ZeroDivisionError), slots.hold("h264_nvenc"):
        raise ZeroDivisionError
    assert not waits(slots, "h264_nvenc")


def test_who_waits_when_the_run_is_given_up_does_not_begin(tmp_path: Path) -> None:
    slots = make_slots(tmp_path / "slots", per_gpu=1)
    ffmpeg = Ffmpeg(find_ffmpeg(None))
    begun: list[str] = []
    errors: list[EncodeError] = []

    def encode() -> None:
        try:
            with slots.hold("h264_nvenc", given_up=ffmpeg.given_up()):
                begun.append("encode")
        except EncodeError as error:
            errors.append(error)

    # The first of them looks for a slot, the second waits behind it.
    threads = [threading.Thread(target=encode) for _ in range(2)]
    with slots.hold("h264_nvenc"):
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        ffmpeg.cancel()
        for thread in threads:
            thread.join(2)
            assert not thread.is_alive(), "it goes on although the slot is still taken"
    assert begun == []
    assert ["given up" in str(error) for error in errors] == [True, True]
    # The next run is not held up by the last one's end.
    with slots.hold("h264_nvenc", given_up=ffmpeg.given_up()):
        pass


def test_the_folder_is_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "slots"
    with make_slots(folder).hold("libx264"):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 3


def refused(folder: Path) -> str:
    with pytest.raises(StoreError, match="TRIVIA_SLOTS_FOLDER") as caught, make_slots(folder).hold("libx264"):
        pass
    return caught.value.message


def test_a_folder_that_is_not_safe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert "symbolic link" in refused(tmp_path / "link")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert "cannot be made" in refused(tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refused(tmp_path / "file")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert "other users may write" in refused(tmp_path / "open")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert "belongs to user" in refused(tmp_path / "real")


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "slots"
    folder.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("kept")
    (folder / "core-0.lock").symlink_to(tmp_path / "elsewhere")
    assert "core-0.lock cannot be locked" in refused(folder)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [(0, "GPU-aa1"), (1, "GPU-bb2"), (2, "GPU-cc3")]),
        ("2,0", [(0, "GPU-cc3"), (1, "GPU-aa1")]),
        ("GPU-bb, 0", [(0, "GPU-bb2"), (1, "GPU-aa1")]),
        ("1,9,0", [(0, "GPU-bb2")]),
        ("-1", []),
        ("", []),
        ("GPU-", []),
        ("MIG-GPU-aa1/1/0", []),
    ],
)
def test_gpus_have_the_numbers_that_cuda_gives_them(
    visible: str | None, expected: list[tuple[int, str]]
) -> None:
    assert visible_gpus(["GPU-aa1", "GPU-bb2", "GPU-cc3"], visible=visible) == tuple(expected)


def waits(slots: EncodingSlots, encoder: EncoderName) -> bool:
    """Tell whether somebody who wants a slot now has to wait."""
    with reported(slots, encoder) as held:
        return not held.wait(0.3)


@contextmanager
def reported(slots: EncodingSlots, encoder: EncoderName) -> Iterator[threading.Event]:
    held, over = threading.Event(), threading.Event()
    given_up: Callable[[], bool] = over.is_set

    def want() -> None:
        try:
            with slots.hold(encoder, given_up=given_up):
                held.set()
        except EncodeError:
            assert over.is_set()

    thread = threading.Thread(target=want)
    thread.start()
    try:
        yield held
    finally:
        over.set()
        thread.join()
