"""Images that configs bring along: checked, turned upright, fitted. Formats and sizes are limited."""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Mapping

from PIL import Image, ImageFilter, ImageOps

from trivia_render.errors import AssetInvalidError
from trivia_render.scene.containers import bare

#: The formats that are read, whatever a file is called.
FORMATS = ("PNG", "JPEG", "WEBP")
#: The ending of each. A JPEG that holds further images, as phones take them, is a JPEG.
EXTENSIONS: Mapping[str, str] = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
#: 40 megapixels, twenty full frames: more is a mistake or an attack on memory.
MAX_PIXELS = 40_000_000
#: A JPEG in more passes than this is an attack on time: each goes over the whole image, and cameras and
#: programs write some ten, and twice as many where a second image lies in the file.
MAX_JPEG_SCANS = 100
#: The same for all passes together: 30 over the largest image, some two seconds.
MAX_JPEG_PIXELS_PASSED = 30 * MAX_PIXELS
#: An image is never drawn larger than this times its own size: it would turn to mush.
MAX_ENLARGEMENT = 2.0
#: Cutting an image to its place must leave at least so much of it.
LEAST_KEPT = 0.75

#: How Exif's orientation is undone.
_UPRIGHT: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Python's filters of warnings are the whole program's: two threads that change them would restore each
#: other's. Headers alone are read under it, and those are short.
_HEADERS = threading.Lock()
#: What Pillow's decoders are known to raise for damaged files; MemoryError for sizes that they believe.
_DECODER_FAULTS = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError),
    *(MemoryError, NotImplementedError, struct.error, zlib.error),
)


def open_picture(content: bytes, *, name: str) -> Image.Image:
    """Decode an image as RGBA, upright; of an animation the first frame. Raises AssetInvalidError."""
    return _decode(content, name=name)[1]


def picture_extension(content: bytes, *, name: str) -> str:
    """Decode an image; return the ending that a file of its format has. Raises AssetInvalidError naming it.

    The format is what the bytes are, whatever a name or a server says.
    """
    return EXTENSIONS[_decode(content, name=name)[0]]


def _decode(content: bytes, *, name: str) -> tuple[str, Image.Image]:
    try:
        bared = bare(content)
        # The header alone is read first: nothing is decoded before its size is known.
        picture = _open(bared.content)
        pixels = picture.width * picture.height
        if pixels > MAX_PIXELS:
            raise _too_many_pixels(name, f"{picture.width}x{picture.height}")
        if bared.passes > MAX_JPEG_SCANS or bared.passes * pixels > MAX_JPEG_PIXELS_PASSED:
            raise AssetInvalidError(
                f"The image {name} is a JPEG of {picture.width}x{picture.height} pixels in {bared.passes} "
                f"passes; at most {MAX_JPEG_SCANS} are read, and {MAX_JPEG_PIXELS_PASSED // MAX_PIXELS} of "
                "the largest image.",
                remedy="Save it again.",
            )
        picture.load()
        turn = _UPRIGHT.get(bared.orientation)
        upright = picture if turn is None else picture.transpose(turn)
        return str(picture.format), upright.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name, "far too many") from error
    except _DECODER_FAULTS as error:
        raise AssetInvalidError(
            f"The image {name} cannot be read as PNG, JPEG or WebP: {str(error) or type(error).__name__}",
            remedy="Save it again.",
        ) from error


def _open(content: bytes) -> Image.Image:
    """Read the header. Other formats' decoders are not even asked."""
    with _HEADERS, warnings.catch_warnings():
        # What they say is found out here, or does not matter; on stderr nobody would know of which image.
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _too_many_pixels(name: str, size: str) -> AssetInvalidError:
    return AssetInvalidError(
        f"The image {name} has {size} pixels; {MAX_PIXELS // 1_000_000} megapixels are allowed.",
        remedy="Save it smaller; a frame is 1920x1080.",
    )


def cover(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Fill a box: scaled to cover it, cut evenly.

    What is too small for that, or would lose too much, is set whole on a blurred copy of itself.
    """
    filled = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    across, down = width / picture.width, height / picture.height
    if max(across, down) <= MAX_ENLARGEMENT and min(across, down) / max(across, down) >= LEAST_KEPT:
        return filled
    return _whole_on_blur(picture, filled)


def _whole_on_blur(picture: Image.Image, filled: Image.Image) -> Image.Image:
    width, height = filled.size
    small = filled.resize((max(1, width // 16), max(1, height // 16)), Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(1.5)).resize((width, height), Image.Resampling.BICUBIC)
    # Darker, so that the picture itself stands out.
    soft = Image.blend(soft, Image.new(soft.mode, soft.size, (0, 0, 0, 255)), 0.35)
    scale = min(MAX_ENLARGEMENT, width / picture.width, height / picture.height)
    whole = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
        Image.Resampling.LANCZOS,
    )
    soft.alpha_composite(whole, ((width - whole.width) // 2, (height - whole.height) // 2))
    return soft


def contain(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Shrink to fit inside a box; never enlarged."""
    scale = min(1.0, width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
