"""What a whole render costs beside a bare encode of the same frames, in CPU seconds.

    python -m bench.full_encode [--runs N] [--questions N] [--config FILE] [--no-vmaf]

Two commands take turns, so that both meet the same machine:

bare    FFmpeg encodes the finished frames from a raw file, with the same settings and its usual threads.
        The frames are drawn and written before; only the encode is timed.
render  `trivia render CONFIG --direct` as a whole process, from an empty store that holds nothing but the
        narration: planning, drawing, encoding, mixing, loudness, joining, checking, publishing.

Counted are user and system seconds of each command with everything that it started. Everything is written
under bench/out and removed at the end, but for the figures.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import av

from trivia_render.cli.inputs import read_config
from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.encode.profiles import COLOUR_TAGS
from trivia_render.encode.sound import LoudnessReading, measure_loudness
from trivia_render.models.formats import FORMATS, FPS, FrameFormat
from trivia_render.pipeline.assets import read_assets
from trivia_render.pipeline.clip import find_clip
from trivia_render.pipeline.plan import make_plan
from trivia_render.pipeline.ports import Ports
from trivia_render.scene.compose import open_scene
from trivia_render.settings import Settings
from trivia_render.wiring import make_ports

OUT = Path(__file__).parent / "out" / "full_encode"
RESULT = OUT.parent / "full_encode.json"
MAX_BYTES = 15_000_000_000
JOB = "bench"
#: VMAF looks at every fifth frame: its mean is the same to a tenth of a point, for a fifth of the time.
VMAF_STEP = 5


class Run(NamedTuple):
    """One timed run of a command."""

    cpu_seconds: float
    wall_seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="timed pairs, after one warm-up render")
    parser.add_argument("--questions", type=int, help="use only the first N questions")
    parser.add_argument("--config", type=Path, default=Path("examples/ten_questions.json"))
    parser.add_argument("--no-vmaf", action="store_true", help="leave the quality out")
    options = parser.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    try:
        return measure(options)
    finally:
        shutil.rmtree(OUT)


def measure(options: argparse.Namespace) -> int:
    config = shortened(options.config, options.questions)
    print("Rendering once, for the narration and the timelines …", flush=True)
    run(render_command(config))
    frames, frame_format = write_frames(config, OUT / "frames.yuv")
    keep_only_speech()
    ffmpeg = Ffmpeg(find_ffmpeg(None))
    bare = bare_command(ffmpeg, frame_format)
    pairs: list[tuple[Run, Run]] = []
    for number in range(options.runs):
        keep_only_speech()
        pairs.append((run(bare), run(render_command(config))))
        print(f"pair {number + 1} of {options.runs}: ratio {ratio(pairs[-1]):.3f}", flush=True)
    video = next((OUT / "home" / "videos").rglob("video.mp4"))
    vmaf = None if options.no_vmaf else measure_vmaf(ffmpeg, video, frame_format)
    report(pairs, frames=frames, video=video, vmaf=vmaf, loudness=measure_loudness(video, ffmpeg=ffmpeg))
    return 0


def shortened(config: Path, questions: int | None) -> Path:
    """Write the config into the bench's folder, with only its first questions where so asked."""
    _, submitted, _ = read_config(config)
    changed = dict(submitted)
    if questions is not None:
        changed["total_questions"] = min(questions, len(submitted["questions"]))
        changed["questions"] = submitted["questions"][:questions]
    path = OUT / "config.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    return path


def write_frames(config: Path, output: Path) -> tuple[int, FrameFormat]:
    """Draw every frame of the video again into one raw I420 file; return their number and format."""
    ports = bench_ports()
    parsed, submitted, _ = read_config(config)
    plan = make_plan(ports, parsed, channel=submitted["channel"], job_id=JOB)
    video = plan.videos[0]
    clips = [find_clip(ports, spec) for spec in video.clips]
    frame_format = FORMATS[video.format]
    frames = sum(clip.frames for clip in clips if clip is not None)
    size_bytes = frames * frame_format.width * frame_format.height * 3 // 2
    if size_bytes > MAX_BYTES:
        sys.exit(f"The raw frames would take {size_bytes / 1e9:.1f} GB; use fewer --questions.")
    print(f"Drawing {frames} frames ({size_bytes / 1e9:.1f} GB) …", flush=True)
    with output.open("wb", buffering=0) as file:
        for spec, clip in zip(video.clips, clips, strict=True):
            if clip is None:
                sys.exit(f"The clip {spec.label} is not in the store; did the first render fail?")
            for planes in open_scene(spec, clip.timeline, assets=read_assets(spec, ports.store)).frames():
                write_all(file.fileno(), planes.data.cast("B"))
    return frames, frame_format


def write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def bench_ports() -> Ports:
    settings = Settings.model_validate({"TRIVIA_HOME": OUT / "home", "TRIVIA_ENCODER": "libx264"})
    return make_ports(settings)


def keep_only_speech() -> None:
    """Empty the store but for the narration, and let earlier writes reach the disk untimed."""
    home = OUT / "home"
    if not (OUT / "speech").exists():
        shutil.copytree(home / "speech", OUT / "speech")
    shutil.rmtree(home)
    shutil.copytree(OUT / "speech", home / "speech")
    os.sync()


def render_command(config: Path) -> list[str]:
    program = "from trivia_render.cli.app import main; main()"
    return [
        *(sys.executable, "-c", program, "render", str(config)),
        *("--direct", "--encoder", "libx264", "--job-id", JOB, "--json"),
    ]


def bare_command(ffmpeg: Ffmpeg, frame_format: FrameFormat) -> list[str]:
    encode = arguments.encode_clip(
        width=frame_format.width,
        height=frame_format.height,
        encoder="libx264",
        threads=0,  # as many as FFmpeg sees fit
        output=OUT / "bare.mp4",
    )
    encode[encode.index("pipe:0")] = str(OUT / "frames.yuv")
    return [str(ffmpeg.path), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *encode]


def run(command: Sequence[str]) -> Run:
    """Run a command to its end and count its CPU seconds and those of all that it started."""
    settings = {"TRIVIA_HOME": str(OUT / "home")}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRIVIA_", "GCS_", "GOOGLE_"))
    }
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=kept | settings
    )
    wall_seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[0]} exited {done.returncode}:\n{done.stderr}")
    return Run(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall_seconds)


def measure_vmaf(ffmpeg: Ffmpeg, video: Path, frame_format: FrameFormat) -> float:
    """Mean VMAF of the render against the frames as they were drawn."""
    print("Measuring VMAF …", flush=True)
    tags = [word for name, value in COLOUR_TAGS.items() for word in (f"-{name}", value)]
    size = f"{frame_format.width}x{frame_format.height}"
    said = ffmpeg(
        [
            *("-loglevel", "info", "-i", f"file:{video}"),
            *(
                "-f",
                "rawvideo",
                "-pixel_format",
                "yuv420p",
                "-video_size",
                size,
                "-framerate",
                str(FPS),
                *tags,
            ),
            *("-i", f"file:{OUT / 'frames.yuv'}"),
            *("-filter_complex", f"[0:v][1:v]libvmaf=n_subsample={VMAF_STEP}:n_threads={os.cpu_count()}"),
            *("-f", "null", "-"),
        ],
        "measuring VMAF",
    )
    return float(re.findall(r"VMAF score: ([\d.]+)", said)[-1])


def ratio(pair: tuple[Run, Run]) -> float:
    bare, render = pair
    return render.cpu_seconds / bare.cpu_seconds


def report(
    pairs: Sequence[tuple[Run, Run]],
    *,
    frames: int,
    video: Path,
    vmaf: float | None,
    loudness: LoudnessReading,
) -> None:
    seconds = frames / FPS
    print(f"\n{frames} frames, {seconds:.1f} s of video, {len(pairs)} pairs; CPU is user + system seconds")
    print(f"{'':8}{'CPU s':>9}{'min':>9}{'max':>9}{'per video s':>14}{'wall s':>9}")
    for place, name in enumerate(("bare", "render")):
        cpu = [pair[place].cpu_seconds for pair in pairs]
        wall = statistics.median(pair[place].wall_seconds for pair in pairs)
        middle = statistics.median(cpu)
        print(f"{name:8}{middle:9.2f}{min(cpu):9.2f}{max(cpu):9.2f}{middle / seconds:14.3f}{wall:9.1f}")
    ratios = [ratio(pair) for pair in pairs]
    middle = statistics.median(ratios)
    print(f"{'ratio':8}{middle:9.3f}{min(ratios):9.3f}{max(ratios):9.3f}   render / bare, pair by pair")
    sizes = {"bare": picture_bytes(OUT / "bare.mp4"), "render": picture_bytes(video)}
    print(f"\npictures: bare {sizes['bare'] / 1e6:.2f} MB, render {sizes['render'] / 1e6:.2f} MB")
    print(f"video.mp4: {video.stat().st_size / 1e6:.2f} MB")
    print(f"loudness: {loudness.integrated_lufs} LUFS, true peak {loudness.true_peak_dbtp} dBTP")
    if vmaf is not None:
        print(f"VMAF of the render against the drawn frames: {vmaf:.2f}")
    figures = {
        "frames": frames,
        "pairs": [{"bare": bare._asdict(), "render": render._asdict()} for bare, render in pairs],
        "ratio": statistics.median(ratios),
        "picture_bytes": sizes,
        "loudness": loudness._asdict(),
        "vmaf": vmaf,
    }
    RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def picture_bytes(path: Path) -> int:
    with av.open(path) as container:
        return sum(packet.size for packet in container.demux(video=0))


if __name__ == "__main__":
    sys.exit(main())
