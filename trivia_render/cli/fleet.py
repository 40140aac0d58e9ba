"""`trivia up`, `down`, `deploy` and `worker`: the processes of a fleet, here or on a machine of it."""

import os
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import typer

from trivia_render.cli.console import say
from trivia_render.deployments_folder import deployments_folder
from trivia_render.errors import WorkflowServerError
from trivia_render.gce import metadata_url
from trivia_render.settings import Settings, load_settings
from trivia_render.wiring import log_to_stdout, make_store

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def use_fleet_server(settings: Settings) -> str:
    """Make Prefect talk to the configured server, or to that of `trivia up`; return its address.

    Call it before Prefect is imported. Raises WorkflowServerError where there is none.
    """
    from flows.embedded import check_server, quiet_prefect
    from trivia_render.workpool.local_fleet import LocalFleet

    quiet_prefect()
    url = settings.prefect_api_url or LocalFleet(fleet_folder(settings), environment={}).api_url()
    if url is None:
        raise WorkflowServerError(
            "There is no Prefect server to submit to.",
            remedy="Start a fleet here with `trivia up`, or set PREFECT_API_URL (it ends in /api).",
        )
    check_server(url)
    os.environ["PREFECT_API_URL"] = url
    return url


def fleet_folder(settings: Settings) -> Path:
    """Return where the files of this machine's own fleet lie."""
    return settings.data_folder.absolute() / "fleet-local"


def run_deploy() -> None:
    """Declare work pools, queues, deployments and automations on the server."""
    url = use_fleet_server(load_settings())
    _declare()
    say(f"Work pools, queues, deployments and automations are declared on {url}.")


def _declare() -> None:
    from prefect.client.orchestration import get_client

    from trivia_render.workpool.declare import (
        declare_automations,
        declare_deployments,
        declare_pools,
        read_declarations,
    )

    declared = read_declarations()
    with get_client(sync_client=True) as client:
        declare_pools(client, declared)
        declare_deployments()
        declare_automations(client, declared)


def run_up() -> None:
    """Start what is not running of: server, control worker, render worker. Declares the deployments."""
    from flows.embedded import check_server, quiet_prefect
    from trivia_render.workpool.local_fleet import (
        DEFAULT_API_URL,
        SERVER_ENVIRONMENT,
        LocalFleet,
        environment_of_this_process,
        parts,
        worker_id_of,
    )

    settings = load_settings()
    make_store(settings)
    # Before this command is made quiet: the fleet's processes write their logs.
    fleet = LocalFleet(fleet_folder(settings), environment=environment_of_this_process())
    quiet_prefect()
    url = settings.prefect_api_url or fleet.api_url() or DEFAULT_API_URL
    server, *workers = parts(api_url=url)

    def answers() -> bool:
        try:
            check_server(url)
        except WorkflowServerError:
            return False
        return True

    if fleet.is_running("server") or not answers():
        if urlsplit(url).hostname not in _LOOPBACK:
            # Another machine's server: not ours to start. This says what is wrong with it.
            check_server(url)
        if fleet.start(server, api_url=url, extra=SERVER_ENVIRONMENT):
            say("Starting Prefect's server (some 10 s, the first time up to 30) …")
        fleet.wait_for("server", answers)
    os.environ["PREFECT_API_URL"] = url
    say("Declaring work pools and deployments …")
    _declare()
    since = datetime.now(UTC)
    names = {part.name: worker_id_of(part.name, host=settings.host) for part in workers}
    started = [
        part for part in workers if fleet.start(part, api_url=url, extra={"WORKER_ID": names[part.name]})
    ]
    for part in started:
        fleet.wait_for(part.name, partial(_serves, part.command[-1], names[part.name], since))
    typer.echo(f"Prefect: {url.removesuffix('/api')}   (export PREFECT_API_URL={url})")
    typer.echo(f"Logs:    {fleet.log_file('worker').parent}")


def _serves(pool: str, worker_id: str, since: datetime) -> bool:
    """Tell whether the worker has sent a heartbeat since then."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return any(
            worker.name.startswith(f"{worker_id}-")
            and worker.last_heartbeat_time is not None
            and worker.last_heartbeat_time > since
            for worker in client.read_workers_for_work_pool(pool)
        )


def run_down() -> None:
    """Stop what `trivia up` started. Renders under way go back to their pool, to go on after the next up."""
    from trivia_render.workpool.local_fleet import LocalFleet

    fleet = LocalFleet(fleet_folder(load_settings()), environment={})
    stopped = [name for name in ("worker", "control", "server") if fleet.stop(name)]
    typer.echo(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def run_worker(*, pool: str, limit: int | None) -> None:
    """Serve a work pool until told to stop, then hand back what is under way."""
    settings = load_settings()
    # Before Prefect is imported: its worker and the flow runs log as this process does.
    os.environ.setdefault("PREFECT_LOGGING_SETTINGS_PATH", str(logging_config()))
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from trivia_render.workpool.machine import instance_name, watch_preemption
    from trivia_render.workpool.names import RENDER_POOL
    from trivia_render.workpool.settling import policy_of
    from trivia_render.workpool.supervisor import Supervisor, check_pool, default_limit

    log_to_stdout()
    check_pool(pool)
    metadata = metadata_url(settings.metadata_host)
    named = "worker_id" in settings.model_fields_set
    worker_id = (not named and metadata and instance_name(metadata)) or settings.worker_id
    supervisor = Supervisor(
        pool=pool,
        worker_id=worker_id,
        limit=limit or default_limit(pool, render_pool=RENDER_POOL),
        store=make_store(settings),
        home=settings.data_folder.absolute(),
        policy=policy_of(settings),
        heartbeat_seconds=settings.worker_heartbeat_seconds,
        environment=dict(os.environ),
    )

    def stop(number: int, _frame: FrameType | None) -> None:
        supervisor.stop(f"The worker got {signal.Signals(number).name}.")

    # Set here, also where a shell started us with SIGINT ignored.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if metadata is not None:
        watch_preemption(metadata, on_notice=lambda: supervisor.stop("The machine is being preempted."))
    supervisor.run()


def logging_config() -> Path:
    """Return the logging configuration of Prefect's processes."""
    return deployments_folder() / "logging.yml"
