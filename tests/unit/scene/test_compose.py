"""The compositor: any frame can be drawn alone, and spans say truly what moves."""

from collections.abc import Mapping

import numpy as np
import pytest

from tests.golden import samples
from trivia_render.errors import AssetInvalidError, TextDoesNotFitError
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import ClipContent, ClipSpec
from trivia_render.models.ports import Planes
from trivia_render.models.timeline import Timeline
from trivia_render.scene.compose import Scene, open_scene
from trivia_render.scene.planes import views
from trivia_render.scene.themes import theme_names

NOTHING: Mapping[str, bytes] = {}
SPACE_PICTURE, SPACE_ASSETS = samples.picture(900, 700)


def quick(content: ClipContent) -> Timeline:
    return samples.timeline(content, line_seconds=0.3)


def short_question(**changes: object) -> ClipContent:
    return samples.question(countdown_frames=90, reveal_frames=30, **changes)


def opened(spec: ClipSpec, assets: Mapping[str, bytes] = NOTHING) -> tuple[Scene, Timeline]:
    timeline = quick(spec.content)
    return open_scene(spec, timeline, assets=assets), timeline


CLIPS = [
    *((samples.spec(short_question(), theme=theme), NOTHING) for theme in theme_names()),
    (samples.spec(short_question(explanation="A short one."), theme="neon", name="9:16"), NOTHING),
    (samples.spec(samples.long_question(countdown_frames=90, reveal_frames=30), name="9:16"), NOTHING),
    (
        samples.spec(
            samples.arabic_question(countdown_frames=90, explanation=samples.LONG_EXPLANATION),
            theme="paper",
            name="1:1",
            language="ar-SA",
        ),
        NOTHING,
    ),
    (
        samples.spec(short_question(image=SPACE_PICTURE), theme="sunny", name="1:1", logo=SPACE_PICTURE),
        SPACE_ASSETS,
    ),
    (samples.spec(samples.intro(), theme="stadium", name="1:1"), NOTHING),
    (samples.spec(samples.outro(), name="9:16", background_image=SPACE_PICTURE), SPACE_ASSETS),
    (samples.spec(short_question(gap_frames=0), theme="paper", name="9:16"), NOTHING),
]


def clip_name(clip: tuple[ClipSpec, Mapping[str, bytes]]) -> str:
    return f"{clip[0].theme.name} {clip[0].label}"


@pytest.mark.parametrize("clip", CLIPS, ids=clip_name)
def test_frames_drawn_alone_are_those_of_the_clip_spans_are_true_and_nothing_flashes(
    clip: tuple[ClipSpec, Mapping[str, bytes]],
) -> None:
    scene, timeline = opened(*clip)
    motion = {
        frame: (span.motion, frame == span.start_frame)
        for span in scene.spans
        for frame in range(span.start_frame, span.end_frame)
    }
    assert sorted(motion) == list(range(timeline.frames))
    brightness: list[float] = []
    before: Planes | None = None
    for number, planes in enumerate(scene.frames()):
        if number % 17 == 0 or number == timeline.frames - 1:
            assert np.array_equal(planes, scene.frame(number)), f"frame {number} differs when drawn alone"
        kind, first = motion[number]
        if before is not None and not first and kind != "full":
            assert changed_rows(before, planes) <= allowed_rows(scene, kind), f"{kind} frame {number}"
        before = planes.copy()
        brightness.append(float(views(planes).y[::24, ::24].mean()))
    assert len(brightness) == timeline.frames
    # WCAG 2.3.1: at most three flashes a second; each is a pair of opposing changes of a tenth or more.
    for start in range(0, timeline.frames - 30, 5):
        assert reversals(brightness[start : start + 30], least=22) <= 6


def changed_rows(before: Planes, after: Planes) -> set[int]:
    """Return the rows of luma whose luma or chroma differs."""
    luma = np.flatnonzero((views(before).y != views(after).y).any(axis=1))
    chroma = [
        np.flatnonzero((one != other).any(axis=1))
        for one, other in zip(views(before)[1:], views(after)[1:], strict=True)
    ]
    return set(luma.tolist()) | {
        2 * row + part for rows in chroma for row in rows.tolist() for part in (0, 1)
    }


def allowed_rows(scene: Scene, kind: str) -> set[int]:
    return set(range(*scene.band_rows)) if kind == "band" else set()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", [samples.question(), samples.long_question()], ids=["usual", "compact"])
def test_the_band_is_made_of_whole_macroblock_rows(name: FormatName, content: ClipContent) -> None:
    if name == "1:1" and content == samples.long_question():
        content = samples.question(question="Which planet? " * 14, options=samples.LONG_OPTIONS)
    scene, _ = opened(samples.spec(content, name=name))
    top, bottom = scene.band_rows
    assert top % 16 == 0
    assert bottom % 16 == 0 or bottom == FORMATS[name].height


def test_frames_have_the_format_s_size_and_are_limited_range() -> None:
    for name, size in FORMATS.items():
        scene, _ = opened(samples.spec(samples.intro(), name=name))
        planes = scene.frame(30)
        assert planes.shape == (size.height * 3 // 2, size.width)
        assert planes.dtype == np.uint8
        assert planes.flags.c_contiguous
        luma, u, v = views(planes)
        assert luma.min() >= 16
        assert luma.max() <= 235
        assert min(u.min(), v.min()) >= 16
        assert max(u.max(), v.max()) <= 240


def test_each_call_draws_into_an_array_of_its_own() -> None:
    scene, _ = opened(samples.spec(samples.question()))
    one, other = scene.frame(60), scene.frame(60)
    assert not np.shares_memory(one, other)
    one[:] = 0
    assert np.array_equal(other, scene.frame(60))


def test_a_frame_that_the_clip_does_not_have_is_an_error() -> None:
    scene, timeline = opened(samples.spec(samples.question()))
    with pytest.raises(IndexError):
        scene.frame(timeline.frames)
    with pytest.raises(IndexError):
        scene.frame(-1)


def test_the_default_theme_stands_still_outside_its_band_while_it_counts() -> None:
    scene, timeline = opened(samples.spec(samples.question()))
    countdown = timeline.span("countdown")
    assert countdown is not None
    spans = [s for s in scene.spans if countdown.start_frame <= s.start_frame < countdown.end_frame]
    assert [span.motion for span in spans] == ["band"]


def test_a_theme_without_motion_moves_its_clock_alone() -> None:
    scene, timeline = opened(samples.spec(samples.question(), theme="paper"))
    motions = {span.motion for span in scene.spans if span.start_frame >= 220}
    read, countdown = timeline.span("read"), timeline.span("countdown")
    assert read is not None
    assert countdown is not None
    by_start = {span.start_frame: span.motion for span in scene.spans}
    assert by_start[read.start_frame] == "still"
    assert by_start[countdown.start_frame] == "band"
    assert "still" in motions


def test_two_clips_share_a_band_and_stay_themselves() -> None:
    first, _ = opened(samples.spec(samples.question()))
    again, _ = opened(samples.spec(samples.question()))
    other, _ = opened(samples.spec(samples.question(question="Which planet is red?")))
    assert np.array_equal(first.frame(90), again.frame(90))
    assert not np.array_equal(first.frame(90), other.frame(90))
    top, bottom = first.band_rows
    assert np.array_equal(views(first.frame(90)).y[top:bottom], views(other.frame(90)).y[top:bottom])


def reversals(values: list[float], *, least: float) -> int:
    """Count changes of direction between extremes that are so far apart."""
    count, direction, extreme = 0, 0, values[0]
    for value in values:
        step = value - extreme
        if direction == 0 or step * direction < 0:
            if abs(step) >= least:
                count, direction, extreme = count + 1, 1 if step > 0 else -1, value
        else:
            extreme = value
    return count


def test_a_missing_image_is_an_error_that_names_it() -> None:
    spec = samples.spec(samples.question(image=SPACE_PICTURE))
    with pytest.raises(AssetInvalidError, match="image of question 3"):
        open_scene(spec, quick(spec.content), assets={})
    broken = {SPACE_PICTURE.sha256: b"not an image"}
    with pytest.raises(AssetInvalidError, match="image of question 3"):
        open_scene(spec, quick(spec.content), assets=broken)


def test_text_without_end_is_an_error_that_names_the_question() -> None:
    content = samples.question(question="Which planet? " * 80, number=7)
    with pytest.raises(TextDoesNotFitError, match="Question 7 does not fit"):
        open_scene(samples.spec(content), quick(content), assets={})
