"""Clips of a job under the machine's limit of encodes, and in its log."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipeline.jobs_in_store import CONFIG
from trivia_render.encode.slots import EncodingSlots
from trivia_render.errors import SpeechError
from trivia_render.models.plan import VoiceSpec
from trivia_render.models.ports import Speech
from trivia_render.models.timeline import Line
from trivia_render.pipeline.log_report import LogReport
from trivia_render.pipeline.ports import Ports
from trivia_render.pipeline.progress import ClipStarted, Event
from trivia_render.pipeline.run import render_job
from trivia_render.settings import load_settings
from trivia_render.speech.silent import SilentVoice
from trivia_render.telemetry.log_context import context_fields, log_context
from trivia_render.wiring import make_ports


class FailsOnTheSecond(SilentVoice):
    """Speaks for the first clip; the second fails a while later, when that one waits for a slot."""

    def __init__(self) -> None:
        self.calls = 0

    def synthesize(self, lines: Sequence[Line], *, voice: VoiceSpec) -> Speech:
        self.calls += 1
        if self.calls == 2:
            time.sleep(1)
            raise SpeechError("no voice", remedy="Get one.")
        return super().synthesize(lines, voice=voice)


@pytest.fixture
def slots(tmp_path: Path) -> EncodingSlots:
    return EncodingSlots(tmp_path / "slots", gpus=lambda: (), per_gpu=1, cores=[0])


@pytest.fixture
def ports(tmp_path: Path, slots: EncodingSlots) -> Ports:
    settings = load_settings().model_copy(update={"data_folder": tmp_path / "store", "encoder": "libx264"})
    return replace(make_ports(settings), slots=slots, parallel_clips=3)


@pytest.mark.parametrize("parallel_clips", [2, 3])
def test_a_run_that_fails_ends_although_its_clips_wait_for_others(
    ports: Ports, slots: EncodingSlots, parallel_clips: int
) -> None:
    """With two threads, one clip has not begun at all."""
    events: list[Event] = []
    voice = FailsOnTheSecond()
    ports = replace(ports, report=events.append, voice=lambda provider: voice, parallel_clips=parallel_clips)
    with slots.hold("libx264"), pytest.raises(SpeechError, match="no voice"):
        render_job(ports, channel="quiz", job_id="j", config=CONFIG)
    assert not [event for event in events if isinstance(event, ClipStarted)]
    assert not list(ports.work_store.list("clips/"))


def test_waiting_for_a_slot_is_no_stall(ports: Ports, slots: EncodingSlots) -> None:
    """The stall timeout is shorter than the wait."""
    waited_seconds = 4.5
    ports = replace(ports, ffmpeg=type(ports.ffmpeg)(ports.ffmpeg.path, stall_timeout_seconds=4))
    taken = slots.hold("libx264")
    taken.__enter__()
    released: list[float] = []

    def look(event: Event) -> None:
        assert released or not isinstance(event, ClipStarted), "a clip began without a slot"

    def release() -> None:
        released.append(time.monotonic())
        taken.__exit__(None, None, None)

    timer = threading.Timer(waited_seconds, release)
    timer.start()
    try:
        outcome = render_job(replace(ports, report=look), channel="quiz", job_id="j", config=CONFIG)
    finally:
        timer.join()
    assert outcome.manifest.clips_rendered == 3
    assert released


def test_each_clip_is_logged_with_its_job_and_itself(ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), dict(context_fields())))

    logger, handler = logging.getLogger("trivia_render.job"), Keep()
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, logger="trivia_render.job"), log_context(flow_run_id="f"):
            render_job(replace(ports, report=LogReport()), channel="quiz", job_id="j", config=CONFIG)
    finally:
        logger.removeHandler(handler)
    clips = [(message, fields) for message, fields in seen if message.startswith("Clip ")]
    assert len(clips) == 6
    assert all(fields["flow_run_id"] == "f" for _, fields in clips)
    assert all(message.startswith(f"Clip {fields['clip']}") for message, fields in clips)
    assert "clip" not in context_fields()
