"""What a worker tells of its machine and its programs, read once at its start."""

import logging
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from trivia_render import ENGINE_VERSION
from trivia_render.encode.ffmpeg import ffmpeg_build, find_ffmpeg
from trivia_render.encode.gpus import find_gpus
from trivia_render.errors import ProgramMissingError
from trivia_render.settings import Settings
from trivia_render.wiring import needs_gpu
from trivia_render.workpool.heartbeat import WorkerFacts

log = logging.getLogger("trivia_render.worker")


def read_facts(settings: Settings, *, worker_id: str, pool: str) -> WorkerFacts:
    """Return the facts. Starts FFmpeg once, for its version."""
    nvenc = needs_gpu(settings) or (
        settings.encoder == "auto" and bool(find_gpus(visible=settings.visible_gpus))
    )
    return WorkerFacts(worker_id, pool, "gpu" if nvenc else "cpu", _versions(settings))


def _versions(settings: Settings) -> dict[str, str]:
    found = {
        "trivia_render": _package("trivia-render"),
        "engine": ENGINE_VERSION,
        "python": platform.python_version(),
        "prefect": _package("prefect"),
    }
    try:
        found["ffmpeg"] = ffmpeg_build(find_ffmpeg(settings.ffmpeg)).removeprefix("ffmpeg version ")
    except (ProgramMissingError, subprocess.SubprocessError, OSError) as error:
        # A control worker needs none; a render says so itself.
        log.warning("There is no FFmpeg here: %s", error)
    return found


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        # Run from its sources.
        return "0"
