"""`python -m infra.deploy plan` shows what a deployment would change; `apply` makes it.

`rotate-auth` and `rotate-database` make another password; docs/operations.md says what comes after.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn, get_args

from infra.deploy import steps
from infra.deploy.checks import check_programs, needed_programs, tag_of_the_tree
from infra.deploy.runner import Runner
from infra.deploy.secret_values import fill_secrets, renew_auth, renew_database_password
from infra.deploy.settings import DeploySettings, load_deploy_settings
from infra.deploy.steps import Mode, Step
from infra.deploy.tunnel import api_url
from trivia_render.errors import BadInputError, TriviaRenderError

DONE: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
#: What gcloud says of an image that is not there, or of a registry whose API is not enabled yet.
_NOT_THERE: Final = ("NOT_FOUND", "not found", "SERVICE_DISABLED", "has not been used in project")


class Deployment:
    """Goes through the steps. Raises the first step's error that fails; done again, it goes on from there."""

    def __init__(self, settings: DeploySettings, runner: Runner, *, tag: str) -> None:
        self._settings = settings
        self._runner = runner
        self._tag = tag
        self._image = ""

    def go(self, mode: Mode) -> None:
        """Do all steps of the mode."""
        all_steps = steps.steps_of(mode, self._settings)
        for number, step in enumerate(all_steps, start=1):
            self._runner.begin(step, number=number, of=len(all_steps))
            self._do(step)

    def _do(self, step: Step) -> None:
        match step.does:
            case "run":
                argv = [word.replace(steps.IMAGE, self._image) for word in step.argv]
                self._runner.run(argv, passing=step.passing)
            case "find_image":
                self._find_image()
            case "fill_secrets":
                fill_secrets(self._runner, self._settings)
            case "build_image":
                self._build_image()
            case "declare":
                self._declare()
            case "renew_auth":
                renew_auth(self._runner, self._settings)
            case "renew_database":
                renew_database_password(self._runner, self._settings)

    def _find_image(self) -> None:
        digest = self._digest()
        if digest is None:
            self._runner.say("  It is not there yet: planned with a digest that stands for it.")
        self._image = f"{steps.repository(self._settings)}@{digest or steps.NO_IMAGE_YET}"

    def _build_image(self) -> None:
        digest = self._digest()
        if digest is None:
            for argv in steps.build(self._settings, self._tag):
                self._runner.run(argv)
            digest = self._digest()
        if digest is None:
            raise self._runner.failed(f"the registry has no image {self._tag} after the build.")
        self._image = f"{steps.repository(self._settings)}@{digest}"
        self._runner.say(f"  {self._image}")

    def _digest(self) -> str | None:
        call = steps.look_up_digest(self._settings, self._tag)
        return self._runner.try_read(call, refusals=_NOT_THERE) or None

    def _declare(self) -> None:
        password = self._runner.read(steps.read_secret(self._settings, steps.AUTH_SECRET))
        with api_url(self._runner, self._settings, password=password) as url:
            self._runner.run(
                (sys.executable, "-m", "trivia_render", "deploy"),
                secret_environment={"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": password},
            )


def next_commands(settings: DeploySettings) -> str:
    """Return what to do after a deployment. Pure."""
    project = f"--project={settings.project_id}"
    bucket = " ".join(steps.terraform_output("media_bucket"))
    lines = (
        "",
        "Deployed. Next, with a tunnel in a shell of its own (docs/operations.md has all of it):",
        "",
        f"  {' '.join(steps.list_machines(settings))}",
        f"  {' '.join(steps.tunnel(settings, machine='MACHINE', zone='ZONE', port=steps.API_PORT))}",
        "",
        f"  export PREFECT_API_URL=http://127.0.0.1:{steps.API_PORT}/api",
        "  export PREFECT_API_AUTH_STRING="
        f'"$(gcloud secrets versions access latest --secret={steps.AUTH_SECRET} {project})"',
        f'  export GCS_BUCKET="$({bucket})"',
        "  trivia submit my-channel first-quiz my_quiz.json",
        "",
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    modes: dict[str, Mode] = {mode: mode for mode in get_args(Mode)}
    try:
        if len(words) != 1 or words[0] not in modes:
            raise BadInputError(
                f"Say one of {', '.join(modes)}.", remedy="`make deploy-plan` and `make deploy` do."
            )
        _deploy(modes[words[0]])
    except TriviaRenderError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT if isinstance(error, BadInputError) else FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. What is made stays; the same command goes on from there.\n")
        return INTERRUPTED
    return DONE


def _deploy(mode: Mode) -> None:
    settings = load_deploy_settings()
    runner = Runner()
    check_programs(runner, needed_programs(mode, settings), path=os.environ.get("PATH"))
    if mode == "apply" and not settings.yes and not sys.stdin.isatty():
        raise BadInputError(
            "Terraform could not ask here whether its plan shall be done: this is no terminal.",
            remedy="Look at `make deploy-plan`, then run it with DEPLOY_YES=1.",
        )
    builds = mode in {"plan", "apply"}
    tag = tag_of_the_tree(runner, settings) if builds else ""
    Deployment(settings, runner, tag=tag).go(mode)
    if mode == "apply":
        sys.stdout.write(next_commands(settings))
    elif not builds:
        runner.say("The machines read it when they start: restart them as docs/operations.md says.")


def _exit() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    _exit()
