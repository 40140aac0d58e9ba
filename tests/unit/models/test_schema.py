import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from trivia_render.models.parse import parse_job_config
from trivia_render.models.schema import model_schema, schema_text

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
VALIDATOR = Draft202012Validator(model_schema())


def objects_of(node: Any, path: str = "$") -> dict[str, Any]:
    """All named properties anywhere in the schema, by their place."""
    found: dict[str, Any] = {}
    if isinstance(node, dict):
        for name, item in node.get("properties", {}).items():
            found[f"{path}.{name}"] = item
        for key, item in node.items():
            if key != "default":
                found |= objects_of(item, f"{path}.{key}")
    return found


def test_the_schema_in_the_docs_is_the_models_own() -> None:
    kept = (ROOT / "docs" / "job_config.schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), (
        "The job config has changed. Run: python -m trivia_render.models.schema > docs/job_config.schema.json"
    )


def test_it_is_a_schema_of_the_draft_that_it_names() -> None:
    assert model_schema()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(model_schema())


def description_of(field: dict[str, Any]) -> str:
    """The field's own description, or else the one of the object that it refers to."""
    reference = field.get("$ref", "").rpartition("/")[2]
    return str(field.get("description") or model_schema()["$defs"].get(reference, {}).get("description", ""))


def test_every_field_is_described() -> None:
    fields = objects_of(model_schema())
    assert len(fields) > 40
    assert [path for path, field in fields.items() if not description_of(field).endswith(".")] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_valid_for_schema_and_parser(path: Path) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    assert list(VALIDATOR.iter_errors(value)) == []
    _, warnings = parse_job_config(path.read_bytes(), source=path.name)
    # The published sample says ten questions and holds one.
    expected = ["$.total_questions"] if path.stem == "sample_job_config" else []
    assert [warning.path for warning in warnings] == expected


def test_there_are_examples_of_every_kind() -> None:
    assert {path.stem for path in EXAMPLES} >= {
        "sample_job_config",
        "ten_questions",
        "shorts",
        "spanish",
        "arabic",
    }


def config(**changes: object) -> dict[str, Any]:
    question = {"question": "Q?", "answer_a": "x", "answer_b": "y", "correct_answer": "x"}
    return {"channel": "c", "total_questions": 1, "questions": [question], **changes}


@pytest.mark.parametrize(
    "value",
    [
        config(),
        config(theme="neon"),
        config(theme={"name": "neon", "colours": {"card": "#112233"}}),
        config(questions=[{**config()["questions"][0], "answer_c": None, "answer_d": None}]),
        config(tts_speed=1),
        config(metadata={"anything": [1, None]}),
    ],
)
def test_schema_and_parser_accept_the_same(value: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(value)
    parse_job_config(value)


@pytest.mark.parametrize(
    "value",
    [
        config(channel="a/b"),
        config(channel=None),
        config(theme=3),
        config(theme="No Such"),
        config(formats=["1:1", "1:1"]),
        config(formats=[]),
        config(tts_speed=4.01),
        config(total_questions="1"),
        config(unknown=1),
        config(questions=[]),
        config(timing={"countdown_seconds": 2}),
        config(captions={"formats": ["srt", "srt"]}),
        [],
    ],
)
def test_schema_and_parser_refuse_the_same(value: Any) -> None:
    assert not VALIDATOR.is_valid(value)
    with pytest.raises(Exception, match="problem"):
        parse_job_config(json.dumps(value))
