"""Start a command with secrets in its environment: `trivia-with-secrets COMMAND…`.

TRIVIA_SECRETS names them: `NAME=projects/P/secrets/S/versions/V`, separated by commas. Each is read from
Secret Manager with this machine's identity and set as the variable NAME; then this process becomes the
command. So a secret is in the memory of the processes that need it, and in no file, argument or log.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NoReturn

from trivia_render.errors import BadInputError, ProgramMissingError, SecretError, TriviaRenderError
from trivia_render.settings import load_settings

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
# Ids as Secret Manager takes them; a project's may have an organisation's domain before a colon.
_RESOURCE = re.compile(
    r"projects/[a-z0-9][a-z0-9.:-]{0,127}/secrets/[A-Za-z0-9_-]{1,255}/versions/[A-Za-z0-9_-]{1,63}"
)
_SHAPE = "NAME=projects/PROJECT/secrets/SECRET/versions/VERSION"
#: As a shell would say it.
_CANNOT_RUN, _NOT_FOUND = 126, 127
_BAD_INPUT, _FAILED = 2, 1


class SecretReference(NamedTuple):
    """A variable, and the version of a secret that it gets."""

    name: str
    resource: str


#: Returns a secret's payload. Raises SecretError.
Access = Callable[[str], bytes]


def parse_references(text: str) -> tuple[SecretReference, ...]:
    """Read TRIVIA_SECRETS. Pure. Raises BadInputError, whose words hold nothing that may be a secret."""
    references: list[SecretReference] = []
    for place, entry in enumerate((part.strip() for part in text.split(",")), 1):
        name, _, resource = entry.partition("=")
        known = name if _NAME.fullmatch(name) else ""
        # A password set here by mistake must not end up in a log: of an entry, its name alone is told.
        which = f"Entry {place} of TRIVIA_SECRETS" + (f", {known}," if known else "")
        if not known:
            raise _refused(f"{which} does not begin with a variable's name of A-Z, 0-9 and _.")
        if not _RESOURCE.fullmatch(resource):
            raise _refused(f"{which} names no version of a secret.")
        if known in (reference.name for reference in references):
            raise _refused(f"TRIVIA_SECRETS names {known} more than once.")
        references.append(SecretReference(known, resource))
    return tuple(references)


def _refused(message: str) -> BadInputError:
    return BadInputError(message, remedy=f"Write it as {_SHAPE}, with commas between several.")


def resolve(references: Iterable[SecretReference], access: Access) -> dict[str, str]:
    """Return the variables with their values. Raises SecretError."""
    return {reference.name: _value(reference, access(reference.resource)) for reference in references}


def _value(reference: SecretReference, payload: bytes) -> str:
    """Return a payload as an environment holds it, without the line end that editors and `echo` leave."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        # Its own words hold the bytes: not even as a cause.
        raise _unusable(reference, "is no UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if "\0" in text:
        raise _unusable(reference, "holds a zero byte")
    if not text:
        # Prefect takes an empty authentication string for none at all.
        raise _unusable(reference, "is empty")
    return text


def _unusable(reference: SecretReference, why: str) -> SecretError:
    return SecretError(
        f"The secret {reference.resource} for {reference.name} {why}.",
        remedy="Add a version that is one text, and let TRIVIA_SECRETS name it.",
    )


def run(command: Sequence[str]) -> NoReturn:
    """Become the command, with the secrets in its environment.

    Raises BadInputError, SecretError, and ProgramMissingError where the command cannot be run.
    """
    if not command[0]:
        raise BadInputError("The command has no name.", remedy="Name a program, such as `trivia worker`.")
    settings = load_settings()
    environment = dict(os.environ)
    if settings.secrets is not None:
        references = parse_references(settings.secrets)
        from trivia_render.secret_manager import SecretManager  # noqa: PLC0415 - only where one is read

        environment |= resolve(references, SecretManager(endpoint=settings.secrets_endpoint))
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 - an argument list, by the operator
    except UnicodeError:
        # Its own words hold a character of a secret and its place: not even as a cause.
        raise SecretError(
            "A secret holds letters that this machine's locale has no bytes for.",
            remedy="Set LANG=C.UTF-8, as the image does, or use letters of ASCII alone.",
        ) from None
    except OSError as error:
        raise ProgramMissingError(
            f"{command[0]} cannot be started: {error.strerror}.",
            remedy="Name a program that this machine has, such as `trivia worker`.",
        ) from error


def main() -> NoReturn:
    """Run the command line. Exits with 2 for bad input, 1 for a secret that cannot be had, 126 and 127."""
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command or command[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if command else sys.stderr)
        sys.exit(0 if command else _BAD_INPUT)
    # Google's client can be told by a variable to log each answer at this level.
    logging.disable(logging.DEBUG)
    try:
        run(command)
    except TriviaRenderError as error:
        _tell(error)
        sys.exit(_exit_code(error))


def _exit_code(error: TriviaRenderError) -> int:
    if isinstance(error, BadInputError):
        return _BAD_INPUT
    if isinstance(error, ProgramMissingError):
        return _NOT_FOUND if isinstance(error.__cause__, FileNotFoundError) else _CANNOT_RUN
    return _FAILED


def _tell(error: TriviaRenderError) -> None:
    """Say it on standard error, in the form of the log: it stands in the command's place."""
    from trivia_render.telemetry.logs import make_formatter  # noqa: PLC0415 - only where something is wrong

    try:
        log_format = load_settings().log_format
    except BadInputError:
        log_format = "auto"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(log_format, stream=sys.stderr))
    logger = logging.getLogger("trivia_render")
    logger.handlers[:] = [handler]
    logger.error("%s", error, extra={"error_code": error.code})


if __name__ == "__main__":
    main()
