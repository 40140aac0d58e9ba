"""Which voice the offline voice is. Apart from it, so that naming it loads neither model nor numpy."""

from importlib import metadata

from trivia_render.errors import ProgramMissingError

#: The one voice that the package carries; its others would be downloaded, so they are never asked for.
MODEL_VOICE = "heart"
LANGUAGE = "en-US"
#: What it speaks, as primary subtags.
LANGUAGES = frozenset({"en"})


def offline_voice_name() -> str:
    """Return engine, version and voice, such as `hibari-0.2.1-heart`: all of them shape the sound."""
    try:
        version = metadata.version("hibari-tts")
    except metadata.PackageNotFoundError as error:
        raise engine_missing(error) from error
    return f"hibari-{version}-{MODEL_VOICE}"


def engine_missing(error: ImportError) -> ProgramMissingError:
    """Return the error for an installation without the offline voice."""
    return ProgramMissingError(
        "The offline voice is not installed.",
        evidence=str(error),
        remedy="Run `pip install hibari-tts`, set Google credentials, or set `narration.provider` to `none`.",
    )
