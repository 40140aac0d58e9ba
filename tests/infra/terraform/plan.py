"""Reads a plan as Terraform's tests tell it: who is granted what, and what no deployment may hold."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import googleapiclient  # type: ignore[import-untyped]

from tests.infra.terraform.harness import Plan

_BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
#: Services whose data or machines a role on the whole project would lay open.
_NEVER_FOR_THE_PROJECT = re.compile(
    r"roles/(storage|secretmanager|artifactregistry|cloudsql|redis|iam|resourcemanager|billing)\.|"
    r"roles/compute\.(?!osAdminLogin|osLogin)|.*\.?[aA]dmin$"
)
_WORLD = {"0.0.0.0/0", "::/0"}


class Grant(NamedTuple):
    """One member's one role on one thing. `condition` is empty where there is none."""

    member: str
    role: str
    on: str
    condition: str = ""


def type_of(address: str) -> str:
    """Return a resource's type: `google_project` of `module.x.google_project.this["a.b"]`."""
    found = re.search(r"\b(google_\w+)\.", address)
    assert found is not None, address
    return found[1]


def grants(plan: Plan) -> list[Grant]:
    """Return every grant of the plan, in order of its member."""
    return sorted(grant for address, values in plan.items() for grant in _grants_of(address, values))


def _grants_of(address: str, values: Mapping[str, Any]) -> Iterator[Grant]:
    kind = type_of(address)
    if not (found := re.fullmatch(r"google_(\w+)_iam_(member|binding|policy)", kind)):
        return
    if found[2] == "policy":
        bindings = json.loads(values["policy_data"])["bindings"]
    else:
        members = values["members"] if found[2] == "binding" else [values["member"]]
        bindings = [{**values, "members": members}]
    for binding in bindings:
        condition = binding.get("condition") or {}
        expression = (condition[0] if isinstance(condition, list) else condition).get("expression", "")
        for member in binding["members"]:
            yield Grant(member, binding["role"], _thing(found[1], values), expression)


def _thing(kind: str, values: Mapping[str, Any]) -> str:
    """Return what a grant is on, in a word and a name."""
    arguments = {
        "project": ("project", None),
        "storage_bucket": ("bucket", "bucket"),
        "secret_manager_secret": ("secret", "secret_id"),
        "artifact_registry_repository": ("repository", "repository"),
        "service_account": ("service account", "service_account_id"),
    }
    word, argument = arguments[kind]
    name = "" if argument is None else str(values[argument]).rpartition("/")[2]
    return f"{word} {name}".strip()


def problems(plan: Plan) -> list[str]:
    """Return what no deployment may hold: public data, public addresses, roles that reach too far."""
    found = [f"{grant.on}: {grant.member} has {grant.role}" for grant in grants(plan) if _too_wide(grant)]
    for address, values in plan.items():
        kind = type_of(address)
        found += [f"{address}: {text}" for text in _exposed(kind, values)]
    return found


def _too_wide(grant: Grant) -> bool:
    return (
        grant.role in _BASIC_ROLES
        or grant.member in _EVERYBODY
        or grant.role.lower().endswith("admin")
        or (grant.on == "project" and _NEVER_FOR_THE_PROJECT.match(grant.role) is not None)
    )


def _exposed(kind: str, values: Mapping[str, Any]) -> Iterator[str]:
    if at(values, "network_interface.access_config") or at(values, "network_interface.ipv6_access_config"):
        yield "a public address (access_config)"
    addresses = {"google_compute_address", "google_compute_global_address"}
    if kind in addresses and values.get("address_type") != "INTERNAL":
        yield "a public address"
    if kind == "google_compute_forwarding_rule" and values.get("load_balancing_scheme") != "INTERNAL":
        yield "a load balancer of the internet"
    if True in at(values, "settings.ip_configuration.ipv4_enabled"):
        yield "a database with a public address"
    if kind == "google_compute_firewall" and values["allow"] and _WORLD & set(values["source_ranges"] or ()):
        yield "open to the internet"
    if kind == "google_storage_bucket":
        if values.get("public_access_prevention") != "enforced":
            yield "objects can be made public"
        if values.get("uniform_bucket_level_access") is not True:
            yield "objects have access lists of their own"


def at(values: Any, path: str) -> list[Any]:
    """Return all values under a dotted path, through lists of blocks; None and absent ones are left out."""
    found = [values]
    for name in path.split("."):
        found = [item[name] for item in found if isinstance(item, Mapping) and item.get(name) is not None]
        found = [part for item in found for part in (item if isinstance(item, list) else [item])]
    return found


class Enum(NamedTuple):
    """Values that Google's published API allows for an argument: `schema` and `field` of its document."""

    argument: str
    schema: str
    field: str
    api: str = "compute.v1"


def enum_problems(plan: Plan, enums: Mapping[str, tuple[Enum, ...]]) -> list[str]:
    """Return the planned values that the API does not know, and the arguments that no resource sets."""
    found = []
    for kind, arguments in enums.items():
        resources = {address: values for address, values in plan.items() if type_of(address) == kind}
        for enum in arguments:
            allowed = enum_values(enum)
            given = [
                (address, value)
                for address, values in resources.items()
                for value in at(values, enum.argument)
            ]
            if not given:
                found.append(f"{kind}: nothing sets {enum.argument}")
            found += [
                f"{address}: {enum.argument} is {value}, none of {', '.join(allowed)}"
                for address, value in given
                if value not in allowed
            ]
    return found


def enum_values(enum: Enum) -> list[str]:
    """Return what the API allows. Raises KeyError where the document has no such field."""
    field = _document(enum.api)["schemas"][enum.schema]["properties"][enum.field]
    values: list[str] = field.get("enum") or field["items"]["enum"]
    return [value for value in values if not value.endswith("_UNSPECIFIED")]


@cache
def _document(api: str) -> dict[str, Any]:
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    loaded: dict[str, Any] = json.loads((folder / f"{api}.json").read_text(encoding="utf-8"))
    return loaded
