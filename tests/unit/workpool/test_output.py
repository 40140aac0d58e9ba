"""Runs write where the worker's main process writes, also once Prefect's worker is gone."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trivia_render.workpool.output import OutputDoor, take_output

#: Opens the door, starts a run whose output nobody reads, and ends before that run has written.
MAIN = """
import subprocess, sys
from pathlib import Path
from trivia_render.workpool.output import OutputDoor
door = OutputDoor(Path(sys.argv[1]))
door.open()
run = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE)
assert run.stdout.readline() == b"before\\n"
for pipe in (run.stdout, run.stderr):
    pipe.close()
run.stdin.write(b"go\\n")
run.stdin.close()
run.wait()
door.close()
"""
RUN = """
import os, sys
from pathlib import Path
from trivia_render.workpool.output import take_output
print("before", flush=True)
taken = take_output(Path(sys.argv[1]))
sys.stdin.readline()
print("taken" if taken else "not taken", flush=True)
print("an error", file=sys.stderr, flush=True)
os.system("echo a child")
"""


@pytest.mark.parametrize("depth", [1, 8], ids=["a short path", "a path longer than a socket's may be"])
def test_a_run_whose_pipes_are_gone_writes_on_where_the_main_process_does(tmp_path: Path, depth: int) -> None:
    board = tmp_path.joinpath(*["a-folder-with-a-name"] * depth)
    board.mkdir(parents=True)
    out, error = tmp_path / "out", tmp_path / "error"
    with out.open("wb") as to, error.open("wb") as errors:
        subprocess.run(
            [sys.executable, "-c", MAIN, str(board), RUN], stdout=to, stderr=errors, check=True, timeout=30
        )
    assert out.read_text().split("\n") == ["taken", "a child", ""]
    assert error.read_text() == "an error\n"
    assert list(board.iterdir()) == []


def test_without_a_door_a_run_keeps_what_it_has(tmp_path: Path) -> None:
    assert not take_output(tmp_path)
    assert not take_output(tmp_path / "gone")


def test_a_door_that_is_closed_answers_nobody_and_holds_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    door = OutputDoor(tmp_path)
    door.open()
    (thread,) = (thread for thread in set(threading.enumerate()) - before if thread.name == "output")
    door.close()
    thread.join(5)
    assert not thread.is_alive()
    assert not take_output(tmp_path)


def test_a_door_that_cannot_be_opened_is_said_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    door = OutputDoor(tmp_path / "gone")
    door.open()
    door.close()
    assert "drain" in caplog.text
