"""A whole fleet on one machine: which processes it is made of."""

import sys
from urllib.parse import urlsplit

from trivia_render.fleet.local_processes import Part
from trivia_render.workpool.names import CONTROL_POOL

DEFAULT_API_URL = "http://127.0.0.1:4200/api"

#: What keeps the server's database small and its writes few (events are 4 KB each, some 50 a video).
SERVER_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Prefect refuses parameters over 512 KiB; a config of 500 long questions is larger.
    "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "0",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
}


def parts(*, api_url: str) -> tuple[Part, ...]:
    """Return the processes beside the machines, in the order in which they start. Pure."""
    address = urlsplit(api_url)
    prefect = (sys.executable, "-m", "prefect")
    trivia = (sys.executable, "-m", "trivia_render")
    host, port = address.hostname or "127.0.0.1", str(address.port or 4200)
    return (
        Part("server", (*prefect, "server", "start", "--host", host, "--port", port)),
        Part("control", (*trivia, "worker", "--pool", CONTROL_POOL)),
        Part("dashboard", (*trivia, "fleet", "serve")),
    )
