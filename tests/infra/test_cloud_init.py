"""What cloud-init writes on the machines: units, scripts and variables, as Terraform renders them."""

import json
import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.settings.models.server.ui import ServerUISettings

from tests.infra.terraform.harness import ROOT, TERRAFORM, Plant, Terraform, terraform
from tests.programs import require
from trivia_render.secret_environment import parse_references
from trivia_render.settings import Settings
from trivia_render.telemetry.logs import CloudFormatter

SYSTEM_UNITS = {"gcr-online.target", "docker.service", "network-online.target"}
#: Of cloud-init's own schema, what is used here and nothing else.
CLOUD_CONFIG = {
    "type": "object",
    "additionalProperties": False,
    "required": ["write_files", "runcmd"],
    "properties": {
        "write_files": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "permissions", "owner", "content"],
                "properties": {
                    "path": {
                        "type": "string",
                        "pattern": "^/etc/(trivia|systemd/system|fluent-bit)/[a-z-]+\\.[a-z]+$",
                    },
                    "permissions": {"enum": ["0600", "0644"]},
                    "owner": {"const": "root:root"},
                    "content": {"type": "string", "minLength": 1},
                },
            },
        },
        "runcmd": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    },
}
#: What every container is started with.
HARDENING = (
    "--rm",
    "--network host",
    "--stop-timeout 25",
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--read-only",
    "--memory ",
    "--pids-limit ",
    "--log-driver json-file",
)
DEVICES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
LIBRARIES = (
    "/var/lib/nvidia/lib64:/usr/local/nvidia/lib64:ro",
    "/var/lib/nvidia/bin:/usr/local/nvidia/bin:ro",
)


class Machine(NamedTuple):
    """A machine's files by path, with their permissions, and what is run once they are written."""

    files: Mapping[str, str]
    permissions: Mapping[str, str]
    commands: list[list[str]]

    def unit(self, name: str) -> dict[str, list[str]]:
        """Return a unit's values by `Section.Key`."""
        section, values = "", dict[str, list[str]]()
        for line in self.files[f"/etc/systemd/system/{name}.service"].splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, separator, value = line.partition("=")
                assert separator, line
                values.setdefault(f"{section}.{key}", []).append(value)
        return values

    def units(self) -> list[str]:
        return [Path(path).stem for path in self.files if path.endswith(".service")]

    def containers(self) -> list[str]:
        """Return the names of the containers: each has its variables."""
        return [Path(path).stem for path in self.files if path.endswith(".env")]

    def environment(self, container: str) -> dict[str, str]:
        lines = self.files[f"/etc/trivia/{container}.env"].splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def run(self, container: str) -> str:
        """Return the command line that starts a container."""
        return self.unit(f"trivia-{container}")["Service.ExecStart"][0]


def machine_of(user_data: str) -> Machine:
    config = yaml.safe_load(user_data)
    assert user_data.startswith("#cloud-config\n")
    assert [error.message for error in Draft202012Validator(CLOUD_CONFIG).iter_errors(config)] == []
    files = config["write_files"]
    assert len({file["path"] for file in files}) == len(files)
    return Machine(
        {file["path"]: file["content"] for file in files},
        {file["path"]: file["permissions"] for file in files},
        config["runcmd"],
    )


def variables_of(file: str) -> str:
    """Return what a file of Terraform's tests gives to its runs."""
    found = re.search(
        r"^variables \{\n(.*?)^\}", (TERRAFORM / "tests" / file).read_text(encoding="utf-8"), re.S | re.M
    )
    assert found is not None
    return found[1]


def run_of(name: str, module: str, body: str) -> str:
    source = f'module {{\n    source = "./modules/{module}"\n  }}'
    return f'run "{name}" {{\n  command = plan\n  {source}\n{body}\n}}\n'


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("terraform")) as attached:
        yield attached


@pytest.fixture(scope="module")
def user_data(program: Terraform) -> dict[str, str]:
    """The configuration for cloud-init of each kind of machine."""
    # A plan does not know the address that Google will give.
    kind = '  address_type = "INTERNAL"\n'
    copy = program.copy(Plant("modules/control/api.tf", kind, f'{kind}  address = "10.20.0.5"\n'))
    (copy / "tests" / "machines.tftest.hcl").write_text(
        'mock_provider "google" {}\n'
        + run_of("fleet", "render_fleet", f"variables {{\n{variables_of('fleet.tftest.hcl')}}}")
        + run_of("control", "control", f"variables {{\n{variables_of('control.tftest.hcl')}}}"),
        encoding="utf-8",
    )
    # The harness keeps what other tests needed; this file's runs are new.
    assert program.init(copy).passed
    report = program.report(copy, "machines.tftest.hcl")
    return {
        address.rpartition(".")[2]: values["metadata"]["user-data"]
        for run in ("fleet", "control")
        for address, values in report.plan("machines.tftest.hcl", run).items()
        if "google_compute_instance_template" in address
    }


@pytest.fixture(scope="module")
def machines(user_data: Mapping[str, str]) -> dict[str, Machine]:
    return {name: machine_of(text) for name, text in user_data.items()}


# --- What all machines have in common


def problems(machine: Machine) -> list[str]:
    """Return what a machine must not have or lacks. Pure."""
    found = [
        f"{path}: readable by others than root"
        for path, permissions in machine.permissions.items()
        if path.endswith(".env") != (permissions == "0600")
    ]
    for name in machine.units():
        unit = machine.unit(name)
        for value in [*unit.get("Unit.Wants", []), *unit["Unit.After"]]:
            known = SYSTEM_UNITS | {f"{other}.service" for other in machine.units()}
            found += [f"{name}: {other} is no unit" for other in value.split() if other not in known]
        found += [f"{name}: {problem}" for problem in retry_problems(unit)]
        lines = [line for key, values in unit.items() if key.startswith("Service.Exec") for line in values]
        found += [
            f"{name}: {word} is not written"
            for line in lines
            for word in line.split()
            if word.startswith("/etc/trivia") and word not in machine.files
        ]
    for name in machine.containers():
        found += [f"{name}: {problem}" for problem in container_problems(machine, name)]
    (start,) = (command for command in machine.commands if command[:2] == ["systemctl", "start"])
    started = set(start)
    found += [f"{name} is not started" for name in machine.units() if f"{name}.service" not in started]
    return found


def retry_problems(unit: Mapping[str, list[str]]) -> Iterator[str]:
    """Say where a failure would be the end of a unit, or of one that waits for it. Pure."""
    # A start that fails because of another's failure is not tried again by systemd.
    if {key for key in unit if key in {"Unit.Requires", "Unit.Requisite", "Unit.BindsTo"}}:
        yield "given up with the first failure of what it needs"
    once = unit["Service.Type"] == ["oneshot"]
    # systemd refuses a oneshot unit with Restart=always.
    if unit.get("Service.Restart") != ["on-failure" if once else "always"]:
        yield "not started again after a failure"
    if once and unit.get("Service.RemainAfterExit") != ["yes"]:
        yield "what waits for it does not see that it is done"
    if unit.get("Unit.StartLimitIntervalSec") != ["0"] or "Service.RestartSec" not in unit:
        yield "not started again for ever"


def awaited(unit: Mapping[str, list[str]]) -> list[str]:
    """Return the units that one waits for before it does anything else, in order. Pure."""
    before = "/bin/bash /etc/trivia/until-success.sh systemctl is-active --quiet "
    found = [line.removeprefix(before) for line in unit["Service.ExecStartPre"] if line.startswith(before)]
    assert unit["Service.ExecStartPre"][: len(found)] == [before + name for name in found]
    return found


def container_problems(machine: Machine, name: str) -> Iterator[str]:
    unit, run = machine.unit(f"trivia-{name}"), machine.run(name)
    yield from (f"without {argument}" for argument in HARDENING if f" {argument}" not in run)
    if f"--env-file /etc/trivia/{name}.env" not in run:
        yield "without its variables"
    if "--privileged" in run or "docker.sock" in run or re.search(r" (-e|--env) ", run):
        yield "more than it may have"
    if not re.search(r" \S+-docker\.pkg\.dev/\S+@sha256:[0-9a-f]{64} (trivia|prefect) ", run):
        yield "no image by its digest with a command"
    if int(unit["Service.TimeoutStopSec"][0]) <= 25:
        yield "systemd does not wait for Docker, which waits for the container"
    if not set(awaited(unit)) <= {other for value in unit["Unit.Wants"] for other in value.split()}:
        yield "waits for what nothing starts"
    if not any("fetch-image.sh" in value for value in unit["Service.ExecStartPre"]):
        yield "its image is not fetched"


def test_every_machine_is_as_it_should_be(machines: Mapping[str, Machine]) -> None:
    assert sorted(machines) == ["api", "control", "worker"]
    assert {name: problems(machine) for name, machine in machines.items()} == {name: [] for name in machines}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (" --read-only", "", "without --read-only"),
        (" --cap-drop ALL", "", "without --cap-drop ALL"),
        (" --security-opt no-new-privileges", "", "without --security-opt no-new-privileges"),
        (" --stop-timeout 25", "", "without --stop-timeout 25"),
        (" --network host", " --network host --privileged", "more than it may have"),
        ("TimeoutStopSec=40", "TimeoutStopSec=20", "systemd does not wait"),
        ("Restart=always", "Restart=on-failure", "trivia-worker: not started again after a failure"),
        ("Restart=on-failure\n", "", "trivia-gpu-driver: not started again after a failure"),
        ("Restart=on-failure", "Restart=always", "trivia-image: not started again after a failure"),
        ("StartLimitIntervalSec=0\n", "", "trivia-gpu-driver: not started again for ever"),
        ("RemainAfterExit=yes\n", "", "trivia-gpu-driver: what waits for it does not see"),
        (
            "docker.service trivia-firewall.service trivia-gpu-driver.service\n",
            "docker.service\n",
            "waits for what",
        ),
        ("/etc/trivia/not-preempted.sh\n", "/etc/trivia/other.sh\n", "other.sh is not written"),
        ("trivia-firewall.service trivia-gpu-driver", "trivia-firewall.service trivia-driver", "is no unit"),
        (
            "Wants=gcr-online.target docker.service\n",
            "Requires=gcr-online.target docker.service\n",
            "given up with the first failure",
        ),
        ('"0600"', '"0644"', "readable by others than root"),
        ('  - "trivia-worker.service"\n', "", "trivia-worker is not started"),
        ("@sha256:" + "0123456789abcdef" * 4 + " trivia worker", ":latest trivia worker", "by its digest"),
    ],
)
def test_a_fault_in_a_machine_is_found(user_data: Mapping[str, str], old: str, new: str, found: str) -> None:
    text = user_data["worker"]
    assert old in text
    said = problems(machine_of(text.replace(old, new)))
    assert any(found in problem for problem in said), said


def test_systemd_understands_every_unit(machines: Mapping[str, Machine], tmp_path: Path) -> None:
    analyse = require("systemd-analyze")
    for name, machine in machines.items():
        folder = tmp_path / name
        folder.mkdir()
        for unit in machine.units():
            text = machine.files[f"/etc/systemd/system/{unit}.service"]
            # Docker is not on this machine.
            (folder / f"{unit}.service").write_text(text.replace("/usr/bin/docker", "/bin/true"))
        done = subprocess.run(
            [analyse, "verify", "--man=no", *sorted(folder.iterdir())],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_no_secret_is_on_a_machine_but_the_name_of_each(machines: Mapping[str, Machine]) -> None:
    secrets = {
        f"{name}/{container}": [
            (reference.name, reference.resource.split("/")[3])
            for reference in parse_references(machine.environment(container)["TRIVIA_SECRETS"])
        ]
        for name, machine in machines.items()
        for container in machine.containers()
    }
    client = [("PREFECT_API_AUTH_STRING", "trivia-prefect-auth")]
    database = [("PREFECT_API_DATABASE_CONNECTION_URL", "trivia-database-url")]
    server = [*database, ("PREFECT_SERVER_API_AUTH_STRING", "trivia-prefect-auth")]
    assert secrets == {
        "worker/worker": client,
        "api/api": server,
        "control/migrate": database,
        "control/services": server,
        "control/control-worker": client,
        "control/dashboard": client,
    }


def test_a_machine_lets_in_its_own_port_alone(machines: Mapping[str, Machine]) -> None:
    opened = {
        name: machine.unit("trivia-firewall")["Service.ExecStart"] for name, machine in machines.items()
    }
    assert opened == {
        "worker": ["/bin/bash /etc/trivia/open-ports.sh 4310"],
        "api": ["/bin/bash /etc/trivia/open-ports.sh 4200"],
        "control": ["/bin/bash /etc/trivia/open-ports.sh 4300"],
    }


def sections(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Read a configuration of Fluent Bit: its sections, each with keys and values."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("["):
            found.append((line.strip("[]"), []))
        elif not line.startswith("#"):
            key, _, value = line.partition(" ")
            found[-1][1].append((key, value.strip()))
    return found


def test_the_lines_of_every_unit_go_to_the_log_that_is_counted(machines: Mapping[str, Machine]) -> None:
    metrics = (TERRAFORM / "modules" / "monitoring" / "metrics.tf").read_text(encoding="utf-8")
    for machine in machines.values():
        configuration = sections(machine.files["/etc/fluent-bit/fluent-bit.conf"])
        (source,) = (values for name, values in configuration if name == "INPUT")
        units = {value for key, value in source if key == "Systemd_Filter"}
        own = {f"_SYSTEMD_UNIT={unit}.service" for unit in machine.units()}
        assert units == own | {"_SYSTEMD_UNIT=docker.service"}
        assert f"/logs/{dict(source)['Tag']}" in metrics
        (sink,) = (dict(values) for name, values in configuration if name == "OUTPUT")
        assert (sink["Name"], sink["severity_key"]) == ("stackdriver", "severity")
        for name in machine.containers():
            unit = machine.unit(f"trivia-{name}")
            assert (unit["Service.StandardOutput"], unit["Service.StandardError"]) == (
                ["journal"],
                ["journal"],
            )
    assert [command for command in machines["worker"].commands if "fluent-bit.service" in command]


def test_a_log_line_is_read_as_it_is_written(machines: Mapping[str, Machine]) -> None:
    machine = machines["worker"]
    named = [dict(values) for _, values in sections(machine.files["/etc/fluent-bit/fluent-bit.conf"])]
    ((_, parser),) = sections(machine.files["/etc/fluent-bit/parsers-trivia.conf"])
    reading = dict(parser)
    assert reading["Name"] in {values.get("Parser") for values in named}
    assert reading["Format"] == "json"
    record = logging.LogRecord("trivia_render", logging.ERROR, "", 0, "%s", ("lost",), None)
    record.event, record.error_code = "machine_faulted", "gpu_lost"
    line = json.loads(CloudFormatter().format(record))
    assert (line["severity"], line["event"], line["error_code"]) == ("ERROR", "machine_faulted", "gpu_lost")
    # Fluent Bit's %L is a fraction of a second after the point.
    datetime.strptime(line[reading["Time_Key"]], reading["Time_Format"].replace("%L", "%f"))  # noqa: DTZ007


# --- Render machines


def test_a_worker_starts_after_its_driver_with_the_gpu(machines: Mapping[str, Machine]) -> None:
    machine = machines["worker"]
    unit, run = machine.unit("trivia-worker"), machine.run("worker")
    assert awaited(unit) == ["trivia-gpu-driver.service"]
    assert "trivia-gpu-driver.service" in unit["Unit.Wants"][0].split()
    assert "trivia-gpu-driver.service" in unit["Unit.After"][0].split()
    assert [f"--device {device}:{device}" in run for device in DEVICES] == [True, True, True]
    assert [f"--volume {library}" in run for library in LIBRARIES] == [True, True]
    assert run.endswith(" trivia worker")
    # Written to while it works: its home, and unfinished videos, on the disk and not in memory.
    assert [f" --volume {folder} " in run for folder in ("/tmp", "/var/lib/trivia")] == [True, True]


def test_a_machine_without_a_gpu_installs_no_driver(machines: Mapping[str, Machine]) -> None:
    for name in ("api", "control"):
        assert "trivia-gpu-driver" not in machines[name].units()
        assert "nvidia" not in "".join(machines[name].files.values())


def test_a_worker_that_ended_before_a_preemption_is_not_started_again(
    machines: Mapping[str, Machine],
) -> None:
    conditions = {
        unit: machine.unit(unit).get("Service.ExecCondition")
        for machine in machines.values()
        for unit in machine.units()
        if "Service.ExecCondition" in machine.unit(unit)
    }
    assert conditions == {"trivia-worker": ["/bin/bash /etc/trivia/not-preempted.sh"]}


# --- The control machine and Prefect's API


def test_the_database_is_migrated_before_anything_else_starts(machines: Mapping[str, Machine]) -> None:
    machine = machines["control"]
    migrate = machine.unit("trivia-migrate")
    assert (migrate["Service.Type"], migrate["Service.RemainAfterExit"]) == (["oneshot"], ["yes"])
    assert migrate["Service.TimeoutStartSec"] == ["infinity"]
    for name in ("services", "control-worker", "dashboard"):
        unit = machine.unit(f"trivia-{name}")
        assert awaited(unit) == ["trivia-migrate.service"]
        assert "trivia-migrate.service" in unit["Unit.Wants"][0].split()
        assert "trivia-migrate.service" in unit["Unit.After"][0].split()


def test_what_needs_a_migration_waits_until_one_has_succeeded(
    machines: Mapping[str, Machine], tmp_path: Path
) -> None:
    """The line before a start, as it is run, with a migration that fails twice and then is done."""
    machine = machines["control"]
    (tmp_path / "until-success.sh").write_text(machine.files["/etc/trivia/until-success.sh"])
    calls = tmp_path / "calls"
    programs = {
        "systemctl": f'echo "$*" >>{calls}; [[ $(wc -l <{calls}) -eq 3 ]]',
        "sleep": "exit 0",
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    first = machine.unit("trivia-services")["Service.ExecStartPre"][0]
    done = subprocess.run(
        first.replace("/etc/trivia", str(tmp_path)).split(),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert calls.read_text().splitlines() == ["is-active --quiet trivia-migrate.service"] * 3
    assert done.stderr.count("systemctl is-active --quiet trivia-migrate.service") == 2


def test_every_process_has_its_command(machines: Mapping[str, Machine]) -> None:
    commands = {
        container: re.sub(r".*@sha256:\w+ ", "", machine.run(container))
        for machine in machines.values()
        for container in machine.containers()
    }
    assert commands == {
        "worker": "trivia worker",
        "api": "prefect server start --no-services --host 0.0.0.0 --port 4200",
        "migrate": "prefect server database upgrade -y",
        "services": "prefect server services start",
        "control-worker": "trivia worker --pool control",
        "dashboard": "trivia fleet serve",
    }


def test_the_server_has_the_settings_that_the_capacity_page_gives(machines: Mapping[str, Machine]) -> None:
    page = (ROOT / "docs" / "capacity.md").read_text(encoding="utf-8")
    section = page.partition("### Settings of the server in production")[2]
    documented = {
        name: value.replace("redis.internal", "10.21.0.4")
        for name, value in re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE)
    }
    assert len(documented) > 20
    own = {
        "TRIVIA_SECRETS",
        "TRIVIA_LOG_FORMAT",
        "PREFECT_LOGGING_SETTINGS_PATH",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY",
        "PREFECT_SERVER_UI_API_URL",
    }
    for name, container in (("api", "api"), ("control", "services"), ("control", "migrate")):
        environment = machines[name].environment(container)
        assert {key: value for key, value in environment.items() if key not in own} == documented
        assert own <= set(environment)


def test_prefect_knows_the_settings_of_its_pages(
    machines: Mapping[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machines["api"].environment("api").items():
        if name.startswith("PREFECT_SERVER_UI_"):
            monkeypatch.setenv(name, value)
    settings = ServerUISettings()
    assert settings.static_directory == "/var/lib/trivia/prefect-ui"
    assert settings.api_url == "http://127.0.0.1:4200/api"


def test_the_logging_configuration_is_where_the_image_has_it(machines: Mapping[str, Machine]) -> None:
    path = machines["api"].environment("api")["PREFECT_LOGGING_SETTINGS_PATH"]
    assert path == "/app/deployments/logging.yml"
    assert (ROOT / "deployments" / "logging.yml").is_file()
    assert "COPY deployments /app/deployments" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


# --- The program takes what it is given


def settings_of(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in list(os.environ):
        if name.startswith(("TRIVIA_", "PREFECT_", "GCS_", "PROJECT_", "REGION", "ZONE", "WORKER_")):
            monkeypatch.delenv(name)
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert set(environment) <= known
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_worker_takes_its_settings(
    machines: Mapping[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(machines["worker"].environment("worker"), monkeypatch)
    assert (settings.gcs_bucket, settings.work_bucket) == (
        "example-project-trivia-media",
        "example-project-trivia-work",
    )
    assert (settings.encoder, settings.gpu_type, settings.machine_type, settings.provisioning) == (
        "h264_nvenc",
        "nvidia-tesla-t4",
        "n1-standard-4",
        "spot",
    )
    assert (settings.worker_bind, settings.worker_port, settings.log_format) == ("0.0.0.0", 4310, "json")
    assert settings.prefect_api_url == "http://10.20.0.5:4200/api"


@pytest.mark.parametrize("container", ["control-worker", "dashboard"])
def test_the_control_machine_takes_its_settings(
    container: str, machines: Mapping[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(machines["control"].environment(container), monkeypatch)
    assert (settings.fleet, settings.machine_group) == ("gce", "trivia-workers")
    assert (settings.min_machines, settings.max_machines) == (1, 20)
    assert (settings.project_id, settings.region) == ("example-project", "us-central1")
    assert (settings.dashboard_bind, settings.dashboard_port) == ("0.0.0.0", 4300)
    assert settings.prefect_api_url == "http://10.20.0.5:4200/api"
    # What the group allows a machine is what the autoscaler allows it.
    fleet = (TERRAFORM / "modules" / "render_fleet" / "variables.tf").read_text(encoding="utf-8")
    delay = re.search(r'variable "healthy_after_seconds".*?default\s+= (\d+)', fleet, re.DOTALL)
    assert delay is not None
    assert settings.boot_seconds == float(delay[1])


# --- Nothing of a value gets out of its place

GOOD = """
variables {
  image = "us-central1-docker.pkg.dev/p/r/i@sha256:IMAGE"
  ports = [4310]
  containers = {
    worker = {
      description = "Render worker"
      command     = ["trivia", "worker"]
      environment = { TRIVIA_X = "a b" }
      secrets     = { AUTH = "projects/p/secrets/s/versions/latest" }
      memory_mb   = 1024
    }
  }
}
""".replace("IMAGE", "0123456789abcdef" * 4)
#: A part of the above, what it becomes, and which variable has to refuse it.
HOSTILE = (
    ('"us-central1-docker', '"--privileged us-central1-docker', "image"),
    ("@sha256:", ":latest@sha256:", "image"),
    ("@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", ":latest", "image"),
    ("4310", "22", "ports"),
    ("4310", "4310.5", "ports"),
    ("worker = {", '"w/../../x" = {', "containers"),
    ("worker = {", "firewall = {", "containers"),
    ("Render worker", "One\\nExecStartPre=/bin/true", "containers"),
    ("Render worker", "100%n", "containers"),
    ('"trivia", "worker"', '"trivia worker"', "containers"),
    ('"trivia", "worker"', '"trivia", "$$(reboot)"', "containers"),
    ('"trivia", "worker"', '"trivia", "%n"', "containers"),
    ('"trivia", "worker"', '"trivia", "a;b"', "containers"),
    ("a b", "a\\nLD_PRELOAD=x.so", "containers"),
    ("a b", "a\\rb", "containers"),
    ("TRIVIA_X", '"X=1\\nY"', "containers"),
    ("TRIVIA_X", "TRIVIA_SECRETS", "containers"),
    ("projects/p/secrets/s/versions/latest", "user:password", "containers"),
    ("projects/p/secrets/s/versions/latest", "projects/p/secrets/s/versions/1,B=x", "containers"),
    ("memory_mb   = 1024", "memory_mb = 1", "containers"),
    ("memory_mb   = 1024", 'memory_mb = 1024\n      after = ["worker"]', "containers"),
    ("ports = [4310]", 'ports = [4310]\n  gpu_driver_version = "default; reboot"', "gpu_driver_version"),
)


def test_what_would_become_another_word_line_or_key_is_refused(program: Terraform) -> None:
    runs = [run_of("good", "container_host", GOOD)]
    for number, (old, new, variable) in enumerate(HOSTILE):
        assert GOOD.count(old) == 1, old
        body = f"{GOOD.replace(old, new)}\n  expect_failures = [var.{variable}]"
        runs.append(run_of(f"hostile_{number}", "container_host", body))
    copy = program.copy()
    (copy / "tests" / "hostile.tftest.hcl").write_text("\n".join(runs), encoding="utf-8")
    assert program.init(copy).passed
    result = program.test(copy, "hostile.tftest.hcl")
    assert result.passed, result.output
    assert f"{len(HOSTILE) + 1} passed" in result.output


def schema_errors(config: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(CLOUD_CONFIG).iter_errors(config)]


def test_the_schema_finds_a_wrong_key() -> None:
    file = {"path": "/etc/trivia/a.sh", "permissions": "0644", "owner": "root:root", "content": "x"}
    assert schema_errors({"write_files": [file], "runcmd": [["true"]]}) == []
    assert schema_errors({"write_files": [{**file, "mode": "0644"}], "runcmd": []}) != []
    assert schema_errors({"write_files": [{**file, "permissions": 420}], "runcmd": []}) != []
    assert schema_errors({"write_files": [], "run_cmd": []}) != []
