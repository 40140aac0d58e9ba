"""Planes: the colours that a player shows are those that were drawn, and blending touches its box alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from trivia_render.scene.planes import (
    Box,
    blend_tile,
    colour_to_yuv,
    copy_box,
    cross_fade,
    new_planes,
    planes_to_image,
    to_planes,
    to_tile,
    views,
)

#: ITU-R BT.709 in 8-bit limited range, as published for colour bars at 100 %.
BARS = {
    (255, 255, 255): (235, 128, 128),
    (255, 255, 0): (219, 16, 138),
    (0, 255, 255): (188, 154, 16),
    (0, 255, 0): (173, 42, 26),
    (255, 0, 255): (78, 214, 230),
    (255, 0, 0): (63, 102, 240),
    (0, 0, 255): (32, 240, 118),
    (0, 0, 0): (16, 128, 128),
}


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (16, 8)) -> Image.Image:
    return Image.new("RGB", size, colour)


@pytest.mark.parametrize(("colour", "expected"), BARS.items())
def test_colour_bars_become_the_published_values(
    colour: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    found = tuple(int(plane[0, 0]) for plane in views(to_planes(plain(colour))))
    assert np.abs(np.subtract(found, expected)).max() <= 1
    assert np.abs(np.subtract(colour_to_yuv(colour), expected)).max() <= 1


def test_planes_lie_one_behind_the_other_in_one_buffer() -> None:
    planes = to_planes(plain((255, 0, 0)))
    assert planes.shape == (12, 16)
    assert planes.flags.c_contiguous
    luma, first, second = views(planes)
    assert (luma.shape, first.shape, second.shape) == ((8, 16), (4, 8), (4, 8))
    assert np.concatenate([luma.ravel(), first.ravel(), second.ravel()]).tobytes() == planes.tobytes()


def test_chroma_is_the_mean_of_its_four_pixels() -> None:
    image = plain((0, 0, 0), (2, 2))
    image.putpixel((0, 0), (0, 0, 255))
    _, u, _ = views(to_planes(image))
    # A quarter of blue's 240 - 128 = 112.
    assert abs(int(u[0, 0]) - (128 + 28)) <= 1


def test_a_picture_survives_the_way_there_and_back() -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)[None, :].repeat(16, axis=0)
    image = Image.fromarray(np.stack([ramp, ramp[:, ::-1], np.full_like(ramp, 90)], axis=-1))
    back = planes_to_image(to_planes(image), width=64, height=16)
    assert np.abs(np.asarray(back, int) - np.asarray(image, int)).max() <= 6


def test_an_opaque_tile_looks_as_if_it_had_been_drawn_on_the_ground() -> None:
    ground = plain((20, 60, 90), (32, 32))
    disc = Image.new("RGBA", (16, 16), (250, 200, 10, 0))
    ImageDraw.Draw(disc).ellipse((0, 0, 15, 15), fill=(250, 200, 10, 255))
    target = to_planes(ground)
    blend_tile(views(target), to_tile(disc, x=8, y=8))
    drawn = ground.copy()
    drawn.paste(disc.convert("RGB"), (8, 8), disc.getchannel("A"))
    assert np.abs(target.astype(int) - to_planes(drawn)).max() <= 3


def test_the_colour_of_transparent_pixels_does_not_bleed_into_an_edge() -> None:
    ground = plain((255, 255, 255), (8, 8))
    tile = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    tile.paste((255, 255, 255, 255), (0, 0, 3, 8))
    target = to_planes(ground)
    blend_tile(views(target), to_tile(tile, x=0, y=0))
    assert np.abs(target.astype(int) - to_planes(ground)).max() <= 1


def test_a_tile_half_outside_of_the_frame_is_cut_off() -> None:
    target = to_planes(plain((0, 0, 0)))
    tile = to_tile(Image.new("RGBA", (8, 8), (255, 255, 255, 255)), x=12, y=-4)
    blend_tile(views(target), tile)
    luma = views(target).y
    assert luma[:4, 12:].min() == 235
    assert luma[4:].max() == luma[:, :12].max() == 16


def test_a_tile_at_no_opacity_changes_nothing() -> None:
    base = to_planes(plain((0, 80, 0)))
    target = base.copy()
    blend_tile(views(target), to_tile(Image.new("RGBA", (8, 8), (255, 9, 9, 255)), x=2, y=2), opacity=0)
    assert np.array_equal(target, base)


def test_copy_and_cross_fade_touch_their_box_alone() -> None:
    black, white = to_planes(plain((0, 0, 0))), to_planes(plain((255, 255, 255)))
    box = Box(4, 2, 6, 4)
    for share, expected in ((0.0, 16), (0.5, 125), (1.0, 235)):
        target = black.copy()
        cross_fade(views(target), views(black), views(white), box, share=share)
        luma = views(target).y
        assert abs(int(luma[2:6, 4:10].mean()) - expected) <= 1
        luma[2:6, 4:10] = 16
        assert np.array_equal(target, black)
    copied = black.copy()
    copy_box(views(copied), views(white), box)
    assert int((views(copied).y == 235).sum()) == 24


def test_a_new_buffer_holds_one_frame() -> None:
    assert new_planes(1920, 1080).shape == (1620, 1920)
