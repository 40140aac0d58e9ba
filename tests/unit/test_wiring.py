"""Which store the settings name, and what lies in which."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.pipeline.jobs_in_store import CHANNEL, CONFIG, JOB, ports_in
from trivia_render.errors import BadInputError
from trivia_render.pipeline.run import render_job
from trivia_render.settings import load_settings
from trivia_render.storage.local import LocalStore
from trivia_render.wiring import google_credentials_of, make_stores, needs_gpu, run_preflight


def test_without_a_bucket_all_lies_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_HOME", str(tmp_path))
    store, work_store = make_stores(load_settings())
    assert store is work_store
    assert store.uri("a") == str(tmp_path / "a")


@pytest.mark.parametrize("work_bucket", [None, "videos"])
def test_one_bucket_is_all_that_has_to_be_set(
    monkeypatch: pytest.MonkeyPatch, work_bucket: str | None
) -> None:
    monkeypatch.setenv("GCS_BUCKET", "videos")
    if work_bucket is not None:
        monkeypatch.setenv("TRIVIA_WORK_BUCKET", work_bucket)
    store, work_store = make_stores(load_settings())
    assert store is work_store
    assert store.uri("a/b") == "gs://videos/a/b"


def test_a_bucket_of_its_own_for_what_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCS_BUCKET", "videos")
    monkeypatch.setenv("TRIVIA_WORK_BUCKET", "passing")
    store, work_store = make_stores(load_settings())
    assert (store.uri("a"), work_store.uri("a")) == ("gs://videos/a", "gs://passing/a")


def test_a_work_bucket_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_WORK_BUCKET", "work")
    with pytest.raises(BadInputError, match="GCS_BUCKET is not set"):
        make_stores(load_settings())


def test_clips_lie_with_what_can_be_made_again_and_all_else_does_not(tmp_path: Path) -> None:
    lasting, passing = LocalStore(tmp_path / "lasting"), LocalStore(tmp_path / "passing")
    ports = replace(ports_in(tmp_path), store=lasting, work_store=passing)
    render_job(ports, channel=CHANNEL, job_id=JOB, config=CONFIG)
    assert {info.key.partition("/")[0] for info in passing.list("")} == {"clips"}
    assert {info.key.partition("/")[0] for info in lasting.list("")} == {"jobs", "videos"}


def test_a_machine_of_google_cloud_has_googles_voices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert not google_credentials_of(load_settings())
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    assert google_credentials_of(load_settings())


@pytest.mark.parametrize(
    ("encoder", "gpu_type", "needed"),
    [
        ("h264_nvenc", "", True),
        ("h264_nvenc", "nvidia-tesla-t4", True),
        ("auto", "nvidia-tesla-t4", True),
        ("auto", "", False),
        ("libx264", "nvidia-tesla-t4", False),
    ],
)
def test_a_gpu_is_needed_where_it_is_forced_or_paid_for(
    monkeypatch: pytest.MonkeyPatch, encoder: str, gpu_type: str, needed: bool
) -> None:
    monkeypatch.setenv("TRIVIA_ENCODER", encoder)
    monkeypatch.setenv("TRIVIA_GPU_TYPE", gpu_type)
    assert needs_gpu(load_settings()) is needed


def test_a_preflight_without_ffmpeg_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVIA_FFMPEG", str(tmp_path / "absent"))
    refusal = run_preflight(load_settings(), scratch=tmp_path).refusal
    assert refusal is not None
    assert refusal.code == "program_missing"
