"""The timeline of a clip, in integer frames, from its plan and the measured narration. Pure."""

from collections.abc import Sequence

from trivia_render.models.formats import FPS, SAMPLES_PER_FRAME
from trivia_render.models.plan import ClipContent, IntroClip, OutroClip, QuestionClip
from trivia_render.models.timeline import Cue, MeasuredLine, PlacedLine, Span, Stage, Timeline

#: The card eases in over 0.4 s, then an option follows each 0.2 s and takes 0.3 s itself.
CARD_FRAMES = 12
OPTION_STAGGER_FRAMES = 6
OPTION_FRAMES = 9
#: Title cards ease in over half a second.
TITLE_FRAMES = 15
#: The voice starts while the card still moves: waiting for it would feel slow.
FIRST_LINE_FRAME = 6
#: Breath between two lines, and before something happens after the voice has ended.
PAUSE_FRAMES = 8
AFTER_VOICE_FRAMES = 9
#: The answer is spoken once the sting has had its first chord.
ANSWER_DELAY_FRAMES = 12
#: A countdown starts at a multiple of half a second, so that there are only four places in a
#: 60-frame GOP where it can start: one can be encoded once per theme and place.
COUNTDOWN_GRID_FRAMES = 15
#: So many of the last seconds are accented.
ACCENTED_SECONDS = 3


def build_timeline(content: ClipContent, lines: Sequence[MeasuredLine]) -> Timeline:
    """Place every stage, line and cue of a clip. `lines` are the content's own, measured, in order.

    A stage is as long as its narration needs and never shorter than planned.
    """
    if isinstance(content, QuestionClip):
        return _question(content, lines)
    return _title(content, lines)


def entrance_frames(options: int) -> int:
    """Frames until the card and the last of the options stand still."""
    return CARD_FRAMES + OPTION_STAGGER_FRAMES * (options - 1) + OPTION_FRAMES


class _Voice:
    """Places lines one after the other."""

    def __init__(self) -> None:
        self.placed: list[PlacedLine] = []

    def place(self, lines: Sequence[MeasuredLine], *, at_frame: int) -> int:
        """Place lines from this frame on; return the frame by which the last has ended."""
        frame = at_frame
        for measured in lines:
            start = frame * SAMPLES_PER_FRAME
            self.placed.append(
                PlacedLine(
                    line=measured.line,
                    start_sample=start,
                    samples=measured.samples,
                    sentences=measured.sentences,
                )
            )
            ended = -(-(start + measured.samples) // SAMPLES_PER_FRAME)
            frame = ended + PAUSE_FRAMES
        return frame - PAUSE_FRAMES if lines else at_frame


def _title(content: IntroClip | OutroClip, lines: Sequence[MeasuredLine]) -> Timeline:
    voice = _Voice()
    ended = voice.place(lines, at_frame=FIRST_LINE_FRAME)
    frames = max(content.min_frames, ended + AFTER_VOICE_FRAMES, TITLE_FRAMES + 1)
    return Timeline(
        frames=frames,
        spans=_spans([("enter", TITLE_FRAMES), ("hold", frames - TITLE_FRAMES)]),
        speech=tuple(voice.placed),
        cues=(Cue(sound="whoosh", frame=0),),
    )


def _question(content: QuestionClip, lines: Sequence[MeasuredLine]) -> Timeline:
    asking = [line for line in lines if line.line.role in {"question", "option"}]
    answering = [line for line in lines if line.line.role == "answer"]
    explaining = [line for line in lines if line.line.role == "explanation"]
    voice = _Voice()
    enter = entrance_frames(len(content.options))
    ended = voice.place(asking, at_frame=FIRST_LINE_FRAME)
    countdown = _on_grid(max(enter + AFTER_VOICE_FRAMES, ended + AFTER_VOICE_FRAMES))
    reveal = countdown + content.countdown_frames
    ended = voice.place(answering, at_frame=reveal + ANSWER_DELAY_FRAMES)
    explain = max(reveal + content.reveal_frames, ended + AFTER_VOICE_FRAMES)
    gap = explain
    if content.explanation is not None:
        ended = voice.place(explaining, at_frame=explain + PAUSE_FRAMES)
        gap = max(explain + content.explanation_frames, ended + AFTER_VOICE_FRAMES)
    return Timeline(
        frames=gap + content.gap_frames,
        spans=_spans(
            [
                ("enter", enter),
                ("read", countdown - enter),
                ("countdown", content.countdown_frames),
                ("reveal", explain - reveal),
                ("explain", gap - explain),
                ("gap", content.gap_frames),
            ]
        ),
        speech=tuple(voice.placed),
        cues=_cues(content, countdown=countdown, reveal=reveal),
    )


def _cues(content: QuestionClip, *, countdown: int, reveal: int) -> tuple[Cue, ...]:
    seconds = content.countdown_frames // FPS
    return (
        Cue(sound="whoosh", frame=0),
        *(
            Cue(sound="pop", frame=CARD_FRAMES + OPTION_STAGGER_FRAMES * index)
            for index in range(len(content.options))
        ),
        *(
            Cue(
                sound="accent" if second >= seconds - ACCENTED_SECONDS else "tick",
                frame=countdown + second * FPS,
            )
            for second in range(seconds)
        ),
        Cue(sound="sting", frame=reveal),
    )


def _on_grid(frame: int) -> int:
    return -(-frame // COUNTDOWN_GRID_FRAMES) * COUNTDOWN_GRID_FRAMES


def _spans(stages: Sequence[tuple[Stage, int]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = 0
    for stage, frames in stages:
        if frames > 0:
            spans.append(Span(stage=stage, start_frame=start, end_frame=start + frames))
            start += frames
    return tuple(spans)
