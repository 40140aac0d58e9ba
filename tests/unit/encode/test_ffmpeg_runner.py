import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trivia_render.encode.ffmpeg import Ffmpeg, child_environment, ffmpeg_build, find_ffmpeg
from trivia_render.errors import EncodeError, EncodeStalledError, ProgramMissingError

Program = Callable[[str], Path]

#: Programs here act within milliseconds; a machine that is busy with other tests is given more.
LIMIT_SECONDS = 0.6


def open_descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def ended(pid: int, *, within_seconds: float = 10) -> bool:
    """Tell whether a process that may be nobody's child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_seconds)[0])
    finally:
        os.close(descriptor)


def children_of_this_process() -> set[int]:
    """Return the process ids of every child, zombies among them."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


@pytest.fixture
def no_child_left() -> Iterator[None]:
    descriptors, children = open_descriptors(), children_of_this_process()
    yield
    # Other tests of the process may have children of their own, such as a server for the session.
    assert children_of_this_process() <= children
    assert open_descriptors() == descriptors


def test_the_packaged_ffmpeg_is_found_and_names_its_build() -> None:
    build = ffmpeg_build(find_ffmpeg(None))
    assert build.startswith("ffmpeg version ")
    assert "Copyright" not in build


def test_a_configured_ffmpeg_is_taken_as_it_is(tmp_path: Path, program: Program) -> None:
    path = program("exit 0")
    assert find_ffmpeg(path) == path
    with pytest.raises(ProgramMissingError, match="no program"):
        find_ffmpeg(tmp_path / "nothing")
    (tmp_path / "text").write_text("not a program")
    with pytest.raises(ProgramMissingError, match="TRIVIA_FFMPEG"):
        find_ffmpeg(tmp_path / "text")


@pytest.mark.parametrize("body", ["echo something else", "exit 1", ""])
def test_a_program_that_is_not_ffmpeg_has_no_build(tmp_path: Path, body: str) -> None:
    path = tmp_path / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    with pytest.raises(ProgramMissingError, match="does not work as FFmpeg"):
        ffmpeg_build(path)


def test_an_ffmpeg_that_went_away_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError, match="encoding a clip"):
        Ffmpeg(tmp_path / "gone")([], "encoding a clip")


def test_the_child_gets_only_what_ffmpeg_needs() -> None:
    given = child_environment(
        {
            "PATH": "/bin",
            "FFREPORT": "file=x.log",
            "GOOGLE_API_KEY": "secret",
            "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
            "NVIDIA_VISIBLE_DEVICES": "all",
            "LC_ALL": "de_DE.UTF-8",
        }
    )
    assert given == {
        "PATH": "/bin",
        "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "LC_ALL": "C",
        "AV_LOG_FORCE_NOCOLOR": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


@pytest.mark.usefixtures("no_child_left")
def test_a_failure_names_purpose_exit_code_and_the_last_lines(program: Program) -> None:
    body = "i=1; while [ $i -le 40 ]; do echo line $i >&2; i=$((i+1)); done; exit 3"
    with pytest.raises(EncodeError, match="encoding a clip; exit code 3") as caught:
        Ffmpeg(program(body))([], "encoding a clip")
    lines = caught.value.evidence.splitlines()
    assert [lines[0], lines[-1], len(lines)] == ["  line 26", "  line 40", 15]
    assert caught.value.retryable


@pytest.mark.usefixtures("no_child_left")
def test_a_signal_is_named(program: Program) -> None:
    with pytest.raises(EncodeError, match="ended by signal 11, Segmentation fault"):
        Ffmpeg(program("kill -SEGV $$"))([], "encoding a clip")


@pytest.mark.usefixtures("no_child_left")
def test_a_program_that_dies_while_it_is_fed_is_reported_with_its_words(program: Program) -> None:
    body = "head -c 1000 >/dev/null; echo out of memory >&2; exit 9"
    with pytest.raises(EncodeError, match=r"stopped reading its input.*exit code 9") as caught:
        Ffmpeg(program(body)).feed([], "encoding a clip", chunks=(bytes(1 << 20) for _ in range(50)))
    assert caught.value.evidence == "  out of memory"


@pytest.mark.usefixtures("no_child_left")
@pytest.mark.parametrize(
    "body", ["exec sleep 60", "head -c 100000 >/dev/null; exec sleep 60", "exec >&- 2>&- <&-; exec sleep 60"]
)
def test_a_program_that_stops_taking_frames_is_ended(program: Program, body: str) -> None:
    stalling = Ffmpeg(program(body), stall_timeout_seconds=LIMIT_SECONDS)
    with pytest.raises(EncodeStalledError, match=r"no progress for 0\.6 s while encoding a clip"):
        stalling.feed([], "encoding a clip", chunks=(bytes(1 << 20) for _ in range(50)))


@pytest.mark.usefixtures("no_child_left")
def test_a_program_that_never_ends_is_ended(program: Program) -> None:
    hanging = Ffmpeg(
        program("cat >/dev/null; echo still here >&2; sleep 60"), stall_timeout_seconds=LIMIT_SECONDS
    )
    with pytest.raises(EncodeStalledError) as caught:
        hanging.feed([], "encoding a clip", chunks=[b"frame"])
    assert caught.value.evidence == "  still here"


@pytest.mark.usefixtures("no_child_left")
def test_a_clock_that_runs_is_no_progress(program: Program) -> None:
    body = 'while :; do echo "frame=1\nfps=0\nspeed=0.1x\nprogress=continue" >$progress; sleep 0.05; done'
    with pytest.raises(EncodeStalledError):
        Ffmpeg(program(body), stall_timeout_seconds=LIMIT_SECONDS)([], "joining")


@pytest.mark.usefixtures("no_child_left")
def test_a_slow_program_that_makes_progress_is_left_alone(program: Program) -> None:
    body = 'for i in 1 2 3 4 5 6 7 8 9; do echo "frame=$i" >$progress; sleep 0.2; done; echo done >&2'
    assert Ffmpeg(program(body), stall_timeout_seconds=LIMIT_SECONDS)([], "joining") == "done\n"


@pytest.mark.usefixtures("no_child_left")
def test_time_spent_on_drawing_is_not_held_against_ffmpeg(program: Program) -> None:
    reading = Ffmpeg(program("cat >/dev/null"), stall_timeout_seconds=0.2)
    waiting = threading.Event()

    def frames() -> Iterator[bytes]:
        for _ in range(2):
            waiting.wait(0.5)
            yield b"frame"

    assert reading.feed([], "encoding a clip", chunks=frames()) == ""


@pytest.mark.usefixtures("no_child_left")
def test_a_flood_of_messages_blocks_neither_side(program: Program) -> None:
    body = "head -c 6000000 /dev/zero | tr '\\0' x >&2; head -c 9999999 >/dev/null; echo >&2; echo end >&2"
    messages = Ffmpeg(program(body), stall_timeout_seconds=20).feed(
        [], "encoding a clip", chunks=(bytes(1 << 20) for _ in range(9))
    )
    assert messages.endswith("x\nend\n")
    assert len(messages) == 4 << 20


@pytest.mark.usefixtures("no_child_left")
def test_frames_that_fail_end_the_program(program: Program) -> None:
    def frames() -> Iterator[bytes]:
        yield b"frame"
        raise LookupError("the font is gone")

    with pytest.raises(LookupError, match="font"):
        Ffmpeg(program("exec sleep 60")).feed([], "encoding a clip", chunks=frames())


@pytest.mark.usefixtures("no_child_left")
def test_what_the_program_started_is_ended_with_it(program: Program, tmp_path: Path) -> None:
    body = f"sleep 60 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(EncodeStalledError):
        Ffmpeg(program(body), stall_timeout_seconds=LIMIT_SECONDS)([], "joining")
    assert ended(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("no_child_left")
def test_an_exit_is_seen_though_something_else_holds_the_pipes_open(program: Program, tmp_path: Path) -> None:
    body = f"sleep 60 & echo $! >{tmp_path}/pid; echo left >&2; exit 0"
    assert Ffmpeg(program(body), stall_timeout_seconds=20)([], "joining") == "left\n"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("no_child_left")
def test_a_run_can_be_given_up_from_another_thread(program: Program, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "started")
    shared = Ffmpeg(program(f"echo >{tmp_path}/started; exec sleep 60"))

    def cancel_once_started() -> None:
        (tmp_path / "started").read_text()
        shared.cancel()

    canceller = threading.Thread(target=cancel_once_started)
    canceller.start()
    with pytest.raises(EncodeError, match="given up"):
        shared([], "joining")
    canceller.join()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
@pytest.mark.parametrize("fed", [False, True])
def test_ffmpeg_dies_with_a_killed_parent(program: Program, tmp_path: Path, fed: bool) -> None:
    for name in ("pid", "nothing"):
        os.mkfifo(tmp_path / name)
    # Deaf to everything but the kernel's own kill, as an FFmpeg stuck in a driver would be.
    hanging = program(f"trap '' TERM HUP INT PIPE; echo $$ >{tmp_path}/pid; read x <{tmp_path}/nothing")
    call = "feed([], 'x', chunks=[bytes(1 << 24)])" if fed else "([], 'x')"
    code = (
        "from pathlib import Path; from trivia_render.encode.ffmpeg import Ffmpeg; "
        f"run = Ffmpeg(Path({str(hanging)!r})); run{'.' if fed else ''}{call}"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        pid = int((tmp_path / "pid").read_text())
        parent.kill()
    try:
        assert ended(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_the_real_ffmpeg_reports_in_its_own_words(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        ffmpeg(["-i", str(tmp_path / "none.mp4"), "-f", "null", "-"], "reading")
    assert "No such file or directory" in caught.value.evidence
