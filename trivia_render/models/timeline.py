"""A clip's timeline in integer frames and samples."""

from typing import Literal

from pydantic import Field

from trivia_render.models.base import Model

Stage = Literal["enter", "read", "countdown", "reveal", "explain", "hold", "gap"]
LineRole = Literal["title", "question", "option", "answer", "explanation", "outro"]
Sound = Literal["whoosh", "pop", "tick", "accent", "sting"]


class Span(Model):
    """A stage of the clip: frames [start_frame, end_frame)."""

    stage: Stage
    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0, description="Exclusive.")


class Sentence(Model):
    """A part of a spoken line with its measured place, in seconds from the line's start."""

    text: str
    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)


class Line(Model):
    """What is said, before it is spoken."""

    role: LineRole
    text: str
    option: int | None = Field(default=None, description="Which option, for the role `option`.")


class MeasuredLine(Model):
    """A line as spoken: its length in 48 kHz samples and its sentences' places."""

    line: Line
    samples: int = Field(ge=0)
    sentences: tuple[Sentence, ...]


class PlacedLine(Model):
    """A spoken line with its place in the clip, in 48 kHz samples from the clip's start."""

    line: Line
    start_sample: int = Field(ge=0)
    samples: int = Field(ge=0)
    sentences: tuple[Sentence, ...]


class Cue(Model):
    """A sound effect at a frame."""

    sound: Sound
    frame: int = Field(ge=0)


class Timeline(Model):
    """Everything with a time in a clip. Spans are in order, without holes, and end at `frames`."""

    frames: int = Field(gt=0)
    spans: tuple[Span, ...]
    speech: tuple[PlacedLine, ...]
    cues: tuple[Cue, ...]

    def span(self, stage: Stage) -> Span | None:
        """Return the first span of this stage, or None where the clip has no such stage."""
        return next((span for span in self.spans if span.stage == stage), None)
