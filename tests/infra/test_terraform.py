"""The Terraform configuration, checked without registry and cloud; and the checks themselves, by faults."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
import pytest

from tests.infra.terraform import readme
from tests.infra.terraform.harness import ROOT, TERRAFORM, Plan, Plant, Report, Terraform, terraform
from tests.infra.terraform.plan import Enum, at, enum_problems, grants, problems, type_of
from tests.infra.terraform.schema import Block, google_schema
from trivia_render.storage import keys

#: The tests of the root and of its foundation; test_fleet_terraform.py runs the others.
FILES = tuple(
    f"{name}.tftest.hcl" for name in ("identity", "network", "root", "secrets_and_images", "storage")
)
STORAGE = "modules/storage/main.tf"
IDENTITY = "modules/identity/main.tf"
FIREWALL = "modules/network/firewall.tf"
MODULES = sorted(path.parent for path in TERRAFORM.glob("modules/*/versions.tf"))
EXAMPLES = sorted(path.parent for path in TERRAFORM.glob("examples/*/main.tf"))

#: What Google's published APIs say of the values that the foundation's arguments may have.
ENUMS = {
    "google_compute_network": (Enum("routing_mode", "NetworkRoutingConfig", "routingMode"),),
    "google_compute_subnetwork": (
        Enum("stack_type", "Subnetwork", "stackType"),
        Enum("log_config.aggregation_interval", "SubnetworkLogConfig", "aggregationInterval"),
        Enum("log_config.metadata", "SubnetworkLogConfig", "metadata"),
    ),
    "google_compute_router_nat": (
        Enum("nat_ip_allocate_option", "RouterNat", "natIpAllocateOption"),
        Enum("source_subnetwork_ip_ranges_to_nat", "RouterNat", "sourceSubnetworkIpRangesToNat"),
        Enum("subnetwork.source_ip_ranges_to_nat", "RouterNatSubnetworkToNat", "sourceIpRangesToNat"),
        Enum("log_config.filter", "RouterNatLogConfig", "filter"),
    ),
    "google_compute_global_address": (
        Enum("purpose", "Address", "purpose"),
        Enum("address_type", "Address", "addressType"),
    ),
    "google_compute_firewall": (
        Enum("direction", "Firewall", "direction"),
        Enum("log_config.metadata", "FirewallLogConfig", "metadata"),
    ),
    "google_artifact_registry_repository": (
        Enum("format", "Repository", "format", "artifactregistry.v1"),
        Enum("cleanup_policies.action", "CleanupPolicy", "action", "artifactregistry.v1"),
        Enum(
            "cleanup_policies.condition.tag_state",
            "CleanupPolicyCondition",
            "tagState",
            "artifactregistry.v1",
        ),
        Enum(
            "vulnerability_scanning_config.enablement_config",
            "VulnerabilityScanningConfig",
            "enablementConfig",
            "artifactregistry.v1",
        ),
    ),
    "google_project_iam_audit_config": (
        Enum("audit_log_config.log_type", "AuditLogConfig", "logType", "cloudresourcemanager.v1"),
    ),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("terraform")) as attached:
        yield attached


@pytest.fixture(scope="module")
def report(program: Terraform) -> Report:
    """What Terraform's own tests tell."""
    return program.report(program.copy(), *FILES)


@pytest.fixture(scope="module")
def plan(report: Report) -> Plan:
    """What a deployment would make, from the root's own test."""
    return report.plan("root.tftest.hcl", "whole")


def named(path: Path) -> str:
    return str(path.relative_to(TERRAFORM))


# --- The configuration passes


def test_all_files_are_formatted(program: Terraform) -> None:
    result = program.fmt(TERRAFORM)
    assert result.passed, result.output


def test_the_root_is_valid(program: Terraform) -> None:
    assert program.validate(program.copy()) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_an_example_is_valid(program: Terraform, example: Path) -> None:
    assert program.validate(program.copy() / named(example)) == []


def test_terraforms_own_tests_pass(report: Report) -> None:
    assert report.result.passed, report.result.output
    assert report.files == dict.fromkeys(FILES, "pass")


def test_every_file_of_tests_is_run_by_something() -> None:
    others = Path(__file__).with_name("test_fleet_terraform.py").read_text(encoding="utf-8")
    files = {path.name for path in (TERRAFORM / "tests").glob("*.tftest.hcl")}
    assert set(FILES) <= files
    assert [file for file in files - set(FILES) if f'"{file.partition(".")[0]}"' not in others] == []


def test_checking_leaves_nothing_in_the_tree(report: Report) -> None:
    assert report.files
    left = [path for pattern in (".terraform*", "*.tfstate*") for path in TERRAFORM.rglob(pattern)]
    assert left == []


def test_every_module_names_the_versions_it_was_checked_with() -> None:
    root = (TERRAFORM / "versions.tf").read_text(encoding="utf-8")
    major, minor, _ = google_schema().version.split(".")
    # Older ones lack arguments that are set; the next major one may drop some.
    assert f'version = ">= {major}.{minor}, < {int(major) + 1}"' in root
    for folder in (*MODULES, *EXAMPLES):
        text = (folder / "versions.tf").read_text(encoding="utf-8")
        if "google" in text:
            assert text == root, named(folder)
        else:
            assert list(folder.glob("*.tf"))
            assert not any("\nresource " in file.read_text(encoding="utf-8") for file in folder.glob("*.tf"))


def test_the_example_takes_and_gives_what_the_root_does() -> None:
    example = TERRAFORM / "examples" / "minimal"
    for kind, file in (("variable", "variables.tf"), ("output", "outputs.tf")):
        known = {each.name for each in readme.declared(kind, TERRAFORM / file)}
        assert {each.name for each in readme.declared(kind, example / file)} <= known
    needed = {
        each.name for each in readme.declared("variable", TERRAFORM / "variables.tf") if not each.default
    }
    values = (example / "terraform.tfvars.example").read_text(encoding="utf-8")
    assert {name for name in needed if not re.search(rf"^{name}\s+=", values, re.MULTILINE)} == set()


def handed_on(folder: Path) -> dict[str, list[str]]:
    """Return by each variable of the root the modules that it is handed to, as it is, under any name."""
    calls = {
        name.strip('"'): body
        for block in hcl2.loads((folder / "main.tf").read_text(encoding="utf-8"))["module"]
        for name, body in block.items()
    }
    return {
        variable.name: [name for name, body in calls.items() if f"${{var.{variable.name}}}" in body.values()]
        for variable in readme.declared("variable", folder / "variables.tf")
    }


def missing_variables(folder: Path) -> list[str]:
    """Return what the modules take under a name of the root's and are not given, or given something else."""
    handed = handed_on(folder)
    own = {"labels", "zones"}
    return [
        f"{module}: {each.name}"
        for module in (path.name for path in MODULES if path.name != "container_host")
        for each in readme.declared("variable", folder / "modules" / module / "variables.tf")
        if each.name in handed and each.name not in own and module not in handed[each.name]
    ]


def test_what_can_be_set_of_a_deployment_reaches_the_modules(program: Terraform) -> None:
    assert missing_variables(TERRAFORM) == []
    handed = handed_on(TERRAFORM)
    # What concerns machines, and what is put together first.
    made_up = {"labels", "zones"}
    assert {name for name, modules in handed.items() if not modules} == made_up
    assert handed["worker_environment"] == ["render_fleet"]
    assert handed["control_environment"] == ["control"]
    assert set(handed["healthy_after_seconds"]) == {"control", "render_fleet"}
    lost = program.copy(Plant("main.tf", "  gpu_driver_version        = var.gpu_driver_version\n", ""))
    assert missing_variables(lost) == ["render_fleet: gpu_driver_version"]


def test_a_region_without_known_zones_is_told_how_to_name_some(program: Terraform) -> None:
    copy = program.copy()
    path = copy / "tests" / "root.tftest.hcl"
    given, _, runs = path.read_text(encoding="utf-8").partition('run "whole"')
    run = re.search(r'^run "unknown_region" \{.*?^\}\n', runs, re.MULTILINE | re.DOTALL)
    assert run is not None
    alone = given + run[0].replace("  expect_failures = [output.zones]\n", "")
    path.write_text(alone, encoding="utf-8")
    result = program.test(copy, "root.tftest.hcl")
    said = words(result.output)
    assert "No zones with T4s are known in southamerica-east1. Set the variable `zones`" in said
    assert "`gcloud compute accelerator-types list --filter=name=nvidia-tesla-t4`" in said
    assert said.count("Error: ") == 1, result.output


# --- What is planned


def test_nothing_that_is_planned_is_public_or_reaches_too_far(plan: Plan) -> None:
    assert problems(plan) == []


def test_the_values_that_are_planned_are_ones_that_google_knows(plan: Plan) -> None:
    assert enum_problems(plan, ENUMS) == []


def test_the_readme_tells_each_variable_each_output_and_each_grant(plan: Plan) -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert text == readme.with_tables(text, plan), "Run: python -m tests.infra.terraform.readme"


def test_every_command_of_the_readme_exists() -> None:
    text = readme.README.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    for module in re.findall(r"python -m (tests\.[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (TERRAFORM / link).is_file(), link


def test_the_worker_alone_touches_the_work_bucket(plan: Plan) -> None:
    on = [grant for grant in grants(plan) if grant.on == "bucket example-project-trivia-work"]
    # The project's owners keep the bucket itself, without its objects.
    keeper = plan["module.storage.google_project_iam_custom_role.keeper"]
    assert {name.rpartition(".")[0] for name in keeper["permissions"]} == {"storage.buckets"}
    assert {(grant.member.partition("@")[0], grant.role.rpartition("/")[2]) for grant in on} == {
        ("serviceAccount:trivia-worker", "storage.objectUser"),
        ("projectOwner:example-project", keeper["role_id"]),
    }
    policies = [
        values for address, values in plan.items() if type_of(address).startswith("google_storage_bucket_iam")
    ]
    assert {values["bucket"] for values in policies} == {
        "example-project-trivia-work",
        "example-project-trivia-media",
    }
    assert all("policy_data" in values for values in policies), "a policy that others could add to"


def test_every_prefix_of_the_storage_layout_is_kept_as_long_as_it_should_be(plan: Plan) -> None:
    sha256, at_noon = "0" * 64, datetime(2026, 1, 1, 12, tzinfo=UTC)
    media = {
        keys.config_key("c", "j"): 30,
        keys.status_key("c", "j"): 30,
        keys.lease_key("c", "j"): 30,
        keys.speech_key(sha256, ".flac"): 30,
        keys.TMP_PREFIX: 1,
        keys.manifest_key("c", "j"): None,
        keys.video_key("c", "j", format="16:9", attempt=1, name="video.mp4"): None,
        keys.asset_key(sha256, ".png"): None,
        keys.history_key(at_noon): None,
        keys.ledger_key(date(2026, 1, 1), "w"): None,
        keys.worker_key("w"): None,
        keys.drain_key("w"): None,
        keys.FLEET_DECISION_KEY: None,
    }
    work = {keys.clip_key(sha256, ".mp4"): 7, f"{keys.RESULTS_PREFIX}r": 7, keys.TMP_PREFIX: 1}
    for bucket, layout in (("media", media), ("work", work)):
        rules = plan[f"module.storage.google_storage_bucket.{bucket}"]["lifecycle_rule"]
        for key, days in layout.items():
            ages = [age for rule in rules if _deletes(rule, key) for age in at(rule, "condition.age")]
            assert ages == ([] if days is None else [days]), (bucket, key)


def _deletes(rule: dict[str, Any], key: str) -> bool:
    return at(rule, "action.type") == ["Delete"] and any(
        key.startswith(prefix) for prefix in at(rule, "condition.matches_prefix")
    )


def test_the_control_machine_may_do_what_its_program_does_and_no_more(plan: Plan) -> None:
    permissions = {
        "groups.get": "compute.instanceGroupManagers.get",
        "groups.list_managed_instances": "compute.instanceGroupManagers.list",
        "groups.resize_unary": "compute.instanceGroupManagers.update",
        "groups.delete_instances_unary": "compute.instanceGroupManagers.update",
        "autoscalers.get": "compute.autoscalers.get",
        "operations.wait": "compute.regionOperations.get",
    }
    code = (ROOT / "trivia_render" / "fleet" / "compute_api.py").read_text(encoding="utf-8")
    called = set(re.findall(r"self\._((?:groups|autoscalers|operations)\.\w+)", code))
    role = plan["module.identity.google_project_iam_custom_role.fleet"]
    assert set(role["permissions"]) == {permissions[call] for call in called}


# --- The checks find faults


REGISTRY = "modules/registry/main.tf"
#: What is written wrong, each in another resource, and what validation says of it.
WRONG = {
    'argument named "auto_create_subnets" is not expected': Plant(
        "modules/network/main.tf", "auto_create_subnetworks =", "auto_create_subnets     ="
    ),
    'attribute "retention_duration_seconds": a number is required': Plant(
        STORAGE, "retention_duration_seconds = 0", 'retention_duration_seconds = "no"'
    ),
    'argument "role_id" is required': Plant(
        STORAGE, '  role_id     = replace("${var.name}_bucket_keeper", "-", "_")\n', ""
    ),
    'Blocks of type "docker_configuration" are not expected': Plant(
        REGISTRY, "docker_config {", "docker_configuration {"
    ),
    'No more than 1 "soft_delete_policy" blocks': Plant(
        STORAGE,
        "  soft_delete_policy {\n    retention_duration_seconds = var",
        "  soft_delete_policy {}\n  soft_delete_policy {\n    retention_duration_seconds = var",
    ),
    'At least 1 "replication" blocks': Plant("modules/secrets/main.tf", "  replication {", "  topics {"),
    'does not have an attribute named "email"': Plant(
        "main.tf",
        "worker_email          = module.identity.emails",
        "worker_email          = module.identity.email",
    ),
}


def test_validation_finds_what_is_written_wrong(program: Terraform) -> None:
    problems_found = program.validate(program.copy(*WRONG.values()))
    assert all(text.startswith("error: ") for text in problems_found), problems_found
    missed = [wrong for wrong in WRONG if not any(wrong in text for text in problems_found)]
    assert missed == [], problems_found


def words(output: str) -> str:
    """Return what Terraform says without its breaks of lines and its numbers of lines. Pure."""
    said = re.sub(r"[\s│]+", " ", output)
    return re.sub(r' line \d+, in run ("\w+"): \d+: ', r", run \1: ", said)


def outcomes() -> list[str]:
    """Return what the failing assertions and the missing refusals of Terraform's own tests would say."""
    found = []
    for path in sorted((TERRAFORM / "tests").glob("*.tftest.hcl")):
        run, inside = "", False
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if message := re.fullmatch(r'error_message\s*=\s*"(.*)"', text):
                found.append(message[1])
            elif named_run := re.match(r'run ("\w+") \{', line):
                run = named_run[1]
            elif text.startswith("expect_failures") or inside:
                if text not in {"expect_failures = [", "]"}:
                    found.append(f"{path.name}, run {run}: {text}")
                inside = not text.endswith("]")
    return found


def unclear(said: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the texts that tell of no single fault: other assertions, or none, would say them. Pure."""
    found = []
    taken = set[str]()
    for text in said:
        saying = [outcome for outcome in known if text in outcome]
        if len(saying) != 1:
            found.append(f"{text}: found by {len(saying)} assertions")
        elif saying[0] in taken:
            found.append(f"{text}: found by the assertion of another fault")
        taken.update(saying)
    return found


class Fault(NamedTuple):
    """A fault to plant, and what the assertion that finds it says."""

    said: str
    plant: Plant


FAULTS = (
    # A missing lifecycle rule, and one that is too late.
    Fault("Jobs and speech go after 30 days", Plant(STORAGE, '    "speech/" = 30\n', "")),
    Fault("Clips and results go after 7 days", Plant(STORAGE, '"clips/"   = 7', '"clips/"   = 70')),
    Fault(
        "The work bucket keeps nothing that was deleted.",
        Plant(STORAGE, "_seconds = 0\n", "_seconds = 604800\n"),
    ),
    # A public bucket.
    Fault(
        "No object of a bucket can be made public.",
        Plant(
            STORAGE,
            '"enforced"\n\n  versioning {\n    enabled = false\n  }\n\n  # Clips',
            '"inherited"\n\n  versioning {\n    enabled = false\n  }\n\n  # Clips',
        ),
    ),
    # Roles that are too wide, and members too many.
    Fault(
        "The worker alone reads and writes the work bucket.",
        Plant(
            STORAGE,
            "members = [var.worker_member] },\n      local.keepers",
            "members = [var.worker_member, var.control_member] },\n      local.keepers",
        ),
    ),
    Fault(
        "Nobody but the project's owners manages the media bucket.",
        Plant(
            STORAGE,
            '"roles/storage.objectUser", members = [var.worker_member] },\n        {',
            '"roles/storage.objectAdmin", members = [var.worker_member] },\n        {',
        ),
    ),
    Fault(
        "Control machine and operators write jobs, assets and the fleet's records, never videos.",
        Plant(STORAGE, '["jobs/", "assets/"', '["videos/", "assets/"'),
    ),
    Fault(
        "In the project a machine writes logs and metrics, and no more.",
        Plant(IDENTITY, '["roles/logging.logWriter", "roles/mon', '["roles/editor", "roles/mon'),
    ),
    Fault(
        "The control machine may size instance groups, and no more.",
        Plant(IDENTITY, '    "compute.autoscalers.get",', '    "compute.instances.create",'),
    ),
    Fault(
        "Tunnels lead to the API and the dashboard; to a shell for administrators alone.",
        Plant(IDENTITY, "ports = [4200, 4300]", "ports = [22, 4200, 4300]"),
    ),
    Fault(
        "Readers read values: they neither add nor destroy any.",
        Plant("modules/secrets/main.tf", "secretmanager.secretAccessor", "secretmanager.admin"),
    ),
    # Ways in and out.
    Fault(
        "Health checks, the subnet's calls to the API and tunnels come in, and nothing else.",
        Plant(FIREWALL, "sources     = [var.subnet_cidr]", 'sources     = ["0.0.0.0/0"]'),
    ),
    Fault(
        "Machines speak HTTPS to the world; the database is for Prefect's server alone.",
        Plant(FIREWALL, 'ports        = ["443"]', 'ports        = ["1-65535"]'),
    ),
    Fault(
        "Where nobody may open a shell, nothing comes in at port 22.",
        Plant(FIREWALL, "length(var.administrators) == 0", "length(var.administrators) > 9"),
    ),
    # Who may act as whom, and whose quota counts.
    Fault(
        "Nobody acts as the deployer, which is for Cloud Build and CI.",
        Plant(
            IDENTITY,
            "setproduct(local.machines, var.administrators)",
            'setproduct(concat(local.machines, ["deployer"]), var.administrators)',
        ),
    ),
    Fault(
        "People see logs and metrics, and may use the project as the one whose quota counts.",
        Plant(IDENTITY, ', "roles/serviceusage.serviceUsageConsumer"', ""),
    ),
    # Images, and where the machines are.
    Fault(
        "Ten images stay, of which a push with provenance makes three versions each.",
        Plant(REGISTRY, "keep_count = var.keep_images", "keep_count = 10"),
    ),
    Fault(
        'root.tftest.hcl, run "unknown_region": expect_failures = [output.zones]',
        Plant("outputs.tf", "length(local.known_zones) > 0", "length(local.zones) > 0"),
    ),
    Fault(
        "A tag, once set, stays where it is.",
        Plant(REGISTRY, "immutable_tags = true", "immutable_tags = false"),
    ),
)


def test_terraforms_own_tests_find_each_fault(program: Terraform) -> None:
    result = program.test(program.copy(*(fault.plant for fault in FAULTS)), *FILES)
    assert not result.passed
    said = words(result.output)
    assert [fault.plant for fault in FAULTS if fault.said not in said] == []


def test_a_rule_that_deletes_finished_videos_is_found(program: Terraform) -> None:
    plant = Plant(STORAGE, '    "speech/" = 30\n', '    "speech/" = 30\n    "videos/" = 365\n')
    result = program.test(program.copy(plant), "storage.tftest.hcl")
    assert not result.passed
    assert "videos stay for ever" in " ".join(result.output.split())


EXTRA = """
resource "google_project_iam_member" "extra" {
  project = var.project_id
  role    = "roles/editor"
  member  = "user:x@example.com"
}

resource "google_project_iam_member" "all_objects" {
  project = var.project_id
  role    = "roles/storage.objectUser"
  member  = "user:x@example.com"
}

resource "google_storage_bucket" "extra" {
  name     = "extra"
  location = "EU"
}

resource "google_storage_bucket_iam_member" "everybody" {
  bucket = "extra"
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}

resource "google_compute_address" "extra" {
  name         = "extra"
  address_type = "EXTERNAL"
}

resource "google_compute_instance" "extra" {
  name         = "extra"
  machine_type = "e2-micro"
  zone         = "us-central1-a"
  boot_disk {
    initialize_params {
      image = "debian-12"
    }
  }
  network_interface {
    network = "default"
    access_config {}
  }
}

resource "google_compute_firewall" "extra" {
  name          = "extra"
  network       = "default"
  direction     = "INGRESS"
  source_ranges = ["0.0.0.0/0"]
  allow {
    protocol = "all"
  }
}

resource "google_compute_forwarding_rule" "extra" {
  name                  = "extra"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

resource "google_sql_database_instance" "extra" {
  database_version = "POSTGRES_17"
  settings {
    tier = "db-f1-micro"
    ip_configuration {
      ipv4_enabled = true
    }
  }
}
"""


def test_what_nobody_thought_of_is_found_in_the_plan(program: Terraform) -> None:
    copy = program.copy()
    (copy / "extra.tf").write_text(EXTRA, encoding="utf-8")
    changed = program.planned(copy, "root.tftest.hcl")
    assert sorted(problems(changed)) == [
        "bucket extra: allUsers has roles/storage.objectViewer",
        "google_compute_address.extra: a public address",
        "google_compute_firewall.extra: open to the internet",
        "google_compute_forwarding_rule.extra: a load balancer of the internet",
        "google_compute_instance.extra: a public address (access_config)",
        "google_sql_database_instance.extra: a database with a public address",
        "google_storage_bucket.extra: objects can be made public",
        "google_storage_bucket.extra: objects have access lists of their own",
        "project: user:x@example.com has roles/editor",
        "project: user:x@example.com has roles/storage.objectUser",
    ]


def test_a_value_that_google_does_not_know_is_found(plan: Plan) -> None:
    name = "module.network.google_compute_router_nat.this"
    wrong = {**plan, name: {**plan[name], "nat_ip_allocate_option": "AUTO"}}
    assert enum_problems(wrong, ENUMS) == [
        f"{name}: nat_ip_allocate_option is AUTO, none of AUTO_ONLY, MANUAL_ONLY"
    ]
    unset = {**plan, name: {**plan[name], "nat_ip_allocate_option": None}}
    assert enum_problems(unset, ENUMS) == ["google_compute_router_nat: nothing sets nat_ip_allocate_option"]


# --- The stand-in for the provider


def test_terraform_reads_the_schema_that_the_stand_in_was_given(program: Terraform) -> None:
    (told,) = program.show_schema(program.copy())["provider_schemas"].values()
    schema = google_schema()
    assert _plain(told["provider"]["block"]) == schema.provider
    assert {
        name: _plain(each["block"]) for name, each in told["resource_schemas"].items()
    } == schema.resources
    assert {
        name: _plain(each["block"]) for name, each in told["data_source_schemas"].items()
    } == schema.data_sources


def _plain(block: dict[str, Any]) -> Block:
    """A block as `terraform providers schema -json` tells it, in the stand-in's own words."""
    return Block.model_validate(
        {
            "attributes": {
                name: {key: value for key, value in attribute.items() if key != "description_kind"}
                for name, attribute in block.get("attributes", {}).items()
            },
            "blocks": {
                name: {
                    "nesting": nested["nesting_mode"],
                    "min_items": nested.get("min_items", 0),
                    "max_items": nested.get("max_items", 0),
                    "block": _plain(nested["block"]),
                }
                for name, nested in block.get("block_types", {}).items()
            },
        }
    )
