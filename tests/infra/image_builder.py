"""The image, built from the Dockerfile by buildah, which needs no container engine, and run in a chroot.

Its base is made by debootstrap and then cut down as Debian's slim images are. What this machine needs to
reach the package registries (certificates, indexes, options of apt) is mounted and in no layer.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[2]
_BASE = "localhost/debian:bookworm-slim"
_IMAGE = "localhost/trivia-render:test"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
#: As debian:bookworm-slim has them: https://github.com/debuerreotype/debuerreotype
_SLIM = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
"""
_BUILD_SECONDS = 3000


class Layer(NamedTuple):
    """A layer of the image: what made it, and the size of its files as a tar archive."""

    made_by: str
    size_bytes: int


class Builder:
    """Builds in a folder of its own, which the caller removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        overlay = _has_overlay(folder)
        self._buildah = [
            *("buildah", "--root", str(folder / "storage"), "--runroot", str(folder / "run")),
            *("--storage-driver", "overlay" if overlay else "vfs"),
        ]

    def buildah(self, *arguments: str, seconds: float = 300) -> str:
        """Run buildah and return what it prints. Fails with its last lines."""
        done = subprocess.run(
            [*self._buildah, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=seconds, check=False,
        )  # fmt: skip
        assert done.returncode == 0, "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        return done.stdout.strip()

    def make_base(self) -> None:
        """Make what stands for debian:bookworm-slim."""
        tree = self._folder / "base"
        subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", str(tree)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=_BUILD_SECONDS, check=True,
        )  # fmt: skip
        (tree / "etc/dpkg/dpkg.cfg.d/docker").write_text(_SLIM)
        for folder in ("share/man", "share/info", "share/groff", "share/locale", "share/lintian"):
            shutil.rmtree(tree / "usr" / folder, ignore_errors=True)
            (tree / "usr" / folder).mkdir()
        for path in (tree / "usr/share/doc").rglob("*"):
            if path.name != "copyright" and not path.is_dir():
                path.unlink()
        for folder in ("cache/apt/archives", "lib/apt/lists", "log"):
            for path in (tree / "var" / folder).rglob("*"):
                if path.is_file():
                    path.unlink()
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, str(tree), "/")
        self.buildah("commit", "--quiet", container, _BASE)
        self.buildah("rm", container)
        shutil.rmtree(tree)

    def build(self) -> None:
        """Build the Dockerfile, on a base that is named by its digest."""
        # A line for each of its names.
        digest = self.buildah("images", "--format", "{{.Digest}}", _BASE).partition("\n")[0]
        assert digest.startswith("sha256:"), digest
        mounts = [word for mount in self._registry_mounts() for word in ("--volume", mount)]
        self.buildah(
            *("bud", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker"),
            *("--pull-never", *mounts),
            *("--build-arg", f"BASE_IMAGE={_BASE}", "--build-arg", f"BASE_DIGEST={digest}"),
            *("--tag", _IMAGE, str(ROOT)),
            seconds=_BUILD_SECONDS,
        )

    def _registry_mounts(self) -> Iterator[str]:
        """Yield what pip and apt need here to reach their registries, as buildah takes mounts."""
        if _CERTIFICATES.exists():
            yield f"{_CERTIFICATES}:/etc/ssl/certs/registries.crt:ro"
        listed = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
        ).stdout
        options = dict(line.split("=", 1) for line in listed.splitlines() if line.startswith("global."))
        values: dict[str, str] = {}
        for name in ("index-url", "extra-index-url", "find-links", "trusted-host"):
            told = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
            if value := told or options.get(f"global.{name}", "").strip("'").replace("\\n", " "):
                values[name] = value
        values["cert"] = "/etc/ssl/certs/registries.crt"
        pip = self._folder / "pip.conf"
        pip.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in values.items())]))
        yield f"{pip}:/etc/pip.conf:ro"
        for word in " ".join(values.values()).split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.is_dir():
                # An index may point to files beside it.
                mounted = path.parent if path.name == "simple" else path
                yield f"{mounted}:{mounted}:ro"
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        apt = self._folder / "apt.conf"
        apt.write_text("\n".join(line for line in dump.splitlines() if line.startswith("Acquire::Check-")))
        yield f"{apt}:/etc/apt/apt.conf.d/99registries:ro"

    def layers(self) -> list[Layer]:
        """Return the layers, the base first."""
        parsed = json.loads(self.buildah("inspect", "--type", "image", _IMAGE))
        history = [
            entry.get("created_by", "")
            for entry in parsed["Docker"]["history"]
            if not entry.get("empty_layer")
        ]
        # As archives that are not compressed, whose sizes stand in the manifest.
        copy = self._folder / "copy"
        self.buildah(
            "push", "--quiet", "--disable-compression", _IMAGE, f"dir:{copy}", seconds=_BUILD_SECONDS
        )
        sizes = [layer["size"] for layer in json.loads((copy / "manifest.json").read_text())["layers"]]
        shutil.rmtree(copy)
        return [Layer(made, size) for made, size in zip(history, sizes, strict=True)]

    @contextmanager
    def container(self) -> Iterator["Container"]:
        """Mount the image with this machine's devices, and take it away again."""
        name = self.buildah("from", "--pull-never", _IMAGE)
        root = Path(self.buildah("mount", name))
        config = json.loads(self.buildah("inspect", "--type", "image", _IMAGE))["Docker"]["config"]
        subprocess.run(["mount", "--bind", "/dev", str(root / "dev")], check=True)
        for file in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{file}", root / "etc" / file)
        try:
            yield Container(root, config)
        finally:
            subprocess.run(["umount", "--lazy", str(root / "dev")], check=True)
            self.buildah("umount", name)
            self.buildah("rm", name)


class Container:
    """A tree in which commands run as the image says: its user, environment and folder, in their own PIDs."""

    def __init__(self, root: Path, config: Mapping[str, object]) -> None:
        self.root = root
        self.config = config
        entries = config["Env"]
        assert isinstance(entries, list)
        self.environment = dict(entry.split("=", 1) for entry in entries)

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as the first process of a namespace of its own. `end` it."""
        user = str(self.config["User"])
        return subprocess.Popen(
            [
                *("unshare", "--pid", "--fork", f"--mount-proc={self.root / 'proc'}"),
                *("chroot", f"--userspec={user}", str(self.root)),
                *("/usr/bin/env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}"),
                *(f"{name}={value}" for name, value in {**self.environment, **variables}.items()),
                *command,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace",
        )  # fmt: skip

    def run(self, *command: str, seconds: float = 120, code: int = 0, **variables: str) -> str:
        """Run a command and return what it prints; it must end with the exit code."""
        process = self.start(*command, **variables)
        with process:
            try:
                said, _ = process.communicate(timeout=seconds)
            finally:
                self.end(process)
        assert process.returncode == code, said[-3000:]
        return said

    def end(self, process: subprocess.Popen[str]) -> None:
        """Kill what still runs of it: the first process of a namespace takes the others along."""
        with suppress(psutil.NoSuchProcess):
            for first in psutil.Process(process.pid).children():
                first.kill()
        process.wait(30)

    @property
    def entrypoint(self) -> list[str]:
        """The image's entrypoint."""
        words = self.config["Entrypoint"]
        assert isinstance(words, list)
        return words


def _has_overlay(folder: Path) -> bool:
    """Tell whether the kernel lets layers be mounted over each other; else each is a whole copy."""
    parts = {name: folder / f"overlay-{name}" for name in ("lower", "upper", "work", "merged")}
    for path in parts.values():
        path.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(parts["merged"])],
        capture_output=True,
        check=False,
    )
    if mounted.returncode == 0:
        subprocess.run(["umount", str(parts["merged"])], check=True)
    return mounted.returncode == 0
