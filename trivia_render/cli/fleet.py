"""`trivia up`, `down`, `deploy` and `worker`: the processes of a fleet, here or on a machine of it."""

import os
import signal
import socket
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import typer

from trivia_render.cli.console import say
from trivia_render.deployments_folder import deployments_folder
from trivia_render.errors import WorkflowServerError, WorkflowServerRefusedError
from trivia_render.fleet.local_group import worker_id_of
from trivia_render.fleet.local_processes import LocalProcesses
from trivia_render.fleet_wiring import make_local_group, make_local_processes, make_scaling_policy
from trivia_render.gce import metadata_url
from trivia_render.settings import Settings, load_settings
from trivia_render.wiring import (
    endpoint_names,
    log_to_stdout,
    make_rates,
    make_scratch,
    make_store,
    needs_gpu,
    run_preflight,
)

#: The one render worker that `trivia up` started before machines had numbers.
_EARLIER_WORKER = "worker"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def use_fleet_server(settings: Settings) -> str:
    """Make Prefect talk to the configured server, or to that of `trivia up`; return its address.

    Call it before Prefect is imported. Raises WorkflowServerError where there is none.
    """
    from flows.embedded import check_server, quiet_prefect

    quiet_prefect()
    url = settings.prefect_api_url or own_server(settings)
    if url is None:
        raise WorkflowServerError(
            "There is no Prefect server to submit to.",
            remedy="Start a fleet here with `trivia up`, or set PREFECT_API_URL (it ends in /api).",
        )
    check_server(url)
    os.environ["PREFECT_API_URL"] = url
    return url


def own_server(settings: Settings) -> str | None:
    """Return where the server of this machine's own fleet answers, or None while it does not run."""
    running = make_local_processes(settings).running("server")
    return None if running is None else running.api_url


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
    """Start what is not running of: server, control worker, dashboard, the first machines.

    Declares the deployments. Machines are started where TRIVIA_FLEET is not set, or `local`. Returns when all
    of them answer. Raises WorkflowServerError where one does not, FleetError where one cannot be started.
    """
    from flows.embedded import check_server, quiet_prefect
    from trivia_render.telemetry.endpoints import url_of
    from trivia_render.workpool.local_fleet import DEFAULT_API_URL, SERVER_ENVIRONMENT, parts

    settings = load_settings()
    make_store(settings)
    # Before this command is made quiet: the fleet's processes write their logs.
    processes = make_local_processes(settings)
    quiet_prefect()
    url = settings.prefect_api_url or own_server(settings) or DEFAULT_API_URL
    server, control, dashboard = parts(api_url=url)

    def answers() -> bool:
        try:
            check_server(url)
        except WorkflowServerRefusedError:
            # It is there: another one beside it would not help.
            raise
        except WorkflowServerError:
            return False
        return True

    if processes.is_running("server") or not answers():
        if urlsplit(url).hostname not in _LOOPBACK:
            # Another machine's server: not ours to start. This says what is wrong with it.
            check_server(url)
        if processes.start(server, api_url=url, extra=SERVER_ENVIRONMENT):
            say("Starting Prefect's server (some 10 s, the first time up to 30) …")
        processes.wait_for("server", answers)
    os.environ["PREFECT_API_URL"] = url
    say("Declaring work pools and deployments …")
    _declare()
    kind = "local" if settings.fleet == "none" else settings.fleet
    since = datetime.now(UTC)
    controller = worker_id_of(control.name, host=settings.host)
    extra = {"WORKER_ID": controller, "TRIVIA_FLEET": kind, "TRIVIA_WORKER_PORT": "0"}
    awaited: dict[str, tuple[str, str]] = {}
    if processes.start(control, api_url=url, extra=extra):
        awaited[control.name] = (control.command[-1], controller)
    processes.start(dashboard, api_url=url, extra={"TRIVIA_FLEET": kind})
    if processes.stop(_EARLIER_WORKER):
        say("Stopped the render worker of an earlier version.")
    if kind == "local":
        awaited |= _first_machines(settings, processes, api_url=url)
    for name, (pool, worker_id) in awaited.items():
        processes.wait_for(name, partial(_serves, pool, worker_id, since))
    processes.wait_for(dashboard.name, partial(_dashboard_answers, processes))
    bind, port = processes.listens_at(dashboard.name) or (settings.dashboard_bind, settings.dashboard_port)
    typer.echo(f"Prefect:   {url.removesuffix('/api')}   (export PREFECT_API_URL={url})")
    typer.echo(f"Dashboard: {url_of(bind, port, host=settings.host)}")
    typer.echo(f"Logs:      {processes.log_file('server').parent}")


def _first_machines(
    settings: Settings, processes: LocalProcesses, *, api_url: str
) -> dict[str, tuple[str, str]]:
    """Start the machines that the group aims at, one at least; return the new ones' pool and name.

    They are as many as before where the group runs: it has been the autoscaler's since.
    """
    from trivia_render.workpool.names import RENDER_POOL

    # With the environment from before this command was made quiet: the machines write their logs.
    group = make_local_group(settings, api_url=api_url, processes=processes)
    before = {name for name in processes.names("worker-") if processes.is_running(name)}
    least = max(1, make_scaling_policy(settings).min_machines)
    if group.read().target < least:
        group.grow(least, request_id="up")
    started = set(processes.names("worker-")) - before
    return {name: (RENDER_POOL, group.machine_name(name)) for name in sorted(started)}


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


def _dashboard_answers(processes: LocalProcesses) -> bool:
    """Tell whether the dashboard is well: our own process, not another one on its port."""
    import httpx

    from trivia_render.telemetry.endpoints import url_of

    where = processes.listens_at("dashboard")
    if where is None:
        return False
    bind, port = where
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not bound
    try:
        # A proxy knows nothing of this machine's own addresses.
        answer = httpx.get(f"{url_of(near, port, host=near)}/healthz", timeout=5.0, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def run_down() -> None:
    """Stop what `trivia up` started. Renders under way go back to their pool, to go on after the next up."""
    from trivia_render.workpool.local_fleet import DEFAULT_API_URL

    settings = load_settings()
    processes = make_local_processes(settings)
    # First whoever could start machines, then these, and the server last: it is told what they hand back.
    stopped = processes.stop("control", "dashboard", _EARLIER_WORKER)
    stopped += make_local_group(settings, api_url=own_server(settings) or DEFAULT_API_URL).stop()
    stopped += processes.stop("server")
    typer.echo(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def run_worker(*, pool: str, limit: int | None) -> None:
    """Serve a work pool until told to stop, then hand back what is under way."""
    settings = load_settings()
    # Before Prefect is imported: its worker and the flow runs log as this process does.
    os.environ.setdefault("PREFECT_LOGGING_SETTINGS_PATH", str(logging_config()))
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from trivia_render.workpool.accounts import keep_ledger
    from trivia_render.workpool.books import check_pool
    from trivia_render.workpool.facts import read_facts
    from trivia_render.workpool.machine import instance_name, watch_preemption
    from trivia_render.workpool.names import RENDER_POOL
    from trivia_render.workpool.settling import policy_of
    from trivia_render.workpool.supervisor import Listen, Supervisor
    from trivia_render.workpool.worker_process import default_limit

    log_to_stdout()
    check_pool(pool)
    store, rates = make_store(settings), make_rates(settings)
    metadata = metadata_url(settings.metadata_host)
    given = settings.model_fields_set
    instance = None if metadata is None or {"worker_id", "host"} <= given else instance_name(metadata)
    worker_id = settings.worker_id if "worker_id" in given else instance or settings.worker_id
    # In leases a container's name has a number that no network knows.
    host = settings.host if "host" in given else instance or socket.gethostname()
    home = settings.data_folder.absolute()
    scratch = make_scratch(home / "tmp", host=settings.host)
    on_gpu = pool == RENDER_POOL and needs_gpu(settings)
    supervisor = Supervisor(
        facts=read_facts(settings, worker_id=worker_id, pool=pool),
        limit=limit or default_limit(pool, render_pool=RENDER_POOL),
        store=store,
        home=home,
        scratch=scratch,
        policy=policy_of(settings),
        heartbeat_seconds=settings.worker_heartbeat_seconds,
        environment=_environment_of_runs(settings),
        listen=Listen(settings.worker_bind, settings.worker_port, host, endpoint_names(settings)),
        on_heartbeat=keep_ledger(store, usd_per_hour=rates.usd_per_hour),
        preflight=partial(run_preflight, settings, scratch=scratch) if on_gpu else None,
    )

    def stop(number: int, _frame: FrameType | None) -> None:
        supervisor.stop(f"The worker got {signal.Signals(number).name}.")

    # Set here, also where a shell started us with SIGINT ignored.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if metadata is not None:
        watch_preemption(metadata, on_notice=supervisor.stop_preempted)
    supervisor.run()


def _environment_of_runs(settings: Settings) -> dict[str, str]:
    """Return this process's environment; runs may start in another folder, so files are named whole."""
    environment = dict(os.environ)
    if settings.prices is not None:
        environment["TRIVIA_PRICES"] = str(settings.prices.absolute())
    return environment


def logging_config() -> Path:
    """Return the logging configuration of Prefect's processes."""
    return deployments_folder() / "logging.yml"
