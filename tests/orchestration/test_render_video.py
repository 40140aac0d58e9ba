"""The flow through a real Prefect server: what is rendered, what is reused, and what one sees of it."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.states import State

from tasks.render_clip import render_clip
from tests.orchestration.conftest import FirstRun
from tests.orchestration.jobs import CHANGED, CHANNEL, CONFIG, JOB, LABELS, NAME, Bench, artifacts, task_runs
from trivia_render import wiring
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.errors import BadInputError, ConfigInvalidError, EncodeError

RunFlow = Callable[..., State[Any]]


def states(state: State[Any], *, count: int) -> dict[str, str]:
    runs = task_runs(state.state_details.flow_run_id, count=count)
    return {run.name.removeprefix(f"{NAME} "): run.state.name for run in runs}


def status(bench: Bench) -> dict[str, Any]:
    return json.loads((bench.home / f"jobs/{NAME}/status.json").read_text())


def test_runs_are_named_by_channel_job_and_clip(first_run: FirstRun) -> None:
    flow_run_id = first_run.state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(flow_run_id).name == NAME
    names = [run.name for run in task_runs(flow_run_id, count=6)]
    assert sorted(names[:4]) == sorted(f"{NAME} {label}" for label in LABELS)
    assert names[4:] == [f"{NAME} assemble 1:1", f"{NAME} publish"]


def test_a_run_shows_its_progress_its_video_its_thumbnail_and_a_summary(first_run: FirstRun) -> None:
    progress, link, image, table = artifacts(first_run.state.state_details.flow_run_id)
    assert (progress.type, progress.data) == ("progress", 100.0)
    video = first_run.home / f"videos/{NAME}/1x1/1/video.mp4"
    assert video.as_uri() in link.data
    assert image.type == "image"
    assert image.data.startswith("data:image/jpeg;base64,")
    assert len(image.data) < 40_000
    rows = {row["what"]: row["value"] for row in json.loads(table.data)}
    assert rows["title"] == "Two *small* questions"
    assert rows["clips"] == "4 rendered, 0 reused"
    assert rows["video 1:1"].startswith("1080x1080, ")


def test_results_are_kept_as_json_beside_the_clips_and_never_as_pickles(first_run: FirstRun) -> None:
    results = sorted((first_run.home / "results").rglob("*.json"))
    clips = sorted((first_run.home / "clips").glob("*.json"))
    assert [path.name for path in results] == [path.name for path in clips]
    for path in results:
        record = json.loads(path.read_text())
        assert record["metadata"]["serializer"]["type"] == "json"
        assert record["metadata"]["expiration"] is not None
        assert json.loads(record["result"])["label"] in LABELS


def test_a_second_run_renders_nothing(bench: Bench, run_flow: RunFlow) -> None:
    before = (bench.home / f"videos/{NAME}/manifest.json").read_bytes()
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert bench.rendered == []
    assert (bench.home / f"videos/{NAME}/manifest.json").read_bytes() == before
    assert status(bench)["state"] == "completed"


def test_the_stored_config_is_used_when_none_is_passed(bench: Bench, run_flow: RunFlow) -> None:
    state = run_flow(None)
    assert state.is_completed(), state.message
    assert bench.rendered == []


def test_one_changed_question_is_one_clip_and_the_video_made_again(bench: Bench, run_flow: RunFlow) -> None:
    state = run_flow(CHANGED)
    assert bench.rendered == ["q02 1:1"]
    assert bench.reused == ["intro 1:1", "outro 1:1", "q01 1:1"]
    assert states(state, count=6) == {
        "intro 1:1": "Cached",
        "q01 1:1": "Cached",
        "q02 1:1": "Completed",
        "outro 1:1": "Cached",
        "assemble 1:1": "Completed",
        "publish": "Completed",
    }
    manifest = state.result()
    assert (manifest["attempt"], manifest["clips_rendered"], manifest["clips_reused"]) == (2, 1, 3)
    assert Path(bench.ports.store.uri(manifest["videos"][0]["video"]["key"])).is_file()


def test_deleted_and_damaged_clips_are_rendered_again_whatever_the_cache_says(
    bench: Bench, run_flow: RunFlow
) -> None:
    bench.clip_file(0, ".mp4").unlink()
    damaged, shortened = bench.clip_file(1, ".flac"), bench.clip_file(3, ".mp4")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    shortened.write_bytes(shortened.read_bytes()[:-100])
    bench.forget_the_video()
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert bench.rendered == ["intro 1:1", "outro 1:1", "q01 1:1"]
    told = states(state, count=6)
    assert [told[label] for label in LABELS] == ["Completed", "Completed", "Cached", "Completed"]


def test_damaged_results_cost_no_rendering(bench: Bench, run_flow: RunFlow) -> None:
    bench.forget_the_video()
    results = sorted((bench.home / "results").rglob("*.json"))
    for path, content in zip(results, ["", "{", '{"metadata": {}, "result": "x"}', "[]"], strict=True):
        path.write_text(content)
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert bench.rendered == []
    assert bench.reused == sorted(LABELS)


def test_a_clip_of_an_older_build_is_not_taken_from_a_cached_result(bench: Bench, run_flow: RunFlow) -> None:
    # The store's record names whole objects; the cached result names objects that have gone since.
    bench.forget_the_video()
    for path in (bench.home / "results").rglob("*.json"):
        record = json.loads(path.read_text())
        result = json.loads(record["result"])
        result["video"]["key"] = result["video"]["key"].replace(".mp4", ".gone.mp4")
        path.write_text(json.dumps(record | {"result": json.dumps(result)}))
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert bench.rendered == []


def test_another_job_reuses_the_clips(bench: Bench, first_run: FirstRun) -> None:
    from flows.render_video import render_video

    state = render_video(CHANNEL, "another-job", CONFIG, return_state=True)
    assert state.is_completed(), state.message
    assert bench.rendered == []


def test_a_config_with_problems_fails_the_run_and_the_job_with_all_of_them(
    bench: Bench, run_flow: RunFlow
) -> None:
    state = run_flow({**CONFIG, "total_qestions": 2, "tts_speed": 9})
    assert state.is_failed()
    with pytest.raises(ConfigInvalidError):
        state.result()
    told = status(bench)
    assert (told["state"], told["error_code"]) == ("failed", "config_invalid")
    for text in ("$.total_qestions", "$.tts_speed"):
        assert text in state.message
        assert text in told["error_message"]
    assert "Correct them and submit it again." in state.message
    assert told["error_remedy"] == "Correct them and submit it again."


def test_a_job_without_a_config_fails_and_says_where_it_looked(bench: Bench, run_flow: RunFlow) -> None:
    config = bench.home / f"jobs/{NAME}/config.json"
    config.unlink()
    state = run_flow(None)
    with pytest.raises(BadInputError, match=str(config)):
        state.result()
    assert status(bench)["error_code"] == "bad_input"
    assert f"{config} does not exist" in state.message


def test_a_hostile_id_is_refused_and_writes_nothing(bench: Bench, prefect_server: None) -> None:
    from flows.render_video import render_video

    before = sorted(bench.home.rglob("*"))
    state = render_video("../..", "x", CONFIG, return_state=True)
    assert state.is_failed()
    assert "is not a channel" in state.message
    assert sorted(bench.home.rglob("*")) == before


def test_an_unknown_format_is_refused(bench: Bench, run_flow: RunFlow) -> None:
    state = run_flow(CONFIG, formats=["4:3"])
    assert state.is_failed()
    assert "formats.0: Input should be '16:9', '9:16' or '1:1'" in state.message


def failing_ffmpeg(tmp_path: Path, ports: Any, *, times: int) -> Path:
    """A program that fails its first encodes of a clip and is FFmpeg from then on."""
    count = tmp_path / "failures"
    script = tmp_path / "ffmpeg"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *.clip.mp4*) if [ "$(cat {count} 2>/dev/null | wc -c)" -lt {times} ]; then\n'
        f"  printf x >> {count}; echo 'No space left in the encoder' >&2; exit 42; fi;; esac\n"
        f'exec {ports.ffmpeg.path} "$@"\n'
    )
    script.chmod(0o755)
    return script


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(render_clip, "retry_delay_seconds", 0)


def use_ffmpeg(bench: Bench, path: Path, *, parallel_clips: int = 1) -> None:
    wiring.use_ports(replace(bench.ports, ffmpeg=Ffmpeg(path), parallel_clips=parallel_clips))


def test_a_passing_fault_of_the_encoder_is_retried(
    bench: Bench, run_flow: RunFlow, tmp_path: Path, no_delay: None
) -> None:
    use_ffmpeg(bench, failing_ffmpeg(tmp_path, bench.ports, times=2))
    state = run_flow(CHANGED)
    assert state.is_completed(), state.message
    runs = task_runs(state.state_details.flow_run_id, count=6)
    assert {run.name: run.run_count for run in runs}[f"{NAME} q02 1:1"] == 3


def test_an_encoder_that_keeps_failing_fails_the_run_and_the_job_with_its_last_lines(
    bench: Bench, run_flow: RunFlow, tmp_path: Path, no_delay: None
) -> None:
    use_ffmpeg(bench, failing_ffmpeg(tmp_path, bench.ports, times=99))
    state = run_flow(CHANGED)
    with pytest.raises(EncodeError):
        state.result()
    told = status(bench)
    assert (told["state"], told["error_code"]) == ("failed", "encode_failed")
    for text in ("42", "No space left in the encoder"):
        assert text in state.message
        assert text in told["error_message"]
    # The published video is untouched, and the job can be run again.
    use_ffmpeg(bench, bench.ports.ffmpeg.path)
    assert run_flow(CHANGED).is_completed()


def test_the_first_error_ends_the_clips_under_way(
    bench: Bench, run_flow: RunFlow, tmp_path: Path, no_delay: None
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *.clip.mp4*) if mkdir {tmp_path}/first 2>/dev/null; then exec sleep 600; fi\n'
        f'exit 42;; esac\nexec {bench.ports.ffmpeg.path} "$@"\n'
    )
    script.chmod(0o755)
    use_ffmpeg(bench, script, parallel_clips=2)
    bench.forget_the_video()
    for path in (bench.home / "clips").glob("*.json"):
        path.unlink()
    started = time.monotonic()
    state = run_flow(CONFIG)
    # Left alone, the clip that hangs would be ended after 60 s without progress.
    assert time.monotonic() - started < 45
    assert "exit code 42" in state.message


def test_a_job_that_another_run_holds_is_refused_and_left_alone(bench: Bench, run_flow: RunFlow) -> None:
    from trivia_render.pipeline.claim import open_job

    with open_job(bench.ports, channel=CHANNEL, job_id=JOB, config=CHANGED):
        state = run_flow(CHANGED)
        assert state.is_failed()
        assert "is held by" in state.message
        assert status(bench)["state"] == "running"
