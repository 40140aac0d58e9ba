"""Frames reach FFmpeg as they were when they were handed over, also where their memory is only lent."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trivia_render.encode import pipe
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.pipe import FramePipe

FRAME_BYTES = 1_500_001
LETTERS = b"abcdef"

Program = Callable[[str], Path]


def overwritten_frames() -> Iterator[memoryview]:
    """Yield one buffer, filled with the next letter as soon as the next frame is asked for."""
    buffer = bytearray(FRAME_BYTES)
    for letter in LETTERS:
        buffer[:] = bytes([letter]) * FRAME_BYTES
        yield memoryview(buffer)


EXPECTED = b"".join(bytes([letter]) * FRAME_BYTES for letter in LETTERS)


def received(program: Program, folder: Path) -> bytes:
    # Reads little at a time, so that the pipe is full and lent memory stays in it for as long as it can.
    reader = Ffmpeg(program(f"exec dd bs=1500 of={folder}/received 2>/dev/null"), stall_timeout_seconds=20)
    reader.feed([], "encoding a clip", chunks=overwritten_frames())
    return (folder / "received").read_bytes()


def test_a_frame_changed_right_after_it_was_taken_arrives_unchanged(program: Program, tmp_path: Path) -> None:
    assert received(program, tmp_path) == EXPECTED


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_frames_are_written_where_memory_cannot_be_lent(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    asked: list[int] = []

    def refuses(descriptor: int, *_: object) -> int:
        asked.append(descriptor)
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(pipe, "_load_vmsplice", lambda: refuses)
    assert received(program, tmp_path) == EXPECTED
    assert len(asked) == 1


def test_frames_are_written_where_the_pipe_may_not_grow(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "PIPE_BYTES", 1 << 16)
    assert received(program, tmp_path) == EXPECTED


def fill(frames: FramePipe, block: memoryview) -> None:
    for _ in range(1000):
        frames.send(block, lend=FRAME_BYTES - (1 << 19))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is lent on Linux only")
def test_all_but_the_pipes_own_size_is_lent() -> None:
    reading, writing = os.pipe()
    try:
        frames = FramePipe(writing)
        assert frames.capacity_bytes == 1 << 19
        assert frames.lendable_bytes(FRAME_BYTES) == FRAME_BYTES - (1 << 19)
        assert frames.lendable_bytes(1000) == 0
        block = memoryview(bytearray(FRAME_BYTES))
        assert frames.send(block, lend=FRAME_BYTES - (1 << 19)) > 0
        with pytest.raises(BlockingIOError):
            fill(frames, block)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            frames.send(block, lend=FRAME_BYTES - (1 << 19))
    finally:
        os.close(writing)
