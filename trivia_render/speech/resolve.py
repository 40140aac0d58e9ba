"""Who speaks a job: decided once, before anything is rendered. Pure."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from trivia_render.errors import BadInputError, LanguageNotSpokenError
from trivia_render.models.plan import Fallback, VoiceSpec
from trivia_render.speech import offline_identity as offline

#: A voice's name starts with its language: `en-US-Neural2-F`, `cmn-CN-Wavenet-A`, `en-US-Chirp3-HD-Kore`.
_LANGUAGE = re.compile(r"^([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?[-_]([A-Za-z]{2}|\d{3})(?=$|[-_])")
_BARE_LANGUAGE = re.compile(r"^[A-Za-z]{2}$")


class ResolvedVoice(NamedTuple):
    """Who speaks, and the fallback to record where it is not whom the operator asked for."""

    voice: VoiceSpec
    fallback: Fallback | None


def resolve_voice(
    *,
    requested: str,
    speed: float,
    provider: Literal["auto", "google", "offline", "none"],
    google_credentials: bool,
    offline_name: Callable[[], str] = offline.offline_voice_name,
) -> ResolvedVoice:
    """Decide who speaks.

    `auto` is Google where credentials are set, else the offline voice. A voice that the offline voice
    cannot be is spoken by its own, with a fallback to record. Which voices Google has is not guessed.

    Raises LanguageNotSpokenError for a language that the offline voice does not speak; BadInputError
    for a Google voice whose name does not start with its language.
    """
    if provider == "none":
        language = voice_language(requested) or offline.LANGUAGE
        return ResolvedVoice(VoiceSpec(provider="none", name="none", language=language, speed=speed), None)
    if provider == "google" or (provider == "auto" and google_credentials):
        return ResolvedVoice(_google_voice(requested, speed), None)
    return _offline_voice(requested, speed, provider, offline_name())


def voice_language(name: str) -> str | None:
    """Return the BCP 47 language that a voice's name starts with, or None where it names none."""
    if match := _LANGUAGE.match(name):
        language, script, region = match.groups()
        parts = [language.lower(), script.title() if script else None, region.upper()]
        return "-".join(part for part in parts if part)
    return name.lower() if _BARE_LANGUAGE.match(name) else None


def google_credentials_present(
    *, application_credentials: str | None, config_folder: Path, attached_service_account: bool = False
) -> bool:
    """Whether Google credentials are set up, without a network and without Google's libraries.

    `application_credentials` is GOOGLE_APPLICATION_CREDENTIALS; `config_folder` is where gcloud keeps
    its files (CLOUDSDK_CONFIG, by default `~/.config/gcloud`); `attached_service_account` says that the
    machine has an identity of its own, as on Compute Engine. A path that is set counts even where the
    file is missing: its absence is then an error of its own, not a reason to use another voice.
    """
    if application_credentials or attached_service_account:
        return True
    return (config_folder / "application_default_credentials.json").is_file()


def _google_voice(requested: str, speed: float) -> VoiceSpec:
    language = voice_language(requested)
    if language is None:
        raise BadInputError(
            f"`tts_voice` is {requested!r}, which does not start with a language.",
            remedy="Give the full name as Google lists it, such as en-US-Neural2-F or en-US-Chirp3-HD-Kore.",
        )
    return VoiceSpec(provider="google", name=requested, language=language, speed=speed)


def _offline_voice(
    requested: str, speed: float, provider: Literal["auto", "google", "offline", "none"], name: str
) -> ResolvedVoice:
    language = voice_language(requested)
    if language is not None and language.split("-", maxsplit=1)[0] not in offline.LANGUAGES:
        raise LanguageNotSpokenError(
            f"`tts_voice` is {requested!r}, and the offline voice does not speak {language}.",
            remedy="Set Google credentials (GOOGLE_APPLICATION_CREDENTIALS), or set `narration.provider` to "
            "none: then reading time sets the pace.",
        )
    voice = VoiceSpec(provider="offline", name=name, language=offline.LANGUAGE, speed=speed)
    if requested in {name, f"hibari-{offline.MODEL_VOICE}", offline.MODEL_VOICE}:
        return ResolvedVoice(voice, None)
    asked_for = (
        "`narration.provider` is offline" if provider == "offline" else "no Google credentials are set"
    )
    unnamed = "" if language else "; the name gives no language, so English is assumed"
    reason = f"{asked_for}, and the offline voice is one voice{unnamed}"
    return ResolvedVoice(voice, Fallback(what="voice", asked=requested, used=name, reason=reason))
