"""What a deployment needs to know, from the environment and from `deploy.env` in the project's root."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trivia_render.errors import BadInputError

ROOT: Final = Path(__file__).parents[2]
ENV_FILE: Final = ROOT / "deploy.env"


class DeploySettings(BaseSettings):
    """Where to deploy and how. The environment wins over `deploy.env`; an empty variable counts as unset."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_ignore_empty=True, env_file_encoding="utf-8", populate_by_name=False
    )

    project_id: str = Field(
        validation_alias="PROJECT_ID",
        pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$",
        description="the project's id: `gcloud projects list`",
    )
    region: str = Field(
        validation_alias="REGION",
        pattern=r"^[a-z]+-[a-z]+[0-9]+$",
        description="a region with T4s in two zones or more: "
        "`gcloud compute accelerator-types list --filter=name=nvidia-tesla-t4`",
    )
    state_bucket: str = Field(
        validation_alias="TF_STATE_BUCKET",
        pattern=r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$",
        description="the bucket of Terraform's state: make it first, see docs/operations.md",
    )
    base_digest: str = Field(
        validation_alias="BASE_DIGEST",
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="the digest of the image's base: the Dockerfile's head says of which image, and "
        "`docker buildx imagetools inspect IMAGE` prints it",
    )
    alert_email: str = Field(
        validation_alias="ALERT_EMAIL",
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="who is written to when an alert fires",
    )
    operators: Annotated[tuple[str, ...], NoDecode] = Field(
        min_length=1,
        validation_alias="OPERATORS",
        description="who submits jobs and may open tunnels, yourself among them, such as "
        "user:sre@example.com, separated by commas: owners of the project have no access to videos and jobs "
        "as such",
    )
    administrators: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validation_alias="ADMINISTRATORS",
        description="who may also open a shell on the machines, separated by commas",
    )
    billing_account: str | None = Field(
        default=None,
        validation_alias="BILLING_ACCOUNT",
        pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$",
        description="`gcloud billing accounts list`; unset: no budget is made",
    )
    budget: int | None = Field(
        default=None,
        ge=1,
        validation_alias="BUDGET",
        description="whole units of the account's currency a month; needed with BILLING_ACCOUNT",
    )
    builder: Literal["docker", "cloudbuild"] = Field(
        default="docker",
        validation_alias="TRIVIA_BUILDER",
        description="docker builds the image here; cloudbuild needs no Docker",
    )
    yes: bool = Field(
        default=False, validation_alias="DEPLOY_YES", description="1 takes Terraform's plans without asking"
    )
    declare: bool = Field(
        default=True,
        validation_alias="DEPLOY_DECLARE",
        description="0 leaves `trivia deploy` out: in an upgrade it comes after the machines",
    )
    dirty: bool = Field(
        default=False, validation_alias="DEPLOY_DIRTY", description="1 builds what is not committed"
    )
    sql_endpoint: str = Field(
        default="https://sqladmin.googleapis.com",
        validation_alias="TRIVIA_SQLADMIN_ENDPOINT",
        pattern=r"^(https://[a-z0-9.-]+|http://127\.0\.0\.1:[0-9]+)$",
        description="the Cloud SQL Admin API; an address of this machine for a stand-in in tests",
    )
    wait_seconds: float = Field(
        default=1200.0,
        gt=0,
        validation_alias="DEPLOY_WAIT_SECONDS",
        description="how long Prefect's API may take until it answers for the first time",
    )

    @field_validator("operators", "administrators")
    @classmethod
    def _are_members(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        # As infra/terraform/variables.tf has it.
        if not all(
            re.fullmatch(r"(user|group|serviceAccount):[^@\s]+@[^@\s]+", member) for member in members
        ):
            raise ValueError("each is written as user:…, group:… or serviceAccount:… with an address")
        return members

    @field_validator("operators", "administrators", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )


class Secret(NamedTuple):
    """A password of the deployment, made here and kept in Secret Manager alone."""

    #: Its id in Secret Manager.
    id: str
    value: SecretStr


def load_deploy_settings(env_file: Path = ENV_FILE) -> DeploySettings:
    """Read the settings. Raises BadInputError naming each that is missing or wrong, and where to get it."""
    try:
        settings = DeploySettings(_env_file=env_file)
    except ValidationError as error:
        lines = [
            _line(str(detail["loc"][0]), detail["type"], detail.get("input")) for detail in error.errors()
        ]
        raise _refusal(lines) from None
    if settings.billing_account is not None and settings.budget is None:
        raise _refusal([_line("BUDGET", "missing", None)])
    return settings


def described() -> Mapping[str, str]:
    """Return what each variable is. Pure."""
    return {
        str(field.validation_alias): str(field.description) for field in DeploySettings.model_fields.values()
    }


def _line(variable: str, kind: str, value: object) -> str:
    meaning = described()[variable]
    # A value is shown as it was read: none of these is secret.
    return (
        f"  {variable} is missing: {meaning}" if kind == "missing" else f"  {variable}={value!r}: {meaning}"
    )


def _refusal(lines: list[str]) -> BadInputError:
    return BadInputError(
        "The deployment's settings are not complete:",
        evidence="\n".join(lines),
        remedy="Set them in the environment, or copy deploy.env.example to deploy.env and fill it in.",
    )


def version_at_least(version: str, least: tuple[int, ...]) -> bool:
    """Tell whether `1.11.4` is at least (1, 7). Pure; what is no version is not."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= least
