"""What every store adapter must do."""

import base64
import multiprocessing
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.contracts.conftest import STORES
from trivia_render.errors import ObjectDamagedError, ObjectMissingError, PreconditionFailedError, StoreError
from trivia_render.models.ports import Store

TEXT = "text/plain"


def write(store: Store, key: str, data: bytes = b"one", if_generation: int | None = None) -> int:
    return store.write(key, data, content_type=TEXT, if_generation=if_generation).generation


def test_what_was_written_is_read_back_with_what_the_store_knows_of_it(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    written = store.write("a/b.txt", b"123456789", content_type=TEXT)
    data, info = store.read("a/b.txt")
    assert data == b"123456789"
    assert info == written == store.stat("a/b.txt")
    # The check value of CRC-32C (Castagnoli) for these nine digits is e3069283.
    assert info.crc32c == base64.b64encode(bytes.fromhex("e3069283")).decode()
    assert (info.key, info.size_bytes) == ("a/b.txt", 9)
    assert before < info.updated < datetime.now(UTC) + timedelta(minutes=1)


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.write("empty", b"", content_type=TEXT)
    assert store.read("empty")[0] == b""
    info = store.stat("empty")
    assert info is not None
    assert info.crc32c == "AAAAAA=="


def test_an_absent_object_is_missing_to_readers_and_none_to_stat(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError, match=r"no/such\.txt"):
        store.read("no/such.txt")
    with pytest.raises(ObjectMissingError, match=r"no/such\.txt"):
        store.download("no/such.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert store.stat("no/such.txt") is None
    store.delete("no/such.txt")
    store.delete("no/such.txt", if_generation=7)


def test_every_write_gives_a_new_generation_also_of_the_same_bytes(make_store: Callable[[], Store]) -> None:
    generations = []
    for _ in range(20):
        generations.append(write(make_store(), "a.txt"))
        if len(generations) % 3 == 0:
            make_store().delete("a.txt")
    assert len(set(generations)) == 20
    assert 0 not in generations


def test_create_if_absent_refuses_what_is_there(store: Store) -> None:
    first = write(store, "a.txt", b"one", if_generation=0)
    with pytest.raises(PreconditionFailedError, match=r"a\.txt"):
        write(store, "a.txt", b"two", if_generation=0)
    data, info = store.read("a.txt")
    assert (data, info.generation) == (b"one", first)


def test_a_write_over_an_older_generation_is_refused(make_store: Callable[[], Store]) -> None:
    first = write(make_store(), "a.txt", b"one")
    second = write(make_store(), "a.txt", b"two", if_generation=first)
    with pytest.raises(PreconditionFailedError):
        write(make_store(), "a.txt", b"three", if_generation=first)
    assert make_store().read("a.txt")[0] == b"two"
    assert write(make_store(), "a.txt", b"four", if_generation=second) != second


def test_a_write_over_a_generation_of_an_absent_object_is_refused(store: Store) -> None:
    generation = write(store, "a.txt")
    store.delete("a.txt")
    with pytest.raises(PreconditionFailedError):
        write(store, "a.txt", if_generation=generation)
    assert store.stat("a.txt") is None


def test_a_delete_of_an_older_generation_is_refused(store: Store) -> None:
    first = write(store, "a.txt")
    second = write(store, "a.txt")
    with pytest.raises(PreconditionFailedError):
        store.delete("a.txt", if_generation=first)
    assert store.stat("a.txt") is not None
    store.delete("a.txt", if_generation=second)
    assert store.stat("a.txt") is None


def test_an_uploaded_file_comes_back_whole(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 12_345  # three pieces and a bit
    (tmp_path / "in.bin").write_bytes(content)
    info = store.upload("clips/a.mp4", tmp_path / "in.bin", content_type="video/mp4")
    store.download("clips/a.mp4", tmp_path / "out.bin", crc32c=info.crc32c)
    assert (tmp_path / "out.bin").read_bytes() == content
    assert info.size_bytes == len(content)
    assert store.stat("clips/a.mp4") == info


def test_uploading_the_same_content_again_leaves_the_object_as_it_is(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in.bin").write_bytes(b"x" * 1000)
    first = store.upload("a.bin", tmp_path / "in.bin", content_type="video/mp4")
    assert store.upload("a.bin", tmp_path / "in.bin", content_type="video/mp4") == first


def test_uploading_other_content_never_overwrites(store: Store, tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(b"x" * 1000)
    (tmp_path / "two.bin").write_bytes(b"y" * 1000)
    first = store.upload("a.bin", tmp_path / "one.bin", content_type="video/mp4")
    with pytest.raises(PreconditionFailedError, match=r"a\.bin"):
        store.upload("a.bin", tmp_path / "two.bin", content_type="video/mp4")
    assert store.stat("a.bin") == first


def test_a_download_with_another_checksum_is_damage_and_leaves_no_file(store: Store, tmp_path: Path) -> None:
    store.write("a.bin", b"one", content_type=TEXT)
    with pytest.raises(ObjectDamagedError, match="AAAAAA=="):
        store.download("a.bin", tmp_path / "out.bin", crc32c="AAAAAA==")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_download_replaces_the_file_that_was_there(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out.bin").write_bytes(b"older and longer")
    store.write("a.bin", b"one", content_type=TEXT)
    store.download("a.bin", tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes() == b"one"


def test_a_list_is_in_key_order_and_starts_with_the_prefix(store: Store) -> None:
    keys = ["a-b/x", "a.b", "a/b/c", "a/b.c", "a/b/c-d/e", "a0", "b/a", "ab"]
    for key in keys:
        write(store, key)
    assert [info.key for info in store.list("")] == sorted(keys)
    for prefix in ("a", "a/", "a/b", "a/b/", "a/b/c", "a.", "b/a", "c", "a/b/c-d/e", "a/b/c-d/e/f"):
        assert [info.key for info in store.list(prefix)] == sorted(k for k in keys if k.startswith(prefix))


def test_a_list_tells_what_stat_tells(store: Store) -> None:
    store.write("x/1", b"one", content_type=TEXT)
    store.write("x/2", b"two!", content_type=TEXT)
    assert list(store.list("x/")) == [store.stat("x/1"), store.stat("x/2")]


@pytest.mark.parametrize(
    "key",
    [
        *["", ".", "..", "../a", "a/../b", "/a", "a/", "a//b", "a/./b", ".hidden", "a/.hidden"],
        *["a b", "a\\b", "a\n", "a\x00b", "é", "a/*", "a?b", "~", "C:a"],
        *["a" * 300, "/".join(["abcdefgh"] * 120)],
    ],
)
def test_a_key_that_is_no_plain_path_is_refused_by_every_method(
    store: Store, tmp_path: Path, key: str
) -> None:
    (tmp_path / "in.bin").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: store.read(key),
        lambda: store.write(key, b"", content_type=TEXT),
        lambda: store.upload(key, tmp_path / "in.bin", content_type=TEXT),
        lambda: store.download(key, tmp_path / "out.bin"),
        lambda: store.stat(key),
        lambda: store.delete(key),
        lambda: store.uri(key),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="is not an object name"):
            call()


@pytest.mark.parametrize("prefix", ["/", "..", "../", "a/../", "a//", ".", "a/.b", "a b"])
def test_a_prefix_that_starts_no_key_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError, match="is not an object name"):
        list(store.list(prefix))


def test_a_uri_names_the_object(store: Store) -> None:
    write(store, "a/b.txt")
    assert store.uri("a/b.txt").endswith("a/b.txt")


def test_of_many_threads_one_creates(store: Store) -> None:
    def create(number: int) -> int:
        try:
            store.write("lease.json", str(number).encode(), content_type=TEXT, if_generation=0)
        except PreconditionFailedError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(24))) == 1


PROCESSES = 4
_together: Barrier


def _start(together: Barrier) -> None:
    global _together  # noqa: PLW0603 - the only way to hand a barrier to the processes of a pool
    _together = together


def _create(name: str, folder: Path, owner: str) -> list[int]:
    """Try to create 20 objects; return which of them were ours."""
    store = STORES[name](folder)
    _together.wait(60)
    won = []
    for number in range(20):
        try:
            store.write(f"lease-{number}", owner.encode(), content_type=TEXT, if_generation=0)
        except PreconditionFailedError:
            continue
        won.append(number)
    return won


def _count_up(name: str, folder: Path, times: int) -> list[int]:
    """Add one so many times, each on top of what was read; return the generations written."""
    store = STORES[name](folder)
    _together.wait(60)
    generations: list[int] = []
    while len(generations) < times:
        data, info = store.read("counter")
        try:
            done = store.write(
                "counter", str(int(data) + 1).encode(), content_type=TEXT, if_generation=info.generation
            )
        except PreconditionFailedError:
            continue
        generations.append(done.generation)
    return generations


def _overwrite(name: str, folder: Path, letter: str) -> int:
    """Write whole pages of one letter; return how many of the pages read were of mixed letters."""
    store = STORES[name](folder)
    _together.wait(60)
    mixed = 0
    for _ in range(25):
        store.write("page", letter.encode() * 300_000, content_type=TEXT)
        data, info = store.read("page")
        mixed += len(set(data)) != 1 or len(data) != info.size_bytes != 300_000
    return mixed


@pytest.fixture
def processes() -> ProcessPoolExecutor:
    # Fresh interpreters: nothing is shared with this process but the objects.
    # The barrier makes each of them take its share, at the same time.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(
        PROCESSES, mp_context=context, initializer=_start, initargs=(context.Barrier(PROCESSES),)
    )


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("name", sorted(STORES))
def test_processes_that_race_never_both_win_nor_lose_nor_tear_a_write(
    name: str, tmp_path: Path, processes: ProcessPoolExecutor
) -> None:
    with processes as pool:
        wins = pool.map(_create, [name] * PROCESSES, [tmp_path] * PROCESSES, "abcd")
        assert sorted(number for won in wins for number in won) == list(range(20))

        STORES[name](tmp_path).write("counter", b"0", content_type=TEXT)
        written = pool.map(_count_up, [name] * PROCESSES, [tmp_path] * PROCESSES, [25] * PROCESSES)
        generations = [generation for share in written for generation in share]
        assert STORES[name](tmp_path).read("counter")[0] == b"100"
        assert len(set(generations)) == 100

        assert sum(pool.map(_overwrite, [name] * PROCESSES, [tmp_path] * PROCESSES, "abcd")) == 0


def test_the_checksum_of_a_larger_object_is_that_of_its_bytes(store: Store, tmp_path: Path) -> None:
    # Large enough for an adapter to remember the sum; zlib's CRC is another polynomial, so that a
    # CRC-32 passed off as CRC-32C would show.
    content = b"0123456789abcdef" * 65_536
    (tmp_path / "in.bin").write_bytes(content)
    info = store.upload("a.bin", tmp_path / "in.bin", content_type=TEXT)
    data, read = store.read("a.bin")
    assert data == content
    assert read.crc32c == info.crc32c
    assert base64.b64decode(info.crc32c) != zlib.crc32(content).to_bytes(4, "big")
