"""The bill of materials: `python -m tests.sbom` prints it, as CycloneDX 1.6 in JSON.

Made of the lock that every machine installs from: each package with its hashes, its licence and who needs it.
The same lock gives the same bytes, without a date or a random number.
"""

import json
import re
import sys
from typing import Any, NamedTuple

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.licences import LOCK, licence_of
from trivia_render import ENGINE_VERSION

_PROJECT = "trivia-render"


class Locked(NamedTuple):
    """A package as the lock has it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    needed_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL: its name in the bill, too."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Locked]:
    """Return the packages of a lock that `uv pip compile` wrote."""
    found = []
    for entry in re.split(r"\n(?=[^\s#])", "\n" + text)[1:]:
        head = re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:; ([^\\\n]+))?", entry)
        assert head is not None, entry[:80]
        via = re.search(r"# via(.*)", entry, re.DOTALL)
        needed_by = re.findall(r"[\w.-]+", re.sub(r"\([^)]*\)|#", " ", via[1])) if via else []
        found.append(
            Locked(
                name=head[1],
                version=head[2],
                marker=(head[3] or "").strip(),
                hashes=tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)),
                needed_by=tuple(needed_by),
            )
        )
    return found


def bill_of_materials() -> dict[str, Any]:
    """Return the bill."""
    locked = read_lock(LOCK.read_text(encoding="utf-8"))
    refs = {_PROJECT: _PROJECT} | {package.name: package.purl for package in locked}
    needs: dict[str, list[str]] = {ref: [] for ref in refs.values()}
    for package in locked:
        for user in package.needed_by:
            needs[refs[user]].append(package.purl)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _PROJECT,
                "name": _PROJECT,
                "version": ENGINE_VERSION,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": [_component(package) for package in locked],
        "dependencies": [{"ref": ref, "dependsOn": sorted(users)} for ref, users in sorted(needs.items())],
    }


def _component(package: Locked) -> dict[str, Any]:
    marker = [{"name": "python:marker", "value": package.marker}] if package.marker else []
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "licenses": [{"expression": licence_of(package.name)}],
        "externalReferences": [
            {
                "type": "distribution",
                "url": package.purl,
                "comment": "Each of these files may be installed.",
                "hashes": [{"alg": "SHA-256", "content": value} for value in package.hashes],
            }
        ],
        **({"properties": marker} if marker else {}),
    }


def problems(bom: dict[str, Any]) -> str | None:
    """Return what CycloneDX's own schema finds wrong with a bill, or None."""
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom))
    return None if found is None else repr(found)


def main() -> None:
    """Print the bill, once it is known to be valid."""
    bom = bill_of_materials()
    if found := problems(bom):
        sys.exit(f"The bill of materials is not valid: {found}")
    sys.stdout.write(json.dumps(bom, indent=1) + "\n")


if __name__ == "__main__":
    main()
