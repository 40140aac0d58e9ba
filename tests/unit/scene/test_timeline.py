"""The timeline's promises hold for any lengths of narration, any timing and any number of options."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivia_render.models.formats import FPS, SAMPLES_PER_FRAME
from trivia_render.models.plan import ClipContent, IntroClip, OutroClip, QuestionClip
from trivia_render.models.timeline import Line, LineRole, MeasuredLine, PlacedLine, Sentence, Stage, Timeline
from trivia_render.scene.timeline import build_timeline

SECOND = 48_000
WITHIN: dict[LineRole, tuple[Stage, ...]] = {
    "question": ("enter", "read"),
    "option": ("enter", "read"),
    "answer": ("reveal",),
    "explanation": ("explain",),
    "title": ("enter", "hold"),
    "outro": ("enter", "hold"),
}


def spoken(line: Line, samples: int) -> MeasuredLine:
    seconds = samples / SECOND
    return MeasuredLine(
        line=line,
        samples=samples,
        sentences=(Sentence(text=line.text, start_seconds=0, end_seconds=seconds),),
    )


def question_clip(
    *,
    options: int = 4,
    read_options: bool = False,
    explanation: str | None = None,
    countdown_seconds: int = 5,
    reveal_frames: int = 90,
    explanation_frames: int = 90,
    gap_frames: int = 12,
) -> QuestionClip:
    texts = ("Mars", "Venus", "Pluto", "Saturn")[:options]
    lines = [Line(role="question", text="Which planet is red?")]
    if read_options:
        lines += [Line(role="option", text=text, option=index) for index, text in enumerate(texts)]
    lines.append(Line(role="answer", text="It is Mars."))
    if explanation is not None:
        lines.append(Line(role="explanation", text=explanation))
    return QuestionClip(
        number=1,
        total=3,
        label="Question 1/3",
        question="Which planet is red?",
        options=texts,
        correct=0,
        explanation=explanation,
        category=None,
        difficulty=None,
        image=None,
        lines=tuple(lines),
        countdown_frames=countdown_seconds * FPS,
        reveal_frames=reveal_frames,
        explanation_frames=explanation_frames if explanation is not None else 0,
        gap_frames=gap_frames,
    )


def intro_clip(*, min_frames: int = 90) -> IntroClip:
    return IntroClip(
        title="Planets",
        subtitle="3 questions",
        lines=(Line(role="title", text="Welcome!"),),
        min_frames=min_frames,
    )


def outro_clip(*, min_frames: int = 120) -> OutroClip:
    return OutroClip(
        heading="Thanks!",
        call_to_action="Subscribe",
        lines=(Line(role="outro", text="Bye!"),),
        min_frames=min_frames,
    )


def timeline_of(content: ClipContent, *samples: int) -> Timeline:
    """Time the clip with lines of these lengths, one second each where none is given."""
    lengths = [*samples, *[SECOND] * (len(content.lines) - len(samples))]
    return build_timeline(content, [spoken(line, n) for line, n in zip(content.lines, lengths, strict=True)])


def end_of(line: PlacedLine) -> int:
    return line.start_sample + line.samples


contents = st.one_of(
    st.builds(
        question_clip,
        options=st.integers(2, 4),
        read_options=st.booleans(),
        explanation=st.none() | st.just("Iron oxide."),
        countdown_seconds=st.integers(3, 30),
        reveal_frames=st.integers(30, 900),
        explanation_frames=st.integers(30, 1800),
        gap_frames=st.integers(0, 150),
    ),
    st.builds(intro_clip, min_frames=st.integers(30, 900)),
    st.builds(outro_clip, min_frames=st.integers(30, 900)),
)


@st.composite
def timed_clips(draw: st.DrawFn) -> tuple[ClipContent, Timeline]:
    content = draw(contents)
    samples = st.integers(0, 40 * SECOND)
    return content, build_timeline(content, [spoken(line, draw(samples)) for line in content.lines])


@given(timed_clips())
def test_spans_follow_each_other_without_holes_to_the_last_frame(clip: tuple[ClipContent, Timeline]) -> None:
    _, timeline = clip
    assert timeline.spans[0].start_frame == 0
    assert all(first.end_frame == second.start_frame for first, second in pairwise(timeline.spans))
    assert all(span.end_frame > span.start_frame for span in timeline.spans)
    assert timeline.spans[-1].end_frame == timeline.frames


@given(timed_clips())
def test_every_line_is_said_once_in_order_and_lines_never_overlap(
    clip: tuple[ClipContent, Timeline],
) -> None:
    content, timeline = clip
    assert tuple(placed.line for placed in timeline.speech) == content.lines
    assert all(end_of(first) <= second.start_sample for first, second in pairwise(timeline.speech))


@given(timed_clips())
def test_narration_stays_within_its_stage(clip: tuple[ClipContent, Timeline]) -> None:
    _, timeline = clip
    for placed in timeline.speech:
        spans = [span for stage in WITHIN[placed.line.role] if (span := timeline.span(stage)) is not None]
        assert placed.start_sample >= spans[0].start_frame * SAMPLES_PER_FRAME
        assert end_of(placed) <= spans[-1].end_frame * SAMPLES_PER_FRAME


@given(timed_clips())
def test_no_stage_is_shorter_than_planned(clip: tuple[ClipContent, Timeline]) -> None:
    content, timeline = clip
    lengths = {span.stage: span.end_frame - span.start_frame for span in timeline.spans}
    if isinstance(content, QuestionClip):
        assert lengths["countdown"] == content.countdown_frames
        assert lengths["reveal"] >= content.reveal_frames
        assert lengths.get("gap", 0) == content.gap_frames
        assert lengths.get("explain", 0) >= content.explanation_frames
        assert ("explain" in lengths) == (content.explanation is not None)
    else:
        assert timeline.frames >= content.min_frames


@given(timed_clips())
def test_cues_lie_within_the_clip_in_order(clip: tuple[ClipContent, Timeline]) -> None:
    _, timeline = clip
    frames = [cue.frame for cue in timeline.cues]
    assert frames == sorted(frames)
    assert all(0 <= frame < timeline.frames for frame in frames)


@given(timed_clips())
def test_a_countdown_starts_on_a_half_second(clip: tuple[ClipContent, Timeline]) -> None:
    _, timeline = clip
    countdown = timeline.span("countdown")
    assert countdown is None or countdown.start_frame % 15 == 0


@given(timed_clips())
def test_the_sting_opens_the_reveal_and_the_answer_waits_for_it(clip: tuple[ClipContent, Timeline]) -> None:
    content, timeline = clip
    stings = [cue.frame for cue in timeline.cues if cue.sound == "sting"]
    reveal = timeline.span("reveal")
    assert stings == ([reveal.start_frame] if reveal is not None else [])
    if reveal is not None:
        answer = next(placed for placed in timeline.speech if placed.line.role == "answer")
        assert answer.start_sample == (reveal.start_frame + 12) * SAMPLES_PER_FRAME
    assert isinstance(content, QuestionClip) == (reveal is not None)


@pytest.mark.parametrize("seconds", [3, 5, 10])
def test_the_countdown_ticks_each_second_and_accents_the_last_three(seconds: int) -> None:
    timeline = timeline_of(question_clip(countdown_seconds=seconds))
    start = timeline.spans[2].start_frame
    ticks = [cue for cue in timeline.cues if cue.sound in {"tick", "accent"}]
    assert [cue.frame for cue in ticks] == [start + FPS * second for second in range(seconds)]
    assert [cue.sound for cue in ticks] == ["tick"] * (seconds - 3) + ["accent"] * 3


@pytest.mark.parametrize("options", [2, 3, 4])
def test_an_option_pops_in_each_fifth_of_a_second_after_the_card(options: int) -> None:
    timeline = timeline_of(question_clip(options=options))
    assert [cue.frame for cue in timeline.cues if cue.sound == "pop"] == [12, 18, 24, 30][:options]


def test_reading_lasts_until_a_long_question_has_been_asked() -> None:
    short = timeline_of(question_clip(), SECOND)
    long = timeline_of(question_clip(), 20 * SECOND)
    countdown = long.span("countdown")
    assert countdown is not None
    # Frame 6 + 600 frames of voice + 9 of rest = 615, a multiple of 15.
    assert countdown.start_frame == 615
    assert long.frames > short.frames


def test_the_reveal_stretches_to_a_long_answer() -> None:
    timeline = timeline_of(question_clip(), SECOND, 10 * SECOND)
    reveal = timeline.span("reveal")
    assert reveal is not None
    assert reveal.end_frame - reveal.start_frame == 12 + 300 + 9


def test_a_title_card_stretches_to_its_voice() -> None:
    assert timeline_of(intro_clip(min_frames=30), 10 * SECOND).frames == 6 + 300 + 9
