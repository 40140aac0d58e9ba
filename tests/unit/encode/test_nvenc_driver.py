"""A real FFmpeg's NVENC on a stand-in for NVIDIA's driver: its words when that fails, a clip when it works.

What a GPU would encode is libx264's here; all else is as on a machine with one, down to FFmpeg's checks of
our arguments.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from trivia_render.encode.clip import encode_clip
from trivia_render.encode.ffmpeg import Ffmpeg, find_ffmpeg
from trivia_render.encode.preflight import _test_frames, preflight
from trivia_render.errors import (
    DriverTooOldError,
    EncoderUnavailableError,
    GpuLostError,
    GpuMissingError,
    NvencSessionsExhaustedError,
)
from trivia_render.models.formats import FORMATS
from trivia_render.models.plan import EncoderSpec
from trivia_render.telemetry.gpu_readings import load_nvml

#: Debian's as well, where it is there: production's.
FFMPEGS = [None, *([Path(found)] if (found := shutil.which("ffmpeg")) else [])]
FAULTS: dict[str, type[EncoderUnavailableError]] = {
    "devices=0": GpuMissingError,
    "cuInit=100": GpuMissingError,
    "OpenEncodeSessionEx=2": GpuMissingError,
    "version=160": DriverTooOldError,
    "cuInit=803": DriverTooOldError,
    "OpenEncodeSessionEx=10": NvencSessionsExhaustedError,
    "OpenEncodeSessionEx=21": NvencSessionsExhaustedError,
    "CreateInputBuffer=10": NvencSessionsExhaustedError,
    "cuInit=999": GpuLostError,
    "cuCtxCreate=214": GpuLostError,
    "cuCtxPushCurrent=719": GpuLostError,
    "OpenEncodeSessionEx=20": GpuLostError,
    "InitializeEncoder=20": GpuLostError,
    "CreateInputBuffer=20": GpuLostError,
    # In the middle of an encode, after all was well.
    "EncodePicture=20": GpuLostError,
    "EncodePicture=11": GpuLostError,
    "EncodePicture=23": GpuLostError,
    "LockBitstream=5": GpuLostError,
    "caps=0": EncoderUnavailableError,
    "InitializeEncoder=8": EncoderUnavailableError,
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver's libraries."""
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libcuda.so.1"
    source = Path(__file__).with_name("nvenc_stub.c")
    subprocess.run([require("gcc"), "-shared", "-fPIC", "-w", "-o", library, source], check=True, timeout=60)
    (folder / "libnvidia-encode.so.1").symlink_to(library)
    return folder


@pytest.fixture(scope="module")
def streams(ffmpeg: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the GPU makes of the preflight's frames."""
    folder = tmp_path_factory.mktemp("streams")
    for size in FORMATS.values():
        picture = f"{size.width}x{size.height}"
        given = f"-f rawvideo -pix_fmt yuv420p -video_size {picture} -framerate 30 -color_range tv -i pipe:0"
        made = "-c:v libx264 -preset veryfast -profile:v high -bf 0 -x264-params aud=1 -f h264"
        ffmpeg.feed(
            [*given.split(), *made.split(), f"file:{folder / picture}.h264"],
            "making a stream",
            chunks=[planes.data.cast("B") for planes in _test_frames(size.width, size.height)],
        )
    return folder


@pytest.fixture(params=FFMPEGS, ids=["packaged", "debian"][: len(FFMPEGS)])
def on_driver(
    request: pytest.FixtureRequest, driver: Path, streams: Path, monkeypatch: pytest.MonkeyPatch
) -> Ffmpeg:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver))
    monkeypatch.setenv("NVIDIA_STUB_STREAMS", str(streams))
    monkeypatch.delenv("NVIDIA_STUB", raising=False)
    return Ffmpeg(find_ffmpeg(request.param), stall_timeout_seconds=30)


def test_the_preflight_passes_with_production_arguments(on_driver: Ffmpeg, tmp_path: Path) -> None:
    found = preflight(ffmpeg=on_driver, nvml=load_nvml(), scratch=tmp_path, visible=None)
    assert found.refusal is None
    assert list(tmp_path.iterdir()) == []


def test_each_fault_of_the_driver_is_told_apart_by_ffmpegs_words(
    on_driver: Ffmpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {}
    for fault in FAULTS:
        monkeypatch.setenv("NVIDIA_STUB", fault)
        size = FORMATS["16:9"]
        with pytest.raises(EncoderUnavailableError, match="while encoding clip") as caught:
            encode_clip(
                _test_frames(size.width, size.height),
                frame_count=3,
                width=size.width,
                height=size.height,
                encoder=EncoderSpec(name="h264_nvenc", build="any"),
                ffmpeg=Ffmpeg(on_driver.path, stall_timeout_seconds=30),
                output=tmp_path / "clip.mp4",
                threads=1,
                on_progress=None,
                gpu=0,
            )
        told[fault] = type(caught.value)
    assert told == FAULTS
    assert list(tmp_path.iterdir()) == [], "no clip, and no part of one"


def test_the_preflight_refuses_with_the_code_and_ffmpegs_words(
    on_driver: Ffmpeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_STUB", "cuCtxCreate=214")
    again = Ffmpeg(on_driver.path, stall_timeout_seconds=30)
    refusal = preflight(ffmpeg=again, nvml=load_nvml(), scratch=tmp_path, visible=None).refusal
    assert refusal is not None
    assert refusal.code == "gpu_lost"
    assert "CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered" in refusal.evidence
    assert "Replace the machine" in refusal.remedy
