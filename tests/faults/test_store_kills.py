"""Kills and races on the local store: an object is whole or not there, whatever dies."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest

from trivia_render.storage.local import LocalStore

pytestmark = pytest.mark.faults

SIZE = 2 << 20


def _write_for_ever(root: Path, letter: str) -> None:
    store = LocalStore(root)
    source = root.parent / f"{letter}.bin"
    source.write_bytes(letter.encode() * SIZE)
    number = 0
    while True:
        store.write("page", letter.encode() * SIZE, content_type="text/plain")
        store.upload(f"files/{letter}-{number}", source, content_type="text/plain")
        number += 1


def test_a_killed_writer_leaves_whole_objects_and_no_lock(tmp_path: Path) -> None:
    root = tmp_path / "store"
    spawn = multiprocessing.get_context("spawn")
    luck = random.Random(7)
    seen: set[int] = set()
    for turn in range(12):
        writers = [spawn.Process(target=_write_for_ever, args=(root, letter)) for letter in "ab"]
        for writer in writers:
            writer.start()
        store = LocalStore(root)
        first = None
        deadline = time.monotonic() + 60
        while first is None or store.stat("page") == first:
            first = first or store.stat("page")
            assert time.monotonic() < deadline
        time.sleep(luck.uniform(0, 0.1))
        for writer in writers:
            writer.kill()
            writer.join()
            assert writer.exitcode == -signal.SIGKILL
        data, info = store.read("page")
        assert (len(data), len(set(data))) == (SIZE, 1), f"turn {turn}: a torn object"
        # A writer that died holding a lock would stop us here.
        seen.add(
            store.write("page", b"ours", content_type="text/plain", if_generation=info.generation).generation
        )
        for info in store.list("files/"):
            assert info.size_bytes == SIZE
            store.delete(info.key)
    assert len(seen) == 12
