"""A real video, from a config file to a file that plays: looked at from outside."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

from tests.browser import play
from trivia_render.encode.ffmpeg import find_ffmpeg
from trivia_render.encode.verify import check_video, inspect_video
from trivia_render.models.formats import FPS, SAMPLE_RATE
from trivia_render.models.parse import parse_job_config
from trivia_render.models.plan import ClipSpec
from trivia_render.models.results import ClipResult, Manifest
from trivia_render.pipeline.plan import make_plan
from trivia_render.scene.compose import open_scene
from trivia_render.scene.stills import planes_to_image
from trivia_render.settings import Settings
from trivia_render.wiring import make_ports

CONFIG = {
    "channel": "quiz",
    "total_questions": 2,
    "title": "Two Quick Ones: 100% “real” {facts} <b>only</b>",
    "timing": {"intro_seconds": 2, "countdown_seconds": 3, "reveal_seconds": 2, "outro_seconds": 2},
    "questions": [
        {
            "question": "Which planet is known as the Red Planet?",
            "answer_a": "Venus", "answer_b": "Mars", "correct_answer": "Mars",
            "explanation": "Rust colours its soil.",
        },
        {
            "question": "What's 7 × 8: 54, 56 or 58? C:\\temp %{n} 'quoted'",
            "answer_a": "54", "answer_b": "56", "answer_c": "58", "correct_answer": "B",
        },
    ],
}  # fmt: skip


class Rendered(NamedTuple):
    """A published job and where it lies."""

    folder: Path
    manifest: Manifest
    clips: list[ClipResult]
    specs: list[ClipSpec]

    @property
    def video(self) -> Path:
        return self.folder / self.manifest.videos[0].video.key

    def file(self, kind: str) -> str:
        return (self.folder / self.manifest.videos[0].captions[kind].key).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rendered]:
    folder = tmp_path_factory.mktemp("job")
    (folder / "two.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "trivia_render", "render", "two.json", "--direct", "--json"],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**_environment(), "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout.splitlines()[-1])
    store = folder / ".trivia"
    manifest = Manifest.model_validate(done["manifest"])
    ports = make_ports(Settings(TRIVIA_HOME=store), asset_root=folder)  # type: ignore[call-arg]
    plan = make_plan(ports, parse_job_config(json.dumps(CONFIG))[0], channel="quiz", job_id="two")
    specs = list(plan.videos[0].clips)
    clips = [
        ClipResult.model_validate_json((store / f"clips/{spec.key}.json").read_bytes()) for spec in specs
    ]
    yield Rendered(store, manifest, clips, specs)
    shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def frame_of(rendered: Rendered, number: int) -> np.ndarray:
    """Draw a frame of the finished video from its plan."""
    for spec, clip in zip(rendered.specs, rendered.clips, strict=True):
        if number < clip.frames:
            planes = open_scene(spec, clip.timeline, assets={}).frame(number)
            return np.asarray(planes_to_image(planes, width=1920, height=1080), np.int16)
        number -= clip.frames
    raise AssertionError("the video is shorter")


def test_the_file_is_what_players_expect(rendered: Rendered) -> None:
    frames = [clip.frames for clip in rendered.clips]
    facts = inspect_video(rendered.video)
    check_video(facts, width=1920, height=1080, clip_frames=frames)
    assert facts.frames == sum(frames) == rendered.manifest.videos[0].frames


def test_it_decodes_without_a_word_and_shows_the_planned_frames(rendered: Rendered) -> None:
    ffmpeg = find_ffmpeg(None)
    run = subprocess.run(
        [ffmpeg, "-v", "error", "-i", rendered.video, "-f", "null", "-"], capture_output=True, check=True
    )
    assert run.stderr == b""
    wanted = set(range(0, rendered.manifest.videos[0].frames, 97))
    with av.open(rendered.video) as container:
        for number, frame in enumerate(container.decode(video=0)):
            assert frame.pts * frame.time_base == Fraction(number, FPS)
            if number in wanted:
                shown = np.asarray(frame.to_image(), np.int16)
                # PyAV's own conversion to RGB: a little apart from ours, and the encoder's loss.
                assert np.abs(shown - frame_of(rendered, number)).mean() < 6, number


def test_it_is_as_loud_as_asked_for_on_the_finished_aac(rendered: Rendered) -> None:
    run = subprocess.run(
        [find_ffmpeg(None), "-hide_banner", "-nostats", "-i", rendered.video, "-map", "0:a",
         "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    summary = run.stderr[run.stderr.rindex("Summary:") :]
    integrated = float(re.search(r"I:\s+(-?[\d.]+) LUFS", summary)[1])  # type: ignore[index]
    peak = float(re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)[1])  # type: ignore[index]
    assert abs(integrated - -14.0) <= 0.5
    assert peak <= -1.5


def test_the_sound_is_in_step_with_the_picture(rendered: Rendered) -> None:
    """The sting is the loudest onset of effects: it must fall on the reveal's first frame."""
    with av.open(rendered.video) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        blocks = [
            part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)
        ]
    sound = np.concatenate(blocks)
    reveal_frame = 0
    for clip in rendered.clips:
        if span := clip.timeline.span("reveal"):
            at = (reveal_frame + span.start_frame) * SAMPLE_RATE // FPS
            window = SAMPLE_RATE // FPS
            before = np.abs(sound[at - 3 * window : at - window]).mean()
            after = np.abs(sound[at + window : at + 4 * window]).mean()
            assert after > 1.5 * before
        reveal_frame += clip.frames


@pytest.mark.timeout(240)
def test_it_plays_and_seeks_in_a_browser(rendered: Rendered) -> None:
    numbers = [10, 61, 200, 333, rendered.manifest.videos[0].frames - 5]
    playback = play(rendered.video, seek_seconds=[(number + 0.5) / FPS for number in numbers])
    assert playback.played_seconds > 0
    assert (playback.width, playback.height) == (1920, 1080)
    assert abs(playback.duration_seconds - rendered.manifest.videos[0].duration_seconds) < 0.05
    for number, picture in zip(numbers, playback.pictures, strict=True):
        expected = frame_of(rendered, number)
        shown = np.asarray(Image.fromarray(picture).resize((expected.shape[1], expected.shape[0])), np.int16)
        assert np.abs(shown - expected).mean() < 8, number


def test_captions_say_what_is_said_and_keep_the_answer_until_the_reveal(rendered: Rendered) -> None:
    vtt, srt = rendered.file("vtt"), rendered.file("srt")
    assert vtt.startswith("WEBVTT\n\n")
    assert "Which planet is known as the Red Planet?" in srt.replace("\n", " ")
    answer = re.search(r"(\d\d):(\d\d):(\d\d)\.(\d{3}) --> [^\n]+\n[^\n]*Mars", vtt)
    assert answer
    hours, minutes, seconds, milliseconds = map(int, answer.groups())
    said = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    clip = rendered.clips[1]
    reveal = clip.timeline.span("reveal")
    assert reveal
    assert said >= (rendered.clips[0].frames + reveal.start_frame) / FPS


def test_chapters_are_in_the_file_and_hostile_text_stays_text(rendered: Rendered) -> None:
    with av.open(rendered.video) as container:
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        title = container.metadata["title"]
    assert title == CONFIG["title"]
    assert titles[0] == CONFIG["title"]
    assert titles[1] == "1. Which planet is known as the Red Planet?"
    assert titles[2] == "2. What's 7 × 8: 54, 56 or 58? C:\\temp %{n} 'quoted'"


def test_the_thumbnail_has_the_size_that_platforms_want(rendered: Rendered) -> None:
    with Image.open(rendered.folder / rendered.manifest.videos[0].thumbnail.key) as image:
        assert (image.format, image.size) == ("JPEG", (1280, 720))


def test_the_manifest_tells_what_was_done_and_the_status_is_completed(rendered: Rendered) -> None:
    manifest = rendered.manifest
    assert manifest.encoder.name == "libx264"
    assert manifest.voice.provider == "offline"
    assert [fallback.what for fallback in manifest.fallbacks] == ["voice", "encoder"]
    assert manifest.clips_rendered == 4
    assert {"encode", "mixing", "joining"} <= set(manifest.stage_seconds)
    status = json.loads((rendered.folder / "jobs/quiz/two/status.json").read_bytes())
    assert (status["state"], status["clips_done"], status["clips_total"]) == ("completed", 4, 4)


def test_nothing_half_made_is_left_behind(rendered: Rendered) -> None:
    assert [path for path in rendered.folder.rglob("*") if "partial" in path.name] == []
    assert list((rendered.folder / "tmp").glob("clip-*")) == []
    assert list((rendered.folder / "tmp").glob("video-*")) == []
