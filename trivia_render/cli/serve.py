"""`trivia fleet serve`: the fleet's dashboard, `/status`, `/metrics` and `/healthz`, until told to stop."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from trivia_render.cli.console import say
from trivia_render.cli.fleet import own_server
from trivia_render.errors import BadInputError, WorkflowServerError
from trivia_render.models.fleet import QueueCounts
from trivia_render.pipeline.fleet_reading import StoreReader
from trivia_render.pipeline.fleet_watch import REFRESH_SECONDS, FleetWatch
from trivia_render.settings import Settings, load_settings
from trivia_render.telemetry.endpoints import Endpoints, open_endpoints, url_of
from trivia_render.telemetry.fleet_metrics import FleetMetrics
from trivia_render.telemetry.fleet_service import make_fleet_app
from trivia_render.wiring import endpoint_names, log_to_stdout, make_store
from trivia_render.workpool.names import RENDER_POOL

#: How long the first answer may wait for the first figures.
_FIRST_SECONDS = 5.0


class FleetService:
    """The service: what looks at the fleet, and the endpoints that tell of it."""

    def __init__(self, watch: FleetWatch, endpoints: Endpoints, *, names: tuple[str, ...] = ()) -> None:
        self._watch = watch
        self._endpoints = endpoints
        self._names = names

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._endpoints.port

    def start(self) -> None:
        """Begin to look and to answer."""
        self._watch.start(wait_seconds=_FIRST_SECONDS)
        self._endpoints.serve(
            make_fleet_app(
                status=lambda: self._watch.view().model_dump_json().encode(),
                metrics=FleetMetrics(self._watch.view, self._watch.counts).text,
                alive=self._watch.alive,
            ),
            names=self._names,
        )

    def close(self) -> None:
        """Answer no more."""
        self._endpoints.close()
        self._watch.close()


def run_serve() -> None:
    """Serve until SIGTERM or Ctrl-C. Raises BadInputError where the port cannot be had."""
    settings = load_settings()
    log_to_stdout()
    service = make_service(settings, queue_reader(settings))
    try:
        service.start()
        say(f"Dashboard: {url_of(settings.dashboard_bind, service.port, host=settings.host)}")
        threading.Event().wait()
    except KeyboardInterrupt:
        say("The dashboard is stopped.")
    finally:
        service.close()


def make_service(
    settings: Settings,
    read_queue: Callable[[], QueueCounts],
    *,
    refresh_seconds: float = REFRESH_SECONDS,
) -> FleetService:
    """Put the service together, its port taken. `read_queue` may raise WorkflowServerError."""
    bind, port = settings.dashboard_bind, settings.dashboard_port
    watch = FleetWatch(
        StoreReader(make_store(settings), pool=RENDER_POOL),
        read_queue,
        now=lambda: datetime.now(UTC),
        lost_seconds=settings.worker_lost_seconds,
        refresh_seconds=refresh_seconds,
    )
    try:
        endpoints = open_endpoints(bind, port)
    except BadInputError as error:
        raise BadInputError(
            f"The dashboard cannot listen on {bind}, port {port}.",
            evidence=error.evidence,
            remedy="Set TRIVIA_DASHBOARD_PORT to a free port (0 takes one) and TRIVIA_DASHBOARD_BIND to an "
            "address of this machine.",
        ) from error
    return FleetService(watch, endpoints, names=endpoint_names(settings))


def queue_reader(settings: Settings) -> Callable[[], QueueCounts]:
    """Return what counts the jobs at the configured Prefect server, or at that of `trivia up`."""
    from flows.embedded import quiet_prefect

    def read() -> QueueCounts:
        url = settings.prefect_api_url or own_server(settings)
        if url is None:
            raise WorkflowServerError(
                "There is no Prefect server to ask.",
                remedy="Start a fleet here with `trivia up`, or set PREFECT_API_URL (it ends in /api).",
            )
        # Prefect reads its settings when it is imported: here for the first time.
        quiet_prefect()
        os.environ["PREFECT_API_URL"] = url
        import httpx
        from prefect.exceptions import PrefectException

        from trivia_render.workpool.books import prefect_client
        from trivia_render.workpool.queue import read_queue

        try:
            with prefect_client() as client:
                return read_queue(client)
        except (httpx.HTTPError, PrefectException) as error:
            raise WorkflowServerError(
                f"Prefect's server at {url} does not answer.",
                evidence=f"  {type(error).__name__}: {error}",
                remedy="Start it, or correct PREFECT_API_URL (it ends in /api).",
            ) from error

    return read
