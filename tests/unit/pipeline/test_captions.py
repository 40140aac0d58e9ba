import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from trivia_render.models.formats import FPS
from trivia_render.models.plan import IntroClip, OutroClip, QuestionClip
from trivia_render.models.timeline import Line, PlacedLine, Sentence, Span, Timeline
from trivia_render.pipeline.captions import caption_cues, chapters, to_srt, to_vtt


def timeline(*sentences: tuple[str, float, float], frames: int = 300) -> Timeline:
    spoken = PlacedLine(
        line=Line(role="question", text=" ".join(text for text, _, _ in sentences)),
        start_sample=48_000,
        samples=48_000 * 5,
        sentences=tuple(Sentence(text=t, start_seconds=a, end_seconds=b) for t, a, b in sentences),
    )
    return Timeline(
        frames=frames, spans=(Span(stage="hold", start_frame=0, end_frame=frames),), speech=(spoken,), cues=()
    )


def test_a_caption_stands_where_its_sentence_is_spoken_in_the_whole_video() -> None:
    cues = caption_cues([timeline(("One.", 0.0, 1.0)), timeline(("Two.", 0.5, 1.5))])
    assert [(cue.start_seconds, cue.end_seconds, cue.lines) for cue in cues] == [
        (1.0, 2.0, ("One.",)),
        (11.5, 12.5, ("Two.",)),
    ]


def test_a_long_sentence_becomes_several_captions_of_two_short_lines() -> None:
    text = " ".join(["remarkable"] * 20)
    cues = caption_cues([timeline((text, 0.0, 10.0))])
    assert len(cues) > 1
    assert all(len(cue.lines) <= 2 and all(len(line) <= 42 for line in cue.lines) for cue in cues)
    assert " ".join(line for cue in cues for line in cue.lines) == text
    assert cues[0].start_seconds == 1.0
    assert abs(cues[-1].end_seconds - 11.0) < 1e-9


@given(
    st.lists(
        st.tuples(
            st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
            st.floats(0, 9),
            st.floats(0, 9),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_captions_are_in_order_and_never_overlap(raw: list[tuple[str, float, float]]) -> None:
    starts = sorted(start for _, start, _ in raw)
    sentences = [(text, start, start + length) for (text, _, length), start in zip(raw, starts, strict=True)]
    cues = caption_cues([timeline(*sentences)])
    for cue, following in itertools.pairwise(cues):
        assert cue.start_seconds < cue.end_seconds <= following.start_seconds


def test_vtt_escapes_what_it_would_read_as_markup() -> None:
    text = to_vtt(caption_cues([timeline(("Is <b> & --> {x} 100% markup?", 0.0, 1.0))]))
    assert text == ("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nIs &lt;b&gt; &amp; --&gt; {x} 100% markup?\n")


def test_srt_shows_angle_brackets_and_braces_without_their_being_markup() -> None:
    text = to_srt(caption_cues([timeline((r"Is <b> or {\an8} markup?", 0.0, 1.0))]))
    assert "00:00:01,000 --> 00:00:02,000" in text
    assert not re.search(r"<b>|\{\\an8\}", text)
    assert text.replace("\u2060", "").endswith("Is <b> or {\\an8} markup?\n")


def test_a_line_break_in_a_text_does_not_end_its_caption() -> None:
    assert "\n\nB" not in to_srt(caption_cues([timeline(("A\n\nB", 0.0, 1.0))]))


def question(text: str) -> QuestionClip:
    return QuestionClip(
        number=3, total=9, label="Question 3/9", question=text, options=("Secret", "Other"), correct=0,
        explanation=None, category=None, difficulty=None, image=None, lines=(), countdown_frames=150,
        reveal_frames=90, explanation_frames=0, gap_frames=12,
    )  # fmt: skip


def test_chapters_cover_the_video_and_are_named_by_question_without_the_answer() -> None:
    contents = (
        IntroClip(title="Space quiz", subtitle="", lines=(), min_frames=90),
        question("Which is it?"),
        OutroClip(heading="Thanks!", call_to_action="", lines=(), min_frames=90),
    )
    marks = chapters(contents, [timeline(("x", 0, 1), frames=frames) for frames in (90, 420, 120)])
    assert [mark.title for mark in marks] == ["Space quiz", "3. Which is it?", "Thanks!"]
    assert [(mark.start_seconds, mark.end_seconds) for mark in marks] == [
        (0, 90 / FPS),
        (90 / FPS, 510 / FPS),
        (510 / FPS, 630 / FPS),
    ]


def test_a_long_question_makes_a_short_chapter_title() -> None:
    (mark,) = chapters((question("why " * 100),), [timeline(("x", 0, 1))])
    assert len(mark.title) <= 90
    assert mark.title.endswith("…")
