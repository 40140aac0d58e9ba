"""The deployment's steps as data: settings in, argument lists out. Nothing here runs anything.

No argument list holds a secret: those go by standard input, by the environment or in a request's body.
"""

import json
from typing import Final, Literal

from infra.deploy.settings import DeploySettings
from trivia_render.models.base import Model

Mode = Literal["plan", "apply", "rotate-auth", "rotate-database"]

#: Prefix of the names of all that is made; Terraform's variable `name`.
NAME: Final = "trivia"
TERRAFORM_FOLDER: Final = "infra/terraform/examples/minimal"
#: What has to be there before an image can be pushed and a secret be filled.
FIRST_MODULES: Final = (
    "module.trivia.module.registry",
    "module.trivia.module.secrets",
    "module.trivia.module.database",
    # An alert on a metric is refused for up to ten minutes after the metric was made: they come long before.
    "module.trivia.module.monitoring.google_logging_metric.this",
)
#: What Terraform says then all the same, where the rest was quick.
TOO_EARLY: Final = ("Cannot find metric(s) that match type",)
#: Stands in a step's arguments for the image, whose digest is known only once it is pushed.
IMAGE: Final = "@image@"
#: Plans that come before the first image: Terraform asks for a digest.
NO_IMAGE_YET: Final = "sha256:" + "0" * 64
AUTH_SECRET: Final = f"{NAME}-prefect-auth"
DATABASE_SECRET: Final = f"{NAME}-database-url"
API_GROUP: Final = f"{NAME}-api"
API_PORT: Final = 4200
DATABASE_USER: Final = "prefect"

_SIGN_IN: Final = "Sign in: `gcloud auth login` and `gcloud auth application-default login`."


class Step(Model):
    """A step: what it does, how, and what to do if it fails."""

    name: str
    title: str
    #: `run` runs the arguments; the others are the runner's own, of several commands each.
    does: Literal[
        "run", "find_image", "fill_secrets", "build_image", "declare", "renew_auth", "renew_database"
    ] = "run"
    argv: tuple[str, ...] = ()
    #: Said by a command that may succeed in a few minutes: it is run again then.
    passing: tuple[str, ...] = ()
    fix: str


def steps_of(mode: Mode, settings: DeploySettings) -> tuple[Step, ...]:
    """Return the steps in their order. Pure."""
    init = Step(
        name="init",
        title="Prepare Terraform",
        argv=terraform(
            "init",
            "-input=false",
            # A clone may have deployed elsewhere before.
            "-reconfigure",
            f"-backend-config=bucket={settings.state_bucket}",
            f"-backend-config=prefix={NAME}",
        ),
        fix=f"{_SIGN_IN} Make the bucket of the state: `gcloud storage buckets create "
        f"gs://{settings.state_bucket} --project={settings.project_id} --location={settings.region} "
        "--uniform-bucket-level-access --public-access-prevention`.",
    )
    if mode == "rotate-auth":
        return (
            Step(
                name="auth",
                title="Give Prefect's API another password",
                does="renew_auth",
                fix=f"Run it again. {_SIGN_IN}",
            ),
        )
    if mode == "rotate-database":
        return (
            init,
            Step(
                name="database",
                title="Give the database's user another password",
                does="renew_database",
                fix="Run it again at once: the user may have a password that no secret holds.",
            ),
        )
    if mode == "plan":
        return (
            init,
            Step(name="image", title="Look for this commit's image", does="find_image", fix=_SIGN_IN),
            Step(
                name="plan",
                title="Show what Terraform would change",
                argv=terraform("plan", "-input=false", *variables(settings)),
                fix="Correct what Terraform says; nothing was changed.",
            ),
        )
    steps = (
        init,
        Step(
            name="foundation",
            title="Make what must be there first: registry, secrets, database, metrics",
            argv=terraform(
                "apply",
                *(f"-target={module}" for module in FIRST_MODULES),
                *_consent(settings),
                *variables(settings, image=f"{repository(settings)}@{NO_IMAGE_YET}"),
            ),
            fix="Correct what Terraform says and run it again: it goes on where it stopped.",
        ),
        Step(
            name="secrets",
            title="Fill the secrets that are empty",
            does="fill_secrets",
            fix="Run it again: what is filled is kept. You need the roles Secret Manager Admin and Cloud SQL "
            "Admin.",
        ),
        Step(
            name="image",
            title="Build and push the image, unless this commit's is there",
            does="build_image",
            fix="Correct what the builder says and run it again. TRIVIA_BUILDER=cloudbuild needs no Docker.",
        ),
        Step(
            name="apply",
            title="Make or change everything",
            argv=terraform("apply", *_consent(settings), *variables(settings)),
            passing=TOO_EARLY,
            fix="Correct what Terraform says and run it again: it goes on where it stopped.",
        ),
    )
    if not settings.declare:
        return steps
    return (
        *steps,
        Step(
            name="declare",
            title="Wait for Prefect's API and its database, and declare work pools and deployments",
            does="declare",
            fix="Look at the machines of the group trivia-api: docs/operations.md says how, under “The API "
            "does not answer”. Then run it again.",
        ),
    )


def terraform(command: str, *arguments: str) -> tuple[str, ...]:
    """Return a call of Terraform on the root module. Pure."""
    return ("terraform", f"-chdir={TERRAFORM_FOLDER}", command, *arguments)


def terraform_output(name: str) -> tuple[str, ...]:
    """Return the call that prints an output of the root module. Pure."""
    return terraform("output", "-raw", name)


def variables(settings: DeploySettings, *, image: str = IMAGE) -> tuple[str, ...]:
    """Return the variables of the root module. Pure."""
    values = {
        "project_id": settings.project_id,
        "region": settings.region,
        "image": image,
        "alert_email": settings.alert_email,
    }
    if settings.billing_account is not None:
        values |= {"billing_account": settings.billing_account, "budget": str(settings.budget)}
    people = {"operators": settings.operators, "administrators": settings.administrators}
    values |= {name: json.dumps(members) for name, members in people.items() if members}
    return tuple(f"-var={name}={value}" for name, value in values.items())


def _consent(settings: DeploySettings) -> tuple[str, ...]:
    """Terraform itself shows its plan and asks, unless it is told not to."""
    return ("-input=false", "-auto-approve") if settings.yes else ()


def registry_host(settings: DeploySettings) -> str:
    """Return the host of the registry. Pure."""
    return f"{settings.region}-docker.pkg.dev"


def repository(settings: DeploySettings) -> str:
    """Return the image's name without tag. Pure."""
    return f"{registry_host(settings)}/{settings.project_id}/{NAME}/trivia-render"


def image_tag(commit: str, *, changes: str) -> str:
    """Return the tag of a commit's image; `changes` is a hash of what is not committed, or empty. Pure."""
    return f"{commit[:12]}-dirty-{changes[:12]}" if changes else commit[:12]


def look_up_digest(settings: DeploySettings, tag: str) -> tuple[str, ...]:
    """Return the call that prints the digest of a pushed image. Pure."""
    return (
        *("gcloud", "artifacts", "docker", "images", "describe", f"{repository(settings)}:{tag}"),
        f"--project={settings.project_id}",
        "--format=value(image_summary.digest)",
    )


def build(settings: DeploySettings, tag: str) -> tuple[tuple[str, ...], ...]:
    """Return the calls that build and push the image. Pure."""
    image = f"{repository(settings)}:{tag}"
    if settings.builder == "cloudbuild":
        return (
            (
                *("gcloud", "builds", "submit", "."),
                *(f"--project={settings.project_id}", f"--region={settings.region}"),
                "--config=infra/deploy/cloudbuild.yaml",
                # A bucket of its own: reading the one that Cloud Build makes takes rights on the project.
                f"--gcs-source-staging-dir=gs://{settings.project_id}-{NAME}-build/source",
                f"--substitutions=_IMAGE={image},_BASE_DIGEST={settings.base_digest}",
                f"--service-account=projects/{settings.project_id}/serviceAccounts/{deployer(settings)}",
            ),
        )
    return (
        ("gcloud", "auth", "configure-docker", registry_host(settings), "--quiet"),
        (
            *("docker", "buildx", "build", "--platform=linux/amd64"),
            f"--build-arg=BASE_DIGEST={settings.base_digest}",
            *(f"--tag={image}", "--push", "."),
        ),
    )


def deployer(settings: DeploySettings) -> str:
    """Return the service account that pushes images. Pure."""
    return f"{NAME}-deployer@{settings.project_id}.iam.gserviceaccount.com"


def list_versions(settings: DeploySettings, secret: str) -> tuple[str, ...]:
    """Return the call that prints the state of each of a secret's versions. Pure."""
    return (
        *("gcloud", "secrets", "versions", "list", secret),
        *(f"--project={settings.project_id}", "--format=value(state)"),
    )


def add_version(settings: DeploySettings, secret: str) -> tuple[str, ...]:
    """Return the call that adds a version, read from its standard input. Pure."""
    return (
        *("gcloud", "secrets", "versions", "add", secret),
        *(f"--project={settings.project_id}", "--data-file=-"),
    )


def read_secret(settings: DeploySettings, secret: str) -> tuple[str, ...]:
    """Return the call that prints a secret's newest version: its output is never shown. Pure."""
    return (
        *("gcloud", "secrets", "versions", "access", "latest"),
        *(f"--secret={secret}", f"--project={settings.project_id}"),
    )


def list_machines(settings: DeploySettings) -> tuple[str, ...]:
    """Return the call that prints the API's machines, a URL and a status each. Pure."""
    return (
        *("gcloud", "compute", "instance-groups", "managed", "list-instances", API_GROUP),
        *(f"--project={settings.project_id}", f"--region={settings.region}"),
        "--format=value(instance,instanceStatus)",
    )


def tunnel(settings: DeploySettings, *, machine: str, zone: str, port: int) -> tuple[str, ...]:
    """Return the call that opens a tunnel to a machine of the API, on a port of this machine. Pure."""
    return (
        *("gcloud", "compute", "start-iap-tunnel", machine, str(API_PORT)),
        f"--local-host-port=localhost:{port}",
        *(f"--zone={zone}", f"--project={settings.project_id}"),
    )
