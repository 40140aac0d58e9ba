"""Images that configs name: taken into the store by content, read back by hash."""

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trivia_render.errors import AssetInvalidError, AssetUnavailableError
from trivia_render.models.asset_reference import parse_remote
from trivia_render.models.config import JobConfig
from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.ports import RemoteAssets, Store
from trivia_render.models.redaction import redacted_url
from trivia_render.models.theme import ThemeAsset
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.scratch import scratch_folder
from trivia_render.scene.pictures import picture_extension
from trivia_render.storage import keys

#: One image; all that one config fetches from elsewhere; and how long that may take before no other is begun.
MAX_ASSET_BYTES = 20 * 1024 * 1024
MAX_FETCHED_BYTES = 400 * 1024 * 1024
MAX_FETCH_SECONDS = 300.0
CONTENT_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}

_STORED = re.compile(r"assets/([0-9a-f]{64})(\.(?:png|jpe?g|webp))")


class _Image(NamedTuple):
    """An image that a config names, looked at. `content` None: it is in the store."""

    asset: ThemeAsset
    content: bytes | None


def import_assets(config: JobConfig, ports: Ports) -> dict[str, ThemeAsset]:
    """Take every image of the config into the store; return them by the reference the config uses.

    A reference is a file under `ports.asset_root`, a `gs://` or `https://` address from which images may be
    fetched, or the name of an image in the store (`assets/<sha256>.png`). Raises AssetInvalidError and
    AssetUnavailableError that name the field, and the store's errors. What cannot be drawn is not stored.
    """
    found: dict[str, ThemeAsset] = {}
    for path, reference, image in _images(config, root=ports.asset_root, remote=ports.remote_assets):
        if image.content is not None:
            _store(image.asset, image.content, ports)
        elif ports.store.stat(reference) is None:
            raise AssetInvalidError(
                f"{path}: the store holds no {reference}.", remedy="Name a file instead, or upload the image."
            )
        found[reference] = image.asset
    return found


def name_assets(config: JobConfig, *, root: Path, remote: RemoteAssets) -> dict[str, ThemeAsset]:
    """Return the same without touching the store: an image that a config names there is taken to be in it.

    Raises AssetInvalidError for an image that cannot be taken, AssetUnavailableError.
    """
    return {reference: image.asset for _, reference, image in _images(config, root=root, remote=remote)}


def _images(config: JobConfig, *, root: Path, remote: RemoteAssets) -> Iterator[tuple[str, str, _Image]]:
    """Yield each image once: its first place in the config, its reference, and what it is."""
    seen: set[str] = set()
    fetched = _Fetched(remote)
    for path, reference in sorted(_references(config)):
        if reference in seen:
            continue
        seen.add(reference)
        if stored := _STORED.fullmatch(reference):
            yield path, reference, _Image(ThemeAsset(sha256=stored[1], uri=reference), None)
            continue
        name = redacted_url(reference)
        if parse_remote(reference) is None:
            content = _read_file(reference, path, root)
        else:
            content = fetched.next(reference, path)
        extension = picture_extension(content, name=f"{path}, {name!r},")
        digest = hashlib.sha256(content).hexdigest()
        yield (
            path,
            reference,
            _Image(ThemeAsset(sha256=digest, uri=keys.asset_key(digest, extension)), content),
        )


class _Fetched:
    """The images of one config that lie elsewhere, within limits for all of them."""

    def __init__(self, remote: RemoteAssets) -> None:
        self._remote = remote
        self._end = time.monotonic() + MAX_FETCH_SECONDS
        self._bytes = 0

    def next(self, reference: str, path: str) -> bytes:
        """Fetch one. Raises AssetInvalidError and AssetUnavailableError that name the field."""
        if time.monotonic() > self._end or self._bytes > MAX_FETCHED_BYTES:
            raise AssetInvalidError(
                f"{path}: the images before this one took too long to fetch, or are too many; a config "
                f"may take {MAX_FETCH_SECONDS:g} s and {MAX_FETCHED_BYTES:,} bytes.",
                remedy="Put images beside the config, or fewer and smaller ones.",
            )
        try:
            content = self._remote.fetch(reference)
        except (AssetInvalidError, AssetUnavailableError) as error:
            raise type(error)(
                f"{path}: {redacted_url(reference)!r} cannot be taken: {error.message}",
                evidence=error.evidence,
                remedy=error.remedy,
            ) from error
        self._bytes += len(content)
        return content


def _references(config: JobConfig) -> Iterator[tuple[str, str]]:
    for index, question in enumerate(config.questions):
        if question.image is not None:
            yield f"$.questions[{index}].image", question.image
    if config.theme.background_image is not None:
        yield "$.theme.background_image", config.theme.background_image
    if config.theme.logo is not None:
        yield "$.theme.logo", config.theme.logo


def _store(asset: ThemeAsset, content: bytes, ports: Ports) -> None:
    # What was looked at, and not the file anew: that may be another one by now.
    suffix = Path(asset.uri).suffix
    with scratch_folder(ports.scratch, prefix="image-") as folder:
        file = folder / f"image{suffix}"
        file.write_bytes(content)
        ports.store.upload(asset.uri, file, content_type=CONTENT_TYPES[suffix])


def _read_file(reference: str, path: str, root: Path) -> bytes:
    try:
        return _checked_file(reference, path, root).read_bytes()
    except OSError as error:
        raise AssetInvalidError(
            f"{path}: the file {reference!r} cannot be read: {error.strerror}.",
            remedy="Let this account read it, or name another file.",
        ) from error


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
