"""The job config as JSON Schema, for editors and for other languages.

`python -m trivia_render.models.schema > docs/job_config.schema.json` writes it anew.
"""

import json
import sys
from typing import Any

from trivia_render.models.config import JobConfig


def model_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a job config.

    It holds all that a schema can say. What compares fields with each other, such as the right
    answer with the options, only `parse_job_config` checks.
    """
    schema = JobConfig.model_json_schema(mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Job config of a trivia video",
        **_without_titles(schema),
    }


def schema_text() -> str:
    """Return the schema as it is kept in `docs/`."""
    return json.dumps(model_schema(), indent=2, ensure_ascii=False) + "\n"


def _without_titles(node: Any, *, names: bool = False) -> Any:
    """Drop the titles that only repeat a field's name. `names`: the keys are fields, not keywords."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_titles(item, names=key in ("properties", "$defs") and not names)
        for key, item in node.items()
        if names or key != "title"
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(schema_text().encode())
