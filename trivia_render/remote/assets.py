"""Images that lie elsewhere, from the buckets and hosts that were allowed."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from trivia_render.errors import AssetInvalidError
from trivia_render.models.asset_reference import BucketImage, WebImage, parse_remote
from trivia_render.models.hosts import is_allowed
from trivia_render.models.ports import RemoteAssets

#: What is remembered of images: every job of a batch may name the same logo.
REMEMBERED_SECONDS = 60.0
REMEMBERED_BYTES = 64 * 1024 * 1024
#: Where configs may name images in this project's own buckets. The rest there belongs to channels and jobs.
UPLOADS = "uploads/"


class AllowedAssets:
    """A `RemoteAssets` of listed places alone. Nothing else is asked for, not even a name server."""

    def __init__(
        self,
        *,
        buckets: Collection[str],
        own_buckets: Collection[str],
        hosts: Sequence[str],
        from_bucket: Callable[[BucketImage], bytes],
        from_web: Callable[[WebImage], bytes],
    ) -> None:
        """`own_buckets`: those of the videos and of work; of them, images below `UPLOADS` alone are given."""
        self._buckets = buckets
        self._own_buckets = own_buckets
        self._hosts = hosts
        self._from_bucket = from_bucket
        self._from_web = from_web

    def fetch(self, reference: str) -> bytes:
        """Return the image's bytes; see `RemoteAssets.fetch`."""
        try:
            image = parse_remote(reference)
        except ValueError as error:
            raise AssetInvalidError(f"{error}.", remedy="Correct the reference.") from error
        if image is None:
            raise AssetInvalidError("this is the name of a file.", remedy="Correct the reference.")
        if isinstance(image, BucketImage):
            if image.bucket not in self._buckets:
                raise AssetInvalidError(
                    f"images may not be taken from the bucket {image.bucket}.",
                    remedy="Name one in GCS_BUCKET, or add it to TRIVIA_ASSET_BUCKETS, where jobs are "
                    "submitted and where they are rendered.",
                )
            if image.bucket in self._own_buckets and not image.name.startswith(UPLOADS):
                raise AssetInvalidError(
                    f"of the bucket {image.bucket}, which holds other channels' files too, images may be "
                    f"taken from below {UPLOADS} alone.",
                    remedy=f"Upload it to gs://{image.bucket}/{UPLOADS} and name it there.",
                )
            return self._from_bucket(image)
        if not is_allowed(image.host, self._hosts):
            raise AssetInvalidError(
                f"images may not be fetched from {image.host}.",
                remedy="Give the file beside the config, or add the host to TRIVIA_ASSET_HOSTS, where jobs "
                "are submitted and where they are rendered.",
            )
        return self._from_web(image)


class RememberedAssets:
    """A `RemoteAssets` that asks another one, and not again for what it got within the last minute."""

    def __init__(self, assets: RemoteAssets, *, now: Callable[[], float] = time.monotonic) -> None:
        self._assets = assets
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def fetch(self, reference: str) -> bytes:
        """Return the image's bytes; see `RemoteAssets.fetch`."""
        with self._lock:
            kept = self._kept.get(reference)
        if kept is not None and self._now() - kept[0] < REMEMBERED_SECONDS:
            return kept[1]
        content = self._assets.fetch(reference)
        with self._lock:
            self._forget(reference)
            self._kept[reference] = (self._now(), content)
            self._bytes += len(content)
            while self._bytes > REMEMBERED_BYTES:
                self._forget(next(iter(self._kept)))
        return content

    def _forget(self, reference: str) -> None:
        _, content = self._kept.pop(reference, (0.0, b""))
        self._bytes -= len(content)
