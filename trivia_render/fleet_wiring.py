"""What `wiring` is for a job, for a fleet: settings into its group of machines and its scaling rules."""

import os
from pathlib import Path

from trivia_render.encode.slots import usable_cores
from trivia_render.errors import BadInputError
from trivia_render.fleet.local_group import LocalGroup
from trivia_render.fleet.local_processes import LocalProcesses, environment_for_processes
from trivia_render.fleet.machines import MachineGroup
from trivia_render.models.fleet import ScalingPolicy
from trivia_render.settings import Settings


def make_machine_group(settings: Settings) -> MachineGroup | None:
    """Return the group of machines that TRIVIA_FLEET names; None where nothing drives the fleet's size.

    Raises BadInputError naming the setting that is missing.
    """
    if settings.fleet == "none":
        return None
    if settings.fleet == "local":
        if settings.prefect_api_url is None:
            raise BadInputError(
                "A fleet on this machine needs a Prefect server, and PREFECT_API_URL is not set.",
                remedy="Start it with `trivia up`, which sets it.",
            )
        return make_local_group(settings, api_url=settings.prefect_api_url)
    from trivia_render.fleet.compute import make_compute_group

    return make_compute_group(
        project=settings.project_id,
        region=settings.region,
        zone=settings.zone,
        name=settings.machine_group,
        endpoint=settings.compute_endpoint,
    )


def make_local_processes(settings: Settings) -> LocalProcesses:
    """Return the background processes of the fleet on this machine."""
    environment = {
        **environment_for_processes(os.environ),
        "TRIVIA_HOME": str(settings.data_folder.absolute()),
    }
    return LocalProcesses(local_fleet_folder(settings), environment=environment)


def make_local_group(
    settings: Settings, *, api_url: str, processes: LocalProcesses | None = None
) -> LocalGroup:
    """Return the worker processes of this machine. `api_url`: the Prefect server that they are to serve."""
    return LocalGroup(
        processes or make_local_processes(settings),
        folder=local_fleet_folder(settings),
        host=settings.host,
        api_url=api_url,
    )


def local_fleet_folder(settings: Settings) -> Path:
    """Return where the files of this machine's own fleet lie."""
    return settings.data_folder.absolute() / "fleet-local"


def make_scaling_policy(settings: Settings) -> ScalingPolicy:
    """Return the numbers of the scaling rules. Raises BadInputError where they contradict each other."""
    # On one machine each of them takes every core: more of them than cores only wait for each other.
    most = len(usable_cores()) if settings.fleet == "local" else 20
    maximum = settings.max_machines or max(most, settings.min_machines)
    if settings.min_machines > maximum:
        raise BadInputError(
            f"TRIVIA_MIN_MACHINES is {settings.min_machines}, above TRIVIA_MAX_MACHINES, {maximum}.",
            remedy="Lower the one or raise the other.",
        )
    if settings.scale_down_utilisation >= settings.scale_up_utilisation:
        raise BadInputError(
            f"TRIVIA_SCALE_DOWN_UTILISATION is {settings.scale_down_utilisation:g}, not below "
            f"TRIVIA_SCALE_UP_UTILISATION, {settings.scale_up_utilisation:g}.",
            remedy="Keep some room between the two: the fleet would grow and shrink in turns.",
        )
    return ScalingPolicy(
        name=settings.scaling_policy,
        min_machines=settings.min_machines,
        max_machines=maximum,
        videos_per_machine=settings.videos_per_machine,
        planned_share=settings.planned_share,
        scale_up_pending=settings.scale_up_pending,
        scale_up_utilisation_percent=settings.scale_up_utilisation,
        scale_down_pending=settings.scale_down_pending,
        scale_down_utilisation_percent=settings.scale_down_utilisation,
        idle_seconds=settings.idle_seconds,
        cooldown_seconds=settings.scaling_cooldown_seconds,
        drain_seconds=settings.drain_target_seconds,
    )
