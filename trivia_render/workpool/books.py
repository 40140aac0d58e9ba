"""A worker's runs in the books of Prefect's server, and how they are handed back."""

import logging
from collections.abc import Sequence
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from trivia_render.errors import TriviaRenderError, WorkflowServerError
from trivia_render.models.ports import Store
from trivia_render.workpool.processes import find_engines
from trivia_render.workpool.runs import WORKER_LABEL, is_open, read_runs
from trivia_render.workpool.settling import Policy, hand_back, settle

log = logging.getLogger("trivia_render.worker")

_HTTP_SECONDS = 4.0


class Books:
    """The runs that the server takes for this worker's and that no process runs any more.

    A worker tells the server when a run's process dies. Where the server did not hear it, being away itself,
    the run would stay in its books for ever: its worker lives, so no reaper comes for it.
    """

    def __init__(self, name: str, *, pool: str) -> None:
        self._name = name
        self._pool = pool
        self._missing: set[str] = set()

    @property
    def doubtful(self) -> bool:
        """Whether the last look found runs without a process that another look has to confirm."""
        return bool(self._missing)

    def entries(self, states: Sequence[StateType] = (StateType.RUNNING, StateType.PENDING)) -> set[str]:
        """Return the runs that are this worker's by the server's books. Raises WorkflowServerError."""
        return {str(run.id) for run in self.runs(states)}

    def runs(self, states: Sequence[StateType]) -> list[FlowRun]:
        """Return this worker's runs in these states. Raises WorkflowServerError."""
        try:
            with prefect_client() as client:
                found = read_runs(client, pool=self._pool, states=states)
                return [run for run in found if run.labels.get(WORKER_LABEL) == self._name]
        except httpx.HTTPError as error:
            raise WorkflowServerError(
                "Prefect's server did not say what runs here.",
                evidence=f"  {type(error).__name__}: {error}",
                remedy="It is asked again.",
            ) from error

    def orphans(self) -> set[str]:
        """Look, and return the runs that had no process at this look and the one before.

        Raises WorkflowServerError.
        """
        # The server first: a run that ends in between has its process still, or its end in the books.
        entries = self.entries()
        missing = entries - {engine.flow_run_id for engine in find_engines(self._name)}
        orphans = missing & self._missing
        self._missing = missing - orphans
        return orphans


class HandBack:
    """Gives runs of a worker back to their pool."""

    def __init__(self, name: str, *, store: Store, policy: Policy) -> None:
        self._name = name
        self._store = store
        self._policy = policy

    def __call__(self, flow_run_id: str, *, reason: str, counted: bool) -> bool:
        """Hand a run back; tell whether this did it. `counted`: it counts against the job at work.

        Never raises for a server or a store that does not answer: the reaper does it later.
        """
        try:
            with prefect_client() as client:
                run = client.read_flow_run(UUID(flow_run_id))
                if not is_open(run) or run.labels.get(WORKER_LABEL) not in {None, self._name}:
                    # Over, or given to another worker meanwhile.
                    return False
                done = hand_back(
                    client,
                    self._store,
                    run,
                    reason=reason,
                    counted=counted,
                    policy=self._policy,
                    # A worker that lives may still hold it for a moment.
                    delay_seconds=self._policy.requeue_seconds if counted else 0.0,
                )
            log.info("Flow run %s: %s.", flow_run_id, done, extra={"flow_run_id": flow_run_id})
        except ObjectNotFound:
            log.warning("Flow run %s is unknown to the server.", flow_run_id)
            return False
        except (TriviaRenderError, httpx.HTTPError) as error:
            # Not the end: its worker sends no heartbeat any more, so the reaper hands it back.
            log.error(  # noqa: TRY400 - where it was raised tells nothing that its words do not
                "Flow run %s could not be handed back: %s", flow_run_id, error
            )
            return False
        return True

    def cancelled(self, run: FlowRun) -> None:
        """End the jobs of a run that was to be cancelled and whose process is gone, then the run itself."""
        try:
            with prefect_client() as client:
                done = settle(client, self._store, run, "cancelled")
            log.info("Flow run %s: %s.", run.id, done, extra={"flow_run_id": str(run.id)})
        except (TriviaRenderError, httpx.HTTPError) as error:
            log.error(  # noqa: TRY400 - where it was raised tells nothing that its words do not
                "Flow run %s could not be cancelled: %s", run.id, error
            )


def server_answers() -> bool:
    """Tell whether Prefect's server answers now. One that is silent is waited for over a minute."""
    try:
        with prefect_client() as client:
            return client.api_healthcheck() is None
    except httpx.HTTPError:
        return False


def check_pool(pool: str) -> None:
    """Raise WorkflowServerError unless the server answers and has the pool."""
    try:
        with prefect_client() as client:
            client.read_work_pool(pool)
    except ObjectNotFound as error:
        raise WorkflowServerError(
            f"Prefect's server has no work pool {pool}.",
            remedy="Declare it with `trivia deploy`, or name another --pool.",
        ) from error
    except httpx.HTTPError as error:
        raise WorkflowServerError(
            "Prefect's server does not answer.",
            evidence=f"  {type(error).__name__}: {error}",
            remedy="Start it, or correct PREFECT_API_URL (it ends in /api) or PREFECT_API_AUTH_STRING.",
        ) from error


def prefect_client() -> SyncPrefectClient:
    """Return a client that does not wait for long."""
    return get_client(sync_client=True, httpx_settings={"timeout": _HTTP_SECONDS})
