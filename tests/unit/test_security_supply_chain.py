"""What is installed beside this project: known, pinned, and under licences that allow its use."""

import importlib.metadata
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests import licences, sbom
from tests.licences import ALLOWED, DOCUMENT, ELSEWHERE, ROOT, is_allowed, packages
from tests.secret_scan import BASELINE, project_files, scan, unknown
from trivia_render.encode.ffmpeg import find_ffmpeg


def test_the_licence_table_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == licences.document(), "Run: python -m tests.licences"


def test_every_licence_of_an_installed_package_is_one_that_asks_for_notices_alone() -> None:
    found = packages()
    assert len(found) > 100
    assert [package for package in found if not is_allowed(package.licence)] == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT AND PSF-2.0", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Artistic-1.0 OR GPL-2.0-or-later", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-only OR SSPL-1.0", False),
        ("MIT AND (GPL-2.0-only OR LGPL-3.0-only)", False),
        ("LicenseRef-Proprietary", False),
    ],
)
def test_a_licence_that_asks_for_more_would_be_found(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) == allowed
    assert "GPL" not in "".join(ALLOWED)


def test_what_is_said_of_packages_of_other_platforms_holds_where_they_are_installed() -> None:
    names = {package.name for package in packages()}
    assert set(ELSEWHERE) <= names
    installed = {name for name in ELSEWHERE if _is_installed(name)}
    assert {name: licences.licence_of(name) for name in installed} == {
        name: ELSEWHERE[name] for name in installed
    }


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_ffmpeg_is_a_program_of_its_own_under_the_licence_that_the_document_names() -> None:
    program = find_ffmpeg(None)
    done = subprocess.run(
        [program, "-hide_banner", "-L"], capture_output=True, text=True, timeout=30, check=True
    )
    assert "GNU General Public License" in done.stdout
    assert "GPL-3.0-or-later" in DOCUMENT.read_text(encoding="utf-8")


def test_the_libraries_inside_of_av_encode_flac_alone() -> None:
    """x264 and AAC are used through the program: see the document."""
    source = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "trivia_render").rglob("*.py"))
    )
    assert set(re.findall(r"add_stream\(\s*\"(\w+)\"", source)) == {"flac"}
    assert len(re.findall(r"add_stream\(", source)) == len(re.findall(r"add_stream\(\s*\"flac\"", source))
    assert "CodecContext.create" not in source


# Secrets


def test_no_file_of_the_project_holds_a_secret_that_nobody_has_looked_at() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout: clone it to have its files scanned")
    found = list(unknown(scan(ROOT, project_files())))
    assert found == [], "Take it out. An example that is none: python -m tests.secret_scan"


#: In halves, so that none of them is in this file.
PLANTED = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLQ",
    "google": "AIza" + "SyD3x-9Qw_7LmN0pRsTuVwXyZ0123456789",
    "private key": "-----BEGIN " + "PRIVATE KEY-----",
    "service account": '"private_key_id": "' + "0123456789abcdef0123456789abcdef01234567" + '"',
    "oauth": "GOCSPX-" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4",
    "github": "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "database": "postgresql://prefect:" + "s3cr3tpw" + "@10.0.0.5/prefect",
    "password": "PREFECT_API_AUTH_" + 'PASSWORD = "' + "Tr0ub4dor-and-3" + '"',
    "compose's auth": "PREFECT_AUTH=" + "operator:" + "Zk3vTr0ub4dor",
    "auth string": "PREFECT_API_AUTH_STRING=" + "prefect:" + "Zk3vTr0ub4dor",
    "server's auth string": 'PREFECT_SERVER_API_AUTH_STRING: "' + "prefect:" + 'Zk3vTr0ub4dor"',
    "auth string in Terraform": 'auth_string = "' + "prefect:" + 'Zk3vTr0ub4dor"',
    "database with a slash": "postgresql+asyncpg://prefect:" + "ab/cd+efgh" + "@10.0.0.5/prefect",
    "basic": "Authorization: Basic " + "cHJlZmVjdDpaazN2",
    "slack": "xoxb-" + "123456789012-123456789012-a1B2c3D4e5F6g7H8i9J0k1L2",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_that_is_planted_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "settings.py").write_text(f"# A file.\n{PLANTED[kind]}\n", encoding="utf-8")
    assert list(unknown(scan(tmp_path, ["settings.py"])))


def test_the_baseline_names_no_path_of_a_machine_and_holds_no_secret_in_the_clear() -> None:
    text = BASELINE.read_text(encoding="utf-8")
    assert "file://" not in text
    for name, items in json.loads(text)["results"].items():
        assert not Path(name).is_absolute()
        assert {key for item in items for key in item} == {
            "filename", "hashed_secret", "is_verified", "line_number", "type",
        }  # fmt: skip


# The bill of materials


def test_the_bill_of_materials_names_every_package_with_hashes_and_licence() -> None:
    components = {item["name"]: item for item in sbom.bill_of_materials()["components"]}
    assert set(components) == {package.name for package in packages()}
    for item in components.values():
        assert item["licenses"]
        assert item["purl"] == f"pkg:pypi/{item['name']}@{item['version']}"
        hashes = [entry["content"] for place in item["externalReferences"] for entry in place["hashes"]]
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in hashes)


def test_the_bill_of_materials_is_valid() -> None:
    """Of its packages some of each kind: all of them take ten seconds, and `make sbom` looks at all."""
    bom = sbom.bill_of_materials()
    several = [item for item in bom["components"] if " " in item["licenses"][0]["expression"]][:4]
    marked = [item for item in bom["components"] if "properties" in item][:3]
    assert several
    assert marked
    few = {item["bom-ref"]: item for item in (*several, *marked, *bom["components"][:3])}
    needs = [entry for entry in bom["dependencies"] if entry["ref"] in few]
    assert sbom.problems({**bom, "components": list(few.values()), "dependencies": needs}) is None


def test_a_bad_bill_of_materials_would_be_refused() -> None:
    bom = {**sbom.bill_of_materials(), "components": [{"type": "library"}], "dependencies": []}
    assert sbom.problems(bom)


def test_the_bill_of_materials_says_who_needs_what() -> None:
    needs = {entry["ref"]: set(entry["dependsOn"]) for entry in sbom.bill_of_materials()["dependencies"]}
    assert all(refs <= set(needs) for refs in needs.values())
    names = {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in needs["trivia-render"]}
    assert {"prefect", "pillow", "av", "google-cloud-storage"} <= names
    httpx = next(ref for ref in needs if ref.startswith("pkg:pypi/httpx@"))
    assert any(ref.startswith("pkg:pypi/httpcore@") for ref in needs[httpx])
