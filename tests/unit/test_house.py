"""Rules of the house that no linter checks."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("trivia_render", "flows", "tasks")

#: Spelt in two halves, so that this list does not find itself.
FORBIDDEN = tuple(
    left + right
    for left, right in [
        ("DESIGN", ".md"),
        ("STYLE", ".md"),
        ("proto", "type"),
        ("TO", "DO"),
        ("FIX", "ME"),
        ("X", "XX"),
        ("chat", "gpt"),
        ("clau", "de"),
        ("anthro", "pic"),
        ("co", "pilot"),
        ("language ", "model"),
        ("AI", "-generated"),
        ("index", "-url ="),
        ("pypi.", "org"),
        ("pythonhosted.", "org"),
        ("registry.", "npmjs"),
    ]
)
#: Absolute paths of one machine: home and work folders, and temporary files.
MACHINE_PATHS = re.compile(r"(?<![\w.$}~/-])/(?:work|root|home|Users|tmp)/[\w.-]+")


def tracked(*suffixes: str) -> list[Path]:
    """The project's files as git knows them, or as they lie there where there is no git."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        command = [git, "ls-files", "-z"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30).stdout.split(
            b"\0"
        )
        paths = [ROOT / name.decode() for name in names if name]
    else:
        folders = (*PACKAGES, "tests", "docs", "examples", "bench", "infra", "deployments")
        paths = [*ROOT.glob("*.*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def texts() -> dict[str, str]:
    """Every tracked text file by its name, without the locks, whose hashes may spell anything."""
    found = {}
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data and path.suffix != ".lock":
            found[str(path.relative_to(ROOT))] = data.decode()
    return found


LOCKS = sorted(ROOT.glob("*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    requirements = re.split(r"\n(?=[^\s#])", "\n" + text)[1:]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.\[\],-]+==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_there_is_a_lock_for_each_purpose() -> None:
    assert [lock.name for lock in LOCKS] == [
        "requirements-audit.lock",
        "requirements-dev.lock",
        "requirements-setup.lock",
        "requirements.lock",
    ]


def test_the_repository_speaks_of_itself_alone() -> None:
    found = [
        f"{name}: {word}"
        for name, text in texts().items()
        for word in FORBIDDEN
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE if word.islower() else 0)
    ]
    assert found == []


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{name}: {match[0]}"
        for name, text in texts().items()
        for match in MACHINE_PATHS.finditer(text)
        if name != "tests/unit/test_house.py"
    ]
    assert found == []


def test_no_file_is_large() -> None:
    limit_bytes = 2_000_000
    assert [path.name for path in tracked() if path.stat().st_size > limit_bytes] == []


@pytest.mark.parametrize(
    "name",
    [
        "video.mp4",
        "a/b/video.mp4",
        ".trivia/videos/c/j/video.mp4",
        "voice.wav",
        ".venv/bin/python",
        "x/__pycache__/y.pyc",
    ],
)
def test_git_ignores_what_is_rendered(name: str) -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    done = subprocess.run([git, "check-ignore", "-q", name], cwd=ROOT, check=False, timeout=30)
    assert done.returncode == 0


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_every_module_says_what_it_is_for() -> None:
    mute = [
        str(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert mute == []


def imported_by(module: str) -> set[str]:
    """The top-level packages that are loaded once the module is imported in a fresh interpreter."""
    code = f"import sys, {module}; print(*sorted({{name for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["trivia_render.models.parse", "trivia_render.importers"])
def test_reading_configs_loads_no_cloud_no_workflow_engine_and_no_pictures(module: str) -> None:
    loaded = imported_by(module)
    heavy = {"prefect", "google", "google.cloud", "numpy", "PIL", "av", "ffmpeg", "imageio_ffmpeg", "hibari"}
    assert loaded & heavy == set()
    assert module in loaded
