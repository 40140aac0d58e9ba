"""Images that configs name: taken into the store by content, read back by hash."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from trivia_render.errors import AssetInvalidError
from trivia_render.models.config import JobConfig
from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.ports import Store
from trivia_render.models.theme import ThemeAsset
from trivia_render.pipeline.ports import Ports
from trivia_render.storage import keys

MAX_ASSET_BYTES = 20 * 1024 * 1024
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}

_STORED = re.compile(r"assets/([0-9a-f]{64})(\.(?:png|jpe?g|webp))")


def import_assets(config: JobConfig, ports: Ports) -> dict[str, ThemeAsset]:
    """Take every image of the config into the store; return them by the reference the config uses.

    A reference is a file under `ports.asset_root` or the name of an image in the store
    (`assets/<sha256>.png`). Raises AssetInvalidError that names the field.
    """
    return {
        reference: _import_asset(reference, path, ports) for path, reference in sorted(_references(config))
    }


def name_assets(config: JobConfig, *, root: Path) -> dict[str, ThemeAsset]:
    """Return the same without touching the store: an image that a config names there is taken to be in it.

    Raises AssetInvalidError for a file under `root` that cannot be taken.
    """
    return {reference: _name_asset(reference, path, root) for path, reference in sorted(_references(config))}


def _references(config: JobConfig) -> Iterable[tuple[str, str]]:
    for index, question in enumerate(config.questions):
        if question.image is not None:
            yield f"$.questions[{index}].image", question.image
    if config.theme.background_image is not None:
        yield "$.theme.background_image", config.theme.background_image
    if config.theme.logo is not None:
        yield "$.theme.logo", config.theme.logo


def _import_asset(reference: str, path: str, ports: Ports) -> ThemeAsset:
    asset = _name_asset(reference, path, ports.asset_root)
    if asset.uri != reference:
        file = _checked_file(reference, path, ports.asset_root)
        ports.store.upload(asset.uri, file, content_type=CONTENT_TYPES[file.suffix.lower()])
    elif ports.store.stat(reference) is None:
        raise AssetInvalidError(
            f"{path}: the store holds no {reference}.", remedy="Name a file instead, or upload the image."
        )
    return asset


def _name_asset(reference: str, path: str, root: Path) -> ThemeAsset:
    if stored := _STORED.fullmatch(reference):
        return ThemeAsset(sha256=stored[1], uri=reference)
    file = _checked_file(reference, path, root)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ThemeAsset(sha256=digest, uri=keys.asset_key(digest, file.suffix.lower()))


def _checked_file(reference: str, path: str, root: Path) -> Path:
    if "\0" in reference:
        raise AssetInvalidError(f"{path}: a file name holds no NUL.", remedy="Correct the name.")
    file = (root / reference).resolve()
    if not file.is_relative_to(root.resolve()):
        raise AssetInvalidError(
            f"{path}: {reference!r} lies outside of {root}.",
            remedy="Put images beside the config, or in a folder below it.",
        )
    if file.suffix.lower() not in CONTENT_TYPES:
        raise AssetInvalidError(
            f"{path}: {reference!r} is not a PNG, JPEG or WebP file by its name.",
            remedy="Convert the image and name it .png, .jpg or .webp.",
        )
    if not file.is_file():
        raise AssetInvalidError(
            f"{path}: there is no file {reference!r} in {root}.", remedy="Correct the name or add the file."
        )
    if file.stat().st_size > MAX_ASSET_BYTES:
        raise AssetInvalidError(
            f"{path}: {reference!r} has {file.stat().st_size:,} bytes; {MAX_ASSET_BYTES:,} are allowed.",
            remedy="Save the image smaller; a frame is 1920x1080 at most.",
        )
    return file


def read_assets(spec: ClipSpec, store: Store) -> dict[str, bytes]:
    """Read the images that a clip shows, by sha256, each checked against its hash."""
    wanted = [spec.theme.background_image, spec.theme.logo]
    if isinstance(spec.content, QuestionClip):
        wanted.append(spec.content.image)
    found: dict[str, bytes] = {}
    for asset in wanted:
        if asset is None:
            continue
        content, _ = store.read(asset.uri)
        if hashlib.sha256(content).hexdigest() != asset.sha256:
            raise AssetInvalidError(
                f"{asset.uri} does not hold what its name says.", remedy="Upload the image again."
            )
        found[asset.sha256] = content
    return found
