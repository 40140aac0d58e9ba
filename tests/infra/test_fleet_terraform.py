"""The machines, the database and the alerts of the deployment; and that each fault in them is found."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import hcl2
import pytest

from tests.infra.terraform.harness import ROOT, TERRAFORM, Plan, Plant, Report, Result, Terraform, terraform
from tests.infra.terraform.plan import Enum, at, enum_problems
from tests.infra.test_terraform import FAULTS as FOUNDATION_FAULTS
from tests.infra.test_terraform import outcomes, unclear, words

FILES = tuple(
    f"{name}.tftest.hcl" for name in ("fleet", "fleet_refused", "control", "database", "monitoring")
)
FLEET = "modules/render_fleet/main.tf"
FLEET_VARIABLES = "modules/render_fleet/variables.tf"
API = "modules/control/api.tf"
CONTROL = "modules/control/main.tf"
DATABASE = "modules/database/main.tf"
REDIS = "modules/database/redis.tf"
ALERTS = "modules/monitoring/alerts.tf"
METRICS = "modules/monitoring/metrics.tf"
BUDGET = "modules/monitoring/budget.tf"

#: What would size the group against the autoscale flow, or bring a password into Terraform's state.
FORBIDDEN = {
    "google_compute_autoscaler": "Google's autoscaler",
    "google_compute_region_autoscaler": "Google's autoscaler",
    "google_sql_user": "a password in the state",
    "google_secret_manager_secret_version": "a secret in the state",
}

_GROUP_ENUMS = (
    Enum("distribution_policy_target_shape", "DistributionPolicy", "targetShape"),
    Enum("update_policy.type", "InstanceGroupManagerUpdatePolicy", "type"),
    Enum(
        "update_policy.instance_redistribution_type",
        "InstanceGroupManagerUpdatePolicy",
        "instanceRedistributionType",
    ),
    Enum("update_policy.minimal_action", "InstanceGroupManagerUpdatePolicy", "minimalAction"),
    Enum(
        "update_policy.most_disruptive_allowed_action",
        "InstanceGroupManagerUpdatePolicy",
        "mostDisruptiveAllowedAction",
    ),
    Enum("update_policy.replacement_method", "InstanceGroupManagerUpdatePolicy", "replacementMethod"),
    Enum(
        "instance_lifecycle_policy.default_action_on_failure",
        "InstanceGroupManagerInstanceLifecyclePolicy",
        "defaultActionOnFailure",
    ),
    Enum(
        "instance_lifecycle_policy.on_failed_health_check",
        "InstanceGroupManagerInstanceLifecyclePolicy",
        "onFailedHealthCheck",
    ),
    Enum(
        "instance_lifecycle_policy.force_update_on_repair",
        "InstanceGroupManagerInstanceLifecyclePolicy",
        "forceUpdateOnRepair",
    ),
    Enum(
        "instance_lifecycle_policy.on_repair.allow_changing_zone",
        "InstanceGroupManagerInstanceLifecyclePolicyOnRepair",
        "allowChangingZone",
    ),
)
#: What Google's published APIs say of the values that these arguments may have.
ENUMS = {
    "google_compute_instance_template": (
        Enum("scheduling.provisioning_model", "Scheduling", "provisioningModel"),
        Enum("scheduling.on_host_maintenance", "Scheduling", "onHostMaintenance"),
        Enum("scheduling.instance_termination_action", "Scheduling", "instanceTerminationAction"),
        Enum("network_interface.stack_type", "NetworkInterface", "stackType"),
    ),
    "google_compute_region_instance_group_manager": _GROUP_ENUMS,
    "google_compute_address": (
        Enum("address_type", "Address", "addressType"),
        Enum("purpose", "Address", "purpose"),
    ),
    "google_compute_forwarding_rule": (
        Enum("load_balancing_scheme", "ForwardingRule", "loadBalancingScheme"),
        Enum("ip_protocol", "ForwardingRule", "IPProtocol"),
    ),
    "google_compute_region_backend_service": (
        Enum("load_balancing_scheme", "BackendService", "loadBalancingScheme"),
        Enum("protocol", "BackendService", "protocol"),
        Enum("session_affinity", "BackendService", "sessionAffinity"),
        Enum("backend.balancing_mode", "Backend", "balancingMode"),
    ),
    "google_sql_database_instance": (
        Enum("database_version", "DatabaseInstance", "databaseVersion", "sqladmin.v1"),
        Enum("settings.edition", "Settings", "edition", "sqladmin.v1"),
        Enum("settings.availability_type", "Settings", "availabilityType", "sqladmin.v1"),
        Enum("settings.activation_policy", "Settings", "activationPolicy", "sqladmin.v1"),
        Enum("settings.disk_type", "Settings", "dataDiskType", "sqladmin.v1"),
        Enum("settings.ip_configuration.ssl_mode", "IpConfiguration", "sslMode", "sqladmin.v1"),
        Enum("settings.maintenance_window.update_track", "MaintenanceWindow", "updateTrack", "sqladmin.v1"),
        Enum(
            "settings.backup_configuration.backup_retention_settings.retention_unit",
            "BackupRetentionSettings",
            "retentionUnit",
            "sqladmin.v1",
        ),
    ),
    "google_redis_instance": (
        Enum("tier", "Instance", "tier", "redis.v1"),
        Enum("connect_mode", "Instance", "connectMode", "redis.v1"),
        Enum("transit_encryption_mode", "Instance", "transitEncryptionMode", "redis.v1"),
    ),
    "google_monitoring_alert_policy": (
        Enum("combiner", "AlertPolicy", "combiner", "monitoring.v3"),
        Enum("severity", "AlertPolicy", "severity", "monitoring.v3"),
        Enum("conditions.condition_threshold.comparison", "MetricThreshold", "comparison", "monitoring.v3"),
        Enum(
            "conditions.condition_threshold.evaluation_missing_data",
            "MetricThreshold",
            "evaluationMissingData",
            "monitoring.v3",
        ),
        Enum(
            "conditions.condition_threshold.aggregations.per_series_aligner",
            "Aggregation",
            "perSeriesAligner",
            "monitoring.v3",
        ),
        Enum(
            "conditions.condition_threshold.aggregations.cross_series_reducer",
            "Aggregation",
            "crossSeriesReducer",
            "monitoring.v3",
        ),
    ),
    "google_logging_metric": (
        Enum("metric_descriptor.metric_kind", "MetricDescriptor", "metricKind", "logging.v2"),
        Enum("metric_descriptor.value_type", "MetricDescriptor", "valueType", "logging.v2"),
    ),
    "google_billing_budget": (
        Enum(
            "budget_filter.calendar_period",
            "GoogleCloudBillingBudgetsV1Filter",
            "calendarPeriod",
            "billingbudgets.v1",
        ),
        Enum(
            "budget_filter.credit_types_treatment",
            "GoogleCloudBillingBudgetsV1Filter",
            "creditTypesTreatment",
            "billingbudgets.v1",
        ),
        Enum(
            "threshold_rules.spend_basis",
            "GoogleCloudBillingBudgetsV1ThresholdRule",
            "spendBasis",
            "billingbudgets.v1",
        ),
    ),
}


class Fault(NamedTuple):
    """A wrong value, planted; and what Terraform's own tests say of it."""

    plant: Plant
    said: str


def fault(file: str, old: str, new: str, said: str) -> Fault:
    return Fault(Plant(file, old, new), said)


#: One wrong value for each setting. They do not touch each other, so that one run of the tests tells of all.
FAULTS = (
    # Scheduling
    fault(FLEET, '"SPOT"', '"STANDARD"', "Render machines are spot machines."),
    fault(FLEET, "preemptible        = true", "preemptible        = false", "says that it can be preempted."),
    fault(
        FLEET, "automatic_restart  = false", "automatic_restart  = true", "A spot machine is not restarted"
    ),
    fault(
        FLEET,
        'on_host_maintenance = "TERMINATE"',
        'on_host_maintenance = "MIGRATE"',
        "A machine with a GPU cannot be moved.",
    ),
    fault(
        FLEET,
        'instance_termination_action = "DELETE"',
        'instance_termination_action = "STOP"',
        "A preempted machine leaves nothing behind.",
    ),
    fault(FLEET, "= preemption_notice_duration.value", "= 30", "A worker hears two minutes before"),
    fault(FLEET, "    count = 1", "    count = 2", "an n1-standard-4 with one T4."),
    # The group
    fault(FLEET, 'target_shape = "ANY"', 'target_shape = "EVEN"', "wherever there are spot GPUs."),
    fault(
        FLEET,
        'instance_redistribution_type   = "NONE"',
        'instance_redistribution_type   = "PROACTIVE"',
        "Evening out the zones would delete busy machines.",
    ),
    fault(FLEET, '"OPPORTUNISTIC"', '"PROACTIVE"', "A new template must not replace busy machines."),
    fault(FLEET, "max_surge_fixed                = 0", "max_surge_fixed = 3", "larger than the quota."),
    fault(FLEET, "target_size        = var.min_machines", "target_size = var.max_machines", "at least."),
    fault(FLEET, 'allow_changing_zone = "YES"', 'allow_changing_zone = "NO"', "where there is capacity."),
    fault(FLEET, 'force_update_on_repair    = "YES"', 'force_update_on_repair = "NO"', "back up to date."),
    fault(
        FLEET,
        'on_failed_health_check    = "DEFAULT_ACTION"',
        'on_failed_health_check    = "DO_NOTHING"',
        "A machine whose worker answers no more is treated as one that has failed.",
    ),
    fault(
        FLEET,
        'default_action_on_failure = "REPAIR"',
        'default_action_on_failure = "DO_NOTHING"',
        "A machine that has failed is made anew.",
    ),
    fault(
        FLEET,
        '    minimal_action                 = "REPLACE"',
        '    minimal_action                 = "REFRESH"',
        "A machine gets a new template by being made anew",
    ),
    fault(FLEET, "wait_for_instances = false", "wait_for_instances = true", "An apply does not wait"),
    # Health
    fault(FLEET, "check_interval_sec  = 30", "check_interval_sec = 300", "Workers are asked every 30 s."),
    fault(
        FLEET, "unhealthy_threshold = 3", "unhealthy_threshold = 10", "Three failures, a minute and a half"
    ),
    fault(FLEET, "timeout_sec         = 10", "timeout_sec = 1", "A worker under load has 10 s to answer."),
    fault(FLEET, '"/healthz"', '"/status"', "A worker is asked at its /healthz."),
    fault(FLEET, "port         = local.port", "port         = 80", "A worker is asked at its port."),
    fault(
        FLEET,
        "initial_delay_sec = var.healthy_after_seconds",
        "initial_delay_sec = 60",
        "the time to install",
    ),
    fault(
        FLEET_VARIABLES,
        "var.healthy_after_seconds >= 300",
        "var.healthy_after_seconds >= 0",
        'fleet_refused.tftest.hcl, run "refused": var.healthy_after_seconds,',
    ),
    # Access
    fault(
        FLEET,
        "    subnetwork = var.subnetwork\n",
        "    subnetwork = var.subnetwork\n    access_config {}\n",
        "No render machine has a public address.",
    ),
    fault(FLEET, "secure_boot          = true", "secure_boot = false", "Machines start what is signed."),
    fault(FLEET, "enable_vtpm                 = true", "enable_vtpm = false", "starts is measured."),
    fault(FLEET, 'enable-oslogin         = "TRUE"', 'enable-oslogin = "FALSE"', "A shell takes OS Login."),
    fault(FLEET, 'ssh-keys = "TRUE"', 'ssh-keys = "FALSE"', "No key of the project opens a machine."),
    fault(FLEET, 'serial-port-enable     = "FALSE"', 'serial-port-enable = "TRUE"', "There is no console"),
    fault(FLEET, 'scopes = ["cloud-platform"]', 'scopes = ["compute-rw"]', "A machine acts as the worker"),
    # The least and the most
    fault(
        FLEET_VARIABLES,
        "var.min_machines >= 0 &&",
        "",
        'fleet_refused.tftest.hcl, run "refused": var.min_machines,',
    ),
    fault(
        FLEET_VARIABLES,
        "var.max_machines >= 1 &&",
        "",
        'fleet_refused.tftest.hcl, run "refused": var.max_machines,',
    ),
    fault(
        FLEET,
        "var.min_machines <= var.max_machines",
        "var.min_machines >= 0",
        'fleet.tftest.hcl, run "too_many": expect_failures',
    ),
    # Prefect's API and the control machine
    fault(
        API, 'purpose      = "GCE_ENDPOINT"', 'purpose = "SHARED_LOADBALANCER_VIP"', "The API has one address"
    ),
    fault(API, "allow_global_access   = false", "allow_global_access = true", "from this region alone."),
    fault(
        API,
        'session_affinity      = "NONE"',
        'session_affinity      = "CLIENT_IP"',
        "A client's connections go to any machine",
    ),
    fault(API, "max_unavailable_fixed          = 0", "max_unavailable_fixed = 3", "machine after the other"),
    fault(CONTROL, "max_surge_fixed                = 0", "max_surge_fixed = 3", "There are never two"),
    fault(CONTROL, "target_size        = 1", "target_size = 2", "There is one control machine."),
    fault(CONTROL, '"/healthz"', '"/"', "whose fleet service does not answer is replaced."),
    fault(
        CONTROL,
        "    subnetwork = var.subnetwork\n",
        "    subnetwork = var.subnetwork\n    access_config {}\n",
        "Neither the API nor the control machine has a public address.",
    ),
    # Database and Redis
    fault(DATABASE, "ipv4_enabled       = false", "ipv4_enabled = true", "has a private address alone."),
    fault(DATABASE, '"ENCRYPTED_ONLY"', '"ALLOW_UNENCRYPTED_AND_ENCRYPTED"', "connection without TLS."),
    fault(
        DATABASE,
        "recovery_enabled = true",
        "recovery_enabled = false",
        "every moment of the last three days.",
    ),
    fault(
        DATABASE,
        "protection_enabled = var.deletion_protection",
        "protection_enabled = false",
        "deletes the database by mistake.",
    ),
    fault(DATABASE, "disk_autoresize       = true", "disk_autoresize = false", "The disk grows by itself"),
    fault(REDIS, '"noeviction"', '"volatile-lru"', "throws nothing away in silence."),
    fault(REDIS, "auth_enabled            = false", "auth_enabled = true", "which would stand in the state."),
    # Alerts and the budget
    fault(
        ALERTS, "above    = var.max_machines - 0.5", "above    = var.max_machines", "as large as it may be"
    ),
    fault(
        ALERTS, 'alignment_period     = "600s"', 'alignment_period = "60s"', "Ten minutes without a decision"
    ),
    fault(ALERTS, "      above   = 4", "      above   = 0", "Two new machines"),
    fault(ALERTS, "      seconds = 900", "      seconds = 0", "A role that does not count yet alerts nobody"),
    fault(
        METRICS, "AND NOT ${local.own[id]}", "AND ${local.own[id]}", "is counted apart from everybody else"
    ),
    fault(
        BUDGET, "projects               = [", "resource_ancestors = [", "The budget is of this project alone."
    ),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with terraform(tmp_path_factory.mktemp("terraform")) as attached:
        yield attached


@pytest.fixture(scope="module")
def report(program: Terraform) -> Report:
    return program.report(program.copy(), *FILES)


@pytest.fixture(scope="module")
def faulty(program: Terraform) -> Result:
    return program.test(program.copy(*(fault.plant for fault in FAULTS)), *FILES)


def test_the_tests_of_machines_database_and_alerts_pass(report: Report) -> None:
    assert report.result.passed, report.result.output
    assert report.files == dict.fromkeys(FILES, "pass")


def test_each_fault_is_found_by_terraforms_own_tests(faulty: Result) -> None:
    assert not faulty.passed
    said = words(faulty.output)
    assert [fault.plant for fault in FAULTS if fault.said not in said] == []


def test_each_fault_is_found_by_an_assertion_of_its_own() -> None:
    said = [fault.said for fault in (*FAULTS, *FOUNDATION_FAULTS)]
    assert unclear(said, outcomes()) == []


def test_a_text_that_does_not_tell_faults_apart_is_found() -> None:
    known = ["No public address, at all.", "No public address.", 'a.hcl, run "x": var.zones,']
    assert unclear(["No public address.", "var.zones"], known) == []
    assert unclear(["public address"], known) == ["public address: found by 2 assertions"]
    assert unclear(["a private address"], known) == ["a private address: found by 0 assertions"]
    assert unclear(["at all", "No public address,"], known) == [
        "No public address,: found by the assertion of another fault"
    ]


@pytest.fixture(scope="module")
def plan(report: Report) -> Plan:
    """All that is planned, from one run of each file."""
    runs = {"fleet": "scheduling", "control": "access", "database": "database", "monitoring": "budget"}
    files = {run: report.plan(f"{file}.tftest.hcl", run) for file, run in runs.items()}
    return {f"{run} {address}": values for run, plan in files.items() for address, values in plan.items()}


def test_every_value_is_one_that_google_knows(plan: Plan) -> None:
    assert enum_problems(plan, ENUMS) == []


def group_problems(plan: Plan) -> list[str]:
    """Return where Compute Engine would refuse a regional group, by its documentation. Pure."""
    found = []
    for address, group in plan.items():
        if "google_compute_region_instance_group_manager" not in address:
            continue
        policy, life = group["update_policy"][0], group["instance_lifecycle_policy"][0]
        zones, shape = len(group["distribution_policy_zones"]), group["distribution_policy_target_shape"]
        steps = (policy["max_surge_fixed"], policy["max_unavailable_fixed"])
        if not any(steps) or not all(step == 0 or step >= zones for step in steps):
            found.append(f"{address}: surge and unavailable of {steps} in {zones} zones")
        if shape != "EVEN" and policy["instance_redistribution_type"] != "NONE":
            found.append(f"{address}: {shape} is not redistributed")
        if at(life, "on_repair.allow_changing_zone") == ["YES"] and (
            life["force_update_on_repair"] != "YES" or shape not in {"ANY", "BALANCED"}
        ):
            found.append(f"{address}: a repair cannot change the zone")
    return found


def test_compute_engine_would_take_every_group(plan: Plan) -> None:
    assert group_problems(plan) == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"update_policy": [("max_surge_fixed", 1)]}, "surge and unavailable"),
        ({"update_policy": [("max_unavailable_fixed", 0)]}, "surge and unavailable"),
        ({"update_policy": [("instance_redistribution_type", "PROACTIVE")]}, "is not redistributed"),
        ({"instance_lifecycle_policy": [("force_update_on_repair", "NO")]}, "cannot change the zone"),
        ({"distribution_policy_target_shape": "EVEN"}, "cannot change the zone"),
    ],
)
def test_a_group_that_compute_engine_would_refuse_is_found(
    plan: Plan, changed: dict[str, Any], found: str
) -> None:
    address = next(address for address in plan if address.endswith("_manager.workers"))
    group = dict(plan[address])
    for name, value in changed.items():
        group[name] = value if isinstance(value, str) else [{**group[name][0], **dict(value)}]
    problems = group_problems({**plan, address: group})
    assert len(problems) == 1
    assert found in problems[0]


@pytest.mark.parametrize(
    ("kind", "block", "argument", "value"),
    [
        ("google_compute_instance_template", "scheduling", "provisioning_model", "CHEAP"),
        ("google_compute_region_instance_group_manager", "update_policy", "type", "NEVER"),
        ("google_sql_database_instance", "settings", "availability_type", "ALWAYS"),
    ],
)
def test_a_value_that_google_does_not_know_is_found(
    plan: Plan, kind: str, block: str, argument: str, value: str
) -> None:
    address = next(address for address in plan if kind in address)
    wrong = {**plan[address], block: [{**plan[address][block][0], argument: value}]}
    found = enum_problems({**plan, address: wrong}, ENUMS)
    assert len(found) == 1
    assert value in found[0]


# --- What no plan shows


class Resource(NamedTuple):
    """A resource as it stands in a file."""

    file: str
    kind: str
    name: str
    body: Mapping[str, Any]


@cache
def parsed(text: str) -> dict[str, Any]:
    """Read a file's text once, however many copies of it there are."""
    return hcl2.loads(text)


def resources(folder: Path) -> Iterator[Resource]:
    for path in sorted(folder.rglob("*.tf")):
        for block in parsed(path.read_text(encoding="utf-8")).get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield Resource(str(path.relative_to(folder)), kind.strip('"'), name.strip('"'), body)


def static_problems(folder: Path) -> list[str]:
    """Return what would let something else than the autoscale flow size the fleet, or keep a secret."""
    all_resources = list(resources(folder))
    found = [
        f"{each.file}: {each.kind}.{each.name}: {FORBIDDEN[each.kind]}"
        for each in all_resources
        if each.kind in FORBIDDEN
    ]
    groups = [each for each in all_resources if each.kind == "google_compute_region_instance_group_manager"]
    for group in groups:
        ignored = [
            name for part in group.body.get("lifecycle", []) for name in part.get("ignore_changes", [])
        ]
        if group.name == "workers" and ignored != ["target_size"]:
            found.append(f"{group.file}: an apply would change the size of {group.name}")
    if [group.name for group in groups].count("workers") != 1:
        found.append("there is not one group of workers")
    for each in all_resources:
        created_first = any(
            part.get("create_before_destroy") is True for part in each.body.get("lifecycle", [])
        )
        if each.kind == "google_compute_instance_template" and not (
            "name_prefix" in each.body and created_first
        ):
            found.append(f"{each.file}: the template {each.name} cannot be changed while a group uses it")
    return found


def test_nothing_but_the_autoscale_flow_sizes_the_fleet_and_no_secret_is_kept() -> None:
    assert static_problems(TERRAFORM) == []


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (Plant(FLEET, "    ignore_changes = [target_size]\n", ""), "would change the size of workers"),
        (
            Plant(FLEET, "ignore_changes = [target_size]", "ignore_changes = [version]"),
            "would change the size",
        ),
        (
            Plant(
                FLEET,
                'resource "google_compute_health_check" "worker" {',
                'resource "google_compute_region_autoscaler" "workers" {}\n\n'
                'resource "google_compute_health_check" "worker" {',
            ),
            "Google's autoscaler",
        ),
        (
            Plant(DATABASE, '"google_sql_database" "prefect"', '"google_sql_user" "prefect"'),
            "a password in the",
        ),
        (
            Plant(FLEET, "    create_before_destroy = true", "    create_before_destroy = false"),
            "the template worker cannot be changed",
        ),
    ],
)
def test_what_no_plan_shows_is_found_in_the_files(program: Terraform, plant: Plant, found: str) -> None:
    problems = static_problems(program.copy(plant))
    assert len(problems) == 1
    assert found in problems[0]


def test_the_fleet_has_one_to_twenty_machines_unless_told_otherwise() -> None:
    for path in (TERRAFORM / "variables.tf", TERRAFORM / FLEET_VARIABLES):
        variables = {
            name.strip('"'): body
            for block in parsed(path.read_text(encoding="utf-8"))["variable"]
            for name, body in block.items()
        }
        assert (variables["min_machines"]["default"], variables["max_machines"]["default"]) == (1, 20)


# --- What the alerts are made of


def test_an_alert_on_missing_figures_looks_twice(report: Report) -> None:
    """Cloud Monitoring takes `evaluation_missing_data` with a duration of a minute or more alone."""
    policies = report.plan("monitoring.tftest.hcl", "alerts")
    thresholds = [
        threshold
        for address, values in policies.items()
        if "google_monitoring_alert_policy" in address
        for threshold in at(values, "conditions.condition_threshold")
    ]
    looking = [part for part in thresholds if part["evaluation_missing_data"] is not None]
    assert [part["duration"] for part in looking] == ["60s"]


def test_every_runbook_is_a_section_of_the_handbook(report: Report) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    policies = [
        values
        for address, values in report.plan("monitoring.tftest.hcl", "alerts").items()
        if "google_monitoring_alert_policy" in address
    ]
    named = {
        policy["documentation"][0]["content"].rpartition("docs/operations.md#")[2] for policy in policies
    }
    assert len(policies) == 12
    assert named <= sections


def test_log_lines_are_counted_by_the_names_that_the_program_gives_them(report: Report) -> None:
    plan = report.plan("monitoring.tftest.hcl", "metrics")
    filters = " ".join(
        values["filter"] for address, values in plan.items() if "google_logging_metric" in address
    )
    program = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("trivia_render", "tasks")
        for path in (ROOT / folder).rglob("*.py")
    )
    # `run_lost` and `run_crashed` are made of the reaper's verdicts.
    assert 'f"run_{reaped.verdict}"' in program
    names = set(re.findall(r'"([a-z]+_[a-z_]+)"', filters)) - {"gce_instance", "gce_instance_group"}
    assert {
        "worker_refused",
        "machine_faulted",
        "job_ended",
        "fleet_decided",
        "gpu_lost",
        "run_lost",
    } <= names
    unknown = {
        name
        for name in names
        if f'"{name}"' not in program and f'"{name.removeprefix("run_")}"' not in program
    }
    assert unknown - {"audited_resource"} == set()
    fields = set(re.findall(r"jsonPayload\.([a-z_]+)\b(?!\.)", filters))
    assert fields == {"event", "error_code"}
