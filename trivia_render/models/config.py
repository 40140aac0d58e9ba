"""The job config: what an operator hands over. `parse.py` reads and checks it.

Every field says what it means and what its default does: the JSON Schema and the README's reference
are made from these descriptions.
"""

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from trivia_render.models.answers import answer_problems
from trivia_render.models.asset_reference import parse_remote
from trivia_render.models.base import Model
from trivia_render.models.formats import FormatName
from trivia_render.models.theme import THEME_NAMES, Colour, FontName

#: Channel and job ids are part of object names and of URLs.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
#: Most questions of one video.
MAX_QUESTIONS = 500

# Control and format characters, blanks and combining marks: a text of these alone shows nothing.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me"})
# Letters and symbols by category that every typeface draws as nothing: Hangul fillers, blank Braille.
_INVISIBLE_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def _visible(text: str) -> str:
    """Refuse a text in which nothing can be seen, such as zero-width characters alone."""
    if all(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _INVISIBLE_CHARACTERS
        for character in text
    ):
        raise PydanticCustomError("invisible", "has no visible character")
    return text


def _well_formed_reference(reference: str) -> str:
    """Refuse an address from which no image would ever be fetched. Nothing is asked over the network."""
    try:
        parse_remote(reference)
    except ValueError as error:
        raise PydanticCustomError("asset_reference", "{reason}", {"reason": str(error)}) from error
    return reference


def _known_theme(name: str) -> str:
    if name not in THEME_NAMES:
        raise PydanticCustomError("theme_unknown", "is no theme")
    return name


def _without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        # `parse.py` reports these itself, beside entries that are no choice, and looks out for this type.
        raise PydanticCustomError("repeated", "names one entry more than once")
    return names


def _theme_by_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(_visible)
]
ShortText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_visible)
]
OptionText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(_visible)
]
AssetReference = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1024),
    AfterValidator(_well_formed_reference),
]
VoiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
ThemeName = Annotated[str, AfterValidator(_known_theme), Field(json_schema_extra={"enum": list(THEME_NAMES)})]
CountdownSeconds = Annotated[int, Field(ge=3, le=30)]
RevealSeconds = Annotated[Number, Field(ge=1, le=30)]
ExplanationSeconds = Annotated[Number, Field(ge=1, le=60)]


#: Which jobs a fleet takes first; also the names of its work queues.
Priority = Literal["high", "default", "low"]


class ColourOverrides(Model):
    """Colours that replace the theme's own, each as `#rrggbb`."""

    background: Colour | None = Field(
        default=None, description="Ground of the frame, or where its gradient starts."
    )
    background_end: Colour | None = Field(default=None, description="Where the gradient ends.")
    card: Colour | None = Field(default=None, description="Ground of the question card.")
    card_text: Colour | None = Field(default=None, description="Text of the question.")
    option: Colour | None = Field(default=None, description="Ground of an option.")
    option_text: Colour | None = Field(default=None, description="Text of an option.")
    badge: Colour | None = Field(default=None, description="Ground of an option's letter.")
    badge_text: Colour | None = Field(default=None, description="An option's letter.")
    accent: Colour | None = Field(default=None, description="Countdown ring, progress, highlights.")
    correct: Colour | None = Field(default=None, description="Ground of the right option at the reveal.")
    correct_text: Colour | None = Field(default=None, description="Text of the right option at the reveal.")
    text: Colour | None = Field(
        default=None, description="Text straight on the background, such as the title."
    )


class ThemeChoice(Model):
    """A theme by name, with what is to differ from it."""

    name: ThemeName = Field(
        default=THEME_NAMES[0], description="One of the names that `trivia themes` lists."
    )
    colours: ColourOverrides = Field(
        default=ColourOverrides(), description="Colours that replace the theme's own, each as `#rrggbb`."
    )
    font: FontName | None = Field(default=None, description="Typeface of questions and options.")
    display_font: FontName | None = Field(
        default=None, description="Typeface of the title, the countdown's digit and the option letters."
    )
    background_image: AssetReference | None = Field(
        default=None,
        description="PNG, JPEG or WebP behind everything: a file beside the config, `gs://bucket/name`, or "
        "`https://` from a host that TRIVIA_ASSET_HOSTS names.",
    )
    logo: AssetReference | None = Field(
        default=None, description="PNG, JPEG or WebP, the channel's mark: a file, `gs://` or `https://`."
    )


class Timing(Model):
    """Lengths of the stages. Narration stretches a stage where it needs more; it never shortens one."""

    intro_seconds: Annotated[Number, Field(ge=1, le=30)] = Field(
        default=3.0, description="Shortest length of the title card."
    )
    countdown_seconds: CountdownSeconds = Field(
        default=5, description="Whole seconds to think, counted down on screen."
    )
    reveal_seconds: RevealSeconds = Field(default=3.0, description="Shortest time the answer stays.")
    explanation_seconds: ExplanationSeconds = Field(
        default=3.0, description="Shortest time an explanation stays, for questions that have one."
    )
    outro_seconds: Annotated[Number, Field(ge=1, le=30)] = Field(
        default=4.0, description="Shortest length of the closing card."
    )
    gap_seconds: Annotated[Number, Field(ge=0, le=5)] = Field(
        default=0.4, description="Pause after each question."
    )


class QuestionTiming(Model):
    """One question's own lengths; what is left out follows the job's `timing`."""

    countdown_seconds: CountdownSeconds | None = Field(
        default=None, description="Whole seconds to think for this question."
    )
    reveal_seconds: RevealSeconds | None = Field(
        default=None, description="Shortest time this question's answer stays."
    )
    explanation_seconds: ExplanationSeconds | None = Field(
        default=None, description="Shortest time this question's explanation stays."
    )


class Soundtrack(Model):
    """The music bed under the voice."""

    source: Literal["upbeat", "calm", "suspense", "none"] = Field(
        default="upbeat", description="Mood of the music, or `none` for no music."
    )
    gain_db: Annotated[Number, Field(ge=-60, le=6)] = Field(
        default=-7.0, description="Level of the music against the voice, in decibels: at 0 it is as loud."
    )
    ducking_db: Annotated[Number, Field(ge=0, le=30)] = Field(
        default=9.0, description="How many decibels the music steps back while the voice speaks."
    )


class SoundEffects(Model):
    """Ticks, accents and the reveal sting."""

    enabled: bool = Field(default=True, description="Whether there are any.")
    gain_db: Annotated[Number, Field(ge=-60, le=6)] = Field(
        default=-3.0,
        description="Level of the effects against the voice, in decibels: at 0 the sting is as loud.",
    )


class Loudness(Model):
    """Target of the finished sound, measured on the encoded AAC."""

    integrated_lufs: Annotated[Number, Field(ge=-30, le=-9)] = Field(
        default=-14.0, description="Loudness of the whole video; players of video sites expect -14."
    )
    true_peak_dbtp: Annotated[Number, Field(ge=-9, le=-1)] = Field(
        default=-1.5, description="Highest true peak."
    )


class Captions(Model):
    """Which caption files are written beside the video."""

    formats: Annotated[
        tuple[Literal["srt", "vtt"], ...],
        Field(max_length=2, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_without_repeats),
    ] = Field(default=("srt", "vtt"), description="SubRip, WebVTT, both, or an empty list for none.")


class Narration(Model):
    """Who speaks, and what."""

    provider: Literal["auto", "google", "offline", "none"] = Field(
        default="auto",
        description="`google`: Cloud Text-to-Speech; `offline`: the built-in English voice; `none`: silent, "
        "with time to read; `auto`: Google where its credentials are set, else the offline voice.",
    )
    read_options: bool = Field(default=False, description="Read the options aloud before the countdown.")


class Question(Model):
    """One question with two to four options, exactly one of them right."""

    question: Text = Field(description="The question itself.")
    answer_a: OptionText = Field(description="Option A.")
    answer_b: OptionText = Field(description="Option B.")
    answer_c: OptionText | None = Field(
        default=None, description="Option C; left out or null for a question with two options."
    )
    answer_d: OptionText | None = Field(
        default=None, description="Option D; left out or null for a question with two or three options."
    )
    correct_answer: Text = Field(
        description="The right option's text (letter case and blanks around it do not matter), or its letter "
        "A to D where no option has that letter as its text."
    )
    explanation: Text | None = Field(default=None, description="Shown and spoken after the reveal.")
    image: AssetReference | None = Field(
        default=None, description="PNG, JPEG or WebP, shown with the question: a file, `gs://` or `https://`."
    )
    category: ShortText | None = Field(default=None, description="Shown as a label, such as `Geography`.")
    difficulty: Literal["easy", "medium", "hard"] | None = Field(
        default=None, description="Shown as a label."
    )
    timing: QuestionTiming = Field(
        default=QuestionTiming(), description="This question's own lengths; the rest follows the job's."
    )

    @model_validator(mode="after")
    def _one_right_option(self) -> "Question":
        found = next(iter(answer_problems(self.model_dump())), None)
        if found is not None:
            # `parse.py` reports these itself, with their place, and looks out for this type.
            raise PydanticCustomError("answers", "{reason}", {"reason": found.message})
        return self


class JobConfig(Model):
    """A trivia video as its operator describes it."""

    channel: Identifier = Field(
        description="The channel the video is for: 1 to 63 letters, digits, `-` and `_`, starting with a "
        "letter or digit. Part of object names."
    )
    total_questions: Annotated[int, Field(ge=1, le=MAX_QUESTIONS)] = Field(
        description="How many questions the video has. Of a longer list the first ones are used; with a "
        "shorter list the video has what there is, and a warning says so."
    )
    tts_voice: VoiceName = Field(
        default="en-US-Neural2-F",
        description="A Google Cloud Text-to-Speech voice. Its first two parts are the video's language.",
    )
    tts_speed: Annotated[Number, Field(ge=0.25, le=4.0)] = Field(
        default=1.0, description="Speaking rate; 1 is the voice's own."
    )
    questions: Annotated[tuple[Question, ...], Field(min_length=1)] = Field(
        description="The questions in their order."
    )

    title: ShortText | None = Field(default=None, description="Title card, chapters and thumbnail.")
    theme: Annotated[
        ThemeChoice, BeforeValidator(_theme_by_name, json_schema_input_type=ThemeName | ThemeChoice)
    ] = Field(default=ThemeChoice(), description="A theme's name, or an object with its name and overrides.")
    formats: Annotated[
        tuple[FormatName, ...],
        Field(min_length=1, max_length=3, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_without_repeats),
    ] = Field(
        default=("16:9",),
        description="One video for each: `16:9` is 1920x1080, `9:16` is 1080x1920, `1:1` is 1080x1080.",
    )
    timing: Timing = Field(default=Timing(), description="Lengths of the stages.")
    soundtrack: Soundtrack = Field(default=Soundtrack(), description="The music bed under the voice.")
    sound_effects: SoundEffects = Field(
        default=SoundEffects(), description="Ticks, accents and the reveal sting."
    )
    loudness: Loudness = Field(default=Loudness(), description="Target of the finished sound.")
    captions: Captions = Field(
        default=Captions(), description="Which caption files are written beside the video."
    )
    priority: Priority = Field(
        default="default", description="Which jobs a fleet takes first. Changes nothing in the video."
    )
    narration: Narration = Field(default=Narration(), description="Who speaks, and what.")
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Anything; passed through to the manifest unread."
    )
