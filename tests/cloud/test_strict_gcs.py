"""The stand-in is as strict as Cloud Storage, and fails as ordered, from any process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions as api

from tests.cloud.fault_proxy import FaultProxy, strict_gcs
from tests.cloud.gcs_server import clear_bucket, client_for, create_bucket

ROOT = Path(__file__).parents[2]
LARGE = b"x" * (9 << 20)


@pytest.fixture(scope="module")
def cloud() -> Iterator[FaultProxy]:
    with strict_gcs() as proxy:
        create_bucket(proxy.url, "bucket")
        yield proxy


@pytest.fixture
def bucket(cloud: FaultProxy) -> Iterator[Any]:
    cloud.heal()
    clear_bucket(cloud.url, "bucket")
    client = client_for(cloud.url)
    yield client.bucket("bucket")
    client.close()


def put(bucket: Any, data: bytes, if_generation: int | None = None) -> int:
    blob = bucket.blob("a b/c", chunk_size=1 << 20)
    blob.upload_from_string(data, if_generation_match=if_generation, retry=None)
    generation: int = blob.generation
    return generation


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["one request", "pieces"])
def test_a_generation_is_checked_by_every_kind_of_upload(bucket: Any, data: bytes) -> None:
    with pytest.raises(api.PreconditionFailed):
        put(bucket, data, 7)
    first = put(bucket, data, 0)
    with pytest.raises(api.PreconditionFailed):
        put(bucket, data, 0)
    assert put(bucket, data, first) > first
    assert bucket.blob("a b/c").download_as_bytes() == data


def test_a_generation_is_checked_again_when_the_last_piece_arrives(bucket: Any, cloud: FaultProxy) -> None:
    blob = bucket.blob("a b/c", chunk_size=1 << 20)
    url = blob.create_resumable_upload_session(size=5, if_generation_match=0)
    assert url.startswith(cloud.url)
    put(bucket, b"theirs")
    answer = requests.put(url, b"ours!", headers={"Content-Range": "bytes 0-4/5"}, timeout=10)
    assert answer.status_code == 412
    assert bucket.blob("a b/c").download_as_bytes() == b"theirs"


def test_a_generation_is_checked_by_reads_and_deletes(bucket: Any) -> None:
    generation = put(bucket, b"one")
    blob = bucket.blob("a b/c")
    with pytest.raises(api.PreconditionFailed):
        blob.download_as_bytes(if_generation_match=1, retry=None)
    with pytest.raises(api.PreconditionFailed):
        bucket.delete_blob("a b/c", if_generation_match=1, retry=None)
    assert blob.download_as_bytes(if_generation_match=generation, retry=None) == b"one"
    bucket.delete_blob("a b/c", if_generation_match=generation, retry=None)
    assert not blob.exists()


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["one request", "pieces"])
def test_bytes_of_another_sum_than_told_are_refused(bucket: Any, data: bytes) -> None:
    blob = bucket.blob("a b/c")
    blob.crc32c = "AAAAAA=="
    with pytest.raises(api.BadRequest, match="CRC32C"):
        blob.upload_from_string(data, checksum=None, retry=None)
    assert not bucket.blob("a b/c").exists()


def test_custom_metadata_and_type_are_kept(bucket: Any) -> None:
    for data in (b"small", LARGE):
        blob = bucket.blob("a b/c")
        blob.metadata = {"key": "value"}
        blob.upload_from_string(data, content_type="video/mp4", retry=None)
        kept = bucket.get_blob("a b/c")
        assert (kept.metadata, kept.content_type) == ({"key": "value"}, "video/mp4")
        # The links in its metadata lead through the proxy too.
        assert kept.media_link.startswith(bucket.client.api_endpoint)
        assert kept.download_as_bytes() == data


def test_another_process_runs_it_orders_faults_and_reads_the_log() -> None:
    command = [sys.executable, "-m", "tests.cloud.fault_proxy", "bucket"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            client = client_for(url)
            order: dict[str, Any] = {"kind": "status", "pattern": "GET .*/o/", "value": 403}
            requests.post(f"{url}/_proxy/faults", json=order, timeout=10).raise_for_status()
            with pytest.raises(api.Forbidden):
                client.bucket("bucket").get_blob("a", retry=None)
            assert client.bucket("bucket").get_blob("a", retry=None) is None
            log = requests.get(f"{url}/_proxy/log", timeout=10).json()
            assert [entry["fault"] for entry in log if "/o/" in entry["line"]] == ["status", None]
            client.close()
        finally:
            process.terminate()
    assert process.returncode == 0
