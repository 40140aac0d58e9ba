"""Fill the secrets that have no version yet. What is there is kept: a second deployment changes nothing.

A value lives in this process alone until Secret Manager has it: it is never an argument, never printed.
"""

import json
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from infra.deploy import steps
from infra.deploy.runner import Runner
from infra.deploy.settings import DeploySettings

_HTTP_SECONDS: Final = 30.0
_OPERATION_SECONDS: Final = 180.0
#: Between two looks at an operation.
POLL_SECONDS = 1.0
#: Letters, digits, - and _ alone: they mean the same in a URL. 43 characters hold 256 bits.
_BYTES: Final = 32


def fill_secrets(runner: Runner, settings: DeploySettings) -> None:
    """Make each password that is missing, and set the database user's. Raises DeployError."""
    if _is_empty(runner, settings, steps.AUTH_SECRET):
        renew_auth(runner, settings)
    if _is_empty(runner, settings, steps.DATABASE_SECRET):
        renew_database_password(runner, settings)


def renew_auth(runner: Runner, settings: DeploySettings) -> None:
    """Make another password of Prefect's API, as the secret's newest version. Raises DeployError."""
    value = f"{steps.NAME}:{secrets.token_urlsafe(_BYTES)}"
    runner.read(steps.add_version(settings, steps.AUTH_SECRET), stdin=value)


def renew_database_password(runner: Runner, settings: DeploySettings) -> None:
    """Give the database's user another password, as the secret's newest version. Raises DeployError."""
    password = secrets.token_urlsafe(_BYTES)
    instance = runner.read(steps.terraform_output("database_instance"))
    address = runner.read(steps.terraform_output("database_address"))
    # First the user, then the secret: if this ends in between, the next time makes another password.
    SqlUsers(runner, settings, instance=instance).set_password(steps.DATABASE_USER, password)
    runner.read(
        steps.add_version(settings, steps.DATABASE_SECRET), stdin=database_url(address, password=password)
    )


def database_url(address: str, *, password: str) -> str:
    """Return where Prefect's server finds its database. Pure."""
    user = steps.DATABASE_USER
    return f"postgresql+asyncpg://{user}:{quote(password, safe='')}@{address}/{user}?ssl=require"


def _is_empty(runner: Runner, settings: DeploySettings, secret: str) -> bool:
    # `enabled` in some releases of gcloud, `ENABLED` as the API has it in others.
    found = "enabled" in runner.read(steps.list_versions(settings, secret)).lower().split()
    if found:
        runner.say(f"  {secret} has a value, which is kept.")
    return not found


class SqlUsers:
    """The users of a Cloud SQL instance, over HTTP: `gcloud sql users` takes a password as an argument."""

    def __init__(self, runner: Runner, settings: DeploySettings, *, instance: str) -> None:
        self._runner = runner
        project = f"{settings.sql_endpoint}/v1/projects/{settings.project_id}"
        self._users = f"{project}/instances/{instance}/users"
        self._operations = f"{project}/operations"
        self._token = runner.read(("gcloud", "auth", "print-access-token"))

    def set_password(self, user: str, password: str) -> None:
        """Give the user this password; make the user if there is none. Returns once it holds."""
        body = {"name": user, "password": password}
        there = {found["name"] for found in self._ask("GET", self._users).get("items", ())}
        if user in there:
            operation = self._ask("PUT", f"{self._users}?{urllib.parse.urlencode({'name': user})}", body)
        else:
            operation = self._ask("POST", self._users, body)
        deadline = time.monotonic() + _OPERATION_SECONDS
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise self._runner.failed(
                    f"the database user {user} was not changed within {_OPERATION_SECONDS:.0f} s."
                )
            time.sleep(POLL_SECONDS)
            operation = self._ask("GET", f"{self._operations}/{operation['name']}")
        if errors := operation.get("error", {}).get("errors"):
            raise self._runner.failed(f"the database user {user} was not changed.", evidence=f"  {errors}")

    def _ask(self, method: str, url: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        self._runner.say(f"  {method} {url}")
        request = urllib.request.Request(  # noqa: S310 - the settings allow https, and this machine
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - as above
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            # The answer names what is wrong; the body that was sent is not in it.
            said = error.read().decode(errors="replace")[-600:]
            raise self._runner.failed(
                f"{method} {url} was answered with {error.code}.", evidence=f"  {said}"
            ) from None
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise self._runner.failed(f"{method} {url} had no answer.", evidence=f"  {error}") from None
        return found
