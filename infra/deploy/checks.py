"""What is looked at before the first step: programs, their versions, and what is not committed."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from typing import Final

from infra.deploy import steps
from infra.deploy.runner import Runner
from infra.deploy.settings import DeploySettings, version_at_least
from infra.deploy.steps import Mode
from trivia_render.errors import BadInputError, ProgramMissingError

LEAST_TERRAFORM: Final = (1, 7)
_LOCK: Final = ".terraform.lock.hcl"
_WHERE: Final = {
    "terraform": "Terraform 1.7 or newer: https://developer.hashicorp.com/terraform/install",
    "gcloud": "the Google Cloud CLI: https://cloud.google.com/sdk/docs/install",
    "docker": "Docker with buildx, or set TRIVIA_BUILDER=cloudbuild",
    "git": "git",
}


def needed_programs(mode: Mode, settings: DeploySettings) -> tuple[str, ...]:
    """Return the programs that the mode runs; a plan names those of its deployment as well. Pure."""
    if mode in {"rotate-auth", "rotate-database"}:
        return ("gcloud", "terraform")
    return ("git", "gcloud", "terraform", *(("docker",) if settings.builder == "docker" else ()))


def check_programs(runner: Runner, programs: Sequence[str], *, path: str | None) -> None:
    """Raise ProgramMissingError naming each that is missing, or a Terraform that is too old."""
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if missing:
        raise ProgramMissingError(
            f"Not on the PATH: {', '.join(missing)}.",
            evidence="\n".join(f"  {_WHERE[program]}" for program in missing),
            remedy="Install them and run it again.",
        )
    version = str(json.loads(runner.read(("terraform", "version", "-json")))["terraform_version"])
    if not version_at_least(version, LEAST_TERRAFORM):
        raise ProgramMissingError(
            f"Terraform {version} is too old.", remedy=f"Install {_WHERE['terraform']}."
        )


def tag_of_the_tree(runner: Runner, settings: DeploySettings) -> str:
    """Return the image's tag: of the commit, or with DEPLOY_DIRTY=1 also of what is not committed.

    Raises BadInputError where something is not committed.
    """
    commit = runner.read(("git", "rev-parse", "HEAD"))
    status = runner.read(("git", "status", "--porcelain")).splitlines()
    # Made by the first `terraform init`, for whoever deploys to commit; no part of the image.
    changed = "\n".join(line for line in status if not line.endswith(f"{steps.TERRAFORM_FOLDER}/{_LOCK}"))
    if not changed:
        return steps.image_tag(commit, changes="")
    if not settings.dirty:
        raise BadInputError(
            "The image would hold what is not committed:",
            evidence="\n".join(f"  {line}" for line in changed.splitlines()[:10]),
            remedy="Commit it, or set DEPLOY_DIRTY=1 to build it all the same.",
        )
    patch = runner.read(("git", "diff", "HEAD", "--binary"))
    return steps.image_tag(commit, changes=hashlib.sha256(f"{changed}\n{patch}".encode()).hexdigest())
