"""Prefect's results in our store: what is written comes back, and what could run code is not read."""

import base64
import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.results import ResultRecord, ResultRecordMetadata, ResultStore

from tasks.results import PLAIN_JSON, StoredResults, results_in
from trivia_render.errors import StoreError, StoreUnavailableError
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage.local import LocalStore

KEY = "v1/clips/abc.json"
PLAIN = PLAIN_JSON.model_dump(mode="json")
VALUE = {"label": "intro 1:1", "seconds": {"draw": 0.5}, "text": "¿Qué? \u2028", "none": None}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def results(store: LocalStore) -> ResultStore:
    return ResultStore(result_storage=StoredResults.over(store), serializer=PLAIN_JSON)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that is there once a planted record could run code."""
    return tmp_path / "executed"


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def pickled(trap: Path) -> str:
    return base64.encodebytes(pickle.dumps(Trap(trap))).decode()


def plant(store: LocalStore, record: object) -> None:
    data = record if isinstance(record, bytes) else json.dumps(record).encode()
    store.write(f"results/{KEY}", data, content_type="application/json")


def test_a_result_comes_back_and_lies_in_the_store_as_json(store: LocalStore, results: ResultStore) -> None:
    expires = datetime.now(UTC) + timedelta(days=6)
    results.write(VALUE, key=KEY, expiration=expires)  # type: ignore[arg-type]
    record = json.loads(store.read(f"results/{KEY}")[0])
    assert json.loads(record["result"]) == VALUE
    assert record["metadata"]["serializer"] == PLAIN
    fresh = ResultStore(result_storage=StoredResults.over(store), serializer=PLAIN_JSON)
    assert fresh.exists(KEY)
    assert fresh.read(KEY).result == VALUE
    assert fresh.read(KEY).metadata.expiration == expires


def test_the_last_result_of_a_key_counts(store: LocalStore, results: ResultStore) -> None:
    results.write(VALUE, key=KEY)
    results.write({"label": "again"}, key=KEY)
    fresh = ResultStore(result_storage=StoredResults.over(store))
    assert fresh.read(KEY).result == {"label": "again"}


def test_an_expired_result_is_not_there(results: ResultStore) -> None:
    results.write(VALUE, key=KEY, expiration=datetime.now(UTC) - timedelta(seconds=1))  # type: ignore[arg-type]
    assert not results.exists(KEY)


def test_a_result_that_is_not_there_is_what_prefect_takes_for_one_that_is_not(
    store: LocalStore, results: ResultStore
) -> None:
    with pytest.raises(ValueError, match="no result"):
        StoredResults.over(store).read_path(KEY)
    assert not results.exists(KEY)


def test_a_value_that_json_does_not_have_is_refused_where_it_is_made(results: ResultStore) -> None:
    for value in (Path("x"), datetime.now(UTC), {"error": ValueError("x")}, b"bytes"):
        with pytest.raises(Exception, match="Failed to serialize"):
            results.write(value, key=KEY)


DECODER = "prefect.serializers.prefect_json_object_decoder"
COMPRESSED = {"type": "compressed", "serializer": {"type": "pickle"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"serializer": {"type": "pickle"}}},
        {"metadata": {"serializer": {"type": "pickle", "picklelib": "pickle"}}},
        {"metadata": {"serializer": COMPRESSED}},
        {"metadata": {"serializer": {"type": "compressed/pickle"}}},
        # Prefect's default, where none is named, is a pickle.
        {"metadata": {}},
        {"metadata": {"serializer": None}},
        # The places of older records, which Prefect still reads, and prefers.
        {"serializer": {"type": "pickle"}},
        {"metadata": {"serializer": PLAIN}, "serializer": {"type": "pickle"}},
        {"metadata": {"serializer": PLAIN}, "serializer": {"type": "pickle"}, "data": "x"},
    ],
)
def test_a_planted_pickle_is_neither_read_nor_executed(
    store: LocalStore, results: ResultStore, trap: Path, changes: dict[str, Any]
) -> None:
    plant(store, {"result": pickled(trap), **changes})
    with pytest.raises(ValueError, match="not plain JSON"):
        StoredResults.over(store).read_path(KEY)
    assert not results.exists(KEY)
    with pytest.raises(ValueError, match="not plain JSON"):
        results.read(KEY)
    assert not trap.exists()


def test_the_trap_would_have_been_sprung_without_us(trap: Path) -> None:
    planted = {"metadata": {"serializer": PLAIN}, "serializer": {"type": "pickle"}, "result": pickled(trap)}
    ResultRecord.deserialize(json.dumps(planted).encode())
    assert trap.exists(), "Prefect is safe by itself now: then the test above tests nothing"


@pytest.mark.parametrize(
    "serializer",
    [
        {"type": "json"},
        {"type": "json", "object_decoder": DECODER},
        {**PLAIN, "object_decoder": DECODER},
        {**PLAIN, "object_decoder": "os.system"},
        {**PLAIN, "jsonlib": "pickle"},
        {**PLAIN, "loads_kwargs": {"cls": "x"}},
        {**PLAIN, "unknown": 1},
    ],
)
def test_json_that_names_functions_of_its_own_is_not_read(
    store: LocalStore, results: ResultStore, serializer: dict[str, Any]
) -> None:
    value = {"__exc_type__": "builtins.ValueError", "message": "planted"}
    plant(store, {"metadata": {"serializer": serializer}, "result": json.dumps(value)})
    assert not results.exists(KEY)
    with pytest.raises(ValueError, match="not plain JSON"):
        results.read(KEY)


@pytest.mark.parametrize("name", ["__class__", "__exc_type__"])
def test_what_names_a_class_in_a_plain_result_stays_what_it_is(
    store: LocalStore, results: ResultStore, name: str
) -> None:
    value = {name: "subprocess.Popen", "data": ["true"], "message": "x"}
    plant(store, {"metadata": {"serializer": PLAIN}, "result": json.dumps(value)})
    assert results.read(KEY).result == value


@pytest.mark.parametrize("twice", ["metadata", "serializer"])
@pytest.mark.parametrize("bad_first", [True, False])
def test_a_key_that_is_there_twice_means_the_same_to_us_and_to_prefect(
    store: LocalStore, results: ResultStore, trap: Path, twice: str, bad_first: bool
) -> None:
    serializers = [json.dumps({"type": "pickle"}), json.dumps(PLAIN)]
    first, second = serializers if bad_first else reversed(serializers)
    metadata = (
        f'"metadata": {{"serializer": {first}}}, "metadata": {{"serializer": {second}}}'
        if twice == "metadata"
        else f'"metadata": {{"serializer": {first}, "serializer": {second}}}'
    )
    plant(store, f'{{"result": {json.dumps(pickled(trap))}, {metadata}}}'.encode())
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it is, Prefect takes it for "not there"
        results.read(KEY)
    assert not trap.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b"7", b'"metadata"', b"\xff", b"{}", b'{"metadata": []}',
        b'{"metadata": null, "result": "1"}', b'{"metadata": "serializer", "result": "1"}',
        b'{"metadata": {"serializer": []}, "result": "1"}',
    ],
)  # fmt: skip
def test_a_damaged_record_is_no_result(store: LocalStore, results: ResultStore, data: bytes) -> None:
    plant(store, data)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it is, Prefect takes it for "not there"
        StoredResults.over(store).read_path(KEY)
    assert not results.exists(KEY)


def test_no_path_leads_out_of_the_results(store: LocalStore) -> None:
    store.write("jobs/quiz/j/config.json", b"{}", content_type="application/json")
    kept = StoredResults.over(store)
    for path in ("../jobs/quiz/j/config.json", "/etc/passwd", "a/../../jobs/quiz/j/config.json", ""):
        with pytest.raises(StoreError):
            kept.read_path(path)
        with pytest.raises(StoreError):
            kept.write_path(path, b"x")
    assert store.read("jobs/quiz/j/config.json")[0] == b"{}"


def test_a_store_out_of_reach_is_not_a_missing_result(tmp_path: Path) -> None:
    class Unreachable(LocalStore):
        def read(self, key: str) -> tuple[bytes, ObjectInfo]:
            raise StoreUnavailableError("503", remedy="Wait.")

    with pytest.raises(StoreUnavailableError):
        StoredResults.over(Unreachable(tmp_path)).read_path(KEY)


def test_our_records_have_the_form_that_this_prefect_writes(store: LocalStore, results: ResultStore) -> None:
    # A newer one that adds a field would make every result unreadable, in silence.
    results.write(VALUE, key=KEY)
    assert json.loads(store.read(f"results/{KEY}")[0]).keys() == ResultRecord.model_fields.keys()
    assert ResultRecordMetadata.model_fields["serializer"]


def test_results_are_kept_only_for_the_tasks_of_a_flow(store: LocalStore) -> None:
    with pytest.raises(RuntimeError, match="no flow runs"), results_in(store):
        pass
