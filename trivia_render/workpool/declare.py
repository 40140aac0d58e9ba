"""Declare what deployments/ and prefect.yaml name on Prefect's server. Done again, it changes nothing."""

import subprocess
import sys
from datetime import timedelta
from typing import Literal

import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from trivia_render.deployments_folder import deployments_folder
from trivia_render.errors import WorkflowServerError
from trivia_render.models.base import Model

_DEPLOY_TIMEOUT_SECONDS = 180
#: Crashes within so long start one run of maintenance.
_ONE_RUN_FOR = timedelta(seconds=30)


class Queue(Model):
    """A work queue; the one with priority 1 is served first."""

    name: str
    priority: int


class Pool(Model):
    """A work pool with its queues."""

    name: str
    type: Literal["process"]
    description: str
    queues: tuple[Queue, ...]


class Trigger(Model):
    """Which events of the runs of which flows."""

    events: tuple[str, ...]
    of_flows_tagged: str


class Reaction(Model):
    """A deployment that is run when something happens."""

    name: str
    description: str
    when: Trigger
    run: str


class Declarations(Model):
    """All of deployments/work_pools.yml."""

    work_pools: tuple[Pool, ...]
    automations: tuple[Reaction, ...]


def read_declarations() -> Declarations:
    """Read deployments/work_pools.yml."""
    return Declarations.model_validate(yaml.safe_load((deployments_folder() / "work_pools.yml").read_text()))


def declare_pools(client: SyncPrefectClient, declared: Declarations) -> None:
    """Create the work pools and queues, or bring them up to date."""
    template = ProcessWorker.get_default_base_job_template()
    for pool in declared.work_pools:
        try:
            client.create_work_pool(
                WorkPoolCreate(
                    name=pool.name, type=pool.type, description=pool.description, base_job_template=template
                )
            )
        except ObjectAlreadyExists:
            client.update_work_pool(
                pool.name, WorkPoolUpdate(description=pool.description, base_job_template=template)
            )
        there = {queue.name: queue for queue in client.read_work_queues(work_pool_name=pool.name)}
        for queue in pool.queues:
            if queue.name in there:
                client.update_work_queue(there[queue.name].id, priority=queue.priority)
            else:
                client.create_work_queue(name=queue.name, priority=queue.priority, work_pool_name=pool.name)


def declare_automations(client: SyncPrefectClient, declared: Declarations) -> None:
    """Create the automations, or replace those of the same name. The deployments must be there."""
    for reaction in declared.automations:
        try:
            deployment = client.read_deployment_by_name(reaction.run)
        except ObjectNotFound as error:
            raise WorkflowServerError(
                f"The automation “{reaction.name}” runs {reaction.run}, which is not deployed.",
                remedy="Run `trivia deploy`, which deploys first.",
            ) from error
        automation = AutomationCore(
            name=reaction.name,
            description=reaction.description,
            enabled=True,
            trigger=EventTrigger(
                expect=set(reaction.when.events),
                match_related=ResourceSpecification.model_validate(
                    {
                        "prefect.resource.role": "tag",
                        "prefect.resource.id": f"prefect.tag.{reaction.when.of_flows_tagged}",
                    }
                ),
                posture=Posture.Reactive,
                threshold=1,
                within=_ONE_RUN_FOR,
            ),
            actions=[RunDeployment(deployment_id=deployment.id, parameters={"for_seconds": 0})],
        )
        older = client.read_automations_by_name(reaction.name)
        if older:
            client.update_automation(older[0].id, automation)
        else:
            client.create_automation(automation)


def declare_deployments() -> None:
    """Deploy all of prefect.yaml by Prefect's own command. Raises WorkflowServerError."""
    project = deployments_folder().parent
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_DEPLOY_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr + done.stdout).strip().splitlines()[-15:]
        raise WorkflowServerError(
            f"`prefect deploy --all` failed in {project}.",
            evidence="\n".join(f"  {line}" for line in lines),
            remedy="Correct what it says; PREFECT_API_URL names the server.",
        )
