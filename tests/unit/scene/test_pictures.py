"""Images that configs bring: only sound ones, upright, never blown up to mush."""

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image, PngImagePlugin

from trivia_render.errors import AssetInvalidError
from trivia_render.scene.pictures import (
    MAX_ENLARGEMENT,
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
    with pytest.raises(AssetInvalidError, match=r"bomb\.png"):
        open_picture(png(side, side, chunk(b"IDAT", b"")), name="bomb.png")


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
def test_text_and_profiles_that_unpack_to_much_are_refused_or_passed_over(kind: bytes) -> None:
    packed = zlib.compress(bytes(100_000_000), 9)
    body = {
        b"zTXt": b"Comment\0\0" + packed,
        b"iTXt": b"Comment\0\1\0\0\0" + packed,
        b"iCCP": b"icc\0\0" + packed,
    }[kind]
    image = png(1, 1, chunk(kind, body), chunk(b"IDAT", zlib.compress(bytes(4))))
    tracemalloc.start()
    try:
        open_picture(image, name="bomb.png")
    except AssetInvalidError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20_000_000


def test_many_texts_together_are_refused() -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(PngImagePlugin.MAX_TEXT_CHUNK - 100), 9))
    image = png(1, 1, text * 70, chunk(b"IDAT", zlib.compress(bytes(4))))
    with pytest.raises(AssetInvalidError, match="text"):
        open_picture(image, name="bomb.png")


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


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_alone_is_decoded(kind: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    found = open_picture(content, name="a")
    assert (found.size, getattr(found, "n_frames", 1)) == ((20, 10), 1)
    assert found.getpixel((5, 5)) == (255, 0, 0, 255)


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
