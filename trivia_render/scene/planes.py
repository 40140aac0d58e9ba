"""I420 planes: from RGB images, and blended into each other.

All planes are BT.709 in limited range. A pixel of U or V is the mean of its 2x2 block (centred
siting, as in JPEG; a quarter of a pixel from MPEG-2's, which nobody sees in drawn pictures).
Blending happens in Y, U and V: each element is converted once and a frame costs only what changes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from trivia_render.models.ports import Planes

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

    def within(self, width: int, height: int) -> "Box":
        """Return the part that lies in a frame of this size."""
        x, y = max(0, self.x), max(0, self.y)
        return Box(x, y, max(0, min(self.right, width) - x), max(0, min(self.bottom, height) - y))


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


def colour_to_yuv(colour: tuple[int, int, int]) -> tuple[int, int, int]:
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
    target: Views, base: Views, tile: Tile, *, dx: int = 0, dy: int = 0, opacity: float = 1.0
) -> None:
    """Put a tile over `base` into `target`, moved by (dx, dy) (even) and faded. Clips at the edges."""
    height, width = target.y.shape
    place = Box(tile.box.x + dx, tile.box.y + dy, tile.box.width, tile.box.height)
    seen = place.within(width, height)
    if seen.width <= 0 or seen.height <= 0:
        return
    table = None if opacity >= 1.0 else [round(value * opacity) for value in range(256)]
    for index, (to, of, picture) in enumerate(zip(target, base, (tile.y, tile.u, tile.v), strict=True)):
        half = index > 0
        rows, columns = _slices(seen, half=half)
        alpha = tile.alpha_half if half else tile.alpha
        if seen != place:
            crop = _crop(seen, place, half=half)
            picture, alpha = picture.crop(crop), alpha.crop(crop)  # noqa: PLW2901
        if table is not None:
            alpha = alpha.point(table)
        under = Image.fromarray(np.ascontiguousarray(of[rows, columns]))
        to[rows, columns] = np.asarray(Image.composite(picture, under, alpha))


def cross_fade(target: Views, first: Views, second: Views, box: Box, *, share: float) -> None:
    """Blend a rectangle from `first` (share 0) to `second` (share 1) into `target`."""
    for index, (to, a, b) in enumerate(zip(target, first, second, strict=True)):
        rows, columns = _slices(box, half=index > 0)
        before = Image.fromarray(np.ascontiguousarray(a[rows, columns]))
        after = Image.fromarray(np.ascontiguousarray(b[rows, columns]))
        to[rows, columns] = np.asarray(Image.blend(before, after, share))


def _slices(box: Box, *, half: bool) -> tuple[slice, slice]:
    step = 2 if half else 1
    return slice(box.y // step, box.bottom // step), slice(box.x // step, box.right // step)


def _crop(seen: Box, place: Box, *, half: bool) -> tuple[int, int, int, int]:
    step = 2 if half else 1
    left, top = (seen.x - place.x) // step, (seen.y - place.y) // step
    return left, top, left + seen.width // step, top + seen.height // step


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
