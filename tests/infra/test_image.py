"""The Dockerfile's every instruction, without a container engine; `make image-test` builds and runs it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.infra.dockerfile import ROOT, copies, instructions
from tests.ports import free_port
from trivia_render.encode.arguments import measure_loudness
from trivia_render.settings import Settings

TEXT = (ROOT / "Dockerfile").read_text()
PARSED = instructions(TEXT)
FINAL = [item for item in PARSED if item.stage == PARSED[-1].stage]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HADOLINT = Path(sys.executable).with_name("hadolint")
HEALTHCHECK = ROOT / "infra" / "container" / "healthcheck.py"


def of_final(name: str) -> list[str]:
    return [item.text for item in FINAL if item.name == name]


def variables() -> dict[str, str]:
    pairs = (pair for text in of_final("ENV") for pair in re.findall(r"([A-Z_]+)=(\S+)", text))
    return dict(pairs)


# hadolint.


def findings(text: str, folder: Path) -> set[str]:
    path = folder / "Dockerfile"
    path.write_text(text)
    done = subprocess.run(
        [HADOLINT, "--no-color", "--failure-threshold", "style", path],
        capture_output=True,
        text=True,
        check=False,
    )
    return set(re.findall(r"\b(?:DL|SC)\d{4}\b", done.stdout))


def test_hadolint_finds_nothing_and_nothing_is_excepted(tmp_path: Path) -> None:
    assert findings(TEXT, tmp_path) == set()
    assert "hadolint ignore" not in TEXT


@pytest.mark.parametrize(
    ("there", "planted", "rule"),
    [
        ("ffmpeg=7:5.1.*", "ffmpeg", "DL3008"),
        ("FROM base\n", "FROM debian:latest\n", "DL3007"),
        ("USER 10001:10001", "USER root", "DL3002"),
        ("ca-certificates=20*", "sudo=1 && sudo true", "DL3004"),
        ("COPY flows /app/flows", "ADD flows /app/flows", "DL3020"),
        (" --no-install-recommends ffmpeg", " ffmpeg", "DL3015"),
        ('CMD ["trivia", "worker"]', "CMD trivia worker", "DL3025"),
    ],
)
def test_hadolint_finds_a_planted_mistake(there: str, planted: str, rule: str, tmp_path: Path) -> None:
    assert there in TEXT
    assert rule in findings(TEXT.replace(there, planted), tmp_path)


# What hadolint does not know.


def test_the_base_is_pinned_by_a_digest_that_whoever_builds_names() -> None:
    before_from = [item.text for item in PARSED if item.name == "ARG" and item.stage < 0]
    assert before_from == ["BASE_IMAGE=debian:bookworm-slim", "BASE_DIGEST"]
    stages = {item.words[-1] for item in PARSED if item.name == "FROM" and " AS " in item.text}
    for item in PARSED:
        if item.name == "FROM":
            assert item.words[0] in ({"${BASE_IMAGE}@${BASE_DIGEST}"} | stages)


def test_it_runs_as_a_user_by_number_after_everything_that_needs_root() -> None:
    assert of_final("USER") == ["10001:10001"]
    names = [item.name for item in FINAL]
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])
    created = next(text for text in of_final("RUN") if "useradd" in text)
    assert "groupadd --gid 10001 " in created
    assert "useradd --uid 10001 --gid 10001 " in created
    assert f"install -d -o 10001 -g 10001 -m 0750 {variables()['TRIVIA_HOME']}" in created


def test_packages_come_without_recommendations_lists_and_compilers() -> None:
    for item in PARSED:
        if item.name == "RUN" and "apt-get install" in item.text:
            assert "--no-install-recommends" in item.text
            assert "&& apt-get clean && rm -rf /var/lib/apt/lists/*" in item.text
    assert not re.search(
        r"\b(gcc|g\+\+|make|build-essential|python3-dev|curl|wget)\b", " ".join(of_final("RUN"))
    )
    assert not any(re.search(r"\bpip\b", text) for text in of_final("RUN"))


def test_packages_of_python_are_wheels_held_against_their_hashes() -> None:
    installs = [
        item.text
        for item in PARSED
        if item.name == "RUN" and "pip install" in item.text.replace(" --python /opt/venv/bin/python", "")
    ]
    assert len(installs) == 3
    for text in installs:
        assert "--only-binary :all: --require-hashes" in text or "--no-index" in text


def test_its_label_has_this_version() -> None:
    assert f"VERSION={PROJECT['project']['version']}" in of_final("ARG")


def test_the_meter_is_asked_for_nothing_that_debians_ffmpeg_lacks() -> None:
    # By `ffmpeg -h filter=ebur128` of 5.1: info and verbose. Later ones have `quiet` as well.
    words = " ".join(measure_loudness(Path("sound.m4a")))
    assert re.findall(r"framelog=(\w+)", words) == ["verbose"]


def test_no_secret_can_come_in_by_a_build_argument_or_a_variable() -> None:
    for item in PARSED:
        if item.name in ("ARG", "ENV"):
            assert not re.search("PASSWORD|TOKEN|SECRET|AUTH|KEY", item.text), item


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NVIDIA_DRIVER_CAPABILITIES", "video,compute,utility"),
        ("NVIDIA_VISIBLE_DEVICES", "all"),
        ("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64"),
        ("TRIVIA_FFMPEG", "/usr/bin/ffmpeg"),
        ("TRIVIA_HOME", "/var/lib/trivia"),
        ("TRIVIA_WORKER_PORT", "4310"),
    ],
)
def test_the_environment_is_what_a_machine_with_a_gpu_needs(name: str, value: str) -> None:
    assert variables()[name] == value


def test_its_variables_are_settings_with_values_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {name: value for name, value in variables().items() if name.startswith("TRIVIA_")}
    assert set(ours) <= {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert "PYTHONDONTWRITEBYTECODE" not in variables()
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    assert str(Settings().ffmpeg) == "/usr/bin/ffmpeg"
    assert Settings().worker_port == 4310


def test_the_main_process_is_tini_then_the_resolver_of_secrets_then_the_worker() -> None:
    by_name = {item.name: item for item in FINAL}
    tini, dashes, resolver = by_name["ENTRYPOINT"].words
    assert (tini, dashes) == ("/usr/bin/tini", "--")
    scripts = PROJECT["project"]["scripts"]
    assert scripts[Path(resolver).name] == "trivia_render.secret_environment:main"
    assert by_name["CMD"].words == ["trivia", "worker"]
    assert by_name["STOPSIGNAL"].text == "SIGTERM"
    assert by_name["WORKDIR"].text == "/app"
    assert variables()["PATH"].split(":")[0] == str(Path(resolver).parent)


# What is copied.


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources, _ in copies(PARSED):
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source in allowed or str(Path(source).parent) in allowed, source
    # And no more than that comes into the context.
    copied = {source for sources, _ in copies(PARSED) for source in sources}
    assert allowed - {"infra", "infra/container"} <= copied
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied


def test_what_is_left_out_of_packages_is_where_the_dockerfile_looks_for_it() -> None:
    removal = next(item.text for item in PARSED if "rm -rf /opt/venv" in item.text)
    patterns = re.findall(r"/opt/venv/lib/python3\.11/site-packages/(\S+)", removal.partition("&& find")[0])
    site = Path(next(path for path in sys.path if path.endswith("site-packages")))
    assert len(patterns) == 6
    for pattern in patterns:
        assert list(site.glob(pattern)), pattern


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image, made by the Dockerfile's own COPY instructions."""
    root = tmp_path_factory.mktemp("image")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for sources, destination in copies(PARSED):
        for source in sources:
            target = root / destination.lstrip("/")
            if destination.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                target /= Path(source).name
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=ignored)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, target)
    return root / "app"


def test_the_copied_files_are_all_that_the_installation_needs(app: Path, tmp_path: Path) -> None:
    program = f"from hatchling.build import build_editable; print(build_editable({str(tmp_path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=app, capture_output=True, text=True, check=True
    )
    wheel = tmp_path / done.stdout.splitlines()[-1]
    unpacked = tmp_path / "wheel"
    shutil.unpack_archive(wheel, unpacked, "zip")
    entry_points = next(unpacked.glob("*.dist-info/entry_points.txt")).read_text()
    assert "trivia = trivia_render.cli:main" in entry_points
    assert "trivia-with-secrets = trivia_render.secret_environment:main" in entry_points
    assert [line for path in unpacked.glob("*.pth") for line in path.read_text().split()] == [str(app)]


def test_the_copied_files_run_with_their_bytecode_alone_from_any_folder(app: Path, tmp_path: Path) -> None:
    flags = re.search(r"-m compileall (.*?) /opt/venv/lib /app", TEXT)
    assert flags is not None
    compiled = [sys.executable, "-m", "compileall", *flags[1].split(), str(app)]
    subprocess.run(compiled, check=True, timeout=60)
    assert (app / "trivia_render" / "__pycache__").is_dir()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from trivia_render.deployments_folder import deployments_folder as folder;"
        "import trivia_render.cli.app;"
        "assert (folder().parent / 'prefect.yaml').is_file(); print(folder().parent)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import site; site.main();" + program, str(app)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(app)


# The health check.


def health(*arguments: str, **environment: str) -> tuple[int, str]:
    words = next(item for item in FINAL if item.name == "HEALTHCHECK").words
    assert words == ["/usr/bin/python3", "-I", "-S", "/app/healthcheck.py"]
    command = [sys.executable, *words[1:3], str(HEALTHCHECK), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.stderr == ""
    return done.returncode, done.stdout


@contextmanager
def worker(*, alive: bool) -> Iterator[int]:
    """A worker's real endpoints."""
    from trivia_render.telemetry.endpoints import make_app, open_endpoints

    def nothing() -> bytes:
        return b""

    endpoints = open_endpoints("127.0.0.1", 0)
    endpoints.serve(make_app(alive=lambda: alive, record=nothing, metrics=nothing))  # type: ignore[arg-type]
    try:
        yield endpoints.port
    finally:
        endpoints.close()


@pytest.mark.parametrize("bind", ["", "0.0.0.0", "127.0.0.1"])
def test_a_worker_that_is_well_is_healthy(bind: str) -> None:
    with worker(alive=True) as port:
        code, said = health(TRIVIA_WORKER_PORT=str(port), TRIVIA_WORKER_BIND=bind)
        assert (code, said) == (0, f"127.0.0.1:{port}/healthz answers 200\n")


def test_a_worker_that_is_stuck_is_not_healthy() -> None:
    with worker(alive=False) as port:
        assert health(TRIVIA_WORKER_PORT=str(port)) == (1, f"127.0.0.1:{port}/healthz answers 503\n")
        # Another process of the image, by its port and path.
        assert health(str(port), "/nothing") == (1, f"127.0.0.1:{port}/nothing answers 404\n")


def test_a_worker_that_is_gone_is_not_healthy() -> None:
    port = free_port()
    code, said = health(TRIVIA_WORKER_PORT=str(port))
    assert code == 1
    assert "does not answer" in said


def test_a_worker_that_says_nothing_is_not_healthy_within_the_checks_own_time() -> None:
    timeout = re.search(r"--timeout=(\d+)s", TEXT)
    assert timeout is not None
    from infra.container.healthcheck import TIMEOUT_SECONDS

    assert float(timeout[1]) > TIMEOUT_SECONDS
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, said = health(TRIVIA_WORKER_PORT=str(silent.getsockname()[1]))
    assert (code, "timed out" in said) == (1, True)


def test_the_health_check_loads_nothing_of_this_project_or_of_others() -> None:
    program = (
        "import runpy, sys; sys.argv = ['x', '1', '/'];"
        f"runpy.run_path({str(HEALTHCHECK)!r}, run_name='checked');"
        "print([name for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout in {"['__main__']\n", "[]\n"}


def test_stopping_is_a_signal_that_the_worker_hands_its_runs_back_on() -> None:
    name = next(item for item in FINAL if item.name == "STOPSIGNAL").text
    assert getattr(signal, name) is signal.SIGTERM
