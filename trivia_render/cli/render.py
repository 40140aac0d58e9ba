"""`trivia render`: from a config file to a finished video."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from trivia_render.cli.console import print_json, progress, say
from trivia_render.cli.inputs import check_id, is_stdin, job_id_for, read_config
from trivia_render.cli.outputs import output_file, output_folder, writing
from trivia_render.errors import BadInputError
from trivia_render.models.config import JobConfig
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.problems import Problem
from trivia_render.models.results import Manifest, VideoRecord
from trivia_render.pipeline.job import artefacts
from trivia_render.pipeline.plan import make_plan
from trivia_render.pipeline.ports import EncoderRequest, Ports
from trivia_render.pipeline.run import render_job
from trivia_render.settings import Settings, load_settings
from trivia_render.wiring import check_google_credentials, make_ports, use_ports


class RenderRequest(NamedTuple):
    """What the command line asks for."""

    config: Path
    channel: str | None
    job_id: str | None
    out: Path | None
    formats: tuple[FormatName, ...] | None
    encoder: EncoderRequest | None
    direct: bool


def run_render(request: RenderRequest, *, as_json: bool) -> None:
    """Render, publish and say where the files are. Raises what the pipeline raises."""
    if request.channel is not None:
        check_id(request.channel, option="--channel")
    if request.job_id is not None:
        check_id(request.job_id, option="--job-id")
    parsed, submitted, warnings = read_config(request.config)
    job_id = job_id_for(request.config, submitted) if request.job_id is None else request.job_id
    submitted = {**submitted, "channel": parsed.channel if request.channel is None else request.channel}
    _tell_warnings(warnings, as_json=as_json)
    if request.out is not None:
        check_out(request.out, formats=request.formats or parsed.formats)
    settings = load_settings()
    if parsed.narration.provider in {"auto", "google"}:
        check_google_credentials(settings)
    if request.encoder is not None:
        settings = settings.model_copy(update={"encoder": request.encoder})
    # Images are looked for beside the config.
    root = Path.cwd() if is_stdin(request.config) else request.config.absolute().parent
    with progress(as_json=as_json) as report:
        ports = make_ports(settings, report=report, asset_root=root)
        if request.direct:
            outcome = render_job(
                ports,
                channel=submitted["channel"],
                job_id=job_id,
                config=submitted,
                formats=request.formats,
            )
            manifest = outcome.manifest
        else:
            manifest = _render_by_flow(
                ports, settings, parsed, submitted, job_id, request.formats, as_json=as_json
            )
    copies = [] if request.out is None else copy_files(ports, manifest, request.out)
    _tell_result(ports, manifest, copies, as_json=as_json)


def _render_by_flow(
    ports: Ports,
    settings: Settings,
    parsed: JobConfig,
    submitted: Mapping[str, Any],
    job_id: str,
    formats: tuple[FormatName, ...] | None,
    *,
    as_json: bool,
) -> Manifest:
    channel = submitted["channel"]
    from flows.embedded import start_prefect

    if settings.prefect_api_url is None and not as_json:
        say("Starting Prefect's embedded server: 5 s, the first time up to 20. (--direct does without.)")
    wait_for_prefect = start_prefect()
    # While it starts: what is wrong with the config is told without waiting for a server.
    asked = parsed if formats is None else parsed.model_copy(update={"formats": formats})
    make_plan(ports, asked, channel=channel, job_id=job_id)
    wait_for_prefect()
    from flows.render_video import render_video

    use_ports(ports)
    result = render_video(
        channel=channel,
        job_id=job_id,
        config=dict(submitted),
        formats=list(formats) if formats is not None else None,
    )
    return Manifest.model_validate(result)


def check_out(out: Path, *, formats: tuple[FormatName, ...]) -> None:
    """Make and try `out`: a folder, or the video's own name when it ends in .mp4.

    Raises BadInputError where it cannot be written, and where it is one name for several videos.
    """
    if not _names_a_video(out):
        output_folder(out)
        return
    if len(formats) > 1:
        raise BadInputError(
            f"--out {out} names one file, but the job has {len(formats)} videos: {', '.join(formats)}.",
            remedy="Name a folder, or one --format.",
        )
    output_file(out)


def copy_files(ports: Ports, manifest: Manifest, out: Path) -> list[Path]:
    """Copy the finished files to `out`, which `check_out` has passed."""
    if _names_a_video(out):
        return [_copy(ports, manifest.videos[0].video.key, out)]
    return [
        _copy(ports, ref.key, out / _file_name(manifest, video, ref.key))
        for video in manifest.videos
        for ref in artefacts(video)
    ]


def _names_a_video(out: Path) -> bool:
    return out.suffix.lower() == ".mp4"


def _file_name(manifest: Manifest, video: VideoRecord, key: str) -> str:
    name = key.rpartition("/")[2]
    return f"{manifest.job_id}-{FORMATS[video.format].slug}-{name}"


def _copy(ports: Ports, key: str, target: Path) -> Path:
    partial = target.with_name(f".{target.name}.partial")
    with writing(target):
        try:
            ports.store.download(key, partial)
            shutil.move(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return target


def _tell_warnings(warnings: tuple[Problem, ...], *, as_json: bool) -> None:
    for warning in warnings:
        if as_json:
            print_json({"event": "warning", **warning.model_dump()})
        else:
            say(f"warning: {warning}")


def _tell_result(ports: Ports, manifest: Manifest, copies: list[Path], *, as_json: bool) -> None:
    uris = [ports.store.uri(video.video.key) for video in manifest.videos]
    if as_json:
        print_json(
            {
                "event": "done",
                "videos": uris,
                "copies": [str(path) for path in copies],
                "manifest": manifest.model_dump(mode="json"),
            }
        )
        return
    for fallback in manifest.fallbacks:
        say(f"note: {fallback.what} {fallback.used} instead of {fallback.asked}: {fallback.reason}")
    for video in manifest.videos:
        loudness = "silent" if video.integrated_lufs is None else f"{video.integrated_lufs:.1f} LUFS"
        say(
            f"{video.format} {video.width}x{video.height}, {video.duration_seconds:.1f} s, "
            f"{video.video.size_bytes / 1e6:.1f} MB, {loudness}"
        )
    for path in copies or uris:
        typer.echo(str(path))
