"""The plan: a job config turned into clips, with every default, text and name resolved."""

from typing import Annotated, Literal

from pydantic import Field

from trivia_render.models.base import Model
from trivia_render.models.config import Captions, Loudness, SoundEffects, Soundtrack
from trivia_render.models.formats import FormatName
from trivia_render.models.theme import Theme, ThemeAsset
from trivia_render.models.timeline import Line

EncoderName = Literal["h264_nvenc", "libx264"]
Provider = Literal["google", "offline", "none"]


class VoiceSpec(Model):
    """Who really speaks: resolved once per job. `language` is a BCP 47 tag such as `en-US`."""

    provider: Provider
    name: str
    language: str
    speed: float


class EncoderSpec(Model):
    """Which encoder, of which build: both shape the stream, so both are in the clip key."""

    name: EncoderName
    build: str = Field(description="First line of `ffmpeg -version`, without its copyright.")


class IntroClip(Model):
    """Title card."""

    kind: Literal["intro"] = "intro"
    title: str
    subtitle: str
    lines: tuple[Line, ...]
    min_frames: int = Field(gt=0)


class QuestionClip(Model):
    """One question from its card to the gap after its reveal. Lengths in frames."""

    kind: Literal["question"] = "question"
    number: int = Field(ge=1)
    total: int = Field(ge=1)
    label: str = Field(description="Progress label such as `Question 3/10`, in the job's language.")
    question: str
    options: Annotated[tuple[str, ...], Field(min_length=2, max_length=4)]
    correct: int = Field(ge=0, le=3, description="Index into `options`.")
    explanation: str | None
    category: str | None
    difficulty: str | None
    image: ThemeAsset | None
    lines: tuple[Line, ...]
    countdown_frames: int = Field(gt=0, multiple_of=30)
    reveal_frames: int = Field(gt=0)
    explanation_frames: int = Field(ge=0)
    gap_frames: int = Field(ge=0)


class OutroClip(Model):
    """Thanks and a call to action."""

    kind: Literal["outro"] = "outro"
    heading: str
    call_to_action: str
    lines: tuple[Line, ...]
    min_frames: int = Field(gt=0)


ClipContent = Annotated[IntroClip | QuestionClip | OutroClip, Field(discriminator="kind")]


class ClipSpec(Model):
    """Everything that shapes one clip, and nothing else: its hash is the clip key."""

    engine_version: str
    content: ClipContent
    format: FormatName
    theme: Theme
    language: str
    voice: VoiceSpec
    encoder: EncoderSpec

    @property
    def key(self) -> str:
        """64 hex digits, the same on every machine."""
        return self.digest()

    @property
    def label(self) -> str:
        """A short name for people: `intro`, `q03`, `outro`, with the format where it is not 16:9."""
        name = f"q{self.content.number:02d}" if self.content.kind == "question" else self.content.kind
        return name if self.format == "16:9" else f"{name} {self.format}"


class Fallback(Model):
    """Something the operator asked for that was done another way. Recorded in the manifest."""

    what: Literal["voice", "encoder", "speech", "clip"]
    asked: str
    used: str
    reason: str


class VideoPlan(Model):
    """One video in one format: its clips in order."""

    format: FormatName
    clips: tuple[ClipSpec, ...]


class JobPlan(Model):
    """One job: its videos and what they share."""

    channel: str
    job_id: str
    title: str
    language: str
    config_sha256: str
    videos: tuple[VideoPlan, ...]
    voice: VoiceSpec
    encoder: EncoderSpec
    soundtrack: Soundtrack
    sound_effects: SoundEffects
    loudness: Loudness
    captions: Captions
    fallbacks: tuple[Fallback, ...]
