"""What the documents say is held against the code."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.documented import DOCUMENTS
from tests.readme import README, commands_in, config_keys, with_tables
from trivia_render import errors
from trivia_render.cli import outcome
from trivia_render.cli.app import app
from trivia_render.models.parse import parse_job_config
from trivia_render.models.theme import Theme
from trivia_render.scene.themes import load_theme, theme_names

ROOT = Path(__file__).parents[2]


def _commands(group: Any, prefix: str = "") -> dict[str, Any]:
    """Typer's own kind of click commands, by name; those of a group by both words."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        nested = getattr(command, "commands", None)
        found |= {prefix + name: command} if nested is None else _commands(command, f"{prefix}{name} ")
    return found


COMMANDS: dict[str, Any] = _commands(typer.main.get_group(app))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", text_of(ROOT / "Makefile"), re.MULTILINE))


def options_of(name: str) -> set[str]:
    assert name in COMMANDS, f"there is no command trivia {name}"
    return {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help", "-h"}


def trivia_calls(text: str) -> list[list[str]]:
    """The words after `trivia` of each call in a shell block or in code marks."""
    code = [*re.findall(r"`([^`\n]+)`", text), *commands_in(text)]
    calls = [match[1] for line in code if (match := re.search(r"(?:^|\()trivia ([^)]+)", line))]
    return [_command_first(shlex.split(call)) for call in calls]


def _command_first(words: list[str]) -> list[str]:
    """Join the two words of a command of a group."""
    groups = {name.partition(" ")[0] for name in COMMANDS if " " in name}
    return [" ".join(words[:2]), *words[2:]] if words[0] in groups else words


def test_the_tables_of_the_readme_are_those_of_the_code() -> None:
    assert text_of(README) == with_tables(text_of(README)), "Run: python -m tests.readme"


def test_every_key_of_a_config_is_in_the_reference() -> None:
    keys = config_keys()
    assert {"channel", "questions[].answer_d", "theme.colours.accent", "timing.gap_seconds"} <= set(keys)
    assert [key for key in keys if f"| `{key}` |" not in text_of(README)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_command_in_the_documents_exists_with_its_options(path: Path) -> None:
    for call in trivia_calls(text_of(path)):
        if call[0] in {"COMMAND", "--help"}:
            continue
        known = options_of(call[0])
        for word in call[1:]:
            assert not word.startswith("--") or word in known, f"trivia {call[0]} has no {word}"


def test_every_command_and_its_options_are_in_the_readme() -> None:
    text = text_of(README)
    assert {call[0] for call in trivia_calls(text)} >= set(COMMANDS)
    options = {option for name in COMMANDS for option in options_of(name) if option.startswith("--")}
    assert [option for option in sorted(options) if f"{option}" not in text] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_make_target_in_the_documents_exists(path: Path) -> None:
    text = text_of(path)
    calls = [
        line for line in [*commands_in(text), *re.findall(r"`([^`\n]+)`", text)] if line.startswith("make ")
    ]
    assert {call.split()[1] for call in calls} <= make_targets()


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_file_and_section_that_the_documents_point_to_is_there(path: Path) -> None:
    text = text_of(path)
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (path.parent / target).is_file(), target


def test_every_error_code_in_the_readme_exists_and_every_input_error_is_there() -> None:
    classes = [
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, errors.TriviaRenderError)
    ]
    section = text_of(README).partition("## When something goes wrong")[2].partition("\n## ")[0]
    told = {
        code
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row)
    }
    assert told <= {item.code for item in classes}
    inputs = {item.code for item in classes if issubclass(item, errors.BadInputError)}
    rare = {"bad_input", "speech_too_long"}
    assert inputs - rare <= told


def test_the_exit_codes_are_those_of_the_command() -> None:
    section = text_of(README).partition("| Exit code |")[2].partition("\n\n")[0]
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert told == [outcome.DONE, outcome.FAILED, outcome.BAD_INPUT, outcome.INTERRUPTED]


def json_blocks() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{named(path)}-{number}", json.loads(block))
        for path in DOCUMENTS
        for number, block in enumerate(re.findall(r"```json\n(.*?)```", text_of(path), re.DOTALL), start=1)
    ]


@pytest.mark.parametrize(
    ("name", "block"), json_blocks(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_config_in_the_documents_is_valid(name: str, block: dict[str, Any]) -> None:
    question = {"question": "Q?", "answer_a": "x", "answer_b": "y", "correct_answer": "x"}
    config, warnings = parse_job_config(
        {"channel": "c", "total_questions": 1, "questions": [question]} | block
    )
    assert warnings == ()
    load_theme(config.theme)


def test_the_themes_guide_knows_every_choice_of_a_theme() -> None:
    guide = text_of(ROOT / "docs" / "themes.md")
    section = guide.partition("## Making a new theme")[2]
    data_fields = set(Theme.model_fields) - {"name", "background_image", "logo"}
    assert [field for field in data_fields if f"`{field}`" not in section] == []
    for field in ("motion", "band_style", "backdrop", "card_style"):
        choices = Theme.model_fields[field].annotation.__args__  # type: ignore[union-attr]
        assert [choice for choice in choices if f"`{choice}`" not in section] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.stem)
def test_every_example_is_in_the_readme_and_has_a_theme_that_exists(path: Path) -> None:
    assert f"`{path.name}`" in text_of(README)
    config, _ = parse_job_config(path.read_bytes())
    assert config.theme.name in theme_names()


def test_the_readme_names_the_languages_of_the_products_own_phrases() -> None:
    names = {
        "ar": "Arabic", "nl": "Dutch", "en": "English", "fr": "French", "de": "German", "hi": "Hindi",
        "id": "Indonesian", "it": "Italian", "pl": "Polish", "pt": "Portuguese",
        "es": "Spanish", "tr": "Turkish",
    }  # fmt: skip
    phrases = json.loads(text_of(ROOT / "trivia_render" / "models" / "phrases.json"))
    assert [code for code in phrases if names[code] not in text_of(README)] == []
    assert set(phrases) == set(names)
