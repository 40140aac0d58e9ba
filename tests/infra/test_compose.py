"""compose.yaml: valid by the published schema, and of commands, settings and files that there are."""

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from bench.load.servers import settings_of
from trivia_render.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: Those of this project's image.
OURS = {name: service for name, service in SERVICES.items() if "TRIVIA_IMAGE" in service["image"]}
ONCE = {"migrate", "deploy"}


@cache
def schema() -> dict[str, Any]:
    """The Compose specification's own schema, as check-jsonschema ships it."""
    folder = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
    loaded: dict[str, Any] = json.loads((folder / "compose-spec.json").read_text())
    return loaded


def problems(compose: Mapping[str, Any]) -> list[str]:
    validator = jsonschema.validators.validator_for(schema())(schema())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)]


def test_it_is_valid_by_the_compose_specification() -> None:
    assert problems(COMPOSE) == []


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        (("services", "render"), "imagee", "x"),
        (("services", "render"), "stop_grace_period", ["25s"]),
        (("services", "render"), "read_only", {"yes": 1}),
        (("services", "api"), "ports", "4200:4200"),
        (("services", "fleet", "healthcheck"), "intervall", "10s"),
        (("services", "api", "depends_on", "redis"), "condition", "service_well"),
        ((), "volume", {}),
    ],
)
def test_a_planted_mistake_is_refused(where: tuple[str, ...], key: str, value: object) -> None:
    planted = copy.deepcopy(COMPOSE)
    place = planted
    for name in where:
        place = place[name]
    place[key] = value
    assert problems(planted) != []


def test_a_planted_condition_on_an_unknown_service_is_found() -> None:
    planted = copy.deepcopy(SERVICES)
    planted["render"]["depends_on"]["deploi"] = {"condition": "service_healthy"}
    assert unknown_dependencies(SERVICES) == set()
    assert unknown_dependencies(planted) == {"deploi"}


def unknown_dependencies(services: Mapping[str, Any]) -> set[str]:
    return {name for service in services.values() for name in service.get("depends_on", {})} - set(services)


def test_who_is_waited_for_can_be_what_is_waited_for() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            healthcheck = SERVICES[name].get("healthcheck", {})
            if how["condition"] == "service_healthy":
                assert "test" in healthcheck, name
            else:
                assert how["condition"] == "service_completed_successfully"
                assert name in ONCE
                assert SERVICES[name]["restart"] == "on-failure"


def unknown_words(command: list[str]) -> list[str]:
    """Return what a command's program does not know of it; values of options are not looked at."""
    program, *rest = command
    if program == "trivia":
        return _unknown_to_trivia(rest)
    if program == "prefect":
        return _unknown_to_prefect(rest)
    return [program]


def _unknown_to_trivia(rest: list[str]) -> list[str]:
    import typer

    from trivia_render.cli.app import app

    command: Any = typer.main.get_command(app)
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in parameter.opts}
    unknown = [word for word in rest if word.startswith("--") and word not in options]
    # A command that has further ones below it is none itself.
    return unknown + (rest[:1] if hasattr(command, "commands") else [])


def _unknown_to_prefect(rest: list[str]) -> list[str]:
    from prefect.cli._app import _app

    command: Any = _app
    while rest and rest[0] in command:
        command, rest = command[rest[0]], rest[1:]
    if command.default_command is None:
        return rest[:1] or ["prefect"]
    options = {name for argument in command.assemble_argument_collection() for name in argument.names}
    return [word for word in rest if word.startswith("--") and word not in options]


@pytest.mark.parametrize("name", OURS)
def test_each_command_exists_with_its_options(name: str) -> None:
    assert unknown_words(OURS[name]["command"]) == []


@pytest.mark.parametrize(
    ("command", "unknown"),
    [
        (["trivia", "work"], ["work"]),
        (["trivia", "fleet"], []),
        (["trivia", "fleet", "serf"], ["serf"]),
        (["trivia", "worker", "--pol", "control"], ["--pol"]),
        (["prefect", "server", "services", "begin"], ["begin"]),
        (["prefect", "server", "start", "--no-service"], ["--no-service"]),
        (["sh", "-c", "true"], ["sh"]),
    ],
)
def test_a_planted_command_is_found(command: list[str], unknown: list[str]) -> None:
    assert unknown_words(command) == unknown


def test_health_checks_are_the_images_own_program() -> None:
    for name, (port, path) in {"api": ("4200", "/api/health"), "fleet": ("4300", "/healthz")}.items():
        test = OURS[name]["healthcheck"]["test"]
        assert test == ["CMD", "/usr/bin/python3", "-I", "-S", "/app/healthcheck.py", port, path]
    for name in ("control", "render"):
        assert "healthcheck" not in OURS[name]


def test_no_secret_is_in_it_and_what_must_be_set_says_so() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|CONNECTION_URL", name):
                assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), name
    # Nothing else is taken from outside but these, which have a default.
    assert set(re.findall(r"\$\{([A-Z_]+)", TEXT)) == {
        "TRIVIA_IMAGE",
        "POSTGRES_PASSWORD",
        "PREFECT_AUTH",
        "GCS_BUCKET",
    }


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(ports) == ["127.0.0.1:4200:4200", "127.0.0.1:4300:4300"]
    assert "network_mode" not in TEXT
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "pid", "ipc", "devices", "init"} & set(service)
    assert ("cap_add" in service) == (name not in OURS)
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", OURS)
def test_folders_on_a_tmpfs_can_be_written_by_the_images_user(name: str) -> None:
    # A tmpfs has the mode of the folder that it covers: 1777 for /tmp, but 755 and root's for /run.
    folders = [str(value) for value in OURS[name]["environment"].values() if str(value).startswith("/run/")]
    assert folders
    assert OURS[name]["tmpfs"] == ["/tmp", "/run:mode=1777"]


def test_each_variable_is_a_setting_of_this_project_or_of_prefect() -> None:
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    prefect = prefect_variables()
    for name, service in OURS.items():
        unknown = set(service["environment"]) - ours - prefect
        assert not unknown, f"{name}: {unknown}"
    assert "PREFECT_API_URI" not in prefect | ours


def prefect_variables() -> set[str]:
    from prefect.settings import Settings as PrefectSettings
    from prefect.settings.legacy import _get_valid_setting_names
    from prefect_redis.client import RedisMessagingSettings

    prefix = str(RedisMessagingSettings.model_config["env_prefix"]).upper()
    of_redis = {f"{prefix}{field}".upper() for field in RedisMessagingSettings.model_fields}
    return {*_get_valid_setting_names(PrefectSettings), *of_redis}


def test_the_server_has_productions_settings() -> None:
    wanted = {
        setting.name: setting.value for setting in settings_of("split", redis_host="redis", redis_port=6379)
    }
    for name in ("migrate", "api", "services"):
        environment = SERVICES[name]["environment"]
        assert {key: environment.get(key) for key in wanted} == wanted
