"""Images that configs bring along: checked, turned upright, fitted. Formats and sizes are limited."""

import io

from PIL import Image, ImageFilter, ImageOps

from trivia_render.errors import AssetInvalidError

FORMATS = ("PNG", "JPEG", "WEBP")
#: 40 megapixels, twenty full frames: more is a mistake or an attack on memory.
MAX_PIXELS = 40_000_000
#: An image is never drawn larger than this times its own size: it would turn to mush.
MAX_ENLARGEMENT = 2.0
#: Cutting an image to its place must leave at least so much of it.
LEAST_KEPT = 0.75


def open_picture(content: bytes, *, name: str) -> Image.Image:
    """Decode an image as RGBA, upright. Raises AssetInvalidError naming it."""
    try:
        # The header alone is read first: nothing is decoded before its size is known.
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise AssetInvalidError(
                f"The image {name} has {picture.width}x{picture.height} pixels; "
                f"{MAX_PIXELS // 1_000_000} megapixels are allowed.",
                remedy="Save it smaller; a frame is 1920x1080.",
            )
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AssetInvalidError(
            f"The image {name} cannot be read as PNG, JPEG or WebP: {error}", remedy="Save it again."
        ) from error
    return upright.convert("RGBA")


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
