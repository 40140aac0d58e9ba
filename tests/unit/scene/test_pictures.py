"""Images that configs bring: only sound ones, upright, never blown up to mush."""

import io
import itertools
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageOps, JpegImagePlugin, WebPImagePlugin

from trivia_render.errors import AssetInvalidError
from trivia_render.scene.containers import (
    MARKS_ALONE,
    MAX_CHUNKS,
    MAX_JPEG_PARTS,
    MAX_STRAY_BYTES,
    bare,
    read_orientation,
)
from trivia_render.scene.pictures import (
    MAX_ENLARGEMENT,
    MAX_JPEG_PIXELS_PASSED,
    MAX_JPEG_SCANS,
    contain,
    cover,
    open_picture,
    picture_extension,
)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_read(kind: str) -> None:
    found = open_picture(saved(Image.new("RGB", (40, 30), (200, 10, 10)), kind), name="a")
    assert (found.mode, found.size) == ("RGBA", (40, 30))


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused_whatever_they_are_called(kind: str) -> None:
    with pytest.raises(AssetInvalidError, match=r"flag\.png"):
        open_picture(saved(Image.new("RGB", (40, 30)), kind), name="flag.png")


def test_a_truncated_file_is_refused() -> None:
    content = saved(Image.effect_noise((200, 200), 50).convert("RGB"), "JPEG")
    with pytest.raises(AssetInvalidError):
        open_picture(content[: len(content) // 2], name="a.jpg")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG by its header and whatever chunks are wanted."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [6_400, 10_000, 60_000, 2_147_483_647])
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(AssetInvalidError, match=r"bomb\.png has .* 40 megapixels are allowed"):
        open_picture(png(side, side, chunk(b"IDAT", b"")), name="bomb.png")


@pytest.mark.parametrize("side", [6_400, 16_384, 65_535])
def test_a_webp_that_says_it_is_huge_is_refused_before_it_is_decoded(side: int) -> None:
    small = saved(Image.new("RGB", (16, 16)), "WEBP")
    canvas = struct.pack("<L", side - 1)[:3] * 2
    frame = bytes(6) + struct.pack("<L", 15)[:3] * 2 + bytes(4) + small[12:]
    parts = [(b"VP8X", b"\2\0\0\0" + canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    with pytest.raises(AssetInvalidError, match="40 megapixels are allowed"):
        open_picture(webp(*parts), name="bomb.webp")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_what_is_refused_leaves_no_warning_beside_its_error(
    side: int, recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(AssetInvalidError):
        open_picture(png(side, side, chunk(b"IDAT", b"")), name="bomb.png")
    assert not recwarn.list


def test_data_that_unpacks_to_more_than_its_image_needs_is_not_unpacked() -> None:
    bomb = png(16, 16, chunk(b"IDAT", zlib.compress(bytes(200_000_000), 9)))
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        assert open_picture(bomb, name="bomb.png").size == (16, 16)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_text_and_profiles_that_unpack_to_much_are_not_unpacked(kind: bytes) -> None:
    packed = zlib.compress(bytes(100_000_000), 9)
    body = {
        b"zTXt": b"Comment\0\0" + packed,
        b"iTXt": b"Comment\0\1\0\0\0" + packed,
        b"iCCP": b"icc\0\0" + packed,
    }[kind]
    image = png(1, 1, chunk(kind, body), chunk(b"IDAT", zlib.compress(bytes(4))))
    tracemalloc.start()
    try:
        assert open_picture(image, name="bomb.png").size == (1, 1)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def segment(mark: int, data: bytes) -> bytes:
    return bytes([0xFF, mark]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: bytes, size: tuple[int, int] = (8, 8)) -> bytes:
    """A JPEG with further parts at its front."""
    plain = saved(Image.new("RGB", size, "red"), "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<L", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<L", len(body)) + body


def tiff(order: str, *entries: tuple[int, int, int, bytes]) -> bytes:
    """Exif by its entries: tag, kind, count, four bytes."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "LH", 8, len(entries))
    return head + b"".join(struct.pack(order + "HHL", *entry[:3]) + entry[3] for entry in entries)


def whole_webp(*more: tuple[bytes, bytes]) -> bytes:
    small = saved(Image.new("RGB", (16, 16)), "WEBP")
    (length,) = struct.unpack_from("<L", small, 16)
    image = (small[12:16], small[20 : 20 + length])
    return webp((b"VP8X", bytes(4) + struct.pack("<L", 15)[:3] * 2), image, *more)


# Each of these kept a processor busy for ten seconds to two minutes when a decoder was given it.
BOMBS: dict[str, Callable[[], bytes]] = {
    "Exif in pieces": lambda: jpeg(segment(0xE1, b"Exif\0\0" + bytes(10)) * 400_000),
    "empty parts": lambda: jpeg(segment(0xE9, b"") * 5_000_000),
    "marks alone": lambda: jpeg(b"\xff\xd0" * 5_000_000),
    "a profile in pieces": lambda: jpeg(segment(0xE2, b"ICC_PROFILE\0\1\1") * 1_000_000),
    "filling": lambda: jpeg(b"\xff" * 10_000_000),
    "stray bytes": lambda: jpeg(segment(0xFE, b"") + b"\0" * 10_000_000),
    "escaped bytes": lambda: jpeg(b"\xff\0" * 5_000_000),
    "PNG chunks": lambda: png(8, 8, chunk(b"prVt", b"") * 1_600_000),
    "PNG data": lambda: png(8, 8, chunk(b"IDAT", b"") * 1_600_000),
    "WebP chunks": lambda: whole_webp(*[(b"junk", b"")] * 1_000_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_in_millions_of_parts_is_refused_at_once(bomb: str) -> None:
    content = BOMBS[bomb]()
    begun = time.process_time()
    with pytest.raises(AssetInvalidError, match="more than"):
        open_picture(content, name="bomb")
    assert time.process_time() - begun < 1.0


def test_as_many_parts_as_are_allowed_are_read_soon() -> None:
    packed = zlib.compress(bytes(1_000_000), 9)
    contents = [
        jpeg(segment(0xE1, b"Exif\0\0" + bytes(20_000)) * (MAX_JPEG_PARTS - 20)),
        jpeg(b"\xff" * (MAX_STRAY_BYTES - 10)),
        png(1, 1, chunk(b"iCCP", b"icc\0\0" + packed) * 9_000, chunk(b"IDAT", zlib.compress(bytes(4)))),
        png(1, 1, chunk(b"IDAT", zlib.compress(bytes(4))), chunk(b"zTXt", b"a\0\0" + packed) * 9_000),
        whole_webp(*[(b"junk", b"")] * (MAX_CHUNKS - 2)),
    ]
    begun = time.process_time()
    for content in contents:
        assert open_picture(content, name="full").mode == "RGBA"
    assert time.process_time() - begun < 2.0


def test_exif_whose_entries_all_point_to_the_same_bytes_is_not_unfolded() -> None:
    """Five thousand entries of sixty thousand bytes each, in sixty-five thousand bytes."""
    entries = [(1000 + n, 7, 60_000, bytes(4)) for n in range(5_000)]
    exif = tiff("<", *entries)
    image = jpeg(segment(0xE1, b"Exif\0\0" + exif.ljust(65_000, b"\0")))
    tracemalloc.start()
    try:
        assert open_picture(image, name="a").size == (8, 8)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_photograph_with_all_that_cameras_add_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker" * 9_000
    options = {"exif": exif, "icc_profile": bytes(900_000), "comment": b"by me", "quality": 95}
    photograph = Image.effect_noise((60, 40), 80).convert("RGB")
    content = saved(photograph, "JPEG", **options)
    depth_map = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)) * 300
    found = open_picture(content[:2] + depth_map + content[2:], name="a")
    with Image.open(io.BytesIO(content)) as same:
        expected = ImageOps.exif_transpose(same).convert("RGBA")
    assert found.tobytes() == expected.tobytes()
    several = saved(photograph, "MPO", save_all=True, append_images=[photograph], exif=exif)
    assert open_picture(several, name="b").size == (40, 60)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_colours_of_a_jpeg_are_those_that_its_parts_say(mode: str) -> None:
    content = saved(Image.new(mode, (16, 16), 60 if mode == "L" else (10, 200, 90, 40)[: len(mode)]), "JPEG")
    with Image.open(io.BytesIO(content)) as same:
        assert open_picture(content, name="a").tobytes() == same.convert("RGBA").tobytes()


def test_the_marks_without_a_length_are_those_that_the_decoder_takes_for_such() -> None:
    table: dict[int, Any] = JpegImagePlugin.MARKER
    assert {code & 0xFF for code, (_, _, handler) in table.items() if handler is None} == MARKS_ALONE
    assert {code & 0xFF for code in table} == set(range(0xC0, 0xFF))


def test_a_jpeg_in_thousands_of_passes_is_refused() -> None:
    """Each pass goes over the whole image: some kilobytes would keep a processor busy for minutes."""
    content = saved(Image.effect_noise((64, 64), 50).convert("L"), "JPEG", progressive=True)
    marks = content.count(b"\xff\xda")
    assert 1 < marks <= 10
    end = content.rindex(b"\xff\xda")
    last = content[end:-2]
    bomb = content[:end] + last * (MAX_JPEG_SCANS + 1) + content[-2:]
    with pytest.raises(AssetInvalidError, match="passes"):
        open_picture(bomb, name="bomb.jpg")


@pytest.mark.parametrize(
    ("side", "passes", "read"), [(1000, 100, True), (1000, 101, False), (6000, 34, False)]
)
def test_passes_count_by_the_pixels_that_they_go_over(side: int, passes: int, read: bool) -> None:
    assert 33 * 6000 * 6000 < MAX_JPEG_PIXELS_PASSED < 34 * 6000 * 6000
    content = saved(Image.new("L", (side, side)), "JPEG", progressive=True)
    end = content.rindex(b"\xff\xda")
    content = content[:end] + content[end:-2] * (passes - content.count(b"\xff\xda") + 1) + content[-2:]
    assert content.count(b"\xff\xda") == passes
    if read:
        assert open_picture(content, name="a").size == (side, side)
        return
    with pytest.raises(AssetInvalidError, match=f"in {passes} passes"):
        open_picture(content, name="a")


def test_of_an_animation_the_first_frame_alone_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = itertools.count(1)
    decode = WebPImagePlugin.WebPImageFile._get_next
    monkeypatch.setattr(
        WebPImagePlugin.WebPImageFile, "_get_next", lambda self: (next(decoded), decode(self))[1]
    )
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue") * 20]
    for kind in ("PNG", "WEBP"):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        with Image.open(io.BytesIO(content)) as whole:
            assert getattr(whole, "n_frames", 1) == 60
        found = open_picture(content, name="a")
        assert (found.size, found.getpixel((5, 5))) == ((20, 10), (255, 0, 0, 255))
        if kind == "PNG":
            assert b"fdAT" in content
            assert b"fdAT" not in bare(content).content, "the decoder never has them"
    assert next(decoded) == 2


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("MPO", ".jpg")]
)
def test_the_format_is_what_the_bytes_are(kind: str, extension: str) -> None:
    options = {"save_all": True, "append_images": [Image.new("RGB", (4, 4))]} if kind == "MPO" else {}
    content = saved(Image.new("RGB", (40, 30)), kind, **options)
    assert picture_extension(content, name="a.gif") == extension


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a" + bytes(20),
        b"RIFF\xff\xff\xff\x7fWEBPVP8 ",
        b"\xff\xd8\xff",
        b"PK\x03\x04" + bytes(30),
    ],
    ids=["nothing", "no header", "svg", "eps", "gif", "cut webp", "cut jpeg", "zip"],
)
def test_what_is_no_image_of_the_three_formats_is_refused(content: bytes) -> None:
    with pytest.raises(AssetInvalidError, match="cannot be read"):
        picture_extension(content, name="a.png")


def test_what_lies_behind_an_image_is_not_looked_at() -> None:
    content = saved(Image.new("RGB", (4, 4), "red"), "PNG")
    assert open_picture(content + b"<script>alert(1)</script>", name="a").getpixel((1, 1)) == (255, 0, 0, 255)


def test_an_image_of_more_than_forty_megapixels_is_refused_with_its_size() -> None:
    content = saved(Image.new("1", (8000, 6000)), "PNG")
    with pytest.raises(AssetInvalidError, match="8000x6000"):
        open_picture(content, name="map.png")


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    image = Image.new("RGB", (40, 20), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(saved(image, "JPEG", exif=exif), name="a").size == (20, 40)


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_every_turn_that_exif_knows_is_undone(kind: str, turned: int) -> None:
    image = Image.effect_noise((24, 16), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = turned
    content = saved(image, kind, exif=exif.tobytes())
    with Image.open(io.BytesIO(content)) as same:
        expected = ImageOps.exif_transpose(same).convert("RGBA")
    assert open_picture(content, name="a").tobytes() == expected.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_is_read_from_either_order_of_bytes_and_any_kind_of_number(order: str) -> None:
    for kind, letter in ((1, "B"), (3, "H"), (4, "L")):
        value = struct.pack(order + letter, 6).ljust(4, b"\0")
        assert read_orientation(tiff(order, (0x010F, 2, 1, bytes(4)), (0x0112, kind, 1, value))) == 6


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        tiff("<")[:9],
        tiff("<", (0x0112, 3, 1, b"\6\0\0\0"))[:-2],
        tiff("<", (0x0112, 3, 1, b"\x09\0\0\0")),
        tiff("<", (0x0112, 3, 2, b"\6\0\6\0")),
        tiff("<", (0x0112, 7, 1, b"\6\0\0\0")),
        b"XX" + tiff("<", (0x0112, 3, 1, b"\6\0\0\0"))[2:],
    ],
)
def test_exif_that_says_no_orientation_leaves_the_image_as_it_is(exif: bytes) -> None:
    assert read_orientation(exif) == 1


def test_a_palette_with_transparency_keeps_it() -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    found = open_picture(saved(image, "PNG", transparency=0), name="a")
    assert found.getpixel((5, 5)) == (255, 0, 0, 0)


def test_a_large_image_fills_its_box() -> None:
    wide = Image.new("RGBA", (1600, 1000), (10, 200, 10, 255))
    assert cover(wide, 560, 380).getpixel((0, 0)) == (10, 200, 10, 255)


@pytest.mark.parametrize("size", [(120, 90), (400, 1200), (2400, 300)])
def test_an_image_too_small_or_of_another_shape_is_shown_whole_before_itself(size: tuple[int, int]) -> None:
    picture = Image.new("RGBA", size, (220, 220, 220, 255))
    found = cover(picture, 560, 380)
    assert found.size == (560, 380)
    bright = found.convert("L").point(lambda value: 255 if value > 210 else 0).getbbox()
    assert bright is not None
    width, height = bright[2] - bright[0], bright[3] - bright[1]
    assert abs(width / height - size[0] / size[1]) < 0.06 * size[0] / size[1]
    assert width <= size[0] * MAX_ENLARGEMENT + 1


def test_a_logo_is_never_enlarged() -> None:
    assert contain(Image.new("RGBA", (30, 20)), 200, 80).size == (30, 20)
    assert contain(Image.new("RGBA", (400, 100)), 200, 80).size == (200, 50)
