"""Every command that the documents tell people to type exists, as far as that can be known here.

Held against the programs themselves: `trivia` and `make` (also in test_docs.py), `prefect`, `python -m`.
Against lists: gcloud's commands and options by its own list, which is copied into tests/gcloud_commands.json
and compared with gcloud where it is installed; Terraform's by the list below; Docker's first words. Of all
others only the program's name is known to be meant. Not checked are values: formats, filters, roles, names of
APIs and metrics, SQL, and whether what a command is about is there.
"""

import json
import re
from pathlib import Path

import pytest

from tests import documented
from tests.documented import DOCUMENTS, ROOT, Call, deployment_calls, documented_calls, inline_calls, named

CALLS = documented_calls()
#: Whatever else the shell blocks call.
PROGRAMS = {
    "trivia", "make", "prefect", "python", "python3", "terraform", "gcloud", "docker",
    ".", "cat", "cd", "cp", "export", "git", "bq", "curl", "tar", "sh",
    "promtool", "prometheus", "pg_dump", "pg_restore", "dropdb", "createdb", "psql",
}  # fmt: skip
DOCKER = {"build", "buildx", "compose", "exec", "image", "images", "inspect", "logs", "ps", "run"}
#: By `terraform COMMAND -help` of 1.11; those of 1.7 that the documents use.
TERRAFORM = {
    "init": {"-backend-config", "-backend", "-input", "-upgrade", "-reconfigure", "-plugin-dir", "-lockfile"},
    "plan": {"-input", "-var", "-var-file", "-out", "-target", "-destroy", "-refresh-only"},
    "apply": {"-input", "-auto-approve", "-var", "-var-file", "-target", "-replace"},
    "destroy": {"-auto-approve", "-var", "-var-file", "-target"},
    "output": {"-raw", "-json"},
    "fmt": {"-check", "-recursive", "-diff"},
    "validate": {"-json"},
    "test": {"-filter", "-verbose", "-test-directory"},
    "version": {"-json"},
    "providers": {"-platform"},
    "state": set(),
    "import": {"-var", "-var-file"},
    "force-unlock": set(),
}


def calls_of(program: str) -> list[Call]:
    return [call for call in [*CALLS, *inline_calls(program)] if call.program == program]


def options_in(call: Call) -> list[str]:
    return [word.partition("=")[0] for word in call.words if re.match(r"-{1,2}[a-z]", word)]


def test_every_line_calls_a_program_that_is_meant() -> None:
    assert [str(call) for call in CALLS if call.program not in PROGRAMS] == []


def test_every_make_target_exists_also_after_settings() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert [str(call) for call in CALLS if call.program == "make" and call.words[0] not in targets] == []


def test_every_module_that_is_run_exists() -> None:
    calls = [*calls_of("python"), *calls_of("python3")]
    modules = {call.words[call.words.index("-m") + 1] for call in calls if "-m" in call.words}
    assert {"infra.deploy", "tests.readme"} <= modules
    paths = [(module, ROOT / module.replace(".", "/")) for module in modules]
    assert [
        module
        for module, path in paths
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file())
    ] == []


def test_every_command_of_prefect_exists_with_its_options() -> None:
    from prefect.cli._app import _app

    calls = [call for call in calls_of("prefect") if call.words]
    assert len(calls) > 3
    for call in calls:
        app, left = _app, list(call.words)
        while left and not left[0].startswith("-") and left[0] in app:
            app = app[left.pop(0)]
        assert app.default_command is not None, str(call)
        known = {name for argument in app.assemble_argument_collection() for name in argument.names}
        assert [option for option in options_in(call) if option not in known] == [], str(call)


def test_every_command_of_terraform_exists_with_its_options() -> None:
    calls = [*calls_of("terraform"), *deployment_calls("terraform")]
    assert len(calls) > 5
    for call in calls:
        words = [word for word in call.words if not word.startswith("-chdir=")]
        assert words[0] in TERRAFORM, str(call)
        known = TERRAFORM[words[0]] | {"-chdir", "-help", "-no-color"}
        assert [option for option in options_in(call) if option not in known] == [], str(call)
        for folder in (word.partition("=")[2] for word in call.words if word.startswith("-chdir=")):
            assert (ROOT / folder).is_dir(), str(call)


def test_every_command_of_gcloud_exists_with_its_options() -> None:
    reference = json.loads(documented.GCLOUD_COMMANDS.read_text(encoding="utf-8"))
    calls = documented.gcloud_calls()
    assert len(calls) > 30
    for call in calls:
        command = documented.gcloud_command(call.words, reference["commands"])
        assert command is not None, f"{call}\nIs it new? Run: python -m tests.documented"
        known = {*reference["global"], *reference["commands"][command]}
        assert [option for option in options_in(call) if option not in known] == [], str(call)


def test_the_list_of_gclouds_commands_is_gclouds_own() -> None:
    tree = documented.gcloud_tree()
    if tree is None:
        pytest.skip("the Google Cloud CLI is not installed: with it, its own list is compared")
    reference = json.loads(documented.GCLOUD_COMMANDS.read_text(encoding="utf-8"))
    for command, options in reference["commands"].items():
        assert set(options) <= set(documented.gcloud_options(tree, command)), command


def test_docker_is_called_for_what_it_does() -> None:
    calls = [call for call in calls_of("docker") if call.words]
    assert [str(call) for call in calls if call.words[0] not in DOCKER] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_file_that_is_named_in_code_marks_is_there(path: Path) -> None:
    folders = (
        "bench",
        "deployments",
        "docs",
        "examples",
        "flows",
        "infra",
        "tasks",
        "tests",
        "trivia_render",
    )
    marks = re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?)`", path.read_text(encoding="utf-8"))
    meant = {mark for mark in marks if "/" in mark and mark.partition("/")[0] in folders}
    assert [name for name in sorted(meant) if not (ROOT / name).exists()] == []


def test_every_alert_leads_to_a_section_of_the_handbook() -> None:
    policies = (ROOT / "infra/terraform/modules/monitoring/alerts.tf").read_text(encoding="utf-8")
    sections = {
        *re.findall(r'runbook\s*= "([a-z-]+)"', policies),
        *re.findall(r"runbook_url}#([a-z-]+)", policies),
    }
    assert len(sections) > 3
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^## (.*)$", text, re.MULTILINE)
    }
    assert sections - headings == set()
    titles = re.findall(r'^\s+title\s*= "(.*)"$', policies, re.MULTILINE)
    told = text.partition("| Policy | Where to read on |")[2].partition("\n\n")[0]
    assert len(titles) > 5
    shortened = [title.replace("The database's disk", "its disk") for title in titles]
    assert [title for title in shortened if title not in told] == []


def test_every_word_that_stands_for_something_is_explained_in_the_handbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("| Word | Stands for |")[2].partition("\n\n")[0]
    explained = set(re.findall(r"`([A-Z_]+)", table))
    used: set[str] = set()
    for call in CALLS:
        if call.document == "docs/operations.md" and call.program in {"trivia", "gcloud", "git", "pg_dump"}:
            # Not the environment's, and not the words of a query.
            plain = (word for word in call.words if "$" not in word and " " not in word and '"' not in word)
            used |= {word for text in plain for word in re.findall(r"(?<![\w$])[A-Z][A-Z_]+(?![\w])", text)}
    assert used - explained - {"VALUE", "ERROR"} == set()
    assert {"MACHINE", "ZONE", "WORKER"} <= used
