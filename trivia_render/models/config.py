"""The job config: what an operator hands over. `parse.py` reads and checks it."""

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from trivia_render.models.base import Model
from trivia_render.models.formats import FormatName
from trivia_render.models.theme import Colour, FontName

#: Channel and job ids are part of object names and of URLs.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Seconds = Annotated[float, AfterValidator(_finite)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
AssetReference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]
OptionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class ColourOverrides(Model):
    """Colours that replace the theme's own."""

    background: Colour | None = None
    background_end: Colour | None = None
    card: Colour | None = None
    card_text: Colour | None = None
    option: Colour | None = None
    option_text: Colour | None = None
    badge: Colour | None = None
    badge_text: Colour | None = None
    accent: Colour | None = None
    correct: Colour | None = None
    correct_text: Colour | None = None
    text: Colour | None = None


class ThemeChoice(Model):
    """A theme by name, with overrides."""

    name: str = "aurora"
    colours: ColourOverrides = ColourOverrides()
    font: FontName | None = None
    display_font: FontName | None = None
    background_image: AssetReference | None = Field(default=None, description="PNG, JPEG or WebP file.")
    logo: AssetReference | None = Field(default=None, description="PNG, JPEG or WebP file.")


class Timing(Model):
    """Lengths of the stages in seconds. Narration stretches a stage, never the reverse."""

    intro_seconds: Annotated[Seconds, Field(ge=1, le=30)] = 3.0
    countdown_seconds: Annotated[int, Field(ge=3, le=30)] = 5
    reveal_seconds: Annotated[Seconds, Field(ge=1, le=30)] = 3.0
    explanation_seconds: Annotated[Seconds, Field(ge=1, le=60)] = 3.0
    outro_seconds: Annotated[Seconds, Field(ge=1, le=30)] = 4.0
    gap_seconds: Annotated[Seconds, Field(ge=0, le=5)] = 0.4


class QuestionTiming(Model):
    """One question's own lengths; what is left out follows the job's."""

    countdown_seconds: Annotated[int, Field(ge=3, le=30)] | None = None
    reveal_seconds: Annotated[Seconds, Field(ge=1, le=30)] | None = None
    explanation_seconds: Annotated[Seconds, Field(ge=1, le=60)] | None = None


class Soundtrack(Model):
    """The music bed under the voice."""

    source: Literal["upbeat", "calm", "suspense", "none"] = "upbeat"
    gain_db: Annotated[
        Seconds, Field(ge=-60, le=6, description="Against the narration: at 0 the music is as loud.")
    ] = -7.0
    ducking_db: Annotated[
        Seconds, Field(ge=0, le=30, description="How much softer the music is while someone speaks.")
    ] = 9.0


class SoundEffects(Model):
    """Ticks, accents and the reveal sting."""

    enabled: bool = True
    gain_db: Annotated[
        Seconds, Field(ge=-60, le=6, description="Against the narration: at 0 the sting is as loud.")
    ] = -5.0


class Loudness(Model):
    """Target of the finished sound, measured on the AAC."""

    integrated_lufs: Annotated[Seconds, Field(ge=-30, le=-9)] = -14.0
    true_peak_dbtp: Annotated[Seconds, Field(ge=-9, le=-1)] = -1.5


class Captions(Model):
    """Which caption files are written beside the video."""

    formats: tuple[Literal["srt", "vtt"], ...] = ("srt", "vtt")


class Narration(Model):
    """Who speaks, and what."""

    provider: Literal["auto", "google", "offline", "none"] = Field(
        default="auto", description="auto: Google where credentials are set, else the offline voice."
    )
    read_options: bool = Field(default=False, description="Read the options aloud before the countdown.")


class Question(Model):
    """One question with two to four options."""

    question: Text
    answer_a: OptionText
    answer_b: OptionText
    answer_c: OptionText | None = None
    answer_d: OptionText | None = None
    correct_answer: Text = Field(description="The right option's text, or its letter A to D.")
    explanation: Text | None = Field(default=None, description="Shown and spoken after the reveal.")
    image: AssetReference | None = Field(default=None, description="PNG, JPEG or WebP file.")
    category: ShortText | None = None
    difficulty: Literal["easy", "medium", "hard"] | None = None
    timing: QuestionTiming = QuestionTiming()


class JobConfig(Model):
    """A video as its operator describes it."""

    channel: Identifier
    total_questions: Annotated[int, Field(ge=1, le=500)]
    tts_voice: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")] = (
        "en-US-Neural2-F"
    )
    tts_speed: Annotated[float, Field(ge=0.25, le=4.0, allow_inf_nan=False)] = 1.0
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=500)]

    title: ShortText | None = None
    theme: ThemeChoice = ThemeChoice()
    formats: Annotated[tuple[FormatName, ...], Field(min_length=1, max_length=3)] = ("16:9",)
    timing: Timing = Timing()
    soundtrack: Soundtrack = Soundtrack()
    sound_effects: SoundEffects = SoundEffects()
    loudness: Loudness = Loudness()
    captions: Captions = Captions()
    priority: Literal["high", "default", "low"] = "default"
    narration: Narration = Narration()
    metadata: dict[str, Any] = Field(default_factory=dict, description="Passed through to the manifest.")

    @field_validator("theme", mode="before")
    @classmethod
    def _theme_by_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value
