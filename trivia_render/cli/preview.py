"""`trivia preview`: stills of each stage, drawn without a voice and without encoding."""

from pathlib import Path

import typer

from trivia_render.cli.console import say
from trivia_render.cli.inputs import is_stdin, read_config
from trivia_render.cli.outputs import output_folder, writing
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import ClipSpec, EncoderSpec
from trivia_render.pipeline.assets import read_assets
from trivia_render.pipeline.plan import plan_job, plan_pictures
from trivia_render.pipeline.ports import Ports
from trivia_render.scene.compose import open_scene
from trivia_render.scene.stills import planes_to_image, stage_stills
from trivia_render.scene.timeline import build_timeline
from trivia_render.settings import load_settings
from trivia_render.speech.resolve import resolve_voice
from trivia_render.wiring import make_ports

#: Nothing is encoded, so no encoder is looked for.
NO_ENCODER = EncoderSpec(name="libx264", build="preview")


def run_preview(path: Path, *, out: Path, formats: tuple[FormatName, ...] | None) -> None:
    """Write the stills and print each file's name. The stages are timed by reading time."""
    config, _, warnings = read_config(path)
    for warning in warnings:
        say(f"warning: {warning}")
    output_folder(out)
    if formats is not None:
        config = config.model_copy(update={"formats": formats})
    root = Path.cwd() if is_stdin(path) else path.absolute().parent
    ports = make_ports(load_settings(), asset_root=root)
    voice, _ = resolve_voice(
        requested=config.tts_voice, speed=config.tts_speed, provider="none", google_credentials=False
    )
    theme, contents = plan_pictures(ports, config, language=voice.language)
    plan = plan_job(
        config,
        channel=config.channel,
        job_id="preview",
        contents=contents,
        theme=theme,
        voice=voice,
        encoder=NO_ENCODER,
        fallbacks=(),
    )
    for video in plan.videos:
        for spec in video.clips:
            for file in _write_stills(ports, spec, out):
                typer.echo(str(file))


def _write_stills(ports: Ports, spec: ClipSpec, out: Path) -> list[Path]:
    speech = ports.voice("none").synthesize(spec.content.lines, voice=spec.voice)
    timeline = build_timeline(spec.content, speech.lines)
    scene = open_scene(spec, timeline, assets=read_assets(spec, ports.store))
    size = FORMATS[spec.format]
    name = spec.label.split(" ")[0]
    files = []
    for number, (stage, frame) in enumerate(stage_stills(spec, timeline), start=1):
        file = out / f"{size.slug}-{name}-{number}-{stage}.png"
        image = planes_to_image(scene.frame(frame), width=size.width, height=size.height)
        with writing(file):
            image.save(file)
        files.append(file)
    return files
