"""The threat model names tests that exist, for every threat, and modules that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w./-]+\.(?:py|tftest\.hcl)::\w+)`", TEXT)))


def rows() -> list[list[str]]:
    """The cells of each row of a table of threats."""
    found = []
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "Threat":
            found.append(cells)
    return found


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_threat_model_names_exists(name: str) -> None:
    path, _, test = name.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    form = rf'^run "{test}"' if path.endswith(".hcl") else rf"^(?:async )?def {test}\("
    assert re.search(form, text, re.MULTILINE), f"{path} has no {test}"


def test_every_threat_has_a_control_a_place_and_a_test() -> None:
    assert len(rows()) > 35
    poor = [
        threat
        for threat, control, where, test in rows()
        if not control or not where or not re.search(r"`.+::.+`|`make faults`", test)
    ]
    assert poor == []


def test_every_place_that_the_threat_model_names_exists() -> None:
    places = {place for _, _, where, _ in rows() for place in re.findall(r"`([^`]+)`", where)}
    missing = [
        place
        for place in sorted(places)
        if not any((folder / place).exists() for folder in (ROOT, ROOT / "trivia_render"))
        and not list(ROOT.glob(place))
    ]
    assert missing == []


@pytest.mark.parametrize(
    "threat",
    [
        "## A hostile config",
        "## A hostile image",
        "## A leaked worker identity",
        "## Exposed endpoints",
        "## A poisoned cache",
        "## Supply chain",
        "## What is not defended",
    ],
)
def test_the_threat_model_has_each_of_its_parts(threat: str) -> None:
    assert f"\n{threat}" in TEXT
