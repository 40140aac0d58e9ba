"""From a clip's plan and timeline to its frames.

A clip is a row of segments. Each paints any of its frames from scratch, or only what differs from the
frame before; both give the same bytes, so a frame drawn alone is the frame of the video. The band's
rows are painted last and overlap nothing else.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

from PIL import Image

from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.ports import Planes
from trivia_render.models.theme import Theme, ThemeAsset
from trivia_render.models.timeline import Timeline
from trivia_render.scene.background import draw_background
from trivia_render.scene.band import Band, sea_below
from trivia_render.scene.clock import Clock, clock_for
from trivia_render.scene.elements import (
    card_tile,
    draw_logo,
    draw_progress,
    draw_question_marks,
    image_tile,
    is_outro,
    option_tile,
    title_tiles,
)
from trivia_render.scene.layout import (
    GRIDS,
    QuestionLayout,
    frame_size,
    is_right_to_left,
    lay_out_question,
    lay_out_title,
)
from trivia_render.scene.pictures import open_picture
from trivia_render.scene.planes import (
    Box,
    Tile,
    Views,
    blend_tile,
    copy_box,
    cross_fade,
    new_planes,
    to_planes,
    views,
)
from trivia_render.scene.timeline import CARD_FRAMES, OPTION_FRAMES, OPTION_STAGGER_FRAMES, TITLE_FRAMES

Motion = Literal["still", "band", "full"]

#: Cross-fades: long enough to be smooth, short enough to feel prompt.
FADE_FRAMES = 10
CARD_TRAVEL, OPTION_TRAVEL, TITLE_TRAVEL = 40, 56, 48


class SceneSpan(NamedTuple):
    """Frames [start_frame, end_frame) and what of the picture may change in them.

    `still`: nothing. `band`: rows of the band alone. `full`: anything.
    """

    motion: Motion
    start_frame: int
    end_frame: int


class Segment(Protocol):
    """A stretch of frames that is painted one way."""

    start: int
    end: int
    motion: Motion

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Paint all but the band. Not `fresh`: the target holds the frame before, of this segment."""
        ...


class Hold:
    """A state that stands still."""

    motion: Motion = "still"

    def __init__(self, start: int, end: int, state: Views) -> None:
        self.start, self.end, self._state = start, end, state

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Copy the state once."""
        del frame
        if fresh:
            _copy(target, self._state)


class Move(NamedTuple):
    """A tile that comes in: from where, when, and for how long."""

    tile: Tile
    start: int
    frames: int
    dx: int
    dy: int

    def progress(self, frame: int) -> float:
        """Eased progress, 0 to 1, at this frame."""
        share = min(1.0, max(0.0, (frame - self.start + 1) / self.frames))
        return 1 - (1 - share) ** 3

    @property
    def reach(self) -> Box:
        """Every pixel that the tile may touch on its way."""
        box = self.tile.box
        return Box(
            box.x + min(0, self.dx),
            box.y + min(0, self.dy),
            box.width + abs(self.dx),
            box.height + abs(self.dy),
        )


class Enter:
    """Tiles come in over a base. Tiles that move at the same time must not reach into each other."""

    motion: Motion = "full"

    def __init__(self, start: int, end: int, base: Views, moves: Sequence[Move]) -> None:
        self.start, self.end, self._base, self._moves = start, end, base, moves

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Paint the tiles whose place or opacity differs from the frame before."""
        height, width = target.y.shape
        local = frame - self.start
        if fresh:
            _copy(target, self._base)
        for move in self._moves:
            progress = move.progress(local)
            if progress == 0 or (not fresh and progress == move.progress(local - 1)):
                continue
            if not fresh:
                copy_box(target, self._base, move.reach.within(width, height))
            dx, dy = (round(way * (1 - progress) / 2) * 2 for way in (move.dx, move.dy))
            blend_tile(target, target, move.tile, dx=dx, dy=dy, opacity=progress)


class Fade:
    """One state turns into another inside some boxes; the rest of both is the same."""

    motion: Motion = "full"

    def __init__(self, start: int, end: int, first: Views, second: Views, boxes: Sequence[Box]) -> None:
        self.start, self.end = start, end
        self._first, self._second, self._boxes = first, second, boxes

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Blend the boxes."""
        if fresh:
            _copy(target, self._first)
        share = (frame - self.start + 1) / (self.end - self.start)
        for box in self._boxes:
            cross_fade(target, self._first, self._second, box, share=share)


class Scene:
    """A clip's pictures."""

    def __init__(
        self,
        *,
        width: int,
        height: int,
        segments: Sequence[Segment],
        band: Band,
        clock: Clock | None,
        countdown: tuple[int, int],
    ) -> None:
        self._width, self._height = width, height
        self._segments = segments
        self._band = band
        self._clock = clock
        self._countdown = countdown

    @property
    def band_rows(self) -> tuple[int, int]:
        """Rows [top, bottom) of the band: multiples of 16, or the frame's end."""
        return self._band.rows

    @property
    def spans(self) -> tuple[SceneSpan, ...]:
        """What moves when; adjacent spans of one motion are joined."""
        found: list[SceneSpan] = []
        for segment in self._segments:
            for start, end, motion in self._split(segment):
                if found and found[-1].motion == motion and motion != "still":
                    found[-1] = found[-1]._replace(end_frame=end)
                else:
                    found.append(SceneSpan(motion, start, end))
        return tuple(found)

    def _split(self, segment: Segment) -> Iterator[tuple[int, int, Motion]]:
        if segment.motion == "full":
            yield segment.start, segment.end, "full"
            return
        # A countdown moves inside the band even where the theme's band is still.
        cuts = sorted(
            {segment.start, segment.end, *(c for c in self._countdown if segment.start < c < segment.end)}
        )
        for start, end in pairwise(cuts):
            counting = self._countdown[0] <= start < self._countdown[1]
            yield start, end, "band" if self._band.moves or counting else "still"

    def frame(self, number: int) -> Planes:
        """Draw one frame alone into a fresh I420 array, (height * 3 / 2, width) uint8. Pure."""
        planes = new_planes(self._width, self._height)
        segment = next(s for s in self._segments if s.start <= number < s.end)
        self._paint(views(planes), segment, number, fresh=True)
        return planes

    def frames(self) -> Iterator[Planes]:
        """Yield every frame in order in one buffer: use or copy it before asking for the next."""
        planes = new_planes(self._width, self._height)
        target = views(planes)
        for segment in self._segments:
            for number in range(segment.start, segment.end):
                self._paint(target, segment, number, fresh=number == segment.start)
                yield planes

    def _paint(self, target: Views, segment: Segment, number: int, *, fresh: bool) -> None:
        segment.paint(target, number, fresh=fresh)
        counting = self._clock is not None and self._countdown[0] <= number < self._countdown[1]
        if fresh or self._band.moves or counting:
            self._band.paint(target, number)
        if self._clock is not None and counting:
            blend_tile(target, target, self._clock.tile(number - self._countdown[0]))


def open_scene(spec: ClipSpec, timeline: Timeline, *, assets: Mapping[str, bytes]) -> Scene:
    """Lay out and draw a clip's states; `assets` holds its images by sha256.

    Raises TextDoesNotFitError naming the question, AssetInvalidError.
    """
    if isinstance(spec.content, QuestionClip):
        return _open_question(spec, spec.content, timeline, assets)
    return _open_title(spec, timeline, assets)


def _open_question(
    spec: ClipSpec, content: QuestionClip, timeline: Timeline, assets: Mapping[str, bytes]
) -> Scene:
    layout = lay_out_question(content, format=spec.format, theme=spec.theme, language=spec.language)
    width, height = frame_size(spec.format)
    picture = _asset(content.image, assets)
    ground = _ground_image(spec, assets)
    draw_progress(ground, content, layout, spec.theme, spec.language)
    empty = _ground_planes(ground, spec.theme, layout.band)
    tiles = _QuestionTiles(layout, content, spec, picture)
    moves = _question_moves(layout, tiles, mirrored=is_right_to_left(spec.language))
    asked = _with(empty, [move.tile for move in moves])
    still = [tiles.image] if tiles.image is not None else []
    answered = _with(empty, [tiles.card, *still, *tiles.revealed])
    explained = answered
    if tiles.explanation is not None:
        explained = _with(empty, [tiles.explanation, *still, *tiles.revealed])
    states = {"ask": asked, "answer": answered, "explain": explained}
    options_box = _options_box(layout)
    segments: list[Segment] = []
    for span in timeline.spans:
        start, end = span.start_frame, span.end_frame
        middle = min(end, start + FADE_FRAMES)
        if span.stage == "enter":
            segments.append(Enter(start, end, views(empty), moves))
        elif span.stage == "reveal":
            segments.append(Fade(start, middle, views(asked), views(answered), [options_box]))
            segments.append(Hold(middle, end, views(answered)))
        elif span.stage == "explain":
            card = tiles.card.box.within(width, height)
            segments.append(Fade(start, middle, views(answered), views(explained), [card]))
            segments.append(Hold(middle, end, views(explained)))
        elif span.stage == "gap":
            last = states["explain" if content.explanation is not None else "answer"]
            body = layout.body.grown(MARGIN_EVEN).within(width, layout.band[0])
            segments.append(Fade(start, middle, views(last), views(empty), [body]))
            segments.append(Hold(middle, end, views(empty)))
        else:
            segments.append(Hold(start, end, views(asked)))
    countdown = timeline.span("countdown")
    return Scene(
        width=width,
        height=height,
        segments=[segment for segment in segments if segment.end > segment.start],
        band=_band(spec, assets, layout.band),
        clock=clock_for(spec.theme, layout.clock, content.countdown_frames) if countdown else None,
        countdown=(countdown.start_frame, countdown.end_frame) if countdown else (0, 0),
    )


#: Shadows reach this far out of a box.
MARGIN_EVEN = 24


class _QuestionTiles:
    """The drawn parts of a question."""

    def __init__(
        self, layout: QuestionLayout, content: QuestionClip, spec: ClipSpec, picture: Image.Image | None
    ) -> None:
        theme, mirrored = spec.theme, is_right_to_left(spec.language)
        self.card = card_tile(layout, theme, layout.question, accented=False)
        self.image = image_tile(layout, theme, picture) if picture is not None else None
        indexes = range(len(content.options))
        self.options = [
            option_tile(layout, theme, index, state="open", right_to_left=mirrored) for index in indexes
        ]
        self.revealed = [
            option_tile(
                layout,
                theme,
                index,
                state="correct" if index == content.correct else "dimmed",
                right_to_left=mirrored,
            )
            for index in indexes
        ]
        self.explanation = (
            None
            if layout.explanation is None
            else card_tile(layout, theme, layout.explanation, accented=True)
        )


def _question_moves(layout: QuestionLayout, tiles: _QuestionTiles, *, mirrored: bool) -> tuple[Move, ...]:
    moves = [Move(tiles.card, 0, CARD_FRAMES, 0, CARD_TRAVEL)]
    if tiles.image is not None:
        moves.append(Move(tiles.image, 0, CARD_FRAMES, 0, 0))
    middle = (layout.grid.left + layout.grid.right) // 2
    for index, tile in enumerate(tiles.options):
        # From the nearer side, so that no option crosses another.
        left = tile.box.x + tile.box.width // 2 < middle - 8
        single = layout.options[0].x == layout.options[-1].x and len(layout.options) > 1
        sign = 1 if (single and mirrored) or (not single and not left) else -1
        start = CARD_FRAMES + OPTION_STAGGER_FRAMES * index
        moves.append(Move(tile, start, OPTION_FRAMES, sign * OPTION_TRAVEL, 0))
    return tuple(moves)


def _options_box(layout: QuestionLayout) -> Box:
    width = layout.grid.right - layout.grid.left
    box = Box(layout.grid.left, layout.options[0].y, width, layout.options[-1].bottom - layout.options[0].y)
    grown = box.grown(MARGIN_EVEN)
    bottom = min(grown.bottom, layout.band[0])
    return Box(grown.x, grown.y, grown.width, bottom - grown.y)


def _open_title(spec: ClipSpec, timeline: Timeline, assets: Mapping[str, bytes]) -> Scene:
    layout = lay_out_title(spec.content, format=spec.format, theme=spec.theme, language=spec.language)
    width, height = frame_size(spec.format)
    ground = _ground_image(spec, assets)
    draw_question_marks(ground, spec.theme, layout.grid.band[0])
    empty = _ground_planes(ground, spec.theme, layout.grid.band)
    heading, below = title_tiles(layout, spec.theme, outro=is_outro(spec.content))
    moves = (
        Move(heading, 0, TITLE_FRAMES - 3, 0, TITLE_TRAVEL // 2),
        Move(below, 3, TITLE_FRAMES - 3, 0, TITLE_TRAVEL),
    )
    shown = _with(empty, [heading, below])
    segments: list[Segment] = []
    for span in timeline.spans:
        if span.stage == "enter":
            segments.append(Enter(span.start_frame, span.end_frame, views(empty), moves))
        else:
            segments.append(Hold(span.start_frame, span.end_frame, views(shown)))
    return Scene(
        width=width,
        height=height,
        segments=segments,
        band=_band(spec, assets, layout.grid.band),
        clock=None,
        countdown=(0, 0),
    )


_background_lock = threading.Lock()


@lru_cache(maxsize=6)
def _background(theme: Theme, width: int, height: int, picture: bytes | None) -> Image.Image:
    image = None
    if picture is not None:
        image = open_picture(picture, name="theme.background_image")
    return draw_background(theme, width, height, picture=image)


def _ground_image(spec: ClipSpec, assets: Mapping[str, bytes]) -> Image.Image:
    """Return a fresh RGBA copy of the theme's ground with the logo."""
    width, height = frame_size(spec.format)
    asset = spec.theme.background_image
    with _background_lock:
        # Clips start side by side: the first draws the ground, the others find it.
        ground = _background(spec.theme, width, height, assets[asset.sha256] if asset else None)
    image = ground.convert("RGBA")
    logo = _asset(spec.theme.logo, assets)
    if logo is not None:
        grid = GRIDS[spec.format]
        # Above the card's corner, left of the progress; the row is free there.
        draw_logo(image, logo, right=(grid.left + grid.right) // 2 + 100, top=max(0, grid.top - 6))
    return image


def _ground_planes(image: Image.Image, theme: Theme, rows: tuple[int, int]) -> Planes:
    planes = to_planes(image.convert("RGB"))
    sea_below(theme, planes, rows)
    return planes


@lru_cache(maxsize=6)
def _shared_band(theme: Theme, width: int, height: int, rows: tuple[int, int], picture: bytes | None) -> Band:
    planes = to_planes(_background(theme, width, height, picture))
    sea_below(theme, planes, rows)
    return Band(theme, planes, rows)


def _band(spec: ClipSpec, assets: Mapping[str, bytes], rows: tuple[int, int]) -> Band:
    width, height = frame_size(spec.format)
    asset = spec.theme.background_image
    with _background_lock:
        return _shared_band(spec.theme, width, height, rows, assets[asset.sha256] if asset else None)


def _asset(asset: ThemeAsset | None, assets: Mapping[str, bytes]) -> Image.Image | None:
    return None if asset is None else open_picture(assets[asset.sha256], name=asset.uri)


def _with(base: Planes, tiles: Sequence[Tile]) -> Planes:
    """Return a copy of the base with the tiles on it, one over the other."""
    planes = base.copy()
    target = views(planes)
    for tile in tiles:
        blend_tile(target, target, tile)
    return planes


def _copy(target: Views, source: Views) -> None:
    for to, of in zip(target, source, strict=True):
        to[:] = of
