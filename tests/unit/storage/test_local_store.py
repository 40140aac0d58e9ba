"""What the local folder must do beyond the contract of every store."""

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from trivia_render.errors import (
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage.local import LocalStore

TEXT = "text/plain"
BIG = b"0123456789abcdef" * 65_536
BIG_CRC32C = "+VU47w=="


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def put(store: LocalStore, key: str, data: bytes = b"one") -> ObjectInfo:
    return store.write(key, data, content_type=TEXT)


def stat(store: LocalStore, key: str) -> ObjectInfo:
    info = store.stat(key)
    assert info is not None
    return info


def test_looking_at_a_store_that_is_not_there_creates_nothing(store: LocalStore, root: Path) -> None:
    assert store.stat("a") is None
    assert list(store.list("")) == []
    store.delete("a")
    with pytest.raises(ObjectMissingError):
        store.read("a")
    assert not root.exists()


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path(".trivia"))
    monkeypatch.chdir("/")
    put(store, "a.txt")
    assert store.uri("a.txt") == str(tmp_path / ".trivia/a.txt")
    assert (tmp_path / ".trivia/a.txt").read_bytes() == b"one"


def test_the_sum_of_a_large_file_is_read_once(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "big.bin", BIG)
    reads: list[str] = []
    monkeypatch.setattr("trivia_render.storage.sums._read", lambda file: reads.append(file.name) or "wrong")
    assert stat(store, "big.bin").crc32c == BIG_CRC32C
    assert stat(LocalStore(root), "big.bin").crc32c == BIG_CRC32C
    assert reads == []


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_damaged_large_file_has_another_sum_even_with_its_size_and_time_kept(
    store: LocalStore, root: Path, keep_times: bool
) -> None:
    before = put(store, "big.bin", BIG)
    path = root / "big.bin"
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    if keep_times:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = stat(store, "big.bin")
    assert after.size_bytes == before.size_bytes
    assert after.crc32c != before.crc32c
    assert stat(LocalStore(root), "big.bin").crc32c == after.crc32c


@pytest.mark.parametrize("record", [b"", b"nonsense", b"\xff\xfe", b"1 2 3 4 ebPw"])
def test_a_damaged_record_of_a_sum_is_not_believed(store: LocalStore, root: Path, record: bytes) -> None:
    put(store, "big.bin", BIG)
    (root / ".store/sums/big.bin").write_bytes(record)
    assert stat(store, "big.bin").crc32c == BIG_CRC32C


def test_the_sum_of_a_file_put_there_by_hand_is_remembered_once_it_is_settled(
    store: LocalStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    (root / "big.bin").write_bytes(BIG)
    assert stat(store, "big.bin").crc32c == BIG_CRC32C
    assert not (root / ".store/sums/big.bin").exists()
    later = time.time_ns() + 5_000_000_000
    monkeypatch.setattr("trivia_render.storage.sums.time.time_ns", lambda: later)
    assert stat(store, "big.bin").crc32c == BIG_CRC32C
    assert (root / ".store/sums/big.bin").exists()


def test_a_file_changed_by_hand_is_another_generation(store: LocalStore, root: Path) -> None:
    first = put(store, "a.txt")
    (root / "a.txt").write_bytes(b"edited")
    with pytest.raises(PreconditionFailedError):
        store.write("a.txt", b"two", content_type=TEXT, if_generation=first.generation)
    assert store.read("a.txt")[0] == b"edited"


def test_generations_grow_over_deletes_and_a_clock_set_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivia_render.storage.locks.time.time_ns", lambda: 1_700_000_000_000_000_000)
    generations = []
    for _ in range(4):
        store = LocalStore(root)  # as a new process would: the last generation is on the disk
        generations.append(put(store, "a.txt").generation)
        store.delete("a.txt")
    assert generations == sorted(set(generations))


@pytest.mark.parametrize("grain", [100, 1_000_000, 1_000_000_000, 2_000_000_000])
def test_generations_grow_where_the_file_system_rounds_times(
    store: LocalStore, grain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    utime = os.utime

    def rounded(path: Path, *, ns: tuple[int, int]) -> None:
        utime(path, ns=(ns[0] // grain * grain, ns[1] // grain * grain))

    monkeypatch.setattr("trivia_render.storage.locks.os.utime", rounded)
    generations = [put(store, "a.txt").generation for _ in range(5)]
    assert generations == sorted(set(generations))
    assert all(generation % grain == 0 for generation in generations)


def test_a_file_system_without_times_is_refused(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    utime = os.utime
    monkeypatch.setattr("trivia_render.storage.locks.os.utime", lambda path, *, ns: utime(path, ns=(0, 0)))
    with pytest.raises(StoreError, match="does not keep modification times"):
        put(store, "a.txt")


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, StoreError, "is full"),
        (errno.EDQUOT, StoreError, "is full"),
        (errno.EROFS, StoreError, "may not be used"),
        (errno.EACCES, StoreError, "may not be used"),
        (errno.EIO, StoreUnavailableError, "did not answer"),
        (errno.ENAMETOOLONG, StoreError, "cannot be read or written"),
    ],
)
def test_a_write_that_the_system_refuses_is_a_store_error_and_leaves_the_object(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type, says: str
) -> None:
    store = LocalStore(root)
    put(store, "a.txt")

    def refuse(_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("trivia_render.storage.local.os.fsync", refuse)
        with pytest.raises(kind, match=says) as caught:
            put(store, "a.txt", b"two")
    assert type(caught.value) is kind
    assert os.strerror(number) in str(caught.value)
    assert caught.value.remedy in str(caught.value)
    assert store.read("a.txt")[0] == b"one"
    assert list((root / ".store/tmp").iterdir()) == []


def test_a_folder_of_another_user_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be read or written"):
        put(LocalStore(tmp_path / "file/store"), "a.txt")


def test_a_missing_file_to_upload_is_named(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.mp4"):
        store.upload("a.mp4", tmp_path / "gone.mp4", content_type="video/mp4")


def test_a_missing_folder_to_download_into_is_not_a_missing_object(store: LocalStore, root: Path) -> None:
    put(store, "a.mp4")
    with pytest.raises(StoreError) as caught:
        store.download("a.mp4", root / "tmp/not/there/a.mp4")
    assert not isinstance(caught.value, ObjectMissingError)


def test_a_symbolic_link_is_never_an_object(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.txt").write_text("secret")
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path / "outside")
    put(store, "real.txt")
    for key in ("link", "folder/a.txt"):
        for call in (store.read, store.stat, store.delete, lambda key: put(store, key)):
            with pytest.raises(StoreError, match="symbolic link"):
                call(key)
    assert [info.key for info in store.list("")] == ["real.txt"]
    assert (tmp_path / "outside/a.txt").read_text() == "secret"


def test_files_that_are_no_objects_are_not_listed(store: LocalStore, root: Path) -> None:
    put(store, "a/b.txt", BIG)
    (root / "a/.DS_Store").write_text("")
    (root / "a/my file").write_text("")
    (root / ".store/tmp/123-abc").write_text("")
    assert [info.key for info in store.list("")] == ["a/b.txt"]


def test_only_abandoned_temporary_files_are_swept(store: LocalStore, root: Path) -> None:
    put(store, "a.txt")
    old, fresh = root / ".store/tmp/1-old", root / ".store/tmp/1-fresh"
    old.write_text("")
    fresh.write_text("")
    os.utime(old, (time.time() - 90_000,) * 2)
    put(LocalStore(root), "a.txt")
    assert not old.exists()
    assert fresh.exists()


def test_deleting_forgets_the_sum(store: LocalStore, root: Path) -> None:
    put(store, "big.bin", BIG)
    assert (root / ".store/sums/big.bin").exists()
    store.delete("big.bin")
    assert not (root / ".store/sums/big.bin").exists()


def test_a_write_waits_for_the_lock_of_its_key(store: LocalStore) -> None:
    done = threading.Event()
    with store._locks.hold("a.txt"):
        thread = threading.Thread(target=lambda: (put(store, "a.txt"), done.set()))
        thread.start()
        assert not done.wait(0.2)
    thread.join(timeout=10)
    assert done.is_set()
