"""Prefect's task results in the job's own store, under `results/`: the checkpoints of a run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.context import FlowRunContext
from prefect.filesystems import WritableFileSystem
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from pydantic import PrivateAttr

from trivia_render.errors import ObjectMissingError
from trivia_render.models.ports import Store
from trivia_render.storage import keys

#: Results are JSON values and nothing else: no pickles, and none of Prefect's own additions to JSON, by which
#: a value can name a class to be made or a function to be called.
PLAIN_JSON = JSONSerializer(object_encoder=None, object_decoder=None)
_PLAIN = PLAIN_JSON.model_dump(mode="json")


class StoredResults(WritableFileSystem):
    """Prefect's file system for results over the local folder or the bucket, as the settings say.

    The same adapter as for all the rest, so results have its timeouts, retries and checksums.
    """

    _block_type_name = "Trivia results"
    _store: Store = PrivateAttr()

    @classmethod
    def over(cls, store: Store) -> "StoredResults":
        """Return the file system of a store."""
        results = cls()
        results._store = store
        return results

    # Prefect declares these two as coroutines and calls them, from a task's thread, with `_sync=True`.

    def read_path(self, path: str, *, _sync: bool = True) -> bytes:  # type: ignore[override]
        """Return a result's record, if it is plain JSON. Raises ValueError else, as Prefect expects."""
        try:
            record, _ = self._store.read(keys.RESULTS_PREFIX + path)
        except ObjectMissingError as error:
            raise ValueError(f"There is no result {path}.") from error
        if not _is_plain(json.loads(record)):
            raise ValueError(f"The result {path} is not plain JSON, and is not read.")
        return record

    def write_path(self, path: str, content: bytes, *, _sync: bool = True) -> None:  # type: ignore[override]
        """Write a result's record, replacing an older one."""
        self._store.write(keys.RESULTS_PREFIX + path, content, content_type="application/json")

    def _resolve_path(self, path: str) -> None:  # noqa: ARG002 - Prefect's
        # Prefect asks a file system that its server does not know where a path really is: where it says.
        return None


def _is_plain(record: object) -> bool:
    """Tell whether a record names no deserialiser but plain JSON's.

    Prefect would obey any other: a pickle, or a function to call. Whoever can write results must not be able
    to run code with that. Beside `metadata`, it takes one from the form of its older records, too.
    """
    if not isinstance(record, dict) or record.keys() != {"metadata", "result"}:
        return False
    metadata = record["metadata"]
    return isinstance(metadata, dict) and metadata.get("serializer") == _PLAIN


@contextmanager
def results_in(store: Store) -> Iterator[None]:
    """Keep the results of all tasks that are submitted in the block in this store."""
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("results are kept for the tasks of a flow, and no flow runs")
    kept = ResultStore(result_storage=StoredResults.over(store))
    with context.model_copy(update={"result_store": kept}):
        yield
