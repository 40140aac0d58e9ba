"""Jobs taken into the store: the same twice is one job, another config is refused or replaces it."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

from tests.unit.pipeline.jobs_in_store import (
    CHANNEL,
    CONFIG,
    JOB,
    Clock,
    Interrupted,
    lease_in,
    ports_in,
    put_lease,
    put_status,
    snapshot,
    status_in,
)
from trivia_render.errors import (
    AssetInvalidError,
    BadInputError,
    ConfigInvalidError,
    JobConflictError,
    JobUnknownError,
)
from trivia_render.models.parse import parse_job_config
from trivia_render.pipeline.handover import give_back
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.submission import (
    Submission,
    note_run,
    resubmit_job,
    retry_job,
    retry_seen_job,
    submit_job,
)
from trivia_render.storage.keys import asset_key, config_key, lease_key, status_key
from trivia_render.storage.local import LocalStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports(tmp_path: Path, clock: Clock) -> Ports:
    return ports_in(tmp_path, now=clock)


def submit(ports: Ports, config: Mapping[str, Any] = CONFIG, **options: Any) -> Submission:
    return submit_job(ports, channel=CHANNEL, job_id=JOB, config=config, **options)


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CONFIG), **changes}


def stored_config(ports: Ports) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ports.store.read(config_key(CHANNEL, JOB))[0])
    return value


def end(ports: Ports, state: Literal["failed", "completed"]) -> None:
    kept = status_in(ports.store).model_dump(exclude={"state"})
    put_status(
        ports.store,
        **kept | {"crashes": 2, "crash_of": "run-1:2", "error_code": "x", "flow_run_id": "run-1"},
        state=state,
    )


def test_a_job_is_taken_in_with_its_config_as_written_and_waits(ports: Ports, clock: Clock) -> None:
    submission = submit(ports, changed(title="¿Qué? <b>{x}"))
    assert not submission.superseded
    assert stored_config(ports)["title"] == "¿Qué? <b>{x}"
    status = status_in(ports.store)
    assert status == submission.status
    assert (status.state, status.attempt, status.retry, status.flow_run_id) == ("pending", 0, 0, None)
    assert (status.priority, status.created_at) == ("default", clock())
    assert status.config_sha256 == parse_job_config(stored_config(ports))[0].digest()


def test_the_same_again_is_the_same_run_and_writes_nothing(ports: Ports, clock: Clock) -> None:
    first = submit(ports)
    before = snapshot(ports.store)
    clock.pass_seconds(60)
    again = submit(ports)
    assert snapshot(ports.store) == before
    assert again == first
    assert again.run_key == first.run_key


def test_a_config_that_means_the_same_is_the_same(ports: Ports) -> None:
    first = submit(ports)
    spelled_out = {"priority": "default", **dict(reversed(list(CONFIG.items()))), "tts_speed": 4}
    assert submit(ports, spelled_out).run_key == first.run_key


def test_the_same_again_leaves_a_job_that_has_begun_or_ended_as_it_is(ports: Ports) -> None:
    first = submit(ports)
    for state in ("running", "completed", "failed"):
        put_status(ports.store, **first.status.model_dump(exclude={"state"}), state=state)
        again = submit(ports)
        assert (again.status.state, again.run_key) == (state, first.run_key)


def test_another_channel_or_job_is_another_run(ports: Ports) -> None:
    keys = {
        submit(ports).run_key,
        submit_job(ports, channel=CHANNEL, job_id="job-2", config=CONFIG).run_key,
        submit_job(ports, channel="other", job_id=JOB, config=changed(channel="other")).run_key,
    }
    assert len(keys) == 3


def test_another_config_is_refused_and_what_differs_is_named(ports: Ports) -> None:
    submit(ports)
    before = snapshot(ports.store)
    other = changed(title="Another", formats=["1:1", "16:9"])
    other["questions"][0]["answer_b"] = "Never"
    with pytest.raises(
        JobConflictError, match=f"{CHANNEL}/{JOB} was submitted with another config"
    ) as caught:
        submit(ports, other)
    assert [line.strip() for line in caught.value.evidence.splitlines()] == [
        "$.formats (1 entries, now 2)",
        "$.questions[0].answer_b",
        "$.title",
    ]
    assert "--force" in caught.value.remedy
    assert snapshot(ports.store) == before


def test_of_many_differences_the_first_are_named_and_the_rest_are_counted(ports: Ports) -> None:
    questions = [{**CONFIG["questions"][0], "question": f"Is it {number}?"} for number in range(14)]
    submit(ports, changed(questions=questions, total_questions=14))
    others = [{**question, "question": f"{question['question']}!"} for question in questions]
    with pytest.raises(JobConflictError) as caught:
        submit(ports, changed(questions=others, total_questions=14))
    lines = caught.value.evidence.splitlines()
    assert lines[9] == "  $.questions[9].question"
    assert lines[10:] == ["  and 4 more"]


def test_a_stored_config_that_cannot_be_read_is_replaced_only_by_force(ports: Ports) -> None:
    ports.store.write(config_key(CHANNEL, JOB), b"{", content_type="application/json")
    with pytest.raises(JobConflictError, match="cannot be read"):
        submit(ports)
    assert submit(ports, force=True).superseded
    assert stored_config(ports) == CONFIG


def test_by_force_another_config_takes_the_job_from_the_run_that_has_it(ports: Ports, clock: Clock) -> None:
    first = submit(ports)
    put_status(
        ports.store,
        **first.status.model_dump(exclude={"state", "attempt"}) | {"flow_run_id": "run-1", "crashes": 2},
        state="running",
        attempt=4,
    )
    lease = put_lease(ports.store, attempt=4)
    clock.pass_seconds(5)
    forced = submit(ports, changed(title="Another"), force=True)
    assert forced.superseded
    assert forced.run_key != first.run_key
    status = status_in(ports.store)
    assert (status.state, status.attempt, status.retry) == ("pending", 5, 1)
    assert (status.crashes, status.flow_run_id) == (0, None), "a new job with its own chances"
    assert status.created_at == first.status.created_at
    assert lease_in(ports.store).attempt == lease.attempt + 1
    assert lease_in(ports.store).expires_at == clock()
    fate = give_back(
        ports.store, channel=CHANNEL, job_id=JOB, flow_runs={"run-1"}, now=clock(), reason="", code="crashed",
        crash_of="run-1:1", max_crashes=3,
    )  # fmt: skip
    assert fate == "elsewhere", "the old run's death is no longer the job's"


def test_by_force_the_same_config_changes_nothing(ports: Ports) -> None:
    first = submit(ports)
    before = snapshot(ports.store)
    assert submit(ports, force=True) == first
    assert snapshot(ports.store) == before


def test_going_back_to_an_older_config_is_a_new_run_again(ports: Ports) -> None:
    other = changed(title="Another")
    submissions = [submit(ports, config, force=True) for config in (CONFIG, other, CONFIG, other)]
    assert len({submission.run_key for submission in submissions}) == 4
    assert [submission.superseded for submission in submissions] == [False, True, True, True]
    assert [submission.status.retry for submission in submissions] == [0, 1, 2, 3]


def test_a_replacement_that_died_between_config_and_status_is_completed_by_the_next(
    tmp_path: Path, clock: Clock
) -> None:
    store = Interrupted(tmp_path / "store")
    ports = replace(ports_in(tmp_path, now=clock), store=store)
    first = submit(ports)

    def die() -> None:
        raise ConnectionAbortedError

    other = changed(title="Another")
    store.before_next_write(status_key(CHANNEL, JOB), die)
    with pytest.raises(ConnectionAbortedError):
        submit(ports, other, force=True)
    again = submit(ports, other)
    assert again.run_key != first.run_key
    assert (again.status.state, again.status.retry) == ("pending", 1)
    assert again.status.config_sha256 == parse_job_config(other)[0].digest()


@pytest.mark.parametrize(
    ("config", "option", "expected"),
    [
        (CONFIG, None, "default"),
        (CONFIG, "high", "high"),
        (changed(priority="low"), None, "low"),
        (changed(priority="low"), "high", "high"),
    ],
)
def test_the_priority_is_the_commands_or_else_the_configs(
    ports: Ports, config: dict[str, Any], option: str | None, expected: str
) -> None:
    assert submit(ports, config, priority=option).status.priority == expected
    assert status_in(ports.store).priority == expected


def test_warnings_are_handed_on(ports: Ports) -> None:
    (warning,) = submit(ports, changed(total_questions=3)).warnings
    assert warning.path == "$.total_questions"


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (changed(tts_speed=99), ConfigInvalidError),
        (changed(channel="other"), BadInputError),
        (changed(theme={"name": "aurora", "logo": "absent.png"}), AssetInvalidError),
        (changed(theme={"name": "aurora", "logo": "../../etc/passwd.png"}), AssetInvalidError),
    ],
)
def test_what_cannot_be_rendered_is_refused_and_nothing_is_stored(
    ports: Ports, config: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        submit(ports, config)
    assert snapshot(ports.store) == {}


def picture(file: Path, colour: str) -> str:
    """Draw an image and return its name in the store."""
    Image.new("RGB", (64, 48), colour).save(file)
    return asset_key(hashlib.sha256(file.read_bytes()).hexdigest(), file.suffix)


def with_images(**changes: Any) -> dict[str, Any]:
    theme = {"name": "aurora", "logo": "logo.png", "background_image": "back.jpg"}
    return changed(questions=[{**CONFIG["questions"][0], "image": "a.png"}], theme=theme, **changes)


def test_images_are_taken_in_and_the_stored_config_names_them_there(ports: Ports, tmp_path: Path) -> None:
    names = {name: picture(tmp_path / name, "red") for name in ("a.png", "logo.png", "back.jpg")}
    config = with_images()
    given = copy.deepcopy(config)
    submission = submit(ports, config)
    assert config == given, "what the caller holds is not changed"
    stored = stored_config(ports)
    assert stored["questions"][0]["image"] == names["a.png"]
    assert stored["theme"] == {
        "name": "aurora",
        "logo": names["logo.png"],
        "background_image": names["back.jpg"],
    }
    assert ports.store.read(names["a.png"])[0] == (tmp_path / "a.png").read_bytes()
    assert submit(ports, config).run_key == submission.run_key

    elsewhere = replace(ports, asset_root=tmp_path / "no-images-here")
    assert submit(elsewhere, stored).run_key == submission.run_key, "the stored config stands for itself"


def test_another_image_under_the_same_file_name_is_another_config(ports: Ports, tmp_path: Path) -> None:
    for name in ("a.png", "logo.png", "back.jpg"):
        picture(tmp_path / name, "red")
    submit(ports, with_images())
    picture(tmp_path / "a.png", "blue")
    with pytest.raises(JobConflictError) as caught:
        submit(ports, with_images())
    assert caught.value.evidence.strip() == "$.questions[0].image"


@pytest.mark.parametrize("surplus", ["not a question", None, 7, ["image"], {"image": ["a.png"]}])
def test_questions_beyond_the_last_one_are_kept_as_they_are_whatever_they_hold(
    ports: Ports, tmp_path: Path, surplus: object
) -> None:
    for name in ("a.png", "logo.png", "back.jpg"):
        picture(tmp_path / name, "red")
    config = with_images()
    config["questions"].append(surplus)
    submit(ports, config)
    assert stored_config(ports)["questions"][1] == surplus


# Retries


@pytest.mark.parametrize("state", ["failed", "completed"])
def test_an_ended_job_waits_again_with_its_crashes_forgotten_as_a_new_run(
    ports: Ports, clock: Clock, state: Literal["failed", "completed"]
) -> None:
    first = submit(ports, priority="high")
    end(ports, state)
    clock.pass_seconds(60)
    again = retry_job(ports, channel=CHANNEL, job_id=JOB)
    assert again.run_key != first.run_key
    status = status_in(ports.store)
    assert status == again.status
    assert (status.state, status.retry, status.attempt) == ("pending", 1, 1)
    assert (status.crashes, status.crash_of, status.error_code, status.flow_run_id) == (0, None, None, None)
    assert (status.priority, status.created_at) == ("high", first.status.created_at)
    assert status.updated_at == clock()


@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_job_that_is_still_to_be_rendered_cannot_be_retried(ports: Ports, state: str) -> None:
    put_status(ports.store, **submit(ports).status.model_dump(exclude={"state"}), state=state)
    before = snapshot(ports.store)
    with pytest.raises(JobConflictError, match=f"is {state}"):
        retry_job(ports, channel=CHANNEL, job_id=JOB)
    assert snapshot(ports.store) == before


def test_a_second_retry_is_refused_and_one_after_another_failure_is_another_run(ports: Ports) -> None:
    submit(ports)
    keys = set()
    for _ in range(3):
        end(ports, "failed")
        keys.add(retry_job(ports, channel=CHANNEL, job_id=JOB).run_key)
        with pytest.raises(JobConflictError):
            retry_job(ports, channel=CHANNEL, job_id=JOB)
    assert len(keys) == 3


def test_a_job_that_is_not_there_cannot_be_retried(ports: Ports) -> None:
    with pytest.raises(JobUnknownError, match="no job quiz/job-1"):
        retry_job(ports, channel=CHANNEL, job_id=JOB)
    submit(ports)
    end(ports, "failed")
    ports.store.delete(config_key(CHANNEL, JOB))
    with pytest.raises(JobUnknownError):
        retry_job(ports, channel=CHANNEL, job_id=JOB)


def test_submitting_a_failed_job_again_does_not_retry_it(ports: Ports) -> None:
    first = submit(ports)
    end(ports, "failed")
    again = submit(ports)
    assert (again.status.state, again.run_key) == ("failed", first.run_key)


# Jobs that have lost their run


@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_job_whose_run_is_gone_waits_again_as_another_run(
    ports: Ports, state: Literal["pending", "running"]
) -> None:
    first = submit(ports, priority="high")
    kept = first.status.model_dump(exclude={"state"})
    put_status(ports.store, **kept | {"flow_run_id": "gone", "attempt": 3, "crashes": 1}, state=state)
    again = resubmit_job(ports, seen=status_in(ports.store))
    assert again is not None
    assert again.run_key != first.run_key
    status = status_in(ports.store)
    assert status == again.status
    assert (status.state, status.attempt, status.retry, status.crashes) == ("pending", 4, 1, 0)
    assert (status.flow_run_id, status.priority) == (None, "high")


def test_a_job_that_a_live_run_holds_or_that_has_gone_on_is_left_alone(ports: Ports) -> None:
    first = submit(ports)
    seen = status_in(ports.store)
    put_lease(ports.store, flow_run_id="run-1", expires_at=ports.now() + timedelta(seconds=60))
    before = snapshot(ports.store)
    assert resubmit_job(ports, seen=seen) is None
    assert snapshot(ports.store) == before
    ports.store.delete(lease_key(CHANNEL, JOB))
    put_status(ports.store, **first.status.model_dump(exclude={"state"}), state="running")
    before = snapshot(ports.store)
    assert resubmit_job(ports, seen=seen) is None
    assert snapshot(ports.store) == before


def test_a_failed_job_that_somebody_else_started_again_is_left_alone(ports: Ports) -> None:
    submit(ports)
    end(ports, "failed")
    seen = status_in(ports.store)
    retry_job(ports, channel=CHANNEL, job_id=JOB)
    end(ports, "completed")
    before = snapshot(ports.store)
    assert retry_seen_job(ports, seen=seen) is None
    assert snapshot(ports.store) == before
    again = retry_seen_job(ports, seen=status_in(ports.store))
    assert again is not None
    assert again.status.state == "pending"


@pytest.mark.parametrize("state", ["failed", "completed"])
def test_an_ended_job_has_no_run_to_lose(ports: Ports, state: Literal["failed", "completed"]) -> None:
    submit(ports)
    end(ports, state)
    assert resubmit_job(ports, seen=status_in(ports.store)) is None


def test_a_lost_job_whose_config_is_deleted_is_named(ports: Ports) -> None:
    submit(ports)
    ports.store.delete(config_key(CHANNEL, JOB))
    with pytest.raises(JobUnknownError):
        resubmit_job(ports, seen=status_in(ports.store))


# At once


def at_once(*calls: Callable[[], Submission]) -> list[Submission | Exception]:
    def result(call: Callable[[], Submission]) -> Submission | Exception:
        try:
            return call()
        except JobConflictError as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(result, calls))


def test_submitted_by_many_at_once_it_is_one_job(ports: Ports) -> None:
    results = at_once(*[lambda: submit(ports)] * 8)
    submissions = [result for result in results if isinstance(result, Submission)]
    assert len(submissions) == 8
    assert len({submission.run_key for submission in submissions}) == 1
    assert not any(submission.superseded for submission in submissions)
    assert status_in(ports.store).retry == 0


def test_of_different_configs_at_once_one_is_taken_and_the_others_are_refused(ports: Ports) -> None:
    configs = [changed(title=f"Title {number}") for number in range(6)]
    results = at_once(*[lambda config=config: submit(ports, config) for config in configs])
    (taken,) = [result for result in results if isinstance(result, Submission)]
    assert sum(isinstance(result, JobConflictError) for result in results) == 5
    assert taken.status == status_in(ports.store)
    assert parse_job_config(stored_config(ports))[0].digest() == taken.status.config_sha256


def test_retried_by_many_at_once_it_is_retried_once(ports: Ports) -> None:
    submit(ports)
    end(ports, "failed")
    results = at_once(*[lambda: retry_job(ports, channel=CHANNEL, job_id=JOB)] * 6)
    assert sum(isinstance(result, Submission) for result in results) == 1
    assert status_in(ports.store).retry == 1


def test_a_claim_between_two_steps_of_a_replacement_is_overruled(tmp_path: Path, clock: Clock) -> None:
    store = Interrupted(tmp_path / "store")
    ports = replace(ports_in(tmp_path, now=clock), store=store)
    first = submit(ports)
    other = LocalStore(store.root)
    kept = first.status.model_dump(exclude={"state", "attempt"})
    store.before_next_write(
        status_key(CHANNEL, JOB), lambda: put_status(other, **kept, state="running", attempt=6)
    )
    forced = submit(ports, changed(title="Another"), force=True)
    assert (forced.status.state, forced.status.attempt) == ("pending", 7)


# The run of a job


def test_a_waiting_job_names_the_run_that_will_render_it(ports: Ports) -> None:
    submission = submit(ports)
    note_run(ports, submission, flow_run_id="run-9")
    assert status_in(ports.store).flow_run_id == "run-9"
    assert status_in(ports.store).state == "pending"


def test_a_job_that_has_begun_names_its_run_itself(ports: Ports) -> None:
    submission = submit(ports)
    kept = submission.status.model_dump(exclude={"state", "attempt", "flow_run_id"})
    for later in (
        {"state": "running", "attempt": 1, "flow_run_id": "run-1"},
        {"state": "completed", "attempt": 1, "flow_run_id": "run-1"},
        # Begun, and given back.
        {"state": "pending", "attempt": 1, "flow_run_id": "run-1"},
    ):
        put_status(ports.store, **kept, **later)
        note_run(ports, submission, flow_run_id="run-9")
        assert status_in(ports.store).flow_run_id == "run-1"


def test_a_job_that_was_submitted_anew_meanwhile_does_not_name_the_older_run(ports: Ports) -> None:
    older = submit(ports)
    newer = submit(ports, changed(title="Another"), force=True)
    note_run(ports, older, flow_run_id="run-old")
    assert status_in(ports.store).flow_run_id is None
    note_run(ports, newer, flow_run_id="run-new")
    assert status_in(ports.store).flow_run_id == "run-new"


def test_a_claim_at_this_moment_keeps_the_name_of_its_own_run(tmp_path: Path, clock: Clock) -> None:
    store = Interrupted(tmp_path / "store")
    ports = replace(ports_in(tmp_path, now=clock), store=store)
    submission = submit(ports)
    other = LocalStore(store.root)
    store.before_next_write(
        status_key(CHANNEL, JOB), lambda: put_status(other, attempt=1, flow_run_id="run-1")
    )
    note_run(ports, submission, flow_run_id="run-9")
    assert (status_in(store).state, status_in(store).flow_run_id) == ("running", "run-1")


def test_a_job_that_is_gone_names_no_run(ports: Ports) -> None:
    submission = submit(ports)
    ports.store.delete(status_key(CHANNEL, JOB))
    note_run(ports, submission, flow_run_id="run-9")
    assert ports.store.stat(status_key(CHANNEL, JOB)) is None
