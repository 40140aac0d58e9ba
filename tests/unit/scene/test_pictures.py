"""Images that configs bring: only sound ones, upright, never blown up to mush."""

import io
import struct
import zlib

import pytest
from PIL import Image

from trivia_render.errors import AssetInvalidError
from trivia_render.scene.pictures import MAX_ENLARGEMENT, contain, cover, open_picture


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


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(AssetInvalidError, match=r"bomb\.png"):
        open_picture(bomb, name="bomb.png")


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
