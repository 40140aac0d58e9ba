"""Runs Terraform's checks by hand, without its registry: `python -m tests.infra.terraform.run validate`.

`validate [FOLDER]` of infra/terraform, `test [FILE…]` with mocks, or `fmt`; always on a copy.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.infra.terraform.harness import Terraform, terraform


def main(arguments: Sequence[str]) -> int:
    """Run one check, print what it found, and return its exit code."""
    with tempfile.TemporaryDirectory() as folder, terraform(Path(folder)) as program:
        return _check(program, *arguments)


def _check(program: Terraform, command: str = "validate", *arguments: str) -> int:
    copy = program.copy()
    if command == "validate":
        problems = program.validate(copy.joinpath(*arguments))
        print("\n".join(problems) or "valid")
        return int(bool(problems))
    result = program.test(copy, *arguments) if command == "test" else program.fmt(copy)
    print(result.output)
    return result.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
