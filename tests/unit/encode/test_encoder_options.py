"""What FFmpeg is asked of its encoders, held against the operator's settings and FFmpeg's own lists."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import find_ffmpeg
from trivia_render.encode.profiles import encoder_options
from trivia_render.models.plan import EncoderName

NVENC_ASKED_FOR = (
    "-c:v h264_nvenc -preset p4 -profile:v high -rc vbr -cq 23 -b:v 3M -maxrate 5M -bufsize 6M "
    "-pix_fmt yuv420p -r 30 -g 60 -movflags +faststart"
)
LIBX264_ASKED_FOR = (
    "-c:v libx264 -preset veryfast -profile:v high -crf 23 -maxrate 5M -bufsize 6M "
    "-pix_fmt yuv420p -r 30 -g 60 -movflags +faststart"
)
#: Everything else that is passed, and nothing more.
ADDED: dict[EncoderName, dict[str, str]] = {
    "h264_nvenc": {"no-scenecut": "1", "forced-idr": "1"},
    "libx264": {"sc_threshold": "0", "flags": "+cgop", "threads": "1"},
}


def as_options(line: str) -> dict[str, str]:
    words = line.split()
    return {name.removeprefix("-"): value for name, value in zip(words[::2], words[1::2], strict=True)}


@pytest.mark.parametrize(
    ("name", "asked_for"), [("h264_nvenc", NVENC_ASKED_FOR), ("libx264", LIBX264_ASKED_FOR)]
)
def test_the_operators_settings_are_passed_as_they_are(name: EncoderName, asked_for: str) -> None:
    assert encoder_options(name, threads=1) == as_options(asked_for) | ADDED[name]


def test_only_nvenc_is_told_its_gpu() -> None:
    assert encoder_options("h264_nvenc", threads=1, gpu=1) == as_options(NVENC_ASKED_FOR) | ADDED[
        "h264_nvenc"
    ] | {"gpu": "1"}
    assert encoder_options("libx264", threads=1, gpu=1) == as_options(LIBX264_ASKED_FOR) | ADDED["libx264"]


class Option(NamedTuple):
    """An option as FFmpeg lists it. `constants` are the names that its values may have."""

    kind: str
    constants: frozenset[str]
    low: float
    high: float


_OPTION = re.compile(r"^\s*-(?P<name>\S+)\s+<(?P<kind>\w+)>")
_RANGE = re.compile(r"\(from (?P<low>\S+) to (?P<high>\S+)\)")
_CONSTANT = re.compile(r"^\s{5,}(?P<name>\S+)\s")
_LIMITS = {"INT_MAX": 2**31 - 1, "INT_MIN": -(2**31), "FLT_MAX": 3.4e38, "-FLT_MAX": -3.4e38}


def listed_options(text: str) -> dict[str, Option]:
    options: dict[str, Option] = {}
    current = ""
    for line in text.splitlines():
        if found := _OPTION.match(line):
            current = found["name"]
            span = _RANGE.search(line)
            low, high = (
                (_LIMITS.get(edge) or _number(edge) for edge in span.groups()) if span else (-3.4e38, 3.4e38)
            )
            options.setdefault(current, Option(found["kind"], frozenset(), low, high))
        elif current and (constant := _CONSTANT.match(line)):
            option = options[current]
            options[current] = option._replace(constants=option.constants | {constant["name"]})
        else:
            current = ""
    return options


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 3.4e38


def help_text(topic: str) -> str:
    command = [find_ffmpeg(None), "-hide_banner", "-h", topic]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def problem(option: Option | None, value: str) -> str | None:
    """Say what FFmpeg would refuse about this value, by its own list."""
    if option is None:
        return "there is no such option"
    if option.kind == "boolean":
        return None if value in ("0", "1") else f"{value} is no boolean"
    if option.kind == "flags":
        unknown = {flag for flag in re.split(r"[+-]", value) if flag} - option.constants
        return f"{unknown} are no flags" if unknown else None
    if value in option.constants:
        return None
    number = re.fullmatch(r"(-?[\d.]+)([kM]?)", value)
    if number is None:
        return f"{value} is none of {sorted(option.constants)}" if option.kind != "string" else None
    amount = float(number[1]) * {"": 1, "k": 1e3, "M": 1e6}[number[2]]
    return None if option.low <= amount <= option.high else f"{value} is not in {option.low} to {option.high}"


@pytest.fixture(scope="module")
def nvenc_options() -> dict[str, Option]:
    return listed_options(help_text("encoder=h264_nvenc"))


@pytest.fixture(scope="module")
def common_options() -> dict[str, Option]:
    return listed_options(help_text("full"))


def test_the_list_of_nvenc_options_is_understood(nvenc_options: dict[str, Option]) -> None:
    assert nvenc_options["preset"].constants >= {"p1", "p4", "p7"}
    assert nvenc_options["rc"].constants == {"constqp", "vbr", "cbr"}
    assert (nvenc_options["cq"].low, nvenc_options["cq"].high) == (0, 51)
    assert (
        problem(nvenc_options["preset"], "p8") == f"p8 is none of {sorted(nvenc_options['preset'].constants)}"
    )
    assert problem(nvenc_options["cq"], "52") is not None
    assert problem(nvenc_options.get("crf"), "23") == "there is no such option"


#: NVENC has these of its own; the rest belongs to every encoder, to the muxer or to the program.
NVENC_OWN = {"preset", "profile:v", "rc", "cq", "no-scenecut", "forced-idr", "gpu"}
#: Program options that `-h full` describes in words.
PROGRAM_OPTIONS = {
    "c:v": "-c[:<stream_spec>] <codec>",
    "r": "-r[:<stream_spec>] <rate>",
    "pix_fmt": "-pix_fmt",
}


@pytest.mark.parametrize(("name", "value"), encoder_options("h264_nvenc", threads=1, gpu=7).items())
def test_ffmpeg_lists_each_nvenc_option_with_our_value(
    name: str, value: str, nvenc_options: dict[str, Option], common_options: dict[str, Option]
) -> None:
    if name in PROGRAM_OPTIONS:
        assert PROGRAM_OPTIONS[name] in help_text("full")
        return
    listed = nvenc_options if name in NVENC_OWN else common_options
    assert problem(listed.get(name.removesuffix(":v")), value) is None


def test_ffmpeg_has_the_encoder_and_its_pixel_format() -> None:
    text = help_text("encoder=h264_nvenc")
    formats = re.search(r"Supported pixel formats: (.*)", text)
    assert formats is not None
    assert "yuv420p" in formats[1].split()


@pytest.mark.parametrize("name", ["h264_nvenc", "libx264"])
def test_frames_are_said_to_be_bt709_before_they_are_read(name: EncoderName) -> None:
    words = arguments.encode_clip(
        width=1920, height=1080, encoder=name, threads=1, output=Path("/x/clip.mp4")
    )
    source = words[: words.index("-i")]
    for option, value in {
        "-color_range": "tv",
        "-color_primaries": "bt709",
        "-color_trc": "bt709",
        "-colorspace": "bt709",
        "-video_size": "1920x1080",
        "-pixel_format": "yuv420p",
        "-framerate": "30",
        "-f": "rawvideo",
    }.items():
        assert source[source.index(option) + 1] == value
    # Said of the output as well, every frame would be converted on its way.
    assert not {"-vf", "-filter:v", "-filter_complex", "-colorspace"} & set(words[words.index("-i") :])


def test_paths_are_files_whatever_they_look_like() -> None:
    for path in ("-y", "concat:a|b", "http://example.org/x.mp4", "a b'c;d.mp4"):
        join = arguments.join_clips(
            clip_list=Path(path), audio=Path(path), metadata=Path(path), output=Path(path)
        )
        named = [word for word in join if word.startswith("file:")]
        assert named == [f"file:{Path(path)}"] * 4


def test_joining_encodes_nothing_and_takes_titles_from_a_file() -> None:
    words = arguments.join_clips(
        clip_list=Path("/w/clips.txt"),
        audio=Path("/w/sound.m4a"),
        metadata=Path("/w/meta.txt"),
        output=Path("/w/o.mp4"),
    )
    assert words[words.index("-c") + 1] == "copy"
    inputs = [words[place + 1] for place, word in enumerate(words) if word == "-i"]
    assert inputs == ["file:/w/clips.txt", "file:/w/sound.m4a", "file:/w/meta.txt"]
    assert words[words.index("-map_chapters") + 1] == "2"
    assert "-metadata" not in " ".join(words)


def test_a_silent_join_takes_its_chapters_from_the_second_input() -> None:
    words = arguments.join_clips(clip_list=Path("l"), audio=None, metadata=Path("m"), output=Path("o.mp4"))
    assert [words[place + 1] for place, word in enumerate(words) if word == "-i"] == ["file:l", "file:m"]
    assert words[words.index("-map_chapters") + 1] == "1"
    assert words.count("-map") == 1
