"""`make deploy-plan` and `make deploy`: settings, steps, and both from end to end with stand-in programs."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from infra.deploy import __main__ as command
from infra.deploy import runner as runner_module
from infra.deploy import secret_values, steps, tunnel
from infra.deploy import settings as settings_module
from infra.deploy.secret_values import database_url
from infra.deploy.settings import DeploySettings, described, load_deploy_settings, version_at_least
from tests.infra import cloud_programs
from tests.infra.cloud_programs import COMMIT, DIGEST, TOKEN
from trivia_render.errors import BadInputError, DeployError

ROOT = Path(__file__).parents[2]
BASE = "sha256:" + "b" * 64
VALUES = {
    "PROJECT_ID": "quiz-project",
    "REGION": "us-central1",
    "TF_STATE_BUCKET": "quiz-state",
    "BASE_DIGEST": BASE,
    "ALERT_EMAIL": "sre@example.com",
    "OPERATORS": "user:sre@example.com",
}
REPOSITORY = "us-central1-docker.pkg.dev/quiz-project/trivia/trivia-render"
TAG = COMMIT[:12]
TERRAFORM = ["terraform", "-chdir=infra/terraform/examples/minimal"]
PEOPLE = '-var=operators=["user:sre@example.com"]'
VARIABLES = ["-var=project_id=quiz-project", "-var=region=us-central1"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of this machine, and no deploy.env."""
    for name in described():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings_module, "ENV_FILE", tmp_path / "deploy.env")


def settings(**changes: str) -> DeploySettings:
    return DeploySettings.model_validate(VALUES | changes)


# Settings


def test_every_missing_setting_is_named_with_where_to_get_it() -> None:
    with pytest.raises(BadInputError) as refused:
        load_deploy_settings()
    lines = refused.value.evidence.splitlines()
    assert [line.split()[0] for line in lines] == list(VALUES)
    assert all(" is missing: " in line for line in lines)
    assert "gcloud projects list" in lines[0]
    assert "deploy.env.example" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROJECT_ID", "Quiz Project"),
        ("REGION", "us-central1-b"),
        ("TF_STATE_BUCKET", "gs://quiz-state"),
        ("BASE_DIGEST", "sha256:1234"),
        ("ALERT_EMAIL", "sre"),
        ("TRIVIA_BUILDER", "podman"),
        ("BUDGET", "0"),
        ("OPERATORS", "sre@example.com"),
        ("TRIVIA_SQLADMIN_ENDPOINT", "http://10.0.0.1:80"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, its_value in {**VALUES, name: value}.items():
        monkeypatch.setenv(key, its_value)
    with pytest.raises(BadInputError) as refused:
        load_deploy_settings()
    shown = f"({value!r},)" if name == "OPERATORS" else repr(value)
    assert f"  {name}={shown}: " in refused.value.evidence
    assert len(refused.value.evidence.splitlines()) == 1


def test_a_billing_account_needs_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {**VALUES, "BILLING_ACCOUNT": "012345-6789AB-CDEF01"}.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(BadInputError, match="BUDGET is missing"):
        load_deploy_settings()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "deploy.env"
    file.write_text(
        "".join(f"{name}={value}\n" for name, value in VALUES.items()) + "OPERATORS=user:a@b.c, user:d@e.f\n"
    )
    monkeypatch.setenv("REGION", "europe-west4")
    found = load_deploy_settings(file)
    assert (found.region, found.project_id) == ("europe-west4", "quiz-project")
    assert found.operators == ("user:a@b.c", "user:d@e.f")


def test_the_example_names_every_setting_that_is_needed_and_none_that_is_unknown() -> None:
    lines = (ROOT / "deploy.env.example").read_text().splitlines()
    names = {
        line.lstrip("#").partition("=")[0]
        for line in lines
        if "=" in line and " " not in line.partition("=")[0]
    }
    assert set(VALUES) <= names <= set(described())


def test_git_and_the_image_leave_deploy_env_out() -> None:
    assert "deploy.env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("version", "enough"),
    [("1.7.0", True), ("1.11.4", True), ("1.6.9", False), ("2.0.0", True), ("?", False)],
)
def test_versions_are_compared_as_numbers(version: str, *, enough: bool) -> None:
    assert version_at_least(version, (1, 7)) is enough


# Steps


def test_a_plan_changes_nothing() -> None:
    words = [word for step in steps.steps_of("plan", settings()) for word in step.argv]
    assert "apply" not in words
    assert {step.does for step in steps.steps_of("plan", settings())} == {"run", "find_image"}


def test_the_steps_come_in_this_order_with_these_arguments() -> None:
    found = steps.steps_of("apply", settings())
    assert [step.name for step in found] == ["init", "foundation", "secrets", "image", "apply", "declare"]
    assert list(found[0].argv) == [
        *TERRAFORM, "init", "-input=false", "-reconfigure",
        "-backend-config=bucket=quiz-state", "-backend-config=prefix=trivia",
    ]  # fmt: skip
    assert list(found[1].argv) == [
        *TERRAFORM, "apply",
        "-target=module.trivia.module.registry",
        "-target=module.trivia.module.secrets",
        "-target=module.trivia.module.database",
        "-target=module.trivia.module.monitoring.google_logging_metric.this",
        *VARIABLES, f"-var=image={REPOSITORY}@sha256:{'0' * 64}", "-var=alert_email=sre@example.com",
        PEOPLE,
    ]  # fmt: skip
    assert list(found[4].argv) == [
        *TERRAFORM, "apply", *VARIABLES, "-var=image=@image@", "-var=alert_email=sre@example.com", PEOPLE,
    ]  # fmt: skip
    assert all(step.fix for step in found)


def test_an_upgrade_leaves_the_deployments_for_later() -> None:
    found = steps.steps_of("apply", settings(DEPLOY_DECLARE="0"))
    assert [step.name for step in found] == ["init", "foundation", "secrets", "image", "apply"]


def test_terraform_asks_unless_it_is_told_not_to() -> None:
    for answer, silent in (("0", False), ("1", True)):
        applies = [
            step.argv for step in steps.steps_of("apply", settings(DEPLOY_YES=answer)) if "apply" in step.argv
        ]
        assert len(applies) == 2
        assert all(("-auto-approve" in argv) is silent for argv in applies)


def test_a_budget_and_operators_are_handed_on() -> None:
    found = steps.variables(
        settings(BILLING_ACCOUNT="012345-6789AB-CDEF01", BUDGET="3000", OPERATORS="user:a@b.c,group:d@e.f")
    )
    assert found[-3:] == (
        "-var=billing_account=012345-6789AB-CDEF01",
        "-var=budget=3000",
        '-var=operators=["user:a@b.c", "group:d@e.f"]',
    )


def test_docker_builds_for_the_machines_from_the_pinned_base() -> None:
    assert [list(argv) for argv in steps.build(settings(), TAG)] == [
        ["gcloud", "auth", "configure-docker", "us-central1-docker.pkg.dev", "--quiet"],
        [
            "docker", "buildx", "build", "--platform=linux/amd64", f"--build-arg=BASE_DIGEST={BASE}",
            f"--tag={REPOSITORY}:{TAG}", "--push", ".",
        ],
    ]  # fmt: skip


def test_cloud_build_gets_every_substitution_that_its_file_names() -> None:
    (argv,) = steps.build(settings(TRIVIA_BUILDER="cloudbuild"), TAG)
    given = next(word for word in argv if word.startswith("--substitutions=")).partition("=")[2]
    declared = yaml.safe_load((ROOT / "infra" / "deploy" / "cloudbuild.yaml").read_text())
    assert {pair.partition("=")[0] for pair in given.split(",")} == set(declared["substitutions"])
    assert (ROOT / next(word for word in argv if word.startswith("--config=")).partition("=")[2]).is_file()


def test_the_build_argument_is_the_dockerfiles() -> None:
    assert "\nARG BASE_DIGEST\n" in (ROOT / "Dockerfile").read_text()


def test_the_root_module_has_every_variable_and_output_that_is_used() -> None:
    folder = ROOT / steps.TERRAFORM_FOLDER
    text = "\n".join(file.read_text() for file in sorted(folder.glob("*.tf")))
    full = settings(
        BILLING_ACCOUNT="012345-6789AB-CDEF01",
        BUDGET="1",
        OPERATORS="user:a@b.c",
        ADMINISTRATORS="user:a@b.c",
    )
    given = {word.removeprefix("-var=").partition("=")[0] for word in steps.variables(full)}
    assert given <= set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    outputs = set(re.findall(r'^output "(\w+)"', text, re.MULTILINE))
    assert {"media_bucket", "database_instance", "database_address"} <= outputs
    assert 'module "trivia"' in text
    root = (ROOT / "infra" / "terraform" / "main.tf").read_text()
    for target in steps.FIRST_MODULES:
        _, _, _, module, *resource = target.split(".")
        assert f'module "{module}"' in root
        if resource:
            files = (ROOT / "infra" / "terraform" / "modules" / module).glob("*.tf")
            assert any('resource "{}" "{}"'.format(*resource) in file.read_text() for file in files)


def test_machines_that_run_are_found_in_what_gcloud_lists() -> None:
    url = cloud_programs.MACHINES
    assert tunnel.machines_in(f"{url}/a-1\tPROVISIONING\n{url}/a-2\tRUNNING\n\nnonsense") == [
        ("a-2", "us-central1-b")
    ]


def test_a_password_may_hold_anything_and_stays_one_part_of_the_url() -> None:
    assert database_url("10.9.0.3", password="a/b@c:d?e") == (  # noqa: S106 - of no database
        "postgresql+asyncpg://prefect:a%2Fb%40c%3Ad%3Fe@10.9.0.3/prefect?ssl=require"
    )


# From end to end


class SqlAdmin(BaseHTTPRequestHandler):
    """Cloud SQL's users, as its Admin API has them."""

    requests: list[tuple[str, str, Any]]
    users: dict[str, str]

    def do_GET(self) -> None:
        if self.path.endswith("/users"):
            self._answer({"items": [{"name": "postgres"}, *({"name": name} for name in self.users)]})
        else:
            self._answer({"name": "op-1", "status": "DONE"})

    def do_POST(self) -> None:
        self._set()

    def do_PUT(self) -> None:
        self._set()

    def _set(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.command, self.path, self.headers["Authorization"]))
        self.users[body["name"]] = body["password"]
        self._answer({"name": "op-1", "status": "RUNNING"})

    def _answer(self, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Cloud:
    """The stand-ins, what they were asked, and what there is now."""

    def __init__(self, folder: Path, sql: type[SqlAdmin]) -> None:
        self.state = folder
        self.sql = sql

    def calls(self) -> list[dict[str, Any]]:
        file = self.state / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def commands(self) -> list[str]:
        """What was called, by the words that say what for."""
        return [" ".join(call["argv"]) for call in self.calls()]

    def forget(self) -> None:
        (self.state / "calls.jsonl").unlink()
        self.sql.requests.clear()

    def secrets(self) -> dict[str, str]:
        return {path.name.removeprefix("secret-"): path.read_text() for path in self.state.glob("secret-*")}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    before = psutil.Process().children(recursive=True)
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    script = programs / "stand-in"
    # -I -S: they start in a few hundredths of a second.
    script.write_text(f"#!{sys.executable} -IS\n{Path(cloud_programs.__file__).read_text()}")
    script.chmod(0o755)
    for name in ("terraform", "gcloud", "docker", "git", "python"):
        (programs / name).symlink_to(script)
    (state / "terraform-version").write_text("1.9.0")
    handler = type("Handler", (SqlAdmin,), {"requests": [], "users": {}})
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(secret_values, "POLL_SECONDS", 0.01)
    monkeypatch.setenv("STAND_IN_STATE", str(state))
    # `trivia deploy` itself is tested with a real server elsewhere.
    monkeypatch.setattr(command.sys, "executable", str(programs / "python"))
    for name, value in {**VALUES, "DEPLOY_YES": "1", "DEPLOY_WAIT_SECONDS": "60"}.items():
        monkeypatch.setenv(name, value)
    with HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("TRIVIA_SQLADMIN_ENDPOINT", f"http://127.0.0.1:{listening.server_port}")
        yield Cloud(state, handler)
        listening.shutdown()
        thread.join()
    # The process may have servers of other tests.
    assert [child for child in psutil.Process().children(recursive=True) if child not in before] == []


def in_order(commands: list[str], *parts: str) -> bool:
    """Whether the parts are found in the commands, each after the one before."""
    left = iter(commands)
    return all(any(part in text for text in left) for part in parts)


def test_a_plan_looks_and_changes_nothing(cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["plan"]) == 0
    commands = cloud.commands()
    assert in_order(
        commands, "terraform version", "git status", " init ", "artifacts docker images", " plan "
    )
    assert not any(word in text for text in commands for word in (" apply ", "secrets", "buildx", "tunnel"))
    assert f"-var=image={REPOSITORY}@sha256:{'0' * 64}" in commands[-1]
    shown = capfd.readouterr().err
    assert "[3/3] Show what Terraform would change" in shown
    assert f"$ {' '.join(TERRAFORM)} init -input=false" in shown


def test_a_deployment_goes_from_nothing_to_declared_flows(
    cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["apply"]) == 0
    commands = cloud.commands()
    assert in_order(
        commands,
        " init ", " apply -target=", "versions list trivia-prefect-auth", "versions add trivia-prefect-auth",
        "versions list trivia-database-url", "print-access-token", "versions add trivia-database-url",
        "images describe", "configure-docker", "docker buildx build", "images describe",
        f"-var=image={REPOSITORY}@{DIGEST}", "versions access latest", "list-instances trivia-api",
        "start-iap-tunnel trivia-api-7f3k 4200", "python -m trivia_render deploy",
    )  # fmt: skip
    made = cloud.secrets()
    declared = cloud.calls()[-1]
    assert declared["environment"]["PREFECT_API_AUTH_STRING"] == made["trivia-prefect-auth"]
    assert declared["environment"]["PREFECT_API_URL"].startswith("http://127.0.0.1:")
    assert made["trivia-prefect-auth"].startswith("trivia:")
    assert made["trivia-database-url"] == database_url("10.9.0.3", password=cloud.sql.users["prefect"])
    ((method, path, token),) = cloud.sql.requests
    assert (method, path) == ("POST", "/v1/projects/quiz-project/instances/trivia-db/users")
    assert token == f"Bearer {TOKEN}"
    assert "trivia submit" in capfd.readouterr().out


def test_the_deployments_wait_for_the_databases_tables(
    cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    (cloud.state / "no-tables").touch()
    assert command.main(["apply"]) == 0
    assert not (cloud.state / "no-tables").exists()
    assert cloud.commands()[-1].endswith("trivia_render deploy")


def test_an_alert_that_comes_too_early_for_its_metric_is_made_a_little_later(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner_module, "_AGAIN_SECONDS", 0.01)
    (cloud.state / "too-early").write_text(f"@{DIGEST}")
    assert command.main(["apply"]) == 0
    assert "That passes by itself" in capfd.readouterr().err
    assert sum(f"@{DIGEST}" in text for text in cloud.commands()) == 2


def test_the_lock_of_terraforms_provider_may_wait_for_its_commit(cloud: Cloud) -> None:
    (cloud.state / "uncommitted").write_text(f"?? {steps.TERRAFORM_FOLDER}/.terraform.lock.hcl\n")
    assert command.main(["plan"]) == 0


def test_no_secret_is_an_argument_or_is_shown(cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["apply"]) == 0
    values = [*cloud.secrets().values(), *cloud.sql.users.values(), TOKEN]
    values += [value.partition(":")[2] for value in cloud.secrets().values()]
    shown = "".join(capfd.readouterr())
    assert len(values) == 6
    assert all(len(value) > 8 for value in values)
    assert [value for value in values if value in shown] == []
    assert [text for text in cloud.commands() for value in values if value in text] == []
    environments = [call["environment"] for call in cloud.calls()[:-1]]
    assert not any("PREFECT_API_AUTH_STRING" in found for found in environments)


def test_a_second_deployment_keeps_secrets_and_image(cloud: Cloud) -> None:
    assert command.main(["apply"]) == 0
    before = cloud.secrets()
    cloud.forget()
    assert command.main(["apply"]) == 0
    assert cloud.secrets() == before
    assert cloud.sql.requests == []
    assert not any(word in text for text in cloud.commands() for word in ("versions add", "buildx", "token"))
    assert in_order(cloud.commands(), f"-var=image={REPOSITORY}@{DIGEST}", "trivia_render deploy")


def test_a_password_that_was_not_kept_is_replaced_the_next_time(cloud: Cloud) -> None:
    (cloud.state / "broken").write_text("versions add trivia-database-url")
    assert command.main(["apply"]) == 1
    lost = cloud.sql.users["prefect"]
    (cloud.state / "broken").unlink()
    assert command.main(["apply"]) == 0
    assert cloud.sql.users["prefect"] != lost
    assert [method for method, _, _ in cloud.sql.requests] == ["POST", "PUT"]
    assert cloud.secrets()["trivia-database-url"] == database_url(
        "10.9.0.3", password=cloud.sql.users["prefect"]
    )


def test_passwords_are_renewed_as_newer_versions(cloud: Cloud, tmp_path: Path) -> None:
    assert command.main(["apply"]) == 0
    before, user = cloud.secrets(), dict(cloud.sql.users)
    cloud.forget()
    # Neither is needed for this.
    for name in ("docker", "git"):
        (tmp_path / "bin" / name).unlink()
    assert command.main(["rotate-auth"]) == 0
    assert command.main(["rotate-database"]) == 0
    after = cloud.secrets()
    assert all(after[name] != before[name] for name in before)
    assert cloud.sql.users["prefect"] != user["prefect"]
    assert after["trivia-database-url"] == database_url("10.9.0.3", password=cloud.sql.users["prefect"])
    assert not any(word in text for text in cloud.commands() for word in (" apply ", "buildx", "tunnel"))


@pytest.mark.parametrize(
    ("broken", "place", "not_reached"),
    [
        (" init ", "Step 1 of 6, “Prepare Terraform”", " apply "),
        ("-target=", "Step 2 of 6", "secrets versions"),
        ("docker buildx", "Step 4 of 6", "-var=image=" + REPOSITORY + "@" + DIGEST),
        ("trivia_render deploy", "Step 6 of 6", "nothing comes after it"),
    ],
)
def test_a_failure_stops_and_names_the_step_its_last_lines_and_the_fix(
    broken: str, place: str, not_reached: str, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    (cloud.state / "broken").write_text(broken)
    assert command.main(["apply"]) == 1
    told = capfd.readouterr().err.partition("error: ")[2]
    assert place in told
    assert "  Error: nothing in particular\n" in told
    assert len(told.splitlines()) >= 3
    assert not any(not_reached in text for text in cloud.commands())


def test_what_is_not_committed_is_refused_unless_it_is_meant(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (cloud.state / "uncommitted").write_text(" M trivia_render/settings.py\n")
    assert command.main(["apply"]) == 2
    assert "trivia_render/settings.py" in capfd.readouterr().err
    assert not any("init" in text for text in cloud.commands())
    monkeypatch.setenv("DEPLOY_DIRTY", "1")
    assert command.main(["apply"]) == 0
    assert in_order(cloud.commands(), f"--tag={REPOSITORY}:{TAG}-dirty-")


def test_an_older_terraform_and_a_missing_docker_are_refused(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (cloud.state / "terraform-version").write_text("1.5.7")
    assert command.main(["plan"]) == 1
    assert "Terraform 1.5.7 is too old" in capfd.readouterr().err
    (tmp_path / "bin" / "docker").unlink()
    assert command.main(["plan"]) == 1
    assert "TRIVIA_BUILDER=cloudbuild" in capfd.readouterr().err
    (cloud.state / "terraform-version").write_text("1.7.0")
    monkeypatch.setenv("TRIVIA_BUILDER", "cloudbuild")
    assert command.main(["apply"]) == 0
    assert in_order(cloud.commands(), "gcloud builds submit . --project=quiz-project", "trivia_render deploy")


def test_without_a_terminal_a_deployment_wants_consent_beforehand(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DEPLOY_YES")
    assert command.main(["apply"]) == 2
    assert "DEPLOY_YES=1" in capfd.readouterr().err
    assert not any("apply" in text for text in cloud.commands())


def test_an_api_that_never_answers_ends_the_deployment(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPLOY_WAIT_SECONDS", "0.3")
    (cloud.state / "broken").write_text("start-iap-tunnel")
    assert command.main(["apply"]) == 1
    told = capfd.readouterr().err
    assert "Prefect's API did not answer as it must within 0 s" in told
    assert "the API does not answer: " in told or "its machines are starting" in told
    assert "The API does not answer" in told


def test_the_section_that_a_fix_points_to_is_in_the_handbook() -> None:
    assert "## The API does not answer" in (ROOT / "docs" / "operations.md").read_text()


def test_a_step_failing_outside_of_one_says_so_all_the_same() -> None:
    failure = runner_module.Runner().failed("no answer.")
    assert isinstance(failure, DeployError)
    assert str(failure) == "no answer.\nCorrect what it says."


@pytest.mark.parametrize("words", [[], ["destroy"], ["plan", "apply"]])
def test_other_words_than_plan_and_apply_are_refused(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.main(words) == 2
    assert "Say one of plan, apply, rotate-auth" in capfd.readouterr().err


def test_the_make_target_without_settings_says_which_are_missing_and_fails() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in described()}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path\n"
         "from infra.deploy import __main__ as command, settings\n"
         "settings.load_deploy_settings.__defaults__ = (Path('none'),)\nsys.exit(command.main(['plan']))"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert [name for name in VALUES if f"  {name} is missing" not in done.stderr] == []
    makefile = (ROOT / "Makefile").read_text()
    assert "-m infra.deploy plan\n" in makefile
    assert "-m infra.deploy apply\n" in makefile
