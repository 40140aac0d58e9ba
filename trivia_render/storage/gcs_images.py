"""One object of any bucket, as it is and up to a size. Importing this loads Google's client."""

import http.client
import io
from collections.abc import Callable

import google.cloud.storage as storage  # type: ignore[import-untyped]  # noqa: PLR0402
from google.api_core.retry import Retry

from trivia_render.errors import AssetInvalidError, BucketMissingError
from trivia_render.models.asset_reference import BucketImage
from trivia_render.storage.gcs_bucket import GcsBucket
from trivia_render.storage.gcs_errors import DEFAULT_LIMITS, FAULTS, Limits, Patience, status_of, store_error


class GcsImages:
    """Reads images with this machine's credentials; the bytes are checked by CRC-32C."""

    def __init__(
        self, *, client: Callable[[], storage.Client], max_bytes: int, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._limits = limits

    def fetch(self, image: BucketImage) -> bytes:
        """Return the object's bytes. Raises AssetInvalidError, StoreUnavailableError, StoreError."""
        bucket = GcsBucket(
            image.bucket,
            client=self._client,
            timeout=(self._limits.connect_seconds, self._limits.read_seconds),
        )

        def attempt() -> bytes:
            try:
                info = bucket.find(image.name)
            except (TypeError, ValueError) as error:
                raise AssetInvalidError(
                    f"the bucket {image.bucket} does not tell the object's size and checksum.",
                    remedy="Correct the name, or upload the image again.",
                ) from error
            if info is None:
                raise AssetInvalidError(
                    f"there is no object of this name in the bucket {image.bucket}.",
                    remedy="Correct the name, or upload the image.",
                )
            if info.size_bytes > self._max_bytes:
                raise AssetInvalidError(
                    f"the object has {info.size_bytes:,} bytes; {self._max_bytes:,} are allowed.",
                    remedy="Save the image smaller; a frame is 1920x1080 at most.",
                )
            sink = io.BytesIO()
            # That very generation: as many bytes as were told, or an error.
            bucket.fetch(info, sink)
            return sink.getvalue()

        retry = Retry(
            predicate=Patience(self._limits),
            initial=self._limits.first_delay_seconds,
            maximum=self._limits.longest_delay_seconds,
            timeout=self._limits.deadline_seconds,
        )
        try:
            return retry(attempt)()
        except FAULTS as error:
            raise _image_error(error, image) from error
        except BucketMissingError as error:
            raise AssetInvalidError(
                f"there is no bucket {image.bucket}.", remedy="Correct the bucket's name."
            ) from error


def _image_error(error: Exception, image: BucketImage) -> Exception:
    if status_of(error) == http.client.FORBIDDEN:
        return AssetInvalidError(
            f"this account may not read the bucket {image.bucket}.",
            remedy="Grant it roles/storage.objectViewer on the bucket.",
        )
    return store_error(error, bucket=image.bucket, name=image.name)
