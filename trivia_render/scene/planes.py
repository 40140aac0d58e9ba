"""I420 planes: from RGB images, and blended into each other.

All planes are BT.709 in limited range. A pixel of U or V is the mean of its 2x2 block (centred
siting, as in JPEG; a quarter of a pixel from MPEG-2's, which nobody sees in drawn pictures).
Blending happens in Y, U and V: each element is converted once and a frame costs only what changes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from trivia_render.models.ports import Planes
from trivia_render.scene.colours import RGB

Plane = npt.NDArray[np.uint8]

#: ITU-R BT.709-6, items 3.2 to 3.5, scaled to 8-bit limited range: Y 16..235, U and V 16..240.
_TO_Y = (0.2126 * 219 / 255, 0.7152 * 219 / 255, 0.0722 * 219 / 255, 16.0)
_TO_U = (-0.2126 / 1.8556 * 224 / 255, -0.7152 / 1.8556 * 224 / 255, 0.9278 / 1.8556 * 224 / 255, 128.0)
_TO_V = (0.7874 / 1.5748 * 224 / 255, -0.7152 / 1.5748 * 224 / 255, -0.0722 / 1.5748 * 224 / 255, 128.0)


class Views(NamedTuple):
    """The three planes of one I420 buffer, each a view into it."""

    y: Plane
    u: Plane
    v: Plane


class Box(NamedTuple):
    """A rectangle in pixels; all four numbers even, so that it covers whole chroma pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column behind the box."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.y + self.height

    def grown(self, margin: int) -> "Box":
        """Return the box with a margin on all sides."""
        return Box(self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin)

    def within(self, other: "Box") -> "Box":
        """Return what both boxes cover; width or height is 0 where that is nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Box(x, y, max(0, min(self.right, other.right) - x), max(0, min(self.bottom, other.bottom) - y))


class Tile(NamedTuple):
    """A picture with opacity in Y, U and V at their own resolutions, and the box where it belongs."""

    box: Box
    y: Image.Image
    u: Image.Image
    v: Image.Image
    alpha: Image.Image
    alpha_half: Image.Image


def new_planes(width: int, height: int) -> Planes:
    """Return an uninitialised I420 buffer: (height * 3 / 2, width) uint8."""
    return np.empty((height * 3 // 2, width), np.uint8)


def views(planes: Planes) -> Views:
    """Return Y (H, W), U and V (H/2, W/2) of an I420 buffer, sharing its memory."""
    rows, width = planes.shape
    height = rows * 2 // 3
    flat = planes.reshape(-1)
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return Views(
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )


def to_planes(image: Image.Image) -> Planes:
    """Convert an RGB image with even sides."""
    planes = new_planes(*image.size)
    luma, first, second = views(planes)
    half = image.reduce(2)
    luma[:] = np.asarray(image.convert("L", _TO_Y))
    first[:] = np.asarray(half.convert("L", _TO_U))
    second[:] = np.asarray(half.convert("L", _TO_V))
    return planes


@lru_cache(maxsize=64)
def colour_to_yuv(colour: RGB) -> tuple[int, int, int]:
    """Convert one RGB colour."""
    pixel = Image.new("RGB", (1, 1), colour)
    values = [pixel.convert("L", matrix).getpixel((0, 0)) for matrix in (_TO_Y, _TO_U, _TO_V)]
    return (int(values[0]), int(values[1]), int(values[2]))  # type: ignore[arg-type]


def to_tile(image: Image.Image, *, x: int, y: int) -> Tile:
    """Convert an RGBA image with even sides that belongs at (x, y)."""
    # Averaged with premultiplied alpha: transparent pixels must not bleed their colour into the edge.
    half = image.convert("RGBa").reduce(2).convert("RGBA")
    colour, colour_half = image.convert("RGB"), half.convert("RGB")
    return Tile(
        box=Box(x, y, *image.size),
        y=colour.convert("L", _TO_Y),
        u=colour_half.convert("L", _TO_U),
        v=colour_half.convert("L", _TO_V),
        alpha=image.getchannel("A"),
        alpha_half=half.getchannel("A"),
    )


def copy_box(target: Views, source: Views, box: Box) -> None:
    """Copy a rectangle between two buffers of the same size."""
    for index, (to, of) in enumerate(zip(target, source, strict=True)):
        rows, columns = _slices(box, half=index > 0)
        to[rows, columns] = of[rows, columns]


def blend_tile(
    target: Views, tile: Tile, *, dx: int = 0, dy: int = 0, opacity: float = 1.0, clip: Box | None = None
) -> None:
    """Lay a tile over the target, moved by (dx, dy) (even) and faded, inside `clip` alone if given."""
    box = Box(tile.box.x + dx, tile.box.y + dy, tile.box.width, tile.box.height)
    seen = box if clip is None else box.within(clip)
    if seen.width <= 0 or seen.height <= 0 or opacity <= 0:
        return
    table = None if opacity >= 1.0 else _faded(opacity)
    for surface, picture, step in zip(surfaces(target), (tile.y, tile.u, tile.v), (1, 2, 2), strict=True):
        mask = tile.alpha if step == 1 else tile.alpha_half
        if seen != box:
            left, top = (seen.x - box.x) // step, (seen.y - box.y) // step
            cut = (left, top, left + seen.width // step, top + seen.height // step)
            picture, mask = picture.crop(cut), mask.crop(cut)  # noqa: PLW2901
        if table is not None:
            mask = mask.point(table)
        surface.paste(picture, (seen.x // step, seen.y // step), mask)


# The opacities of entrances and fades are few, and the same in every clip.
@lru_cache(maxsize=128)
def _faded(opacity: float) -> list[int]:
    """Return the table of alpha values at an opacity. Not to be changed."""
    return [round(value * opacity) for value in range(256)]


def cross_fade(target: Views, first: Views, second: Views, box: Box, *, share: float) -> None:
    """Blend a rectangle from `first` (share 0) to `second` (share 1) into `target`."""
    planes = zip(surfaces(target), surfaces(first), surfaces(second), (1, 2, 2), strict=True)
    for surface, before, after, step in planes:
        place = (box.x // step, box.y // step, box.right // step, box.bottom // step)
        surface.paste(Image.blend(before.crop(place), after.crop(place), share), place)


def tint(target: Views, colour: RGB, mask: Image.Image, mask_half: Image.Image) -> None:
    """Lay a flat colour over the target through a mask and the same mask at chroma's size."""
    masks = (mask, mask_half, mask_half)
    for surface, value, part in zip(surfaces(target), colour_to_yuv(colour), masks, strict=True):
        surface.paste(value, (0, 0), part)


def surfaces(planes: Views) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Return the planes as "L" images over the same memory: what is pasted there is in the planes."""
    found = []
    for plane in planes:
        height, width = plane.shape
        image = Image.frombuffer("L", (width, height), plane, "raw", "L", 0, 1)
        # Pillow would copy foreign memory before it writes; here the writing is the point.
        image.readonly = 0
        found.append(image)
    return found[0], found[1], found[2]


def _slices(box: Box, *, half: bool) -> tuple[slice, slice]:
    step = 2 if half else 1
    return slice(box.y // step, box.bottom // step), slice(box.x // step, box.right // step)


def planes_to_image(planes: Planes, *, width: int, height: int) -> Image.Image:
    """Convert back to RGB, for stills and for people."""
    luma, first, second = views(planes)
    y = (luma.astype(np.float32) - 16) * (255 / 219)
    u, v = (
        (plane.astype(np.float32) - 128).repeat(2, axis=0).repeat(2, axis=1) * (255 / 224)
        for plane in (first, second)
    )
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    rgb = np.stack([red, green, blue], axis=-1).round().clip(0, 255).astype(np.uint8)
    image = Image.fromarray(rgb)
    return image if image.size == (width, height) else image.resize((width, height))
