"""Images and addresses from anybody: a picture within the limits; a host that is what it looks like."""

import io
from pathlib import Path
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz import mutations
from tests.fuzz.mutations import examples, mutated, rounds
from trivia_render.errors import AssetInvalidError
from trivia_render.models.asset_reference import BucketImage, parse_remote
from trivia_render.models.hosts import is_allowed, parse_hosts
from trivia_render.models.redaction import redacted_url, without_users
from trivia_render.remote.addresses import is_public
from trivia_render.scene.pictures import MAX_PIXELS, open_picture
from trivia_render.telemetry.own_names import is_own_name


def saved(kind: str, *, size: tuple[int, int] = (24, 16), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    turned = Image.Exif()
    turned[0x0112] = 6
    more = [Image.new("RGB", (24, 16), "red")]
    return [
        saved("PNG", exif=turned),
        saved("PNG", save_all=True, append_images=more),
        saved("JPEG", exif=turned),
        saved("JPEG", progressive=True),
        saved("MPO", save_all=True, append_images=more),
        saved("WEBP", exif=turned.tobytes()),
        saved("WEBP", lossless=True, save_all=True, append_images=more),
    ]


def test_images_that_are_almost_right_are_drawn_or_refused() -> None:
    @examples(300)
    @given(mutated(seeds(), [b"IHDR", b"IDAT", b"acTL", b"fdAT", b"iCCP", b"\xff\xda", b"\xff\xe1", b"VP8X"]))
    def target(content: bytes) -> None:
        try:
            picture = open_picture(content, name="it")
        except AssetInvalidError:
            return
        assert picture.mode == "RGBA"
        assert 0 < picture.width * picture.height <= MAX_PIXELS

    rounds(target)


PIECES = st.sampled_from(
    [
        *(
            "https:",
            "gs:",
            "http:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            "443",
            "80",
            ".",
            "..",
            "#",
            "?",
            "%00",
            "%2f",
        ),
        *(
            "a.example",
            "b.example",
            "127.0.0.1",
            "localhost",
            "[::1]",
            "0x7f",
            "xn--",
            "é",
            "。",
            "\t",
            "\n",
            " ",
        ),
        *("bucket", "user", "\u202e", "\0", "⓪"),
    ]
)


def test_an_address_that_is_taken_means_to_others_what_it_means_here() -> None:
    """A host that this program and the rest of the world read differently would pass the list of hosts."""

    @examples(400)
    @given(
        st.lists(PIECES | st.text(max_size=3), max_size=9).map("".join)
        | st.lists(PIECES, max_size=7).map(lambda pieces: "https://a.example" + "".join(pieces))
    )
    def target(text: str) -> None:
        assert isinstance(redacted_url(without_users(text)), str)
        try:
            found = parse_remote(text)
        except ValueError:
            return
        if found is None:
            assert not text.lower().startswith(("https://", "http://", "gs://", "file://"))
            return
        parts = urlsplit(text)
        if isinstance(found, BucketImage):
            assert parts.netloc == found.bucket
            assert not {".", ".."} & set(found.name.split("/"))
            return
        assert parts.hostname == found.host
        assert (parts.username, parts.password, parts.port in {None, 443}) == (None, None, True)
        assert found.target.isascii()
        assert found.target.isprintable()
        assert " " not in found.target
        assert not is_public(found.host), "a name, and no address"

    rounds(target)


def test_no_text_makes_the_lists_of_hosts_and_addresses_fail() -> None:
    hosts = parse_hosts("a.example, *.b.example")

    @examples(200)
    @given(st.lists(PIECES | st.text(max_size=4), max_size=6).map("".join))
    def target(text: str) -> None:
        assert is_allowed(text, hosts) in {text == "a.example", text.endswith(".b.example")}
        assert is_public(text) in {True, False}
        assert is_own_name(text, names=hosts) in {True, False}

    rounds(target)


def test_the_time_is_divided_among_all_targets() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    calls = sum(file.read_text(encoding="utf-8").count("    rounds(target)\n") for file in files)
    assert calls + 2 == mutations.TARGETS, "one of them runs for each of three formats"
