"""Results of real tasks in our store, through a real server."""

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.results import PLAIN_JSON, results_in
from trivia_render.storage.local import LocalStore

pytestmark = pytest.mark.usefixtures("prefect_server")


class Sums:
    """A flow of cached tasks, and which of them really ran."""

    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self.ran: list[int] = []

    def of(self, *numbers: int) -> list[tuple[str, dict[str, Any]]]:
        """Double each number in a task of its own, one after the other: its state's name and its result."""

        @task(
            cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda _, given: f"v1/sums/{given['number']}.json"),
            persist_result=True,
            result_serializer=PLAIN_JSON,
        )
        def double(number: int) -> dict[str, Any]:
            self.ran.append(number)
            return {"number": number, "double": 2 * number}

        @flow(persist_result=False, result_serializer="json")
        def sums() -> list[tuple[str, dict[str, Any]]]:
            runner: ThreadPoolTaskRunner[dict[str, Any]] = ThreadPoolTaskRunner(max_workers=1)
            with results_in(self.store), runner:
                futures = [runner.submit(double, {"number": number}) for number in numbers]
                results = [future.result() for future in futures]
                return [(future.state.name, result) for future, result in zip(futures, results, strict=True)]

        self.ran.clear()
        return sums()


class Trap:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.fixture
def sums(tmp_path: Path) -> Sums:
    return Sums(LocalStore(tmp_path / "store"))


def test_a_task_whose_result_is_kept_does_not_run_again(sums: Sums, tmp_path: Path) -> None:
    assert sums.of(1, 2) == [("Completed", {"number": n, "double": 2 * n}) for n in (1, 2)]
    assert sums.ran == [1, 2]
    files = sorted((tmp_path / "store" / "results" / "v1" / "sums").iterdir())
    assert [file.name for file in files] == ["1.json", "2.json"]
    assert json.loads(json.loads(files[0].read_text())["result"]) == {"number": 1, "double": 2}

    # In another run, in what could be another process: nothing but the store is shared.
    assert sums.of(1, 2, 3) == [
        ("Cached", {"number": 1, "double": 2}),
        ("Cached", {"number": 2, "double": 4}),
        ("Completed", {"number": 3, "double": 6}),
    ]
    assert sums.ran == [3]


def test_a_planted_result_runs_no_code_and_is_made_anew(sums: Sums, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    result = base64.encodebytes(pickle.dumps(Trap(trap))).decode()
    plain = PLAIN_JSON.model_dump(mode="json")
    for number, planted in enumerate(
        [
            {"metadata": {"serializer": {"type": "pickle"}}},
            {"metadata": {"serializer": plain}, "serializer": {"type": "pickle"}},
        ],
        start=1,
    ):
        record = json.dumps({"result": result, **planted}).encode()
        sums.store.write(f"results/v1/sums/{number}.json", record, content_type="application/json")
    assert [state for state, _ in sums.of(1, 2)] == ["Completed", "Completed"]
    assert sums.ran == [1, 2]
    assert not trap.exists()
    assert [state for state, _ in sums.of(1, 2)] == ["Cached", "Cached"]
