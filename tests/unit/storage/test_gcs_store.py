"""What the bucket must do beyond the contract of every store: live with every fault of the way there."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google.auth
import google.cloud.storage as storage  # noqa: PLR0402
import pytest
from google.auth.exceptions import RefreshError, TransportError

from tests.cloud.fault_proxy import FOR_EVER, FaultProxy, strict_gcs
from tests.cloud.gcs_server import clear_bucket, client_for, create_bucket
from trivia_render.errors import (
    BucketMissingError,
    ObjectDamagedError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage import gcs_bucket, sums
from trivia_render.storage.gcs import GcsStore, make_client
from trivia_render.storage.gcs_bucket import GcsBucket
from trivia_render.storage.gcs_errors import DEFAULT_LIMITS, Limits, is_passing, store_error

TEXT = "text/plain"
BUCKET = "videos"
LARGE = (b"0123456789abcdef" * 65_536) * 9  # 9 MiB: sent in two pieces
QUICK = Limits(
    deadline_seconds=30,
    connect_seconds=5,
    read_seconds=10,
    first_delay_seconds=0.01,
    longest_delay_seconds=0.05,
)
HASTY = QUICK._replace(read_seconds=0.3)
BRIEF = HASTY._replace(deadline_seconds=0.3)

MULTIPART = r"^POST .*uploadType=multipart"
BEGIN = r"^POST .*uploadType=resumable"
PIECE = r"^PUT .*upload_id="
STAT = r"^GET /storage/.*/o/"
MEDIA = r"^GET /download/"
DELETE = r"^DELETE "
ANY = r"/b/"


@pytest.fixture(scope="module")
def cloud() -> Iterator[FaultProxy]:
    with strict_gcs() as proxy:
        create_bucket(proxy.url, BUCKET)
        yield proxy


@pytest.fixture(scope="module")
def client(cloud: FaultProxy) -> Iterator[Any]:
    client = client_for(cloud.url)
    yield client
    client.close()


@pytest.fixture
def faults(cloud: FaultProxy) -> FaultProxy:
    cloud.heal()
    clear_bucket(cloud.url, BUCKET)
    cloud.heal()
    return cloud


@pytest.fixture
def store(faults: FaultProxy, client: Any) -> GcsStore:
    return GcsStore(BUCKET, client=lambda: client, limits=QUICK)


@pytest.fixture
def hasty(faults: FaultProxy, client: Any) -> GcsStore:
    """A store that does not wait long for an answer."""
    return GcsStore(BUCKET, client=lambda: client, limits=HASTY)


@pytest.fixture
def brief(faults: FaultProxy, client: Any) -> GcsStore:
    """A store that soon gives up."""
    return GcsStore(BUCKET, client=lambda: client, limits=BRIEF)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.mp4"
    path.write_bytes(LARGE)
    return path


def put(store: GcsStore, data: bytes = b"one", if_generation: int | None = None) -> ObjectInfo:
    return store.write("a.txt", data, content_type=TEXT, if_generation=if_generation)


def send(store: GcsStore, path: Path) -> ObjectInfo:
    return store.upload("a.mp4", path, content_type="video/mp4")


def each_method(store: GcsStore, tmp_path: Path) -> dict[str, Callable[[], object]]:
    (tmp_path / "in.bin").write_bytes(b"x")
    return {
        "read": lambda: store.read("a.txt"),
        "write": lambda: put(store),
        "upload": lambda: store.upload("b.bin", tmp_path / "in.bin", content_type=TEXT),
        "download": lambda: store.download("a.txt", tmp_path / "out.bin"),
        "stat": lambda: store.stat("a.txt"),
        "list": lambda: list(store.list("")),
        "delete": lambda: store.delete("a.txt"),
    }


METHODS = ["read", "write", "upload", "download", "stat", "list", "delete"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("kind", "value", "times"),
    [("status", 503, 3), ("status", 429, 3), ("status", 408, 1), ("status", 401, 2), ("stall", 2, 1)],
    ids=["503", "429", "408", "401", "stall"],
)
def test_a_fault_that_passes_is_not_noticed(
    hasty: GcsStore, faults: FaultProxy, tmp_path: Path, method: str, kind: Any, value: int, times: int
) -> None:
    put(hasty)
    faults.inject(kind, ANY, value=value, times=times)
    each_method(hasty, tmp_path)[method]()
    assert faults.applied() == [kind] * times


@pytest.mark.parametrize("method", METHODS)
def test_a_service_that_stays_away_is_given_up_in_time(
    brief: GcsStore, faults: FaultProxy, tmp_path: Path, method: str
) -> None:
    faults.inject("status", ANY, value=503, times=FOR_EVER)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="did not answer as it should") as caught:
        each_method(brief, tmp_path)[method]()
    assert time.monotonic() - begun < BRIEF.deadline_seconds + 1
    assert caught.value.retryable
    assert "503" in caught.value.evidence
    assert len(faults.log) > 2


def test_a_service_that_hangs_is_given_up_after_the_deadline_and_one_try(
    brief: GcsStore, faults: FaultProxy
) -> None:
    faults.inject("stall", ANY, value=3, times=FOR_EVER)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        brief.stat("a.txt")
    assert time.monotonic() - begun < BRIEF.deadline_seconds + BRIEF.read_seconds + 1


def test_a_service_that_is_not_there_is_unavailable() -> None:
    client = client_for("http://127.0.0.1:9")
    store = GcsStore(BUCKET, client=lambda: client, limits=BRIEF)
    with pytest.raises(StoreUnavailableError, match=r"gs://videos/a\.txt"):
        store.read("a.txt")
    client.close()


@pytest.mark.parametrize("method", METHODS)
def test_a_forbidden_bucket_names_the_role_and_is_asked_once(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, method: str
) -> None:
    faults.inject("status", ANY, value=403, times=FOR_EVER)
    with pytest.raises(StoreError, match=r"roles/storage\.objectUser") as caught:
        each_method(store, tmp_path)[method]()
    assert type(caught.value) is StoreError
    assert len(faults.log) == 1


@pytest.mark.parametrize("method", METHODS)
def test_credentials_that_are_refused_for_good_are_given_up(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, method: str
) -> None:
    faults.inject("status", ANY, value=401, times=FOR_EVER)
    with pytest.raises(StoreError, match="does not accept these credentials") as caught:
        each_method(store, tmp_path)[method]()
    assert not caught.value.retryable
    assert len(faults.log) == QUICK.refused_tries


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_bucket_is_not_a_missing_object(
    faults: FaultProxy, client: Any, tmp_path: Path, method: str
) -> None:
    store = GcsStore("no-such-bucket", client=lambda: client, limits=QUICK)
    with pytest.raises(StoreError, match="no-such-bucket") as caught:
        each_method(store, tmp_path)[method]()
    assert type(caught.value) is BucketMissingError
    assert "GCS_BUCKET" in caught.value.remedy


def test_the_bucket_is_looked_for_once(store: GcsStore, faults: FaultProxy) -> None:
    for key in ("a", "b", "c"):
        assert store.stat(key) is None
    assert len(faults.lines(r"^GET /storage/v1/b/videos/o\?")) == 1


def test_only_objects_are_asked_for(faults: FaultProxy, large: Path, tmp_path: Path) -> None:
    # The client by itself looks at the bucket in the background: another permission, other limits.
    client = client_for(faults.url)
    store = GcsStore(BUCKET, client=lambda: client, limits=QUICK)
    send(store, large)
    for _ in range(2):
        put(store)
        for call in each_method(store, tmp_path).values():
            call()
        assert store.stat("a.txt") is None
    time.sleep(0.1)
    client.close()
    assert [line for line in faults.lines() if "/b/videos/o" not in line] == []


@pytest.mark.parametrize("if_generation", [None, 0])
def test_a_write_that_was_cut_is_sent_again(
    store: GcsStore, faults: FaultProxy, if_generation: int | None
) -> None:
    faults.inject("cut_upload", MULTIPART, value=100)
    put(store, b"x" * 100_000, if_generation)
    assert store.read("a.txt")[0] == b"x" * 100_000
    assert faults.applied() == ["cut_upload"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_create_whose_answer_was_lost_is_ours(store: GcsStore, faults: FaultProxy, times: int) -> None:
    faults.inject("lose_answer", MULTIPART, times=times)
    info = put(store, if_generation=0)
    assert len(faults.applied()) == times
    assert info == store.stat("a.txt")


def test_an_overwrite_whose_answer_was_lost_is_ours(store: GcsStore, faults: FaultProxy) -> None:
    first = put(store)
    faults.inject("lose_answer", MULTIPART)
    second = put(store, b"two", if_generation=first.generation)
    assert store.read("a.txt") == (b"two", second)
    assert second.generation != first.generation


def test_a_plain_write_whose_answer_was_lost_is_done_again(store: GcsStore, faults: FaultProxy) -> None:
    faults.inject("lose_answer", MULTIPART)
    info = put(store, b"two")
    assert store.read("a.txt") == (b"two", info)


def test_a_write_whose_answer_was_damaged_is_ours(store: GcsStore, faults: FaultProxy) -> None:
    faults.inject("flip", MULTIPART)
    info = put(store, if_generation=0)
    assert info == store.stat("a.txt")
    assert len(faults.lines(MULTIPART)) == 1


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once, between two tries."""
    sleep, acts = time.sleep, [act]

    def act_and_sleep(seconds: float) -> None:
        if acts:
            acts.pop()()
        sleep(seconds)

    monkeypatch.setattr("google.api_core.retry.retry_unary.time.sleep", act_and_sleep)


def test_a_create_that_another_won_meanwhile_is_refused(
    store: GcsStore, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.inject("cut_upload", MULTIPART, value=10)
    meanwhile(monkeypatch, lambda: put(store, b"theirs"))
    with pytest.raises(PreconditionFailedError, match="should not exist"):
        put(store, b"ours", if_generation=0)
    assert store.read("a.txt")[0] == b"theirs"


def test_a_write_of_the_same_bytes_by_another_is_not_taken_for_ours(
    store: GcsStore, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(store)
    faults.inject("cut_upload", MULTIPART, value=10)
    meanwhile(monkeypatch, lambda: put(store, b"same", if_generation=first.generation))
    with pytest.raises(PreconditionFailedError, match=f"should have {first.generation}"):
        put(store, b"same", if_generation=first.generation)


def test_an_upload_that_another_won_with_other_content_is_refused(
    store: GcsStore, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch, large: Path
) -> None:
    faults.inject("status", BEGIN, value=503)
    meanwhile(monkeypatch, lambda: store.write("a.mp4", b"theirs", content_type=TEXT))
    with pytest.raises(PreconditionFailedError, match=r"a\.mp4 holds other content"):
        send(store, large)


def test_an_upload_that_another_won_while_its_pieces_were_sent_is_refused(
    store: GcsStore, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch, large: Path
) -> None:
    faults.inject("status", PIECE, value=503)
    meanwhile(monkeypatch, lambda: store.write("a.mp4", b"theirs", content_type=TEXT))
    with pytest.raises(PreconditionFailedError, match=r"a\.mp4 holds other content"):
        send(store, large)
    assert store.read("a.mp4")[0] == b"theirs"


def test_a_delete_whose_answer_was_lost_is_done(store: GcsStore, faults: FaultProxy) -> None:
    for if_generation in (None, put(store).generation):
        generation = put(store).generation
        faults.inject("lose_answer", DELETE)
        store.delete("a.txt", if_generation=None if if_generation is None else generation)
        assert store.stat("a.txt") is None
    assert faults.applied() == ["lose_answer"] * 2


def test_a_small_upload_whose_answer_was_lost_is_ours(
    store: GcsStore, faults: FaultProxy, tmp_path: Path
) -> None:
    (tmp_path / "in.mp4").write_bytes(b"small")
    faults.inject("lose_answer", MULTIPART)
    assert send(store, tmp_path / "in.mp4") == store.stat("a.mp4")


LARGE_FAULTS: dict[str, list[dict[str, Any]]] = {
    "beginning unanswered": [{"kind": "lose_answer", "pattern": BEGIN}],
    "piece cut": [{"kind": "cut_upload", "pattern": PIECE, "value": 1 << 20}],
    "piece unanswered": [{"kind": "lose_answer", "pattern": PIECE}],
    "last piece cut": [{"kind": "cut_upload", "pattern": PIECE, "value": 1000, "skip": 1}],
    "end unanswered": [{"kind": "lose_answer", "pattern": PIECE, "skip": 1}],
    "end unanswered and session gone": [
        {"kind": "lose_answer", "pattern": PIECE, "skip": 1},
        {"kind": "status", "pattern": PIECE, "value": 410},
    ],
    "pieces refused": [{"kind": "status", "pattern": PIECE, "value": 503, "times": 3}],
    "session lost": [{"kind": "status", "pattern": PIECE, "value": 404, "skip": 1}],
    "session expired": [{"kind": "status", "pattern": PIECE, "value": 410}],
    "token expired": [{"kind": "status", "pattern": PIECE, "value": 401, "times": 2}],
}


@pytest.mark.parametrize("name", LARGE_FAULTS)
def test_a_large_upload_survives(
    store: GcsStore, faults: FaultProxy, large: Path, tmp_path: Path, name: str
) -> None:
    for fault in LARGE_FAULTS[name]:
        faults.inject(**fault)
    info = send(store, large)
    assert len(faults.applied()) == sum(fault.get("times", 1) for fault in LARGE_FAULTS[name])
    assert info == store.stat("a.mp4")
    store.download("a.mp4", tmp_path / "out.mp4", crc32c=info.crc32c)
    assert (tmp_path / "out.mp4").read_bytes() == LARGE


def test_a_large_upload_survives_a_piece_that_stalls(
    hasty: GcsStore, faults: FaultProxy, large: Path
) -> None:
    faults.inject("stall", PIECE, value=2, skip=1)
    assert send(hasty, large) == hasty.stat("a.mp4")
    assert faults.applied() == ["stall"]


def test_a_large_upload_goes_in_pieces_and_only_once(
    store: GcsStore, faults: FaultProxy, large: Path
) -> None:
    first = send(store, large)
    assert len(faults.lines(PIECE)) == 2
    assert send(store, large) == first
    assert len(faults.lines(PIECE)) == 2


@pytest.mark.parametrize("size", [100_000, len(LARGE)])
def test_a_file_that_changes_on_the_way_is_sent_again(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, size: int
) -> None:
    (tmp_path / "in.mp4").write_bytes(LARGE[:size])
    faults.inject("flip_upload", f"{MULTIPART}|{PIECE}", value=50_000, times=2)
    info = send(store, tmp_path / "in.mp4")
    assert faults.applied() == ["flip_upload"] * 2
    store.download("a.mp4", tmp_path / "out.mp4", crc32c=info.crc32c)
    assert (tmp_path / "out.mp4").read_bytes() == LARGE[:size]


def test_a_file_that_always_changes_on_the_way_is_damage_and_leaves_no_object(
    store: GcsStore, faults: FaultProxy, tmp_path: Path
) -> None:
    (tmp_path / "in.mp4").write_bytes(LARGE[:100_000])
    faults.inject("flip_upload", MULTIPART, value=50_000, times=FOR_EVER)
    with pytest.raises(ObjectDamagedError, match=r"a\.mp4 was damaged on the way"):
        send(store, tmp_path / "in.mp4")
    assert len(faults.lines(MULTIPART)) == QUICK.damaged_tries
    assert store.stat("a.mp4") is None
    assert faults.lines(DELETE) == []  # the service took none of it


def test_damage_that_the_service_overlooks_is_found_and_removed(
    store: GcsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_file = storage.Blob.upload_from_file

    def send_lies(blob: Any, source: Any, **options: Any) -> None:
        blob.crc32c = sums.crc32c(b"a lie")
        send_file(blob, io.BytesIO(b"a lie"), **{**options, "size": 5})

    monkeypatch.setattr(storage.Blob, "upload_from_file", send_lies)
    with pytest.raises(ObjectDamagedError, match=r"a\.txt was damaged on the way"):
        put(store, b"truth", if_generation=0)
    assert store.stat("a.txt") is None


DAMAGE = [("truncate", 5), ("flip", 7)]


@pytest.mark.parametrize(("kind", "value"), DAMAGE)
@pytest.mark.parametrize("method", ["read", "download"])
def test_bytes_that_do_not_arrive_whole_are_fetched_again(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, method: str, kind: Any, value: int
) -> None:
    put(store, b"0123456789")
    faults.inject(kind, MEDIA, value=value, times=2)
    each_method(store, tmp_path)[method]()
    assert faults.applied() == [kind] * 2
    assert method == "read" or (tmp_path / "out.bin").read_bytes() == b"0123456789"


@pytest.mark.parametrize(("kind", "value"), DAMAGE)
@pytest.mark.parametrize("method", ["read", "download"])
def test_bytes_that_never_arrive_whole_are_damage_and_leave_no_file(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, method: str, kind: Any, value: int
) -> None:
    put(store, b"0123456789")
    faults.inject(kind, MEDIA, value=value, times=FOR_EVER)
    (tmp_path / "out.bin").write_bytes(b"older")
    with pytest.raises(ObjectDamagedError, match=r"a\.txt did not arrive whole"):
        each_method(store, tmp_path)[method]()
    assert len(faults.lines(MEDIA)) == QUICK.damaged_tries
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.bin", "out.bin"]
    assert (tmp_path / "out.bin").read_bytes() == b"older"


@pytest.mark.parametrize(("kind", "value"), [("truncate", 5), ("flip", 0)])
@pytest.mark.parametrize("method", ["read", "download", "stat", "list"])
def test_an_answer_that_cannot_be_read_is_asked_for_again(
    store: GcsStore, faults: FaultProxy, tmp_path: Path, method: str, kind: Any, value: int
) -> None:
    put(store)
    faults.inject(kind, r"^GET /storage/", value=value, times=2)
    each_method(store, tmp_path)[method]()
    assert faults.applied() == [kind] * 2


def test_a_download_of_other_content_than_wanted_is_not_begun(
    store: GcsStore, faults: FaultProxy, tmp_path: Path
) -> None:
    put(store)
    with pytest.raises(ObjectDamagedError, match="AAAAAA=="):
        store.download("a.txt", tmp_path / "out", crc32c="AAAAAA==")
    assert faults.lines(MEDIA) == []


def test_what_is_read_is_one_generation_however_often_it_changes(
    store: GcsStore, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, b"0")
    fetch, changes = GcsBucket.fetch, iter(range(1, 8))

    def change_first(self: GcsBucket, info: ObjectInfo, sink: Any) -> None:
        if (number := next(changes, None)) is not None:
            put(store, str(number).encode())
        fetch(self, info, sink)

    monkeypatch.setattr(GcsBucket, "fetch", change_first)
    data, info = store.read("a.txt")
    assert (data, info) == (b"7", store.stat("a.txt"))


def test_an_object_that_goes_while_it_is_read_is_missing(
    store: GcsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    fetch = GcsBucket.fetch

    def delete_first(self: GcsBucket, info: ObjectInfo, sink: Any) -> None:
        store.delete("a.txt")
        fetch(self, info, sink)

    monkeypatch.setattr(GcsBucket, "fetch", delete_first)
    with pytest.raises(ObjectMissingError, match=r"a\.txt"):
        store.read("a.txt")


def test_a_long_list_comes_page_by_page(
    store: GcsStore, faults: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs_bucket, "_PAGE", 2)
    keys = [f"key-{number}" for number in range(5)]
    for key in reversed(keys):
        store.write(key, b"", content_type=TEXT)
    faults.inject("status", r"GET .*/o\?.*pageToken", value=503)
    assert [info.key for info in store.list("key-")] == keys
    assert faults.applied() == ["status"]


def test_objects_that_are_none_of_ours_are_not_listed(store: GcsStore, client: Any) -> None:
    put(store)
    for name in ("folder/", "my file", ".hidden"):
        client.bucket(BUCKET).blob(name).upload_from_string(b"")
    assert [info.key for info in store.list("")] == ["a.txt"]


def test_a_missing_file_to_upload_is_named(store: GcsStore, faults: FaultProxy, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.mp4") as caught:
        send(store, tmp_path / "gone.mp4")
    assert type(caught.value) is StoreError
    assert faults.log == []


def test_a_missing_folder_to_download_into_is_named(store: GcsStore, tmp_path: Path) -> None:
    put(store)
    with pytest.raises(StoreError, match=r"not/there") as caught:
        store.download("a.txt", tmp_path / "not/there/a.txt")
    assert type(caught.value) is StoreError


def test_every_request_has_timeouts_and_no_try_of_the_client_s_own(
    store: GcsStore, client: Any, tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[object] = []
    request = client._http.request

    def note(*args: Any, **options: Any) -> Any:
        timeouts.append(options.get("timeout"))
        return request(*args, **options)

    monkeypatch.setattr(client._http, "request", note)
    put(store)
    send(store, large)
    for call in each_method(store, tmp_path).values():
        call()
    assert len(timeouts) > 10
    assert set(timeouts) == {(QUICK.connect_seconds, QUICK.read_seconds)}


def test_the_client_is_made_when_it_is_first_needed_and_once(faults: FaultProxy, client: Any) -> None:
    made: list[Any] = []
    store = GcsStore(BUCKET, client=lambda: (made.append(client), client)[1], limits=QUICK)
    assert store.uri("a/b") == "gs://videos/a/b"
    assert made == []
    store.stat("a")
    store.stat("a")
    assert made == [client]


def test_no_credentials_are_told_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    store = GcsStore(BUCKET, client=lambda: make_client(None), limits=QUICK)
    with pytest.raises(StoreError, match="gcloud auth application-default login") as caught:
        store.stat("a")
    assert type(caught.value) is StoreError


@pytest.mark.parametrize("project", [None, "project"])
def test_an_emulator_needs_no_credentials(
    faults: FaultProxy, monkeypatch: pytest.MonkeyPatch, project: str | None
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", faults.url)
    monkeypatch.setattr(google.auth, "default", lambda *args, **options: pytest.fail("asked for credentials"))
    client = make_client(project)
    store = GcsStore(BUCKET, client=lambda: client, limits=QUICK)
    put(store)
    assert store.read("a.txt")[0] == b"one"
    client.close()


def test_a_large_upload_is_never_whole_in_memory(faults: FaultProxy, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    size = 48 << 20
    with path.open("wb") as file:
        file.truncate(size)
    code = (
        "import resource, sys, pathlib; from trivia_render.storage.gcs import GcsStore, make_client\n"
        f"store = GcsStore({BUCKET!r}, client=lambda: make_client(None))\n"
        "store.write('small', b'x' * 1000, content_type='text/plain')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "store.upload('a.mp4', pathlib.Path(sys.argv[1]), content_type='video/mp4')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        env={**os.environ, "STORAGE_EMULATOR_HOST": faults.url},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < size * 3 // 4


def test_a_metadata_server_that_does_not_answer_may_come_back() -> None:
    silent, refused = RefreshError("no token"), RefreshError("no token")
    silent.__cause__ = TransportError("no answer")
    assert is_passing(silent)
    assert not is_passing(refused)
    assert "credentials" in store_error(refused, bucket=BUCKET, name="a").message


def test_the_limits_fit_in_a_lease() -> None:
    # A lease lives 90 s: a call must have ended by then, one way or the other.
    assert DEFAULT_LIMITS.deadline_seconds + DEFAULT_LIMITS.read_seconds <= 90
