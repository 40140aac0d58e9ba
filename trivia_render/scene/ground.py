"""The still ground and the band of a theme and format, drawn once per process."""

import threading
from collections.abc import Mapping
from functools import lru_cache

from PIL import Image

from trivia_render.errors import AssetInvalidError
from trivia_render.models.formats import FormatName
from trivia_render.models.theme import Theme, ThemeAsset
from trivia_render.scene.background import draw_background
from trivia_render.scene.band import Band, BandCache
from trivia_render.scene.grid import stage_of
from trivia_render.scene.pictures import open_picture
from trivia_render.scene.planes import to_planes

_bands = BandCache()
# Clips start side by side: the first draws the ground, the others find it.
_lock = threading.Lock()


def ground_image(theme: Theme, name: FormatName, assets: Mapping[str, bytes]) -> Image.Image:
    """Return a fresh RGBA copy of the theme's ground. Raises AssetInvalidError."""
    with _lock:
        return _ground(theme, name, _background_picture(theme, assets)).convert("RGBA")


def band_of(theme: Theme, name: FormatName, assets: Mapping[str, bytes], *, compact: bool) -> Band:
    """Return the theme's band over its ground. Raises AssetInvalidError."""
    picture = _background_picture(theme, assets)

    def make() -> Band:
        with _lock:
            image = _ground(theme, name, picture)
        return Band(theme, to_planes(image), stage_of(name, compact=compact))

    return _bands.get((theme, name, compact), make)


def asset_picture(asset: ThemeAsset | None, assets: Mapping[str, bytes], *, what: str) -> Image.Image | None:
    """Return an image of the config, decoded. Raises AssetInvalidError naming what it is."""
    if asset is None:
        return None
    content = assets.get(asset.sha256)
    if content is None:
        raise AssetInvalidError(
            f"The {what} {asset.uri} was not handed over.",
            remedy="Upload the image again and submit the job anew.",
        )
    return open_picture(content, name=f"{what} {asset.uri}")


def _background_picture(theme: Theme, assets: Mapping[str, bytes]) -> bytes | None:
    asset = theme.background_image
    if asset is None:
        return None
    if asset.sha256 not in assets:
        asset_picture(asset, assets, what="background image")
    return assets[asset.sha256]


# A ground of 16:9 takes 6 MB.
@lru_cache(maxsize=6)
def _ground(theme: Theme, name: FormatName, picture: bytes | None) -> Image.Image:
    image = None
    if picture is not None and theme.background_image is not None:
        image = open_picture(picture, name=f"background image {theme.background_image.uri}")
    return draw_background(theme, stage_of(name), picture=image)
