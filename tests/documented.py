"""The commands that the documents tell people to type, and what the programs behind them know.

`python -m tests.documented` writes `gcloud_commands.json` anew, on a machine with the Google Cloud CLI: each
command of gcloud that the documents or the deployment use, with its options, from gcloud's own list.
"""

import json
import re
import runpy
import shlex
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.readme import README, commands_in

ROOT = Path(__file__).parents[1]
GCLOUD_COMMANDS = Path(__file__).with_name("gcloud_commands.json")
#: Every document for people. Those that are made by another program speak of its commands alone.
DOCUMENTS = sorted(
    [README, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "infra").rglob("README.md")]
)

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
#: What may stand before the program itself.
_BEFORE = {"sudo", "exec", "time"}


class Call(NamedTuple):
    """A command of a shell block or in code marks."""

    document: str
    program: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join([self.program, *self.words])}"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shell_lines(text: str) -> list[str]:
    """The lines of the shell blocks, those that end with a backslash joined with the next."""
    return commands_in(re.sub(r"\\\n\s*", "", text))


def calls_in(document: str, lines: Iterable[str]) -> Iterator[Call]:
    """The programs that the lines call, also within `$(…)` and after `|`, `&&` and `;`."""
    for line in lines:
        for inner in re.findall(r"\$\(([^()]*)\)", line):
            yield from calls_in(document, [inner])
        for words in _simple_commands(line):
            left = list(words)
            while left and (_ASSIGNMENT.match(left[0]) or left[0] in _BEFORE):
                left.pop(0)
            if left:
                yield Call(document, left[0].removeprefix(".venv/bin/"), tuple(left[1:]))


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(re.sub(r"\$\([^()]*\)", "VALUE", line), posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in {"|", "||", "&&", ";", "&"}:
            yield words
            words = []
        else:
            words.append(word)
    yield words


def documented_calls() -> list[Call]:
    """All commands of the shell blocks of all documents."""
    return [
        call
        for path in DOCUMENTS
        for call in calls_in(named(path), shell_lines(path.read_text(encoding="utf-8")))
    ]


def inline_calls(program: str) -> list[Call]:
    """What stands in code marks and begins with the program's name."""
    found = []
    for path in DOCUMENTS:
        marks = re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8"))
        meant = (mark for mark in marks if mark.startswith(f"{program} "))
        found += list(calls_in(named(path), meant))
    return found


def gcloud_command(words: Iterable[str], known: Iterable[str]) -> str | None:
    """The longest known command that the words begin with; None where there is none."""
    plain = [word for word in words if not word.startswith("-")]
    every = set(known)
    for length in range(len(plain), 0, -1):
        if (name := " ".join(plain[:length])) in every:
            return name
    return None


def gcloud_tree() -> dict[str, Any] | None:
    """gcloud's own list of its commands and options, or None where it is not installed."""
    program = shutil.which("gcloud")
    if program is None:
        return None
    file = Path(program).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py"
    return runpy.run_path(str(file))["STATIC_COMPLETION_CLI_TREE"] if file.is_file() else None


def gcloud_options(tree: dict[str, Any], command: str) -> list[str]:
    """The options of a command; raises KeyError where gcloud has no such command."""
    node = tree
    for word in command.split():
        node = node["commands"][word]
    if node.get("commands"):
        raise KeyError(f"{command} is a group of commands")
    return sorted(node["flags"])


def in_tree(tree: dict[str, Any], words: Iterable[str]) -> str:
    """The command that the words name, by the tree."""
    node, path = tree, []
    for word in words:
        if word not in node.get("commands", {}):
            break
        node = node["commands"][word]
        path.append(word)
    return " ".join(path)


def gcloud_calls() -> list[Call]:
    """What the documents and the deployment call gcloud for."""
    found = [call for call in [*documented_calls(), *inline_calls("gcloud")] if call.program == "gcloud"]
    return found + deployment_calls("gcloud")


def deployment_calls(program: str) -> list[Call]:
    """What a deployment runs a program for, with both builders."""
    from infra.deploy import steps
    from infra.deploy.settings import DeploySettings

    values = {
        "PROJECT_ID": "quiz-project",
        "REGION": "us-central1",
        "TF_STATE_BUCKET": "quiz-state",
        "BASE_DIGEST": "sha256:" + "0" * 64,
        "ALERT_EMAIL": "sre@example.com",
        "OPERATORS": "user:sre@example.com",
        "DEPLOY_YES": "1",
    }
    argvs: list[tuple[str, ...]] = []
    for builder in ("docker", "cloudbuild"):
        settings = DeploySettings.model_validate({**values, "TRIVIA_BUILDER": builder})
        argvs += [
            step.argv for mode in ("plan", "apply") for step in steps.steps_of(mode, settings) if step.argv
        ]
        argvs += steps.build(settings, "tag")
        argvs += [
            steps.look_up_digest(settings, "tag"),
            steps.list_versions(settings, "secret"),
            steps.add_version(settings, "secret"),
            steps.read_secret(settings, "secret"),
            steps.list_machines(settings),
            steps.tunnel(settings, machine="machine", zone="zone", port=1),
            steps.terraform_output("name"),
        ]
    return [Call("infra/deploy", argv[0], argv[1:]) for argv in argvs if argv[0] == program]


def main() -> None:
    """Write the reference anew."""
    tree = gcloud_tree()
    if tree is None:
        raise SystemExit("Install the Google Cloud CLI first.")
    commands = sorted({in_tree(tree, call.words) for call in gcloud_calls()})
    reference = {
        "global": sorted(tree["flags"]),
        "commands": {command: gcloud_options(tree, command) for command in commands},
    }
    GCLOUD_COMMANDS.write_text(json.dumps(reference, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
