"""The schema of a Terraform provider, as far as checks of a configuration need it."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trivia_render.models.base import Model

#: Written by `schema_extract`.
SCHEMA_FILE = Path(__file__).with_name("google_schema.json")


class Attribute(Model):
    """An argument or an exported value. `type` is a Terraform type as JSON: "string", ["list", "string"] …"""

    type: Any
    required: bool = False
    optional: bool = False
    computed: bool = False


class NestedBlock(Model):
    """A block inside another. `max_items` 0: any number."""

    nesting: Literal["single", "list", "set"]
    min_items: int = 0
    max_items: int = 0
    block: "Block"


class Block(Model):
    """What a resource, a data source, the provider or a nested block may hold."""

    attributes: dict[str, Attribute] = Field(default_factory=dict)
    blocks: dict[str, NestedBlock] = Field(default_factory=dict)


class ProviderSchema(Model):
    """A provider's own configuration, and some of its resources and data sources by their type."""

    version: str
    source: str
    provider: Block
    resources: dict[str, Block]
    data_sources: dict[str, Block]


@cache
def google_schema() -> ProviderSchema:
    """Return the google provider's schema, of the types that infra/terraform uses and some more."""
    return ProviderSchema.model_validate_json(SCHEMA_FILE.read_bytes())


def write(schema: ProviderSchema, path: Path) -> None:
    """Write the schema with a line for each type, so that a newer version shows as a readable difference."""
    plain = schema.model_dump(mode="json", exclude_defaults=True)
    lines = []
    for key in ("version", "source", "provider", "resources", "data_sources"):
        value = plain[key]
        if key in ("resources", "data_sources"):
            rows = [f"{json.dumps(name)}:{_compact(block)}" for name, block in sorted(value.items())]
            lines.append(f'"{key}":{{\n' + ",\n".join(rows) + "\n}")
        else:
            lines.append(f'"{key}":{_compact(value)}')
    path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
