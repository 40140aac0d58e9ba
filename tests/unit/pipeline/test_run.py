"""The pipeline from config to manifest, on real parts, with a job of a few seconds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.pipeline import jobs_in_store
from tests.unit.pipeline.jobs_in_store import with_clips
from trivia_render.encode.clip import encode_clip
from trivia_render.errors import (
    AssetInvalidError,
    BadInputError,
    ConfigInvalidError,
    JobConflictError,
    LeaseLostError,
    TextDoesNotFitError,
)
from trivia_render.models.formats import FORMATS
from trivia_render.models.ports import Planes
from trivia_render.models.results import ClipResult, ObjectRef
from trivia_render.pipeline.claim import open_job
from trivia_render.pipeline.clip import render_clip
from trivia_render.pipeline.job import artefacts
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipStarted, Event
from trivia_render.pipeline.run import Outcome, render_job
from trivia_render.pipeline.status import read_status
from trivia_render.scene.planes import new_planes
from trivia_render.settings import load_settings
from trivia_render.storage.keys import video_key
from trivia_render.wiring import make_ports

CONFIG: dict[str, Any] = {**jobs_in_store.CONFIG, "metadata": {"campaign": "{x}"}}


class Job:
    """A store of its own, and what the pipeline told."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        settings = load_settings().model_copy(
            update={"data_folder": folder, "encoder": "libx264", "usd_per_hour": 0.36}
        )
        self.ports: Ports = replace(make_ports(settings), report=self.events.append, asset_root=folder.parent)

    def run(self, config: dict[str, Any] | None = CONFIG, **changes: Any) -> Outcome:
        self.events.clear()
        return render_job(self.ports, channel="quiz", job_id="j", config=config and {**config, **changes})

    @property
    def rendered(self) -> set[str]:
        return {event.label for event in self.events if isinstance(event, ClipStarted)}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Outcome]:
    job = Job(tmp_path_factory.mktemp("run") / "store")
    return job, job.run()


@pytest.fixture
def fresh(tmp_path: Path) -> Job:
    return Job(tmp_path / "store")


@pytest.fixture
def with_its_clips(rendered: Path, tmp_path: Path) -> Job:
    """A fresh job whose clips lie in the store, for what comes after them."""
    return Job(with_clips(tmp_path / "store", rendered))


def test_a_finished_job_is_completed_and_every_file_is_as_recorded(done: tuple[Job, Outcome]) -> None:
    job, outcome = done
    status = read_status(job.ports, channel="quiz", job_id="j")
    assert status is not None
    assert (status.state, status.clips_done, status.clips_total) == ("completed", 3, 3)
    for ref in artefacts(outcome.manifest.videos[0]):
        info = job.ports.store.stat(ref.key)
        assert info is not None
        assert (info.size_bytes, info.crc32c) == (ref.size_bytes, ref.crc32c)
    assert outcome.manifest.metadata == {"campaign": "{x}"}
    assert outcome.manifest.cost_usd is not None
    assert outcome.manifest.cost_usd > 0


def test_nothing_is_done_twice(done: tuple[Job, Outcome]) -> None:
    job, first = done
    again = job.run()
    assert again.already_published
    assert again.manifest == first.manifest
    assert job.rendered == set()


def test_the_stored_config_serves_where_none_is_passed(done: tuple[Job, Outcome]) -> None:
    job, _ = done
    assert job.run(config=None).already_published


def test_another_sound_makes_the_video_again_and_no_clip(done: tuple[Job, Outcome]) -> None:
    job, first = done
    other = job.run(soundtrack={"source": "calm"})
    assert job.rendered == set()
    assert (other.manifest.clips_rendered, other.manifest.clips_reused) == (0, 3)
    assert other.manifest.videos[0].sha256 != first.manifest.videos[0].sha256
    assert job.ports.store.stat(first.manifest.videos[0].video.key) is not None, "finals are never deleted"


def test_a_damaged_final_file_is_made_again(done: tuple[Job, Outcome]) -> None:
    job, _ = done
    outcome = job.run()
    path = Path(job.ports.store.uri(outcome.manifest.videos[0].video.key))
    path.write_bytes(path.read_bytes()[:-100])
    again = job.run()
    assert not again.already_published
    assert again.manifest.attempt > outcome.manifest.attempt
    assert job.rendered == set()


def test_a_clip_of_other_stream_parameters_is_rendered_again_and_never_joined(
    done: tuple[Job, Outcome], tmp_path: Path
) -> None:
    job, _ = done
    outcome = job.run()
    odd_key = outcome.manifest.videos[0].clip_keys[1]
    record_key = f"clips/{odd_key}.json"
    record = ClipResult.model_validate_json(job.ports.work_store.read(record_key)[0])
    size = FORMATS["1:1"]

    def grey() -> Iterator[Planes]:
        planes = new_planes(size.width, size.height)
        planes[:] = 128
        for _ in range(record.frames):
            yield planes

    odd = tmp_path / "odd.mp4"
    encode_clip(
        grey(), frame_count=record.frames, width=size.width, height=size.height,
        encoder=outcome.manifest.encoder, ffmpeg=job.ports.ffmpeg, output=odd, threads=1, on_progress=None,
    )  # fmt: skip
    main = tmp_path / "main.mp4"
    job.ports.ffmpeg(
        ["-y", "-i", str(odd), "-c:v", "libx264", "-profile:v", "main", "-g", "60", "-sc_threshold", "0",
         "-pix_fmt", "yuv420p", str(main)],
        "make a clip of another profile",
    )  # fmt: skip
    info = job.ports.work_store.upload("clips/odd.mp4", main, content_type="video/mp4")
    planted = record.model_copy(
        update={
            "video": ObjectRef(key=info.key, size_bytes=info.size_bytes, crc32c=info.crc32c),
            "parameter_sets_sha256": "0" * 64,
        }
    )
    job.ports.work_store.write(
        record_key, planted.model_dump_json().encode(), content_type="application/json"
    )
    again = job.run(soundtrack={"source": "suspense"})
    assert job.rendered == {"q01 1:1"}
    assert again.manifest.videos[0].frames == outcome.manifest.videos[0].frames
    assert [(f.what, f.asked) for f in again.manifest.fallbacks] == [("clip", "q01 1:1")]
    assert (again.manifest.clips_rendered, again.manifest.clips_reused) == (1, 2)


def test_a_late_run_cannot_publish_and_its_own_files_go(with_its_clips: Job) -> None:
    late = with_its_clips.ports
    with pytest.raises(LeaseLostError), open_job(late, channel="quiz", job_id="j", config=CONFIG) as slow:  # noqa: PT012
        # The lease runs out on another machine's clock, which takes the job and publishes it.
        other = replace(late, host="elsewhere", now=lambda: late.now() + timedelta(minutes=5))
        winner = render_job(other, channel="quiz", job_id="j", config=CONFIG).manifest.videos[0]
        key = video_key("quiz", "j", format="1:1", attempt=slow.attempt, name="video.mp4")
        info = late.store.write(key, b"late", content_type="video/mp4")
        mine = ObjectRef(key=key, size_bytes=info.size_bytes, crc32c=info.crc32c)
        slow.publish([winner.model_copy(update={"video": mine})])
    assert late.store.stat(key) is None
    assert all(late.store.stat(ref.key) for ref in artefacts(winner))
    status = read_status(late, channel="quiz", job_id="j")
    assert status is not None
    assert (status.state, status.attempt) == ("completed", 2)


def test_a_job_that_another_run_holds_is_refused(fresh: Job) -> None:
    with (
        open_job(fresh.ports, channel="quiz", job_id="j", config=CONFIG),
        pytest.raises(JobConflictError),
    ):
        render_job(replace(fresh.ports, host="elsewhere"), channel="quiz", job_id="j", config=CONFIG)


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"tts_speed": 9}, ConfigInvalidError, "config_invalid"),
        ({"channel": "other"}, BadInputError, "bad_input"),
        ({"title": "endless " * 24, "theme": "aurora"}, TextDoesNotFitError, "text_does_not_fit"),
        ({"theme": {"name": "aurora", "logo": "absent.png"}}, AssetInvalidError, "asset_invalid"),
        ({"theme": {"name": "aurora", "logo": "../../etc/passwd"}}, AssetInvalidError, "asset_invalid"),
    ],
)
def test_what_cannot_be_rendered_fails_the_job_before_any_clip(
    fresh: Job, changes: dict[str, Any], error: type[Exception], code: str
) -> None:
    with pytest.raises(error):
        fresh.run(**changes)
    status = read_status(fresh.ports, channel="quiz", job_id="j")
    assert status is not None
    assert (status.state, status.error_code) == ("failed", code)
    assert fresh.rendered == set()


def test_an_interrupted_job_waits_for_its_next_run(fresh: Job) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        open_job(fresh.ports, channel="quiz", job_id="j", config=CONFIG),
    ):
        raise KeyboardInterrupt
    status = read_status(fresh.ports, channel="quiz", job_id="j")
    assert status is not None
    assert status.state == "pending"


def test_images_are_taken_into_the_store_by_content_and_shape_the_clip(fresh: Job) -> None:
    folder = fresh.ports.asset_root
    Image.new("RGB", (640, 480), "red").save(folder / "a.png")
    question = {**CONFIG["questions"][0], "image": "a.png"}
    with open_job(fresh.ports, channel="quiz", job_id="j", config={**CONFIG, "questions": [question]}) as job:
        red = job.plan.videos[0].clips[1]
    Image.new("RGB", (640, 480), "blue").save(folder / "a.png")
    with open_job(fresh.ports, channel="quiz", job_id="j", config={**CONFIG, "questions": [question]}) as job:
        blue = job.plan.videos[0].clips[1]
    assert red.key != blue.key
    assert len(list(fresh.ports.store.list("assets/"))) == 2


def test_a_job_whose_metadata_is_gone_takes_the_next_attempt_and_overwrites_nothing(
    with_its_clips: Job,
) -> None:
    first = with_its_clips.run().manifest
    for name in ("status", "lease", "config"):
        with_its_clips.ports.store.delete(f"jobs/quiz/j/{name}.json")
    again = with_its_clips.run(title="Another").manifest
    assert again.attempt == first.attempt + 1
    for manifest in (first, again):
        assert all(with_its_clips.ports.store.stat(ref.key) for ref in artefacts(manifest.videos[0]))


def test_a_run_that_takes_over_from_a_dead_one_counts_its_crash(fresh: Job) -> None:
    with open_job(fresh.ports, channel="quiz", job_id="j", config=CONFIG):
        dead, _ = fresh.ports.store.read("jobs/quiz/j/status.json")
    assert json.loads(dead)["state"] == "running"
    fresh.ports.store.write("jobs/quiz/j/status.json", dead, content_type="application/json")
    with open_job(fresh.ports, channel="quiz", job_id="j", config=CONFIG):
        status = read_status(fresh.ports, channel="quiz", job_id="j")
    assert status is not None
    assert status.crashes == 1


@pytest.mark.parametrize("name", ["status", "lease"])
def test_metadata_that_cannot_be_read_holds_no_job_back(fresh: Job, name: str) -> None:
    fresh.ports.store.write(f"jobs/quiz/j/{name}.json", b"garbage", content_type="application/json")
    with open_job(fresh.ports, channel="quiz", job_id="j", config=CONFIG) as job:
        assert job.attempt == 1


def test_a_run_that_fails_after_its_first_video_leaves_no_files_of_it(with_its_clips: Job) -> None:
    with (  # noqa: PT012 - what is raised is ours
        pytest.raises(ZeroDivisionError),
        open_job(with_its_clips.ports, channel="quiz", job_id="j", config=CONFIG) as job,
    ):
        job.assemble(
            job.plan.videos[0], [render_clip(with_its_clips.ports, s) for s in job.plan.videos[0].clips]
        )
        assert list(with_its_clips.ports.store.list("videos/quiz/j/"))
        raise ZeroDivisionError
    assert list(with_its_clips.ports.store.list("videos/quiz/j/")) == []


def test_a_finished_job_stays_completed_while_it_is_looked_at_again(done: tuple[Job, Outcome]) -> None:
    job, _ = done
    job.run()
    before = read_status(job.ports, channel="quiz", job_id="j")
    with open_job(job.ports, channel="quiz", job_id="j", config=CONFIG) as run:
        assert run.published
        during = read_status(job.ports, channel="quiz", job_id="j")
    assert before is not None
    assert during is not None
    assert before.state == during.state == "completed"


def test_config_text_is_kept_as_submitted(fresh: Job) -> None:
    with open_job(fresh.ports, channel="quiz", job_id="j", config={**CONFIG, "title": "¿Qué? <b>{x}"}):
        pass
    stored, _ = fresh.ports.store.read("jobs/quiz/j/config.json")
    assert json.loads(stored)["title"] == "¿Qué? <b>{x}"
