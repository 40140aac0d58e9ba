"""Stretches of frames that are painted one way: standing still, coming in, turning into another state.

Each paints any of its frames from scratch, or only what differs from the frame before; both give the
same bytes.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from trivia_render.scene.planes import Box, Tile, Views, blend_tile, copy_box, cross_fade

Motion = Literal["still", "band", "full"]

#: Overshoot of ease-out-back: options swing a little past their place.
_BACK = 1.4


class Segment(Protocol):
    """A stretch of frames [start, end) and what of them may change outside the band."""

    start: int
    end: int
    motion: Motion

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Paint all but the band. Not `fresh`: the target holds this segment's frame before."""
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
            copy_all(target, self._state)


class Move(NamedTuple):
    """A tile that comes in: from where, when, for how long, and whether it swings past its place."""

    tile: Tile
    start: int
    frames: int
    dx: int
    dy: int
    swing: bool = False

    def share(self, frame: int) -> float:
        """Return how much of its way in time is done, 0 to 1."""
        return min(1.0, max(0.0, (frame - self.start + 1) / self.frames))

    def opacity(self, frame: int) -> float:
        """Return the tile's opacity: it is there well before it stands still."""
        return min(1.0, 1 - (1 - self.share(frame)) ** 3)

    def offset(self, frame: int) -> tuple[int, int]:
        """Return how far from its place it is, in even pixels."""
        rest = self.share(frame) - 1
        way = -((_BACK + 1) * rest**3 + _BACK * rest**2) if self.swing else -(rest**3)
        return round(self.dx * way / 2) * 2, round(self.dy * way / 2) * 2

    @property
    def reach(self) -> Box:
        """Every pixel that the tile may touch on its way, with room for its swing."""
        box, spare = self.tile.box, 8 if self.swing else 0
        return Box(
            box.x + min(0, self.dx) - spare,
            box.y + min(0, self.dy) - spare,
            box.width + abs(self.dx) + 2 * spare,
            box.height + abs(self.dy) + 2 * spare,
        )


class Enter:
    """Tiles come in over a base. One comes in over those before it in the list."""

    motion: Motion = "full"

    def __init__(self, start: int, end: int, base: Views, moves: Sequence[Move]) -> None:
        self.start, self.end, self._base, self._moves = start, end, base, moves

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Paint what differs from the frame before."""
        local = frame - self.start
        there = [move for move in self._moves if move.share(local) > 0]
        if fresh:
            copy_all(target, self._base)
            self._blend(target, there, local, clip=None)
            return
        height, width = target.y.shape
        for move in there:
            if move.share(local) != move.share(local - 1):
                reach = move.reach.within(Box(0, 0, width, height))
                copy_box(target, self._base, reach)
                # Others may reach in there, if only with their shadows.
                self._blend(target, there, local, clip=reach)

    def _blend(self, target: Views, moves: Sequence[Move], local: int, *, clip: Box | None) -> None:
        for move in moves:
            dx, dy = move.offset(local)
            blend_tile(target, move.tile, dx=dx, dy=dy, opacity=move.opacity(local), clip=clip)


class Fade:
    """One state turns into another inside some boxes; the rest of both is the same.

    `pops` are pictures of a tile that comes in on top, one a frame; the last is part of `second`.
    """

    motion: Motion = "full"

    def __init__(
        self,
        start: int,
        end: int,
        first: Views,
        second: Views,
        boxes: Sequence[Box],
        *,
        pops: Sequence[Tile] = (),
    ) -> None:
        self.start, self.end = start, end
        self._first, self._second, self._boxes, self._pops = first, second, boxes, pops

    def paint(self, target: Views, frame: int, *, fresh: bool) -> None:
        """Blend the boxes."""
        if fresh:
            copy_all(target, self._first)
        done = frame - self.start + 1
        for box in self._boxes:
            cross_fade(target, self._first, self._second, box, share=done / (self.end - self.start))
        if done <= len(self._pops):
            blend_tile(target, self._pops[done - 1])


def copy_all(target: Views, source: Views) -> None:
    """Copy a whole frame."""
    for to, of in zip(target, source, strict=True):
        to[:] = of
