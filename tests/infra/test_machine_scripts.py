"""The scripts of the machines, with stand-ins for the machines' programs."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.terraform.harness import TERRAFORM

SCRIPTS = TERRAFORM / "modules" / "container_host" / "files"

Ran = tuple[int, list[str]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Run a script with stand-ins, each a piece of shell; return its exit code and their calls."""

    def call(script: str, *arguments: str, **programs: str) -> Ran:
        folder, calls = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir(exist_ok=True)
        calls.write_text("")
        for name, body in {"sleep": "", **programs}.items():
            path = folder / name.replace("_", "-")
            path.write_text(f'#!/bin/bash\necho "${{0##*/}} $*" >>"{calls}"\n{body}\n')
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run(
            ["/bin/bash", SCRIPTS / script, *arguments],
            env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        return done.returncode, calls.read_text().splitlines()

    return call


def test_a_port_is_opened_once(run: Callable[..., Ran]) -> None:
    rule = "INPUT -p tcp --dport 4310 -j ACCEPT"
    closed = run("open-ports.sh", "4310", iptables='[[ "$2" == -A ]]')
    assert closed == (0, [f"iptables -w -C {rule}", f"iptables -w -A {rule}"])
    assert run("open-ports.sh", "4310", iptables="") == (0, [f"iptables -w -C {rule}"])
    assert run("open-ports.sh", "4310", iptables="exit 1")[0] == 1


def test_an_image_that_is_there_is_not_fetched(run: Callable[..., Ran]) -> None:
    assert run("fetch-image.sh", "image", "registry", docker="", docker_credential_gcr="") == (
        0,
        ["docker image inspect image"],
    )


def test_an_image_is_fetched_with_the_machines_identity_and_again_if_that_fails(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    docker = f'if [[ "$1" == pull ]]; then [[ -e {seen} ]] && exit 0; touch {seen}; fi; exit 1'
    code, calls = run("fetch-image.sh", "image", "registry", docker=docker, docker_credential_gcr="")
    assert code == 0
    assert calls == [
        "docker image inspect image",
        "docker-credential-gcr configure-docker --registries=registry",
        "docker pull --quiet image",
        "sleep 10",
        "docker pull --quiet image",
    ]
    assert run("fetch-image.sh", "image", "registry", docker="exit 1", docker_credential_gcr="")[0] == 1


def test_a_command_is_tried_until_it_succeeds(run: Callable[..., Ran], tmp_path: Path) -> None:
    migrate = f"[[ -e {tmp_path}/seen ]] || {{ touch {tmp_path}/seen; exit 1; }}"
    assert run("until-success.sh", "migrate", "-y", migrate=migrate) == (
        0,
        ["migrate -y", "sleep 15", "migrate -y"],
    )


@pytest.mark.parametrize(
    ("answer", "code"), [("echo TRUE", 1), ("echo FALSE", 0), ("exit 22", 0)], ids=["yes", "no", "silent"]
)
def test_a_machine_that_is_being_preempted_is_told_from_others(
    run: Callable[..., Ran], answer: str, code: int
) -> None:
    found, calls = run("not-preempted.sh", curl=answer)
    assert found == code
    assert len(calls) == 1
    assert "/computeMetadata/v1/instance/preempted" in calls[0]


def test_a_machine_without_a_usable_gpu_says_so(run: Callable[..., Ran]) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: run it on one without")
    code, calls = run("install-gpu-driver.sh", "default", cos_extensions="exit 1")
    assert code == 1
    assert calls == ["cos-extensions install gpu -- -version=default", "sleep 10"] * 3
