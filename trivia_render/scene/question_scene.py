"""A question clip: its states, and how one turns into the next."""

from collections.abc import Mapping
from typing import NamedTuple

from PIL import Image

from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.ports import Planes
from trivia_render.models.theme import Theme
from trivia_render.models.timeline import Stage, Timeline
from trivia_render.scene.clock import clock_for
from trivia_render.scene.elements import card_tile, image_tile, option_tile, still_tick, tick_tiles
from trivia_render.scene.grid import even, even_down, frame_size
from trivia_render.scene.ground import asset_picture, band_of, ground_image
from trivia_render.scene.header import draw_header
from trivia_render.scene.overlay import CLOCK_FRAMES, BandOverlay, BandTimes, ClockTimes
from trivia_render.scene.panels import MARGIN
from trivia_render.scene.planes import Box, Tile, blend_tile, to_planes, views
from trivia_render.scene.question_layout import QuestionLayout, lay_out_question
from trivia_render.scene.segments import Enter, Fade, Hold, Move, Segment
from trivia_render.scene.timeline import CARD_FRAMES, OPTION_FRAMES, OPTION_STAGGER_FRAMES

#: Cross-fades: long enough to be smooth, short enough to feel prompt.
FADE_FRAMES = 10
_CARD_TRAVEL, _OPTION_TRAVEL = 44, 64


class _States(NamedTuple):
    """Whole frames, without the band."""

    empty: Planes
    asked: Planes
    answered: Planes
    explained: Planes


def question_parts(
    spec: ClipSpec, content: QuestionClip, timeline: Timeline, assets: Mapping[str, bytes]
) -> tuple[tuple[int, int], list[Segment], BandOverlay]:
    """Return the frame's size, the segments and the overlay of a question."""
    layout = lay_out_question(content, name=spec.format, theme=spec.theme, language=spec.language)
    ground = ground_image(spec.theme, spec.format, assets)
    draw_header(
        ground,
        content,
        layout.grid.header,
        spec.theme,
        language=spec.language,
        mirrored=layout.right_to_left,
        logo=asset_picture(spec.theme.logo, assets, what="logo"),
    )
    picture = asset_picture(content.image, assets, what=f"image of question {content.number}")
    tiles = _Tiles(layout, content, spec.theme, picture)
    states = _states(to_planes(ground.convert("RGB")), tiles)
    segments = _segments(content, timeline, layout, tiles, states, frame_size(spec.format))
    return frame_size(spec.format), segments, _overlay(spec, content, timeline, layout, assets)


class _Tiles:
    """The drawn parts of a question."""

    def __init__(
        self, layout: QuestionLayout, content: QuestionClip, theme: Theme, picture: Image.Image | None
    ) -> None:
        self.card = card_tile(layout.card, layout.question, layout.question_box, theme)
        self.image = None
        if picture is not None and layout.image is not None:
            self.image = image_tile(layout.image, theme, picture)
        indexes = range(len(content.options))
        self.options = [option_tile(layout, theme, index, state="open") for index in indexes]
        self.revealed = [
            option_tile(layout, theme, index, state="correct" if index == content.correct else "dimmed")
            for index in indexes
        ]
        self.ticks = tick_tiles(layout, theme, content.correct, frames=FADE_FRAMES)
        self.explained: list[Tile] = []
        if layout.explanation is not None:
            explanation = layout.explanation
            card = card_tile(explanation.card, explanation.text, explanation.text_box, theme, marked=True)
            answer = explanation.answer
            if answer is None:
                self.explained = [card, *self.revealed, self.ticks[-1]]
            else:
                moved = option_tile(layout, theme, content.correct, state="correct", box=answer)
                self.explained = [card, moved, still_tick(layout, theme, answer)]


def _states(empty: Planes, tiles: _Tiles) -> _States:
    still = [] if tiles.image is None else [tiles.image]
    answered = _with(empty, [tiles.card, *still, *tiles.revealed, tiles.ticks[-1]])
    return _States(
        empty=empty,
        asked=_with(empty, [tiles.card, *still, *tiles.options]),
        answered=answered,
        explained=_with(empty, [*still, *tiles.explained]) if tiles.explained else answered,
    )


def _with(base: Planes, tiles: list[Tile]) -> Planes:
    """Return a copy of the base with the tiles on it, one over the other."""
    planes = base.copy()
    target = views(planes)
    for tile in tiles:
        blend_tile(target, tile)
    return planes


def _segments(
    content: QuestionClip,
    timeline: Timeline,
    layout: QuestionLayout,
    tiles: _Tiles,
    states: _States,
    size: tuple[int, int],
) -> list[Segment]:
    last = states.explained if content.explanation is not None else states.answered
    turns = {
        "reveal": (states.asked, states.answered, _options_box(layout), tiles.ticks),
        "explain": (states.answered, states.explained, layout.column, ()),
        "gap": (last, states.empty, layout.body, ()),
    }
    segments: list[Segment] = []
    for span in timeline.spans:
        start, end = span.start_frame, span.end_frame
        if span.stage == "enter":
            segments.append(Enter(start, end, views(states.empty), _moves(layout, tiles)))
        elif span.stage in turns:
            first, second, box, pops = turns[span.stage]
            middle = fade_end(start, end)
            area = _with_shadow(box, size, layout.band[0])
            segments.append(Fade(start, middle, views(first), views(second), [area], pops=pops))
            if middle < end:
                segments.append(Hold(middle, end, views(second)))
        else:
            segments.append(Hold(start, end, views(states.asked)))
    return segments


def fade_end(start: int, end: int) -> int:
    """Return where a cross-fade ends that begins with a stage."""
    return min(end, start + FADE_FRAMES)


def _moves(layout: QuestionLayout, tiles: _Tiles) -> tuple[Move, ...]:
    moves = [Move(tiles.card, 0, CARD_FRAMES, 0, _CARD_TRAVEL)]
    if tiles.image is not None:
        moves.append(Move(tiles.image, 0, CARD_FRAMES, 0, _CARD_TRAVEL))
    column = layout.column
    for index, tile in enumerate(tiles.options):
        # From the nearer side, so that none crosses another; all from the start in one column.
        box = layout.options[index]
        from_right = layout.right_to_left
        if box.width < column.width * 0.9:
            from_right = box.x + box.width // 2 > column.x + column.width // 2
        travel = _OPTION_TRAVEL if from_right else -_OPTION_TRAVEL
        start = CARD_FRAMES + OPTION_STAGGER_FRAMES * index
        moves.append(Move(tile, start, OPTION_FRAMES, travel, 0, swing=True))
    return tuple(moves)


def _options_box(layout: QuestionLayout) -> Box:
    column, top = layout.column, layout.options[0].y
    return Box(column.x, top, column.width, column.bottom - top)


def _with_shadow(box: Box, size: tuple[int, int], band_top: int) -> Box:
    """Return the box with the shadows around it, as far as the frame and the band allow, all even."""
    grown = box.grown(MARGIN).within(Box(0, 0, *size))
    x, y = even_down(grown.x), even_down(grown.y)
    return Box(x, y, even(grown.right - x), even_down(min(grown.bottom, band_top) - y))


def _overlay(
    spec: ClipSpec,
    content: QuestionClip,
    timeline: Timeline,
    layout: QuestionLayout,
    assets: Mapping[str, bytes],
) -> BandOverlay:
    def start(stage: Stage) -> int:
        span = timeline.span(stage)
        return timeline.frames if span is None else span.start_frame

    leaves = start("gap")
    gone = fade_end(leaves, timeline.frames) if leaves < timeline.frames else leaves
    enter_end = start("read")
    times = ClockTimes(
        enters=max(0, enter_end - CLOCK_FRAMES),
        counts=start("countdown"),
        done=start("reveal"),
        leaves=leaves,
        gone=gone,
    )
    return BandOverlay(
        band_of(spec.theme, spec.format, assets, compact=layout.compact),
        BandTimes(whole=CARD_FRAMES, leaves=leaves, gone=gone),
        clock=clock_for(spec.theme, layout.clock, content.countdown_frames),
        clock_times=times,
    )
