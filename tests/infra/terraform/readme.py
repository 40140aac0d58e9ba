"""The tables of infra/terraform/README.md that are made from the configuration.

`python -m tests.infra.terraform.readme` writes them anew; a test holds them against the files and the plan.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.infra.terraform.harness import TERRAFORM, Plan, terraform
from tests.infra.terraform.plan import Grant, grants

README = TERRAFORM / "README.md"


class Declared(NamedTuple):
    """A variable or an output of the root module. `default` is None where there is none."""

    name: str
    description: str
    default: str | None


def declared(kind: str, file: Path) -> list[Declared]:
    """Return the variables or outputs that a file declares."""
    return [
        Declared(name, _argument(body, "description").strip('"'), _argument(body, "default") or None)
        for name, body in re.findall(
            rf'^{kind} "(\w+)" {{\n(.*?)^}}', file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
    ]


def _argument(body: str, name: str) -> str:
    found = re.search(rf"^  {name}\s+= (.*)$", body, re.MULTILINE)
    return found[1] if found else ""


def with_tables(text: str, plan: Plan) -> str:
    """Return the README's text with each table between its two marks made anew."""
    tables = {
        "variables": _table(
            ("Variable", "Default", "Meaning"),
            (
                (
                    f"`{each.name}`",
                    f"`{each.default}`" if each.default else "none: it must be set",
                    each.description,
                )
                for each in declared("variable", TERRAFORM / "variables.tf")
            ),
        ),
        "outputs": _table(
            ("Output", "Meaning"),
            ((f"`{each.name}`", each.description) for each in declared("output", TERRAFORM / "outputs.tf")),
        ),
        "grants": _table(("Who", "On", "Role", "While"), _rows(grants(plan))),
    }
    for name, table in tables.items():
        begin = f"<!-- {name} table: made by `python -m tests.infra.terraform.readme` -->"
        end = f"<!-- end of {name} table -->"
        start, stop = text.index(begin) + len(begin), text.index(end)
        text = f"{text[:start]}\n{table}\n{text[stop:]}"
    return text


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (f"| {' | '.join(row)} |" for row in (head, *rows))
    first, *others = lines
    return "\n".join([first, "|---" * len(head) + "|", *others])


def _rows(found: Sequence[Grant]) -> Iterator[tuple[str, str, str, str]]:
    for grant in found:
        member = grant.member.removeprefix("serviceAccount:").partition("@example-project.iam")[0]
        condition = grant.condition.replace("projects/_/buckets/example-project-trivia-media/objects/", "…/")
        yield (
            f"`{member}`",
            grant.on,
            f"`{grant.role.removeprefix('projects/example-project/')}`",
            f"`{condition.replace(' || ', '` or `')}`" if condition else "",
        )


def main() -> None:
    """Write the tables anew."""
    with tempfile.TemporaryDirectory() as folder, terraform(Path(folder)) as program:
        plan = program.planned(program.copy(), "root.tftest.hcl")
    README.write_text(with_tables(README.read_text(encoding="utf-8"), plan), encoding="utf-8")


if __name__ == "__main__":
    main()
