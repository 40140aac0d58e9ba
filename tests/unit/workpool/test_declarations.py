"""What prefect.yaml and deployments/ declare, and that each flow named there can be loaded as it is."""

import importlib
from typing import Any

import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from trivia_render.deployments_folder import deployments_folder
from trivia_render.models.config import JobConfig
from trivia_render.workpool.declare import read_declarations
from trivia_render.workpool.names import (
    CONTROL_POOL,
    MAINTENANCE,
    POOLS,
    QUEUES,
    RENDER_BATCH,
    RENDER_POOL,
    RENDER_VIDEO,
)

PROJECT: dict[str, Any] = yaml.safe_load((deployments_folder().parent / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = PROJECT["deployments"]
ENTRYPOINTS: list[str] = [deployment["entrypoint"] for deployment in DEPLOYMENTS]


def loaded(entrypoint: str) -> Flow[..., Any]:
    flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint)
    return flow


def deployed() -> dict[str, dict[str, Any]]:
    """The deployments by the names that Prefect gives them."""
    return {f"{loaded(item['entrypoint']).name}/{item['name']}": item for item in DEPLOYMENTS}


def test_the_declared_pools_are_those_that_the_code_names() -> None:
    declared = {pool.name: pool for pool in read_declarations().work_pools}
    assert set(declared) == set(POOLS)
    assert {queue.name: queue.priority for queue in declared[RENDER_POOL].queues} == QUEUES
    assert declared[CONTROL_POOL].queues == ()
    assert all(pool.type == "process" and pool.description for pool in declared.values())


def test_there_is_a_queue_for_each_priority_of_a_config_and_high_is_served_first() -> None:
    schema = JobConfig.model_json_schema()["properties"]["priority"]
    assert set(schema["enum"]) == set(QUEUES)
    assert sorted(QUEUES, key=lambda name: QUEUES[name]) == ["high", "default", "low"]
    assert min(QUEUES.values()) == 1


def test_every_deployment_that_the_code_names_is_declared_in_its_pool() -> None:
    pools = {name: item["work_pool"]["name"] for name, item in deployed().items()}
    assert pools == {
        RENDER_VIDEO: RENDER_POOL,
        RENDER_BATCH: RENDER_POOL,
        MAINTENANCE: CONTROL_POOL,
        "autoscale/scheduled": CONTROL_POOL,
    }


def test_renders_go_to_a_queue_that_there_is() -> None:
    for item in deployed().values():
        if item["work_pool"]["name"] == RENDER_POOL:
            assert item["work_pool"]["work_queue_name"] in QUEUES


def test_an_automation_runs_a_deployment_that_there_is_and_looks_at_a_tag_that_a_flow_has() -> None:
    tags = {tag for item in DEPLOYMENTS for tag in item["tags"]}
    automations = read_declarations().automations
    assert automations
    for automation in automations:
        assert automation.run in deployed()
        assert automation.when.of_flows_tagged in tags
    assert not any(
        automation.when.of_flows_tagged in deployed()[automation.run]["tags"] for automation in automations
    ), "a crash of maintenance must not start maintenance"


def test_a_run_starts_one_interpreter_and_fetches_nothing() -> None:
    assert PROJECT["pull"] == []
    for item in DEPLOYMENTS:
        assert item["work_pool"]["job_variables"]["command"] == "python -m trivia_render.workpool.engine"


def test_the_locked_prefect_is_the_declared_one() -> None:
    import prefect

    assert PROJECT["prefect-version"] == prefect.__version__


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_an_entrypoint_is_the_flow_itself_and_no_placeholder(entrypoint: str) -> None:
    module, _, name = entrypoint.rpartition(".")
    flow = loaded(entrypoint)
    assert flow is getattr(importlib.import_module(module), name)
    assert flow.fn.__module__ == module
    assert flow.retries == 0, "a flow that was tried again cannot be put back into its pool"


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_parameter_is_described_where_an_operator_fills_it_in(entrypoint: str) -> None:
    schema = parameter_schema(loaded(entrypoint)).model_dump()
    models = [schema, *schema["definitions"].values()]
    described = {
        name: field.get("description") for model in models for name, field in model["properties"].items()
    }
    assert all(described.values()), described


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=ENTRYPOINTS)
def test_declared_parameters_are_ones_that_the_flow_takes(item: dict[str, Any]) -> None:
    parameters = item.get("parameters", {})
    flow = loaded(item["entrypoint"])
    assert set(parameters) <= set(parameter_schema(flow).model_dump()["properties"])
    if "schedules" in item:
        assert flow.validate_parameters(parameters) is not None


def test_one_run_of_maintenance_ends_before_the_next_begins() -> None:
    item = deployed()[MAINTENANCE]
    (schedule,) = item["schedules"]
    assert item["parameters"]["for_seconds"] < schedule["interval"]
