"""The storage layout, and what may become part of a name."""

import pytest

from trivia_render.errors import BadInputError, StoreError
from trivia_render.storage import keys

SHA = "0123456789abcdef" * 4


def test_the_layout() -> None:
    assert keys.config_key("ch", "job-1") == "jobs/ch/job-1/config.json"
    assert keys.status_key("ch", "job-1") == "jobs/ch/job-1/status.json"
    assert keys.lease_key("ch", "job-1") == "jobs/ch/job-1/lease.json"
    assert keys.manifest_key("ch", "job-1") == "videos/ch/job-1/manifest.json"
    assert (
        keys.video_key("ch", "job-1", format="9:16", attempt=2, name="captions.vtt")
        == "videos/ch/job-1/9x16/2/captions.vtt"
    )
    assert keys.clip_key(SHA, ".json") == f"clips/{SHA}.json"
    assert keys.speech_key(SHA, ".flac") == f"speech/{SHA}.flac"
    assert keys.asset_key(SHA, ".png") == f"assets/{SHA}.png"


def test_every_key_of_the_layout_is_a_key() -> None:
    long = "x" * 63
    for key in (
        keys.config_key(long, long),
        keys.manifest_key(long, long),
        keys.video_key(long, long, format="16:9", attempt=10**9, name="thumbnail.jpg"),
        keys.clip_key(SHA, ".1f2e3d.mp4"),
        keys.RESULTS_PREFIX + "v1/clips/x.json",
    ):
        assert keys.check_key(key) == key


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../x", "a/b", "a\\b", "-a", "_a", "a.b", "a b", "a\n", "é", "a\x00", "x" * 64]
)
def test_an_id_that_is_not_one_never_becomes_a_name(text: str) -> None:
    for make in (keys.config_key, keys.status_key, keys.lease_key, keys.manifest_key):
        with pytest.raises(BadInputError, match="is not a channel"):
            make(text, "job")
        with pytest.raises(BadInputError, match="is not a job id"):
            make("channel", text)
    with pytest.raises(BadInputError, match="is not a job id"):
        keys.video_key("channel", text, format="16:9", attempt=1, name="video.mp4")


@pytest.mark.parametrize("text", ["", "x", SHA.upper(), SHA[:-1], SHA + "0", SHA + "\n", f"../{SHA[3:]}"])
def test_only_a_sha256_addresses_content(text: str) -> None:
    with pytest.raises(StoreError, match="is not a SHA-256"):
        keys.clip_key(text, ".mp4")


@pytest.mark.parametrize("extension", ["", "mp4", ".", "..", "./a", ".MP4", ".mp4/", ".a b", ".mp4\n"])
def test_only_a_file_extension_ends_a_name(extension: str) -> None:
    with pytest.raises(StoreError, match="is not a file extension"):
        keys.clip_key(SHA, extension)


def test_attempts_count_from_one() -> None:
    with pytest.raises(StoreError, match="is not an attempt"):
        keys.video_key("ch", "job", format="16:9", attempt=0, name="video.mp4")
