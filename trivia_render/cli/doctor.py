"""`trivia doctor`: what this machine can do, and what to do about what it cannot."""

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from trivia_render.cli.console import print_json
from trivia_render.cli.outcome import FAILED
from trivia_render.encode.ffmpeg import Ffmpeg, ffmpeg_build, find_ffmpeg
from trivia_render.encode.probe import resolve_encoder
from trivia_render.errors import TriviaRenderError
from trivia_render.models.ports import Store
from trivia_render.models.timeline import Line
from trivia_render.settings import Settings, load_settings
from trivia_render.speech.endpoint import parse_endpoint
from trivia_render.speech.resolve import resolve_voice
from trivia_render.wiring import (
    check_google_credentials,
    google_credentials_of,
    make_scratch,
    make_store,
    needs_gpu,
    run_preflight,
)

#: A ten-minute job with its clips, sound and temporary files stays under this.
MIN_FREE_BYTES = 2 * 1024**3


class Finding(NamedTuple):
    """One thing looked at. `note`: it works without; `fail`: rendering will not work."""

    subject: str
    state: Literal["ok", "note", "fail"]
    found: str
    remedy: str


def run_doctor(*, as_json: bool) -> None:
    """Print every finding as it is made. Exits with 1 if rendering will not work here."""
    settings = load_settings()
    failed = False
    for finding in examine(settings):
        failed = failed or finding.state == "fail"
        if as_json:
            print_json(finding._asdict())
            continue
        typer.echo(f"{finding.state:<5} {finding.subject}: {finding.found}")
        if finding.remedy:
            typer.echo(f"      {finding.remedy}")
    if failed:
        raise typer.Exit(FAILED)


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each part that rendering rests on."""
    yield from _guarded("ffmpeg", lambda: _ffmpeg(settings))
    yield from _guarded("encoder libx264", lambda: _encoder(settings, "libx264"))
    yield from _gpus(settings)
    yield from _guarded("type", _fonts)
    yield from _guarded("voice", lambda: _voice(settings))
    yield from _guarded("store", lambda: _store(settings))
    yield _disk(settings)
    yield from _guarded("Prefect API", lambda: _prefect(settings))


def _guarded(subject: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield look()
    except TriviaRenderError as error:
        yield Finding(subject, "fail", f"{error.message} {error.evidence}".strip(), error.remedy)


def _ffmpeg(settings: Settings) -> Finding:
    path = find_ffmpeg(settings.ffmpeg)
    return Finding("ffmpeg", "ok", f"{ffmpeg_build(path)} ({path.name})", "")


def _encoder(settings: Settings, name: Literal["libx264", "h264_nvenc"]) -> Finding:
    ffmpeg = Ffmpeg(find_ffmpeg(settings.ffmpeg), stall_timeout_seconds=settings.encode_stall_seconds)
    resolve_encoder(name, ffmpeg=ffmpeg)
    return Finding(f"encoder {name}", "ok", "encodes", "")


def _gpus(settings: Settings) -> Iterator[Finding]:
    """Make the preflight that a render worker makes before it takes work."""
    needed = needs_gpu(settings)
    found = run_preflight(settings, scratch=Path(tempfile.gettempdir()))
    refusal = found.refusal
    if refusal is None:
        yield Finding("encoder h264_nvenc", "ok", "encodes", "")
    else:
        advice = refusal.remedy if needed else f"libx264 is used. For NVENC: {refusal.remedy}"
        yield Finding("encoder h264_nvenc", "fail" if needed else "note", refusal.reason(), advice)
    for gpu in found.gpus:
        memory = "" if gpu.memory_total_bytes is None else f", {gpu.memory_total_bytes / 2**30:.0f} GiB"
        yield Finding("GPU", "ok", f"{gpu.name}{memory}, driver {gpu.driver_version}", "")
    if not found.gpus and not needed:
        yield Finding("GPU", "note", "none is to be seen", "Rendering works without, on the CPU.")


def _fonts() -> Finding:
    from trivia_render.scene.fonts import load_font

    load_font("inter", weight=700, size_px=64)
    return Finding("type", "ok", "typefaces and text shaping (raqm) are there", "")


def _voice(settings: Settings) -> Finding:
    check_google_credentials(settings)
    if google_credentials_of(settings):
        return _google_voice(settings.speech_endpoint)
    from trivia_render.speech.offline import OfflineVoice

    spec, _ = resolve_voice(
        requested="en-US-Neural2-F", speed=1.0, provider="offline", google_credentials=False
    )
    started = time.monotonic()
    speech = OfflineVoice().synthesize((Line(role="title", text="All is well."),), voice=spec)
    seconds = speech.lines[0].samples / 48_000
    return Finding(
        "voice",
        "ok",
        f"offline voice {spec.name}, English only: "
        f"{seconds:.1f} s spoken in {time.monotonic() - started:.1f} s",
        "For other languages set GOOGLE_APPLICATION_CREDENTIALS.",
    )


def _google_voice(endpoint: str | None) -> Finding:
    if endpoint is None:
        return Finding("voice", "ok", "Google Cloud Text-to-Speech (credentials are set)", "")
    if parse_endpoint(endpoint).transport == "plaintext":
        return Finding(
            "voice",
            "note",
            f"a stand-in at {endpoint}, in plaintext without credentials",
            "For real voices unset TRIVIA_SPEECH_ENDPOINT.",
        )
    return Finding("voice", "ok", f"Google Cloud Text-to-Speech at {endpoint} (credentials are set)", "")


def _store(settings: Settings) -> Finding:
    store: Store = make_store(settings)
    make_scratch(settings.data_folder.absolute() / "tmp", host=settings.host)
    key, content = f"tmp/doctor-{uuid.uuid4().hex}", b"doctor"
    store.write(key, content, content_type="text/plain", if_generation=0)
    try:
        read, _ = store.read(key)
    finally:
        store.delete(key)
    if read != content:
        return Finding("store", "fail", "what was written reads back differently", "Check the disk.")
    return Finding("store", "ok", f"{store.uri('jobs').removesuffix('/jobs')} can be written and read", "")


def _disk(settings: Settings) -> Finding:
    home = settings.data_folder.absolute()
    place = home if home.exists() else Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free for {settings.data_folder}"
    if free < MIN_FREE_BYTES:
        return Finding("disk", "fail", text, f"Free {MIN_FREE_BYTES / 1e9:.0f} GB, or set TRIVIA_HOME.")
    return Finding("disk", "ok", text, "")


def _prefect(settings: Settings) -> Finding:
    if settings.prefect_api_url is None:
        return Finding(
            "Prefect API",
            "note",
            "PREFECT_API_URL is not set: each run starts a server of its own (5 s, the first time up to 20)",
            "`prefect server start` runs one for good; then set PREFECT_API_URL=http://127.0.0.1:4200/api.",
        )
    from flows.embedded import check_server

    check_server(settings.prefect_api_url)
    return Finding("Prefect API", "ok", settings.prefect_api_url, "")
