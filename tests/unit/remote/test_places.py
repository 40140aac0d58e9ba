"""From where images may come: the forms of references, hosts, buckets and addresses that are taken."""

from typing import Any

import pytest

from trivia_render.errors import AssetInvalidError, BadInputError, ConfigInvalidError
from trivia_render.models.asset_reference import BucketImage, WebImage, parse_remote
from trivia_render.models.hosts import is_allowed, parse_hosts
from trivia_render.models.parse import parse_job_config
from trivia_render.models.ports import RemoteAssets
from trivia_render.remote.addresses import is_public
from trivia_render.remote.assets import REMEMBERED_BYTES, AllowedAssets, RememberedAssets
from trivia_render.settings import load_settings
from trivia_render.wiring import make_remote_assets


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2a00:1450:4001:80b::200e", "2606:4700::1", "64:ff9b::808:808"]
)
def test_an_address_of_the_public_internet_may_be_asked(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "169.254.1.1"),
        *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::1"),
        *(
            "2001:0:53aa:64c::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd20:ce::254",
            "fd00:ec2::254",
        ),
        *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%eth0", "5f00::1"),
        *("", "localhost", "127.1", "0x7f000001", "2130706433", "8.8.8.8/32", "08.8.8.8"),
    ],
)
def test_any_other_address_may_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("gs://my-bucket/logos/a b é.png", BucketImage("my-bucket", "logos/a b é.png")),
        ("gs://my-bucket/a..b/.c/...", BucketImage("my-bucket", "a..b/.c/...")),
        ("https://Images.Example.COM/a.png", WebImage("images.example.com", "/a.png")),
        ("https://a.example:443/x?w=1&s=/2", WebImage("a.example", "/x?w=1&s=/2")),
        ("HTTPS://xn--bcher-kva.example/", WebImage("xn--bcher-kva.example", "/")),
        ("images/a.png", None),
        ("a:b.png", None),
        ("//server/share.png", None),
        ("C:\\a.png", None),
        ("assets/" + "0" * 64 + ".png", None),
    ],
)
def test_a_reference_is_a_bucket_a_server_or_a_file(reference: str, found: object) -> None:
    assert parse_remote(reference) == found


@pytest.mark.parametrize(
    "reference",
    [
        *("http://images.example.com/a.png", "file:///etc/passwd", "ftp://a.example/b", "data:image/png,xx"),
        *("gopher://a.example/", "jar:https://a.example/", "s3://bucket/a.png", "HTTP://a.example/"),
        *("https://user@a.example/b", "https://u:p@a.example/b", "https://a.example@b.example/c"),
        *("https://a.example:80/b", "https://a.example:8443/b", "https://a.example:/b", "https://a.example"),
        *("https://127.0.0.1/b", "https://127.1/b", "https://2130706433/b", "https://0x7f.1/b"),
        *("https://[::1]/b", "https://[::ffff:127.0.0.1]/b", "https://a.0177/b", "https://localhost/b"),
        *("https://metadata/b", "https://a.example./b", "https://.example/b", "https://a..example/b"),
        *(
            "https://-a.example/b",
            "https://a_b.example/b",
            "https://bücher.example/b",
            "https://a。example/b",
        ),
        *("https://a.example/b#c", "https://a.example\\@b.example/", "https://a.example/b c", "https:///b"),
        *(
            "https://a.example/b\r\nX: y",
            "https://a.example/\u202e",
            "https://a.example?x",
            "https:// a.example/",
        ),
        *("https://a.example%2f@b.example/c", "https://" + "a." * 130 + "example/b"),
        *("gs://", "gs://bucket", "gs://bucket/", "gs:///a.png", "gs://b@d/a.png", "gs://bucket/a\nb"),
        *("gs://bucket/.", "gs://bucket/..", "gs://bucket/../a.png", "gs://bucket/a/../b", "gs://bucket/a/."),
        *("gs://bucket/uploads/../videos/a.jpg", "gs://bucket/./a.png", "gs://bucket/a/.."),
        *("gs://Bucket/a.png", "gs://../a.png", "gs://bu/a.png"),
    ],
)
def test_a_reference_of_any_other_form_is_refused_before_anything_is_asked(reference: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_remote(reference)
    assets = AllowedAssets(
        buckets=["bucket"], own_buckets=(), hosts=["a.example"], from_bucket=_never, from_web=_never
    )
    with pytest.raises(AssetInvalidError):
        assets.fetch(reference)


def _never(image: object) -> bytes:
    raise AssertionError(f"{image} was asked for")


@pytest.mark.parametrize(
    ("host", "hosts", "allowed"),
    [
        ("images.example.com", "images.example.com", True),
        ("images.example.com", "a.example, Images.Example.com", True),
        ("images.example.com", "*.example.com", True),
        ("deep.images.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("evilexample.com", "*.example.com", False),
        ("images.example.com.evil.net", "*.example.com", False),
        ("sub.images.example.com", "images.example.com", False),
        ("images.example.com", "", False),
    ],
)
def test_a_host_is_taken_by_its_name_or_below_another(host: str, hosts: str, allowed: bool) -> None:
    assert is_allowed(host, parse_hosts(hosts)) == allowed


@pytest.mark.parametrize(
    "hosts",
    ["*", "*.com", "a.*.com", "*example.com", "https://a.example", "a.example/x", "127.0.0.1", "a b.example",
     "localhost", "a.example:443"],
)  # fmt: skip
def test_a_list_of_hosts_that_means_too_much_or_nothing_stops_the_command(
    monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    monkeypatch.setenv("TRIVIA_ASSET_HOSTS", hosts)
    with pytest.raises(BadInputError, match="TRIVIA_ASSET_HOSTS"):
        load_settings()


@pytest.mark.parametrize("variable", ["TRIVIA_ASSET_HOSTS", "TRIVIA_ENDPOINT_HOSTS"])
def test_a_bad_entry_of_a_list_of_hosts_is_told_by_its_number_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "a.example, https://bob:hunter2@images.example.com")
    with pytest.raises(BadInputError, match=variable) as caught:
        load_settings()
    assert "entry 2 is no host" in str(caught.value)
    assert "hunter2" not in str(caught.value)


class Source:
    """A place that gives the same image for every reference, and counts how often."""

    def __init__(self, content: bytes = b"image") -> None:
        self.content = content
        self.asked: list[Any] = []

    def fetch(self, reference: Any) -> bytes:
        self.asked.append(reference)
        return self.content


def test_each_reference_goes_to_its_own_kind_of_place_and_only_to_allowed_ones() -> None:
    bucket, web = Source(b"from the bucket"), Source(b"from the web")
    assets: RemoteAssets = AllowedAssets(
        buckets=["videos"],
        own_buckets=(),
        hosts=("*.example.com",),
        from_bucket=bucket.fetch,
        from_web=web.fetch,
    )
    assert assets.fetch("gs://videos/a.png") == b"from the bucket"
    assert assets.fetch("https://cdn.example.com/b.png") == b"from the web"
    for refused in ("gs://others/a.png", "https://example.net/b.png", "a.png"):
        with pytest.raises(AssetInvalidError) as caught:
            assets.fetch(refused)
        assert caught.value.remedy
    assert (bucket.asked, web.asked) == (
        [BucketImage("videos", "a.png")],
        [WebImage("cdn.example.com", "/b.png")],
    )


def test_without_settings_nothing_is_fetched_from_anywhere() -> None:
    assets = make_remote_assets(load_settings())
    for reference in ("gs://bucket/a.png", "https://images.example.com/a.png"):
        with pytest.raises(AssetInvalidError, match="may not be"):
            assets.fetch(reference)


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [(None, "others"), ("others", "videos"), ("third, fourth", "others")],
)
def test_the_projects_own_bucket_is_allowed_unless_others_are_named(
    monkeypatch: pytest.MonkeyPatch, allowed: str | None, refused: str
) -> None:
    monkeypatch.setenv("GCS_BUCKET", "videos")
    if allowed is not None:
        monkeypatch.setenv("TRIVIA_ASSET_BUCKETS", allowed)
    with pytest.raises(AssetInvalidError, match=f"from the bucket {refused}"):
        make_remote_assets(load_settings()).fetch(f"gs://{refused}/a.png")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("uploads/logo.png", True),
        ("uploads/a channel/logo.png", True),
        ("videos/secret-channel/unpublished/attempt-1/thumbnail.jpg", False),
        ("jobs/other/x.png", False),
        ("assets/" + "0" * 64 + ".png", False),
        ("uploads", False),
        ("uploads.png", False),
        ("Uploads/logo.png", False),
        ("/uploads/logo.png", False),
    ],
)
@pytest.mark.parametrize("own", ["media", "work"])
def test_of_the_projects_own_buckets_uploads_alone_are_given_also_where_they_are_listed(
    monkeypatch: pytest.MonkeyPatch, own: str, name: str, given: bool
) -> None:
    asked: list[BucketImage] = []

    def fetch(_: object, image: BucketImage) -> bytes:
        asked.append(image)
        return b"image"

    monkeypatch.setattr("trivia_render.storage.gcs_images.GcsImages.fetch", fetch)
    monkeypatch.setenv("GCS_BUCKET", "media")
    monkeypatch.setenv("TRIVIA_WORK_BUCKET", "work")
    if own == "work":
        monkeypatch.setenv("TRIVIA_ASSET_BUCKETS", "work, media, logos")
    assets = make_remote_assets(load_settings())
    if given:
        assert assets.fetch(f"gs://{own}/{name}") == b"image"
    else:
        with pytest.raises(AssetInvalidError, match="from below uploads/ alone") as caught:
            assets.fetch(f"gs://{own}/{name}")
        assert f"gs://{own}/uploads/" in caught.value.remedy
    if own == "work":
        assert assets.fetch(f"gs://logos/{name}") == b"image"
    assert asked == [BucketImage(own, name)] * given + [BucketImage("logos", name)] * (own == "work")


def test_what_was_fetched_is_remembered_for_a_minute_and_no_longer() -> None:
    source, time = Source(), [0.0]
    assets = RememberedAssets(source, now=lambda: time[0])
    for moment in (0.0, 59.0, 61.0):
        time[0] = moment
        assert assets.fetch("gs://b/a.png") == b"image"
    assert len(source.asked) == 2


def test_no_more_is_remembered_than_fits() -> None:
    source = Source(bytes(REMEMBERED_BYTES // 2))
    assets = RememberedAssets(source)
    for name in ("a", "b", "c", "c", "b", "a"):
        assets.fetch(name)
    assert source.asked == ["a", "b", "c", "a"]


def test_a_config_with_an_address_that_is_never_fetched_is_refused_offline_without_its_secret() -> None:
    question = {"question": "Q?", "answer_a": "x", "answer_b": "y", "correct_answer": "x"}
    config = {
        "channel": "c",
        "total_questions": 1,
        "questions": [{**question, "image": "https://me:hunter2@a.example/a.png"}],
        "theme": {"name": "aurora", "logo": "http://a.example/a.png"},
    }
    with pytest.raises(ConfigInvalidError) as caught:
        parse_job_config(config)
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"$.questions[0].image", "$.theme.logo"}
    assert "hunter2" not in str(caught.value)
