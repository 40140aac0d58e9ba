"""What the families of Google Cloud voices can do. Which voices exist is not said here: Google knows."""

from typing import NamedTuple

#: "Requests per minute" of a project, whatever the voices (quotas page of Cloud Text-to-Speech).
PROJECT_REQUESTS_PER_MINUTE = 1000


class VoiceFamily(NamedTuple):
    """A kind of voice, as the third part of its name says: `en-US-Neural2-F` is of `neural2`."""

    name: str
    #: Takes SSML with `<mark>` and returns time points. Studio voices refuse marks, Journey and the
    #: first Chirp voices SSML as a whole; Chirp 3 takes some tags, `<mark>` not among them.
    has_marks: bool
    #: Takes a speaking rate.
    has_speed: bool
    #: The family's own quota of a project, from the same page.
    requests_per_minute: int


_FAMILIES = {
    family.name: family
    for family in (
        VoiceFamily("standard", has_marks=True, has_speed=True, requests_per_minute=1000),
        VoiceFamily("wavenet", has_marks=True, has_speed=True, requests_per_minute=1000),
        VoiceFamily("neural2", has_marks=True, has_speed=True, requests_per_minute=1000),
        VoiceFamily("news", has_marks=True, has_speed=True, requests_per_minute=1000),
        VoiceFamily("casual", has_marks=True, has_speed=True, requests_per_minute=1000),
        VoiceFamily("studio", has_marks=False, has_speed=True, requests_per_minute=500),
        VoiceFamily("journey", has_marks=False, has_speed=False, requests_per_minute=30),
        # The Journey voices under their later name.
        VoiceFamily("chirp", has_marks=False, has_speed=False, requests_per_minute=30),
        VoiceFamily("chirp3", has_marks=False, has_speed=True, requests_per_minute=200),
    )
}


def family_of(voice_name: str) -> VoiceFamily:
    """Return a voice's family; one that is not known is asked for nothing but plain text and a speed."""
    parts = voice_name.lower().split("-")
    name = parts[2] if len(parts) > 2 else ""
    unknown = VoiceFamily(name, has_marks=False, has_speed=True, requests_per_minute=1000)
    return _FAMILIES.get(name, unknown)
