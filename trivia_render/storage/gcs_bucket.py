"""One try of each thing that a store does with a Cloud Storage bucket, in the service's own errors.

It is asked with a timeout each time and never by itself a second time, except for the pieces of a large
upload. Errors of ours are raised where the service has none: then another try may help.
"""

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import google.cloud.storage as storage  # type: ignore[import-untyped]  # noqa: PLR0402
import urllib3
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError

from trivia_render.errors import ObjectDamagedError, StoreUnavailableError
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage.gcs_errors import no_bucket, status_of
from trivia_render.storage.sums import Crc32c

#: In an object's custom metadata: which call wrote it.
TOKEN = "trivia-write"  # noqa: S105
#: The client sends so much in one request, and more in pieces.
ONE_REQUEST_BYTES = 8 << 20

# The client holds a piece in memory, some of it twice. The service asks for a multiple of 256 KiB.
_PIECE_BYTES = 8 << 20
_PAGE = 1000
# Without it the client (3.17) asks for the bucket's own metadata, for traces that nobody keeps: in threads
# of its own, with limits of its own, after each 404, and with a permission that objectUser lacks.
_NO_LOOKS_AT_BUCKETS = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
_FIELDS = "items(name,size,crc32c,generation,updated),nextPageToken"
# Answers to a piece when its session is over, or when client and service disagree on what was sent.
_SESSION_LOST = {http.client.PERMANENT_REDIRECT, http.client.NOT_FOUND, http.client.GONE}


class Content(NamedTuple):
    """What to send, opened anew at each try."""

    open: Callable[[], BinaryIO]
    size_bytes: int
    crc32c: str
    type: str


class Outcome(NamedTuple):
    """The object that lies there after a write, if any, and whether that write made it."""

    info: ObjectInfo | None
    ours: bool


class GcsBucket:
    """A bucket. The client is made when it is first needed. Every thread may use it at once."""

    def __init__(
        self, name: str, *, client: Callable[[], storage.Client], timeout: tuple[float, float]
    ) -> None:
        self.name = name
        self._make_client = client
        self._client: storage.Client | None = None
        self._lock = threading.Lock()
        self._timeout = timeout
        self._seen = False

    def find(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object, or None where there is none. Raises StoreError."""
        blob = self._reload(key)
        return None if blob is None else _info(blob)

    def list(self, prefix: str, *, retry: Retry) -> Iterator[ObjectInfo]:
        """Yield objects page by page, in the order of their names; a page is tried as `retry` says."""
        try:
            for blob in self._connected().list_blobs(
                self.name,
                prefix=prefix or None,
                fields=_FIELDS,
                page_size=_PAGE,
                timeout=self._timeout,
                retry=retry,
            ):
                yield _info(blob)
        except api.NotFound as error:
            raise no_bucket(self.name) from error

    def fetch(self, info: ObjectInfo, sink: BinaryIO) -> None:
        """Copy the bytes of that very generation.

        Raises ObjectDamagedError when others arrive, StoreUnavailableError when it was replaced.
        """
        blob = self._bucket().blob(info.key, generation=info.generation)
        summed = _SummedSink(sink)
        broken = ""
        try:
            blob.download_to_file(summed, raw_download=True, checksum=None, timeout=self._timeout, retry=None)
        except api.NotFound as error:
            raise StoreUnavailableError(f"{info.key} was replaced.", remedy="Read it again.") from error
        except urllib3.exceptions.ProtocolError as error:
            if not isinstance(error.__cause__, urllib3.exceptions.IncompleteRead):
                raise
            broken = f" ({error})"
        if (summed.size_bytes, summed.sum.base64()) != (info.size_bytes, info.crc32c):
            raise ObjectDamagedError(
                f"{info.key} did not arrive whole.",
                evidence=f"{summed.size_bytes} bytes, crc32c {summed.sum.base64()}, instead of "
                f"{info.size_bytes} bytes, crc32c {info.crc32c}{broken}",
                remedy="Check the network and run it again.",
            )

    def delete(self, key: str, *, if_generation: int | None) -> ObjectInfo | None:
        """Delete; return the object that lies there in spite of it, because it is of another generation."""
        try:
            self._bucket().delete_blob(
                key, if_generation_match=if_generation, timeout=self._timeout, retry=None
            )
        except api.NotFound as error:  # also after a delete of ours whose answer was lost
            self._check(error)
        except api.PreconditionFailed:
            return self.find(key)
        return None

    def send(
        self, key: str, content: Content, *, token: str, if_generation: int | None, pieces: Retry
    ) -> Outcome:
        """Store content, marked with a token that every try of the same call shares.

        That tells a try whose answer was lost from another's write. Large content goes in pieces, each
        tried as `pieces` says. Raises ObjectDamagedError when it changed on the way, StoreUnavailableError
        when it must be sent anew.
        """
        blob = self._bucket().blob(key, chunk_size=_PIECE_BYTES)
        blob.metadata = {TOKEN: token}
        blob.crc32c = content.crc32c  # the service refuses bytes of another sum
        try:
            with content.open() as source:
                blob.upload_from_file(
                    source,
                    size=content.size_bytes,
                    content_type=content.type,
                    if_generation_match=if_generation,
                    checksum=None,
                    timeout=self._timeout,
                    retry=pieces if content.size_bytes > ONE_REQUEST_BYTES else None,
                )
        except api.PreconditionFailed:
            return self._refused(key, token, if_generation)
        except GoogleAuthError:  # some of these are ValueErrors
            raise
        except (api.GoogleAPICallError, ValueError) as error:
            return Outcome(self._landed(key, token, error), ours=True)
        return Outcome(self._checked(_info(blob), content), ours=True)

    def _refused(self, key: str, token: str, if_generation: int | None) -> Outcome:
        """Look at what made the precondition fail: perhaps an earlier try of ours, its answer lost."""
        blob = self._reload(key)
        if blob is not None:
            return Outcome(_info(blob), ours=_token(blob) == token)
        if if_generation == 0:
            raise StoreUnavailableError(f"{key} came and went.", remedy="Run it again.")
        return Outcome(None, ours=False)

    def _landed(self, key: str, token: str, error: Exception) -> ObjectInfo:
        """Return the object if it was stored in spite of the error. Raises the error, or what it means."""
        status = status_of(error)
        if status == http.client.BAD_REQUEST and "crc32c" in str(error).lower():
            raise _changed_on_the_way(key, str(error)) from error
        # ValueError: the answer is no JSON, or the service kept less of a piece than was sent to it.
        if not isinstance(error, ValueError) and status not in _SESSION_LOST:
            raise error
        if status == http.client.NOT_FOUND:
            self._check(error, again=True)
        blob = self._reload(key)
        if blob is not None and _token(blob) == token:
            return _info(blob)
        raise StoreUnavailableError(
            f"The upload of {key} was interrupted.", evidence=str(error), remedy="Run it again."
        ) from error

    def _checked(self, info: ObjectInfo, content: Content) -> ObjectInfo:
        if (info.size_bytes, info.crc32c) == (content.size_bytes, content.crc32c):
            return info
        # Cloud Storage has compared the sums itself; a service that has not must not keep the damage.
        self.delete(info.key, if_generation=info.generation)
        raise _changed_on_the_way(
            info.key,
            f"sent: {content.size_bytes} bytes, crc32c {content.crc32c}; "
            f"stored: {info.size_bytes} bytes, crc32c {info.crc32c}",
        )

    def _reload(self, key: str) -> Any | None:
        blob = self._bucket().blob(key)
        try:
            blob.reload(timeout=self._timeout, retry=None)
        except api.NotFound as error:
            self._check(error)
            return None
        self._seen = True
        return blob

    def _check(self, error: Exception, *, again: bool = False) -> None:
        """Raise StoreError if a 404 was about the bucket. One that was seen is not looked for each time."""
        if self._seen and not again and "bucket does not exist" not in str(error):
            return
        # Listing needs nothing that roles/storage.objectUser lacks; looking at the bucket itself would.
        look = self._connected().list_blobs(
            self.name, max_results=1, fields="items(name)", timeout=self._timeout, retry=None
        )
        try:
            next(iter(look), None)
        except api.NotFound:
            raise no_bucket(self.name) from error
        self._seen = True

    def _bucket(self) -> Any:
        return self._connected().bucket(self.name)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                os.environ.setdefault(_NO_LOOKS_AT_BUCKETS, "true")
                self._client = self._make_client()
            return self._client


class _SummedSink:
    """A file to write to that sums what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0
        self.sum = Crc32c()

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        self.size_bytes += len(data)
        return self._file.write(data)


def _info(blob: Any) -> ObjectInfo:
    return ObjectInfo(blob.name, int(blob.size), str(blob.crc32c), int(blob.generation), blob.updated)


def _token(blob: Any) -> str | None:
    value: str | None = (blob.metadata or {}).get(TOKEN)
    return value


def _changed_on_the_way(key: str, evidence: str) -> ObjectDamagedError:
    return ObjectDamagedError(
        f"{key} was damaged on the way.", evidence=evidence, remedy="Check the network and run it again."
    )
