"""Which encoder is taken. FFmpeg's place is taken by programs that have NVENC, lack it or hang in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.probe import resolve_encoder
from trivia_render.errors import EncoderUnavailableError
from trivia_render.models.plan import EncoderSpec

Program = Callable[[str], Path]

BUILD = "ffmpeg version 9.1-stand-in"
ANSWERS_VERSION = f'[ "$1" = -version ] && echo "{BUILD} Copyright (c) someone" && exit 0\n'


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str], Ffmpeg]:
    """An FFmpeg whose encoders do what the shell lines say; `$nvenc` is set where NVENC is asked for."""

    def make(body: str) -> Ffmpeg:
        path = tmp_path / "ffmpeg"
        path.write_text(f'#!/bin/sh\n{ANSWERS_VERSION}case "$*" in *h264_nvenc*) nvenc=1;; esac\n{body}\n')
        path.chmod(0o755)
        return Ffmpeg(path, stall_timeout_seconds=0.5)

    return make


WORKS = "cat >/dev/null"
NO_DRIVER = """cat >/dev/null
[ $nvenc ] || exit 0
echo '[h264_nvenc @ 0x55ba4a4bbec0] Cannot load libcuda.so.1' >&2
echo '[vost#0:0/h264_nvenc @ 0x55ba4a4bb2c0] Error while opening encoder' >&2
exit 255"""


def test_auto_takes_nvenc_where_it_encodes(stand_in: Callable[[str], Ffmpeg]) -> None:
    assert resolve_encoder("auto", ffmpeg=stand_in(WORKS)) == (
        EncoderSpec(name="h264_nvenc", build=BUILD),
        None,
    )


def test_auto_without_nvenc_takes_libx264_and_says_why(stand_in: Callable[[str], Ffmpeg]) -> None:
    spec, fallback = resolve_encoder("auto", ffmpeg=stand_in(NO_DRIVER))
    assert spec.name == "libx264"
    assert fallback is not None
    assert (fallback.what, fallback.asked, fallback.used) == ("encoder", "auto", "libx264")
    assert fallback.reason == "Cannot load libcuda.so.1"


def test_a_forced_encoder_that_does_not_work_is_an_error_with_ffmpegs_words(
    stand_in: Callable[[str], Ffmpeg],
) -> None:
    with pytest.raises(EncoderUnavailableError, match=r"this machine: Cannot load libcuda\.so\.1") as caught:
        resolve_encoder("h264_nvenc", ffmpeg=stand_in(NO_DRIVER))
    assert "Cannot load libcuda.so.1" in caught.value.evidence
    assert "TRIVIA_ENCODER=auto" in caught.value.remedy
    assert not caught.value.retryable


def test_nvenc_that_hangs_is_not_used(stand_in: Callable[[str], Ffmpeg]) -> None:
    spec, fallback = resolve_encoder("auto", ffmpeg=stand_in("[ $nvenc ] && exec sleep 60; cat >/dev/null"))
    assert spec.name == "libx264"
    assert fallback is not None
    assert "no progress for 0.5 s while trying h264_nvenc" in fallback.reason


def test_auto_with_no_encoder_at_all_is_an_error(stand_in: Callable[[str], Ffmpeg]) -> None:
    with pytest.raises(EncoderUnavailableError, match="libx264 does not encode"):
        resolve_encoder("auto", ffmpeg=stand_in("exit 1"))


def test_a_forced_encoder_is_tried_alone(stand_in: Callable[[str], Ffmpeg]) -> None:
    """The operator who asks for libx264 on a GPU machine gets it, with nothing to explain."""
    assert resolve_encoder("libx264", ffmpeg=stand_in(NO_DRIVER)) == (
        EncoderSpec(name="libx264", build=BUILD),
        None,
    )


def test_the_packaged_ffmpeg_encodes_with_libx264(ffmpeg: Ffmpeg) -> None:
    assert resolve_encoder("libx264", ffmpeg=ffmpeg) == (
        EncoderSpec(name="libx264", build=ffmpeg.build),
        None,
    )


def test_the_probe_frame_is_encoded_with_the_production_settings(
    tmp_path: Path, stand_in: Callable[[str], Ffmpeg]
) -> None:
    resolve_encoder("h264_nvenc", ffmpeg=stand_in(f'echo "$*" >{tmp_path}/said; wc -c >{tmp_path}/bytes'))
    said = (tmp_path / "said").read_text()
    for words in (
        "-c:v h264_nvenc",
        "-preset p4",
        "-profile:v high",
        "-rc vbr",
        "-cq 23",
        "-b:v 3M",
        "-g 60",
    ):
        assert words in said
    # One frame, large enough for Turing.
    assert int((tmp_path / "bytes").read_text()) == 320 * 240 * 3 // 2
