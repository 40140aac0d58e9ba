"""Objects in a Cloud Storage bucket. Importing this loads Google's client, which takes about a second."""

import io
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import google.cloud.storage as storage  # type: ignore[import-untyped]  # noqa: PLR0402
from google.api_core.retry import Retry
from google.auth.exceptions import DefaultCredentialsError

from trivia_render.errors import (
    ObjectDamagedError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
)
from trivia_render.models.ports import ObjectInfo
from trivia_render.storage.gcs_bucket import Content, GcsBucket, Outcome
from trivia_render.storage.gcs_errors import (
    DEFAULT_LIMITS,
    FAULTS,
    Limits,
    Patience,
    is_passing,
    no_credentials,
    store_error,
)
from trivia_render.storage.keys import check_key, check_prefix
from trivia_render.storage.sums import Crc32c, chunks, crc32c

T = TypeVar("T")


def make_client(project: str | None) -> storage.Client:
    """Return a client with this machine's credentials, or with none where STORAGE_EMULATOR_HOST is set.

    Raises StoreError where there are no credentials.
    """
    try:
        return storage.Client(project=project)
    except DefaultCredentialsError as error:
        raise no_credentials(error) from error


class GcsStore:
    """A `Store` in a bucket; every thread, process and machine may use it at once.

    A call is tried again while its fault may pass, and only for so long: see `Limits`. A write whose answer
    was lost is known by a token in the object's metadata, so that the next try does not take it for
    another's. (Where another has overwritten it by then, the write counts as refused.) All that is sent
    and all that arrives is checked by CRC-32C.

    Cloud Storage takes about one write a second of the same name and answers 429 to more: such writes wait.
    """

    def __init__(
        self, bucket: str, *, client: Callable[[], storage.Client], limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._limits = limits
        self._bucket = GcsBucket(bucket, client=client, timeout=(limits.connect_seconds, limits.read_seconds))

    def read(self, key: str) -> tuple[bytes, ObjectInfo]:
        """Return a small object whole. Raises ObjectMissingError.

        Two requests: what the service knows of it, then the bytes of that very generation.
        """

        def attempt() -> tuple[bytes, ObjectInfo]:
            info, sink = self._existing(key), io.BytesIO()
            self._bucket.fetch(info, sink)
            return sink.getvalue(), info

        return self._tried(key, attempt)

    def write(
        self, key: str, data: bytes, *, content_type: str, if_generation: int | None = None
    ) -> ObjectInfo:
        """Write a small object in one request; see `Store.write`. Raises PreconditionFailedError."""
        content = Content(lambda: io.BytesIO(data), len(data), crc32c(data), content_type)
        info, ours = self._send(key, content, if_generation)
        if info is None or not ours:
            raise _another_generation(key, info, if_generation)
        return info

    def upload(self, key: str, path: Path, *, content_type: str) -> ObjectInfo:
        """Send a file, never overwriting; see `Store.upload`. Raises PreconditionFailedError.

        More than 8 MiB go in pieces. Each piece has the whole deadline to itself.
        """
        running = Crc32c()
        with self._faults(key), path.open("rb") as source:
            for chunk in chunks(source):
                running.update(chunk)
            size = source.tell()
        content = Content(lambda: path.open("rb"), size, running.base64(), content_type)
        info, ours = self._send(key, content, 0)
        if info is None:
            raise _another_generation(key, info, 0)
        if not ours and (info.size_bytes, info.crc32c) != (size, content.crc32c):
            raise PreconditionFailedError(
                f"{key} holds other content already.",
                evidence=f"there: {info.size_bytes} bytes, crc32c {info.crc32c}; "
                f"new: {size} bytes, crc32c {content.crc32c}",
                remedy="Finished files are never overwritten: delete it first if it is damaged.",
            )
        return info

    def download(self, key: str, path: Path, *, crc32c: str | None = None) -> None:
        """Copy an object out, whole or not at all. Raises ObjectMissingError, ObjectDamagedError."""
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")

        def attempt() -> ObjectInfo:
            info = self._existing(key)
            if crc32c in {None, info.crc32c}:
                with partial.open("wb") as file:
                    self._bucket.fetch(info, file)
                partial.replace(path)
            return info

        try:
            info = self._tried(key, attempt)
        finally:
            partial.unlink(missing_ok=True)
        if crc32c not in {None, info.crc32c}:
            raise ObjectDamagedError(
                f"{key} is damaged.",
                evidence=f"crc32c {info.crc32c} instead of {crc32c}",
                remedy="Delete it and run the job again: it is made anew.",
            )

    def stat(self, key: str) -> ObjectInfo | None:
        """Return what is known of the object, or None where there is none."""
        return self._tried(key, lambda: self._bucket.find(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose key starts with the prefix, in key order.

        Objects that come or go meanwhile may or may not be among them.
        """
        check_prefix(prefix)
        with self._faults(prefix):
            for info in self._bucket.list(prefix, retry=self._retry(Patience(self._limits))):
                if _is_key(info.key):
                    yield info

    def delete(self, key: str, *, if_generation: int | None = None) -> None:
        """Delete; an absent object is no error. Raises PreconditionFailedError."""
        present = self._tried(key, lambda: self._bucket.delete(key, if_generation=if_generation))
        if present is not None:
            raise _another_generation(key, present, if_generation)

    def uri(self, key: str) -> str:
        """Return the object's `gs://` URI."""
        return f"gs://{self._bucket.name}/{check_key(key)}"

    def _send(self, key: str, content: Content, if_generation: int | None) -> Outcome:
        token = secrets.token_hex(16)
        pieces = self._retry(is_passing)
        return self._tried(
            key,
            lambda: self._bucket.send(key, content, token=token, if_generation=if_generation, pieces=pieces),
        )

    def _existing(self, key: str) -> ObjectInfo:
        info = self._bucket.find(key)
        if info is None:
            raise ObjectMissingError(f"There is no object {key}.", remedy="Check the name, or make it again.")
        return info

    def _tried(self, key: str, attempt: Callable[[], T]) -> T:
        """Try until it works, an error stands, or patience or time is at an end."""
        check_key(key)
        with self._faults(key):
            return self._retry(Patience(self._limits))(attempt)()

    def _retry(self, worth_it: Callable[[Exception], bool]) -> Retry:
        return Retry(
            predicate=worth_it,
            initial=self._limits.first_delay_seconds,
            maximum=self._limits.longest_delay_seconds,
            timeout=self._limits.deadline_seconds,
        )

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        """Turn the client's, the network's and the local disk's errors into ours."""
        try:
            yield
        except FAULTS as error:
            raise store_error(error, bucket=self._bucket.name, name=name) from error


def _is_key(name: str) -> bool:
    """Whether an object of the bucket can be one of ours: a console's `folder/` is passed over."""
    try:
        check_key(name)
    except StoreError:
        return False
    return True


def _another_generation(key: str, present: ObjectInfo | None, wanted: int | None) -> PreconditionFailedError:
    found = "does not exist" if present is None else f"has generation {present.generation}"
    return PreconditionFailedError(
        f"{key} {found}; it should {f'have {wanted}' if wanted else 'not exist'}.",
        remedy="Another process changed it: read it again and decide anew.",
    )
