"""What the metadata server of a Google Cloud machine tells: its name, and that it is being preempted."""

import threading
from collections.abc import Callable

import httpx

_HEADERS = {"Metadata-Flavor": "Google"}
_TIMEOUT_SECONDS = 5.0
#: The server answers a waiting request after so long although nothing has changed.
_WAIT_SECONDS = 60
_PAUSE_SECONDS = 5.0


def instance_name(url: str) -> str | None:
    """Return the machine's name, or None where the server does not answer."""
    try:
        answer = httpx.get(
            f"{url}/instance/name", headers=_HEADERS, trust_env=False, timeout=_TIMEOUT_SECONDS
        )
        return answer.raise_for_status().text.strip() or None
    except httpx.HTTPError:
        return None


def watch_preemption(url: str, *, on_notice: Callable[[], None]) -> None:
    """Call back, from a thread of its own, once the machine is to be taken away."""
    threading.Thread(target=_watch, args=(url, on_notice), name="preemption", daemon=True).start()


def _watch(url: str, on_notice: Callable[[], None]) -> None:
    pause = threading.Event()
    query: dict[str, str] = {}
    while True:
        try:
            answer = httpx.get(
                f"{url}/instance/preempted",
                params=query,
                headers=_HEADERS,
                timeout=_WAIT_SECONDS + _TIMEOUT_SECONDS,
                # A proxy is for what lies outside; this server is the machine's own.
                trust_env=False,
            )
            answer.raise_for_status()
        except httpx.HTTPError:
            # The server of a healthy machine comes back; the notice also comes as SIGTERM.
            pause.wait(_PAUSE_SECONDS)
            continue
        if answer.text.strip().upper() == "TRUE":
            on_notice()
            return
        query = {"wait_for_change": "true", "timeout_sec": str(_WAIT_SECONDS)}
        if etag := answer.headers.get("ETag"):
            # So a change between two requests is told at once, and not waited for in vain.
            query["last_etag"] = etag
