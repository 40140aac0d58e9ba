"""Images that configs bring along: checked, turned upright, fitted. Formats and sizes are limited."""

import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image, ImageFilter, ImageOps

from trivia_render.errors import AssetInvalidError

#: The formats that are read, whatever a file is called.
FORMATS = ("PNG", "JPEG", "WEBP")
#: The ending of each. MPO is what Pillow calls a JPEG that holds further images, as phones take them.
EXTENSIONS: Mapping[str, str] = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp"}
#: 40 megapixels, twenty full frames: more is a mistake or an attack on memory.
MAX_PIXELS = 40_000_000
#: A JPEG in more passes than this is an attack on time: each goes over the whole image, and cameras and
#: programs write some ten.
MAX_JPEG_SCANS = 100
#: An image is never drawn larger than this times its own size: it would turn to mush.
MAX_ENLARGEMENT = 2.0
#: Cutting an image to its place must leave at least so much of it.
LEAST_KEPT = 0.75

_START_OF_SCAN = b"\xff\xda"
#: What Pillow's decoders are known to raise for damaged files; MemoryError for sizes that they believe.
_DECODER_FAULTS = (
    *(OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError),
    *(MemoryError, NotImplementedError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
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
        # The header alone is read first: nothing is decoded before its size is known. Other formats' decoders
        # are not even asked.
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise AssetInvalidError(
                f"The image {name} has {picture.width}x{picture.height} pixels; "
                f"{MAX_PIXELS // 1_000_000} megapixels are allowed.",
                remedy="Save it smaller; a frame is 1920x1080.",
            )
        # These two bytes are a mark wherever they stand in compressed data: there FF is followed by 00.
        if EXTENSIONS[str(picture.format)] == ".jpg" and content.count(_START_OF_SCAN) > MAX_JPEG_SCANS:
            raise AssetInvalidError(
                f"The image {name} is a JPEG in more than {MAX_JPEG_SCANS} passes.", remedy="Save it again."
            )
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return str(picture.format), upright.convert("RGBA")
    except _DECODER_FAULTS as error:
        raise AssetInvalidError(
            f"The image {name} cannot be read as PNG, JPEG or WebP: {str(error) or type(error).__name__}",
            remedy="Save it again.",
        ) from error


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
