"""How much of the cores a worker's processes use, those included that ended in between."""

import os
import subprocess
import sys

import psutil
import pytest

from trivia_render.workpool.cpu_meter import CpuMeter, ProcessTimes, Times, read_times, seconds_between

WORKER, ENGINE, FFMPEG = (1, 0.0), (2, 5.0), (3, 6.0)
INIT = 0


def times(**seconds: float) -> Times:
    """A worker (1), its child the engine (2), and the engine's child FFmpeg (3)."""
    family = {"worker": (WORKER, INIT), "engine": (ENGINE, 1), "ffmpeg": (FFMPEG, 2)}
    return {family[name][0]: ProcessTimes(used, family[name][1]) for name, used in seconds.items()}


def test_what_all_processes_used_in_between_is_added_up() -> None:
    assert seconds_between(times(worker=1, engine=10), times(worker=1.5, engine=12)) == 2.5


def test_a_process_that_began_in_between_counts_from_its_start() -> None:
    assert seconds_between(times(worker=1), times(worker=1, engine=3)) == 3.0


def test_a_child_that_was_waited_for_counts_only_what_was_not_yet_known_of_it() -> None:
    # It used 8 s in all, of which 7 were seen before.
    assert seconds_between(times(engine=10, ffmpeg=7), times(engine=18.5)) == pytest.approx(1.5)


def test_a_family_that_ends_within_itself_is_counted_once() -> None:
    # FFmpeg's 4 s went to the engine, and with its own 10 s to the worker.
    before, after = times(worker=1, engine=10, ffmpeg=4), times(worker=15.5)
    assert seconds_between(before, after) == pytest.approx(0.5)


def test_a_child_that_nobody_waited_for_never_makes_it_negative() -> None:
    assert seconds_between(times(worker=1, engine=300), times(worker=1)) == 0.0


def test_a_number_that_is_used_again_is_another_process() -> None:
    again = {(2, 99.0): ProcessTimes(1.0, 1)}
    assert seconds_between({ENGINE: ProcessTimes(50.0, INIT)}, again) == 1.0


def test_the_average_is_over_the_window_and_over_all_cores() -> None:
    meter = CpuMeter(window_seconds=10, cores=2)
    assert meter.percent() is None
    meter.add(times(worker=100), at=0)
    assert meter.percent() is None, "what ran before the first look is not of the window"
    for second in range(1, 11):
        meter.add(times(worker=100 + second), at=second)
    assert meter.percent() == pytest.approx(50)
    for second in range(11, 21):
        meter.add(times(worker=110), at=second)
    assert meter.percent() == 0


def test_more_than_all_cores_is_all_of_them() -> None:
    meter = CpuMeter(window_seconds=10, cores=1)
    meter.add(times(worker=0), at=0)
    meter.add(times(worker=5), at=1)
    assert meter.percent() == 100


def test_two_looks_at_the_same_moment_say_nothing() -> None:
    meter = CpuMeter(window_seconds=10, cores=1)
    meter.add(times(worker=0), at=1)
    meter.add(times(worker=1), at=1)
    assert meter.percent() is None


def test_the_processor_time_of_a_real_child_is_found_before_and_after_its_end() -> None:
    me = psutil.Process()
    before = read_times([me])
    assert (me.pid, me.create_time()) in before
    burn = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint(1)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{burn}\ninput()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = read_times([me])
        assert any(pid == child.pid for pid, _ in during)
        first = seconds_between(before, during)
        child.communicate(b"\n")
    after = read_times([me])
    assert not any(pid == child.pid for pid, _ in after)
    assert first >= 0.4
    # Its parent has it now: it is not counted again.
    assert seconds_between(during, after) < first


def test_a_process_that_is_gone_has_no_times() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        gone = psutil.Process(child.pid)
    assert read_times([gone]) == {}
    assert read_times([gone, psutil.Process(os.getpid())])
