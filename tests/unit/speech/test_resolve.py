"""Who speaks a job."""

from pathlib import Path

import pytest

from trivia_render.errors import BadInputError, LanguageNotSpokenError
from trivia_render.models.plan import Fallback, VoiceSpec
from trivia_render.speech.offline_identity import offline_voice_name
from trivia_render.speech.resolve import (
    ResolvedVoice,
    google_credentials_present,
    resolve_voice,
    voice_language,
)

OFFLINE = "hibari-1.2.3-heart"


def _resolve(requested: str, provider: str = "auto", *, google_credentials: bool = False) -> ResolvedVoice:
    return resolve_voice(
        requested=requested,
        speed=1.5,
        provider=provider,  # type: ignore[arg-type]
        google_credentials=google_credentials,
        offline_name=lambda: OFFLINE,
    )


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("en-US-Neural2-F", "en-US"),
        ("en-US-Chirp3-HD-Kore", "en-US"),
        ("cmn-CN-Wavenet-A", "cmn-CN"),
        ("es-419-Standard-A", "es-419"),
        ("ar-XA-Wavenet-B", "ar-XA"),
        ("sr-rs-Standard-A", "sr-RS"),
        ("zh-Hant-TW-Some-A", "zh-Hant-TW"),
        ("en_US-lessac-medium", "en-US"),
        ("pt-BR", "pt-BR"),
        ("fr", "fr"),
        ("Kore", None),
        ("nova", None),
        ("af_heart", None),
    ],
)
def test_the_language_is_read_off_the_voice_name(name: str, language: str | None) -> None:
    assert voice_language(name) == language


def test_auto_is_google_where_credentials_are_set() -> None:
    resolved = _resolve("fr-FR-Neural2-A", google_credentials=True)
    assert resolved == (
        VoiceSpec(provider="google", name="fr-FR-Neural2-A", language="fr-FR", speed=1.5),
        None,
    )


def test_auto_is_the_offline_voice_with_a_recorded_fallback_where_they_are_not() -> None:
    voice, fallback = _resolve("en-GB-Neural2-A")
    assert voice == VoiceSpec(provider="offline", name=OFFLINE, language="en-US", speed=1.5)
    assert isinstance(fallback, Fallback)
    assert (fallback.what, fallback.asked, fallback.used) == ("voice", "en-GB-Neural2-A", OFFLINE)
    assert "no Google credentials" in fallback.reason


def test_offline_is_offline_even_with_credentials() -> None:
    voice, fallback = _resolve("en-US-Neural2-F", "offline", google_credentials=True)
    assert voice.provider == "offline"
    assert fallback is not None
    assert "offline" in fallback.reason


@pytest.mark.parametrize("name", [OFFLINE, "heart", "hibari-heart"])
def test_the_offline_voice_asked_for_by_its_own_name_is_no_fallback(name: str) -> None:
    assert _resolve(name).fallback is None


def test_a_name_without_a_language_is_taken_for_english_and_says_so() -> None:
    fallback = _resolve("nova").fallback
    assert fallback is not None
    assert "English is assumed" in fallback.reason


@pytest.mark.parametrize("provider", ["auto", "offline"])
def test_a_language_that_the_offline_voice_does_not_speak_is_an_error_with_both_remedies(
    provider: str,
) -> None:
    with pytest.raises(LanguageNotSpokenError) as raised:
        _resolve("ar-XA-Wavenet-A", provider)
    message = str(raised.value)
    for part in ("tts_voice", "ar-XA", "GOOGLE_APPLICATION_CREDENTIALS", "`narration.provider` to none"):
        assert part in message


@pytest.mark.parametrize("language", ["ar-XA", "fr-FR", "en-US"])
def test_no_voice_takes_any_language(language: str) -> None:
    assert _resolve(f"{language}-Wavenet-A", "none") == (
        VoiceSpec(provider="none", name="none", language=language, speed=1.5),
        None,
    )


def test_forced_google_is_google_even_where_no_credentials_were_seen() -> None:
    assert _resolve("en-US-Neural2-F", "google").voice.provider == "google"


def test_a_google_voice_must_name_its_language() -> None:
    with pytest.raises(BadInputError, match="`tts_voice`"):
        _resolve("Kore", "google")


def test_the_offline_name_carries_engine_version_and_voice() -> None:
    engine, version, voice = offline_voice_name().split("-")
    assert (engine, voice) == ("hibari", "heart")
    assert version[0].isdigit()


def test_credentials_are_seen_in_a_setting_in_the_gcloud_folder_or_on_the_machine(tmp_path: Path) -> None:
    def present(application: str | None, *, attached: bool = False) -> bool:
        return google_credentials_present(
            application_credentials=application, config_folder=tmp_path, attached_service_account=attached
        )

    assert not present(None)
    assert not present("")
    assert present("/nowhere/key.json")
    assert present(None, attached=True)
    (tmp_path / "application_default_credentials.json").write_text("{}")
    assert present(None)
