"""The licences of all that is installed to render: `python -m tests.licences` writes docs/licences.md anew.

What a package says of itself, as an SPDX expression; of a package that this platform has not, what it said on
the one that has it.
"""

import importlib.metadata
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
DOCUMENT = ROOT / "docs" / "licences.md"

#: Licences that let this be used, changed and passed on with no more than notices (MPL: and its changes).
ALLOWED = frozenset(
    {
        *(
            "0BSD",
            "Apache-2.0",
            "BSD-2-Clause",
            "BSD-3-Clause",
            "CC0-1.0",
            "CNRI-Python",
            "ISC",
            "MIT",
            "MIT-0",
        ),
        *("MIT-CMU", "MPL-2.0", "OFL-1.1", "PSF-2.0", "Zlib", "Artistic-1.0"),
    }
)
#: Packages of other platforms and Pythons.
ELSEWHERE = {
    "async-timeout": "Apache-2.0",
    "pendulum": "MIT",
    "pywin32": "PSF-2.0",
    "tzdata": "Apache-2.0",
    "whenever": "MIT",
}
#: What packages say in words that are no SPDX expression. The first that fits holds.
_WORDS = (
    (r"^MIT OR Apache-2\.0$", "MIT OR Apache-2.0"),
    (r"^BSD 3-Clause OR Apache-2\.0$", "BSD-3-Clause OR Apache-2.0"),
    (r"^(The )?MIT( Licen[sc]e)?( \(MIT\))?$", "MIT"),
    (r"^Apache([ -]Licen[sc]e)?([ -]Software License)?([ -]2\.0)?$", "Apache-2.0"),
    (r"^(BSD-3-Clause|3-Clause BSD License|BSD|BSD License)$", "BSD-3-Clause"),
    (r"^BSD-2-Clause$", "BSD-2-Clause"),
    (r"^ISC( License)?( \(ISCL\))?$", "ISC"),
    (r"^(MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\))$", "MPL-2.0"),
)
#: What packages say of themselves in a form that only a person understands.
_READ_BY_A_PERSON = {
    # "Dual License": either, as its licence file says.
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    # The licence of Perl, whose module it is: either.
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later",
}


class Package(NamedTuple):
    """A package of the lock, and the licence that it is under as an SPDX expression."""

    name: str
    licence: str


def packages() -> list[Package]:
    """Return every package of the lock. Raises KeyError for one whose licence nobody knows."""
    names = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return [Package(name, licence_of(name)) for name in sorted(set(names))]


def licence_of(name: str) -> str:
    """Return what a package says of its licence, as an SPDX expression."""
    try:
        told = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ELSEWHERE[name]
    if name in _READ_BY_A_PERSON:
        return _READ_BY_A_PERSON[name]
    if expression := told.get("License-Expression"):
        return str(expression)
    classified = [
        words.rpartition(" :: ")[2]
        for words in told.get_all("Classifier") or []
        if words.startswith("License :: ")
    ]
    for words in [str(told.get("License") or "").strip().partition("\n")[0], *classified]:
        for pattern, expression in _WORDS:
            if re.fullmatch(pattern, words, re.IGNORECASE):
                return expression
    raise KeyError(f"{name}: {told.get('License')!r}, {classified}")


def is_allowed(expression: str) -> bool:
    """Tell whether one may choose licences of the list alone. Knows AND, OR and brackets."""
    words = re.findall(r"[()]|[^\s()]+", expression)
    return _any(words) and not words


def _any(words: list[str]) -> bool:
    found = _all(words)
    while words and words[0] == "OR":
        words.pop(0)
        # Both sides are read, whichever counts.
        found = _all(words) or found
    return found


def _all(words: list[str]) -> bool:
    found = _one(words)
    while words and words[0] == "AND":
        words.pop(0)
        found = _one(words) and found
    return found


def _one(words: list[str]) -> bool:
    word = words.pop(0)
    if word != "(":
        return word in ALLOWED
    found = _any(words)
    assert words.pop(0) == ")"
    return found


def document() -> str:
    """Return the document: its own words above, the table below."""
    begin, end = "<!-- licence table: made by `python -m tests.licences` -->", "<!-- end of licence table -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = "\n".join(f"| `{package.name}` | {package.licence} |" for package in packages())
    start, stop = text.index(begin) + len(begin), text.index(end)
    return f"{text[:start]}\n| Package | Licence |\n|---|---|\n{rows}\n{text[stop:]}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
