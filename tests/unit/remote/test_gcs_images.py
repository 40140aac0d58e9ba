"""Images out of buckets, over HTTP against an emulator of Cloud Storage."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.fault_proxy import FOR_EVER, FaultProxy, strict_gcs
from tests.cloud.gcs_server import create_bucket
from trivia_render.errors import AssetInvalidError, StoreUnavailableError
from trivia_render.models.asset_reference import BucketImage
from trivia_render.settings import load_settings
from trivia_render.storage.gcs import make_client
from trivia_render.storage.gcs_errors import Limits
from trivia_render.storage.gcs_images import GcsImages
from trivia_render.wiring import make_remote_assets

BUCKET = "pictures"
NAME = "logos/a b é.png"
QUICK = Limits(
    deadline_seconds=1.0,
    connect_seconds=5,
    read_seconds=5,
    first_delay_seconds=0.01,
    longest_delay_seconds=0.05,
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[FaultProxy]:
    with strict_gcs() as proxy:
        create_bucket(proxy.url, BUCKET)
        yield proxy


@pytest.fixture
def client(cloud: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    cloud.heal()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.url)
    client = make_client("tests")
    client.bucket(BUCKET).blob(NAME).upload_from_string(b"0123456789", content_type="image/png")
    yield client
    client.close()


def images(client: Any, *, max_bytes: int = 10) -> GcsImages:
    return GcsImages(client=lambda: client, max_bytes=max_bytes, limits=QUICK)


def test_an_object_is_read_whole_whatever_its_name(client: Any) -> None:
    assert images(client).fetch(BucketImage(BUCKET, NAME)) == b"0123456789"


def test_an_object_that_is_too_large_is_not_downloaded(client: Any, cloud: FaultProxy) -> None:
    cloud.inject("status", r"^GET /download/", value=500, times=FOR_EVER)
    with pytest.raises(AssetInvalidError, match="10 bytes; 9 are allowed"):
        images(client, max_bytes=9).fetch(BucketImage(BUCKET, NAME))


@pytest.mark.parametrize(("bucket", "name"), [(BUCKET, "absent.png"), ("no-such-bucket", NAME)])
def test_what_is_not_there_is_the_configs_fault(client: Any, bucket: str, name: str) -> None:
    with pytest.raises(AssetInvalidError, match="there is no") as caught:
        images(client).fetch(BucketImage(bucket, name))
    assert bucket in caught.value.message


def test_an_answer_that_is_about_no_object_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that take a name for a step in a path answer with the bucket."""
    found = client.bucket(BUCKET).blob(NAME)
    monkeypatch.setattr(found, "reload", lambda **_: None)
    bucket = client.bucket(BUCKET)
    monkeypatch.setattr(bucket, "blob", lambda _: found)
    monkeypatch.setattr(client, "bucket", lambda _: bucket)
    with pytest.raises(AssetInvalidError, match="does not tell the object's size"):
        images(client).fetch(BucketImage(BUCKET, NAME))


def test_a_bucket_that_this_account_may_not_read_is_refused_with_the_role_that_it_lacks(
    client: Any, cloud: FaultProxy
) -> None:
    cloud.inject("status", r"/b/", value=403, times=FOR_EVER)
    with pytest.raises(AssetInvalidError, match="may not read") as caught:
        images(client).fetch(BucketImage(BUCKET, NAME))
    assert "roles/storage.objectViewer" in caught.value.remedy


def test_an_outage_is_waited_out_and_a_long_one_may_be_tried_again(client: Any, cloud: FaultProxy) -> None:
    cloud.inject("status", r"/b/", value=503, times=2)
    assert images(client).fetch(BucketImage(BUCKET, NAME)) == b"0123456789"
    cloud.inject("status", r"/b/", value=503, times=FOR_EVER)
    with pytest.raises(StoreUnavailableError):
        images(client).fetch(BucketImage(BUCKET, NAME))


@pytest.mark.usefixtures("client")
def test_the_settings_allow_a_bucket_and_the_image_comes_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_ASSET_BUCKETS", BUCKET)
    monkeypatch.setenv("PROJECT_ID", "tests")
    assert make_remote_assets(load_settings()).fetch(f"gs://{BUCKET}/{NAME}") == b"0123456789"
