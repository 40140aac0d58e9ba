"""Where the deployments are declared."""

import importlib.util
from pathlib import Path

from trivia_render.errors import ProgramMissingError


def deployments_folder() -> Path:
    """Return where deployments/ is. Raises ProgramMissingError."""
    spec = importlib.util.find_spec("deployments")
    if spec is None or spec.origin is None:
        raise ProgramMissingError(
            "The package `deployments` is not installed.", remedy="Run `make setup` again."
        )
    return Path(spec.origin).parent
