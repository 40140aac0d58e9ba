"""The image, built for real and run: `make image-test`, as root on Debian; some ten minutes and 5 GB of disk.

IMAGE_TEST_FOLDER=folder keeps what was built there, and builds on it.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests import programs
from tests.cloud.secret_server import secret_server
from tests.infra.image_builder import ROOT, Builder, Container
from tests.ports import free_port
from trivia_render.encode.profiles import encoder_options

pytestmark = [pytest.mark.image, pytest.mark.timeout(3600)]

_PACKAGES = ("buildah", "debootstrap")
#: What is left out of the image keeps it under this; docs/container.md has the sum.
MAX_BYTES = 1_000_000_000
VERSION = "projects/quiz/secrets/auth/versions/1"


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    if os.geteuid() != 0:
        pytest.skip("The image is built as root: run it as root.")
    missing = [name for name in _PACKAGES if shutil.which(name) is None]
    if missing and (reason := programs.install(missing)):
        pytest.skip(f"Install the Debian packages {' and '.join(missing)}: apt-get could not ({reason}).")
    kept = os.environ.get("IMAGE_TEST_FOLDER")
    folder = Path(kept).absolute() if kept else tmp_path_factory.mktemp("image-builder")
    folder.mkdir(exist_ok=True)
    made = Builder(folder)
    if not (folder / "storage").exists():
        made.make_base()
    made.build()
    yield made
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def container(builder: Builder) -> Iterator[Container]:
    with builder.container() as started:
        yield started


def test_its_layers_are_under_a_gigabyte(builder: Builder) -> None:
    layers = builder.layers()
    for layer in layers:
        print(f"{layer.size_bytes / 1e6:7.1f} MB  {layer.made_by[:90]}")
    total = sum(layer.size_bytes for layer in layers)
    print(f"{total / 1e6:7.1f} MB  in all")
    assert total < MAX_BYTES


def test_it_runs_as_its_own_user_who_can_write_where_work_lies_and_nowhere_else(container: Container) -> None:
    assert container.run("id", "-u").strip() == "10001"
    container.run("touch", "/var/lib/trivia/x", "/var/tmp/x")
    for folder in ("/app", "/app/flows", "/opt/venv/bin", "/etc", "/usr/bin"):
        assert "Permission denied" in container.run("touch", f"{folder}/x", code=1)
    assert (container.root / "app/flows/__pycache__").is_dir()
    for absent in ("usr/bin/gcc", "opt/venv/bin/pip", "build", "app/tests", "app/infra", "root/.cache"):
        assert not (container.root / absent).exists(), absent


def test_ffmpeg_is_debians_with_all_that_it_links_and_with_nvenc(container: Container) -> None:
    assert "not found" not in container.run("ldd", "/usr/bin/ffmpeg")
    encoders = container.run("ffmpeg", "-hide_banner", "-encoders")
    assert {"h264_nvenc", "libx264", "aac"} <= set(encoders.split())
    # Production's arguments get as far as the driver, which is not here.
    options = encoder_options("h264_nvenc", threads=1).items()
    refused = container.run(
        *("ffmpeg", "-hide_banner", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30:duration=1"),
        *(word for name, value in options for word in (f"-{name}", value)),
        "/var/tmp/nvenc.mp4",
        code=1,
    )
    assert "libcuda.so.1" in refused


def test_the_doctor_finds_everything_but_a_gpu(container: Container) -> None:
    found = container.run(*container.entrypoint, "trivia", "doctor")
    assert "ffmpeg version 5.1" in found
    for part in ("ffmpeg", "encoder libx264", "type", "voice", "store"):
        assert re.search(rf"^ok\s+{part}:", found, re.MULTILINE), found


def test_a_job_is_rendered_and_measured(container: Container) -> None:
    shutil.copy(ROOT / "examples" / "sample_job_config.json", container.root / "var/tmp" / "job.json")
    said = container.run(
        *container.entrypoint, "trivia", "render", "/var/tmp/job.json", "--direct", seconds=600
    )
    assert "-14.0 LUFS" in said
    assert list((container.root / "var/lib/trivia/videos").rglob("video.mp4"))


def test_the_flows_load_by_the_entrypoints_of_prefect_yaml(container: Container) -> None:
    entrypoints = re.findall(r"entrypoint: (\S+)", (container.root / "app/prefect.yaml").read_text())
    assert len(entrypoints) == 4
    program = "import sys; from prefect.flows import load_flow_from_entrypoint as load;" + (
        "[print(load(name, use_placeholder_flow=False).name) for name in sys.argv[1:]]"
    )
    # From another folder, as runs start in.
    container.run("sh", "-c", 'cd /tmp && exec python -c "$0" "$@"', program, *entrypoints)


def test_secrets_reach_the_command_and_the_metadata_of_the_image_hold_none(container: Container) -> None:
    with secret_server() as secrets:
        secrets.payloads[VERSION] = b"user:pw\n"
        said = container.run(
            *(*container.entrypoint, "printenv", "PREFECT_API_AUTH_STRING"),
            TRIVIA_SECRETS=f"PREFECT_API_AUTH_STRING={VERSION}",
            TRIVIA_SECRETS_ENDPOINT=secrets.url,
        )
    assert said == "user:pw\n"
    assert not [name for name in container.environment if re.search("AUTH|TOKEN|PASSWORD", name)]


def test_a_worker_serves_is_healthy_and_drains_when_it_is_told_to_stop(container: Container) -> None:
    api, port = free_port(), free_port()
    where = {"PREFECT_API_URL": f"http://127.0.0.1:{api}/api", "TRIVIA_WORKER_PORT": str(port)}
    checked = ["/usr/bin/python3", "-I", "-S", "/app/healthcheck.py"]
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(api)]
    server = container.start(*container.entrypoint, *command)
    worker = None
    try:
        wait(
            lambda: (
                "200" in container.run("sh", "-c", '"$@" || true', "sh", *checked, str(api), "/api/health")
            )
        )
        assert "are declared on" in container.run(*container.entrypoint, "trivia", "deploy", **where)
        worker = container.start(*container.entrypoint, "trivia", "worker", **where)
        test = '"$@" || true'
        wait(lambda: "answers 200" in container.run("sh", "-c", test, "sh", *checked, **where))
        (tini,) = psutil.Process(worker.pid).children()
        (main,) = tini.children()
        assert tini.name() == "tini"
        assert main.cmdline()[-2:] == ["/opt/venv/bin/trivia", "worker"]
        begun = time.monotonic()
        tini.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=30)
        # docker's `--stop-timeout 25` must be enough.
        assert time.monotonic() - begun < 20
        assert worker.returncode == 0, said[-3000:]
        assert "The worker got SIGTERM" in said
        container.run(*checked, code=1, **where)
    finally:
        for process in (worker, server):
            if process is not None:
                container.end(process)
                process.communicate()


def wait(answers: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not answers():
        assert time.monotonic() < deadline
        time.sleep(0.5)
