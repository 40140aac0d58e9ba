"""What is painted over the band's rows: the moving band, and the clock in it."""

from typing import NamedTuple

from trivia_render.scene.band import Band
from trivia_render.scene.bandstyles import PERIOD_FRAMES
from trivia_render.scene.clock import Clock
from trivia_render.scene.planes import Tile, Views, blend_tile

#: The clock comes in over so many frames, and its tick replaces the digit over so many.
CLOCK_FRAMES = 10
TICK_FRAMES = 8


class BandTimes(NamedTuple):
    """The band fades in until frame `whole`, fades out from `leaves`, and is not seen from `gone`."""

    whole: int
    leaves: int
    gone: int


class ClockTimes(NamedTuple):
    """Frames when the clock begins to come in, to count, to be done, to leave, and is not seen."""

    enters: int
    counts: int
    done: int
    leaves: int
    gone: int


class _Part(NamedTuple):
    """A picture of the clock: `waiting`, `counting` (at a frame of the countdown) or `done`."""

    name: str
    frame: int
    opacity: float


class BandOverlay:
    """Band and clock by the frame of a clip. A frame's picture depends on its number alone."""

    def __init__(
        self,
        band: Band,
        times: BandTimes,
        *,
        clock: Clock | None = None,
        clock_times: ClockTimes | None = None,
    ) -> None:
        self._band, self._times = band, times
        self._clock, self._clock_times = clock, clock_times

    @property
    def rows(self) -> tuple[int, int]:
        """Rows [top, bottom) that are painted."""
        return self._band.rows

    def paint(self, target: Views, frame: int) -> None:
        """Paint the rows as they are at this frame."""
        self._band.paint(target, frame, opacity=self._band_opacity(frame))
        for part in self._clock_parts(frame):
            blend_tile(target, self._tile(part), opacity=part.opacity)

    def changes_at(self, frame: int) -> bool:
        """Tell whether the rows may differ from those of the frame before."""
        return self._state(frame) != self._state(frame - 1)

    def edges(self) -> list[int]:
        """Return the frames where the rows may begin or cease to move, in order."""
        found = {self._times.gone}
        if self._clock_times is not None:
            found |= {self._clock_times.counts, self._clock_times.done}
        return sorted(found)

    def _state(self, frame: int) -> tuple[object, ...]:
        """Return all that the rows' picture depends on."""
        opacity = self._band_opacity(frame)
        return (opacity, frame % PERIOD_FRAMES if opacity else 0, self._clock_parts(frame))

    def _band_opacity(self, frame: int) -> float:
        if not self._band.moves or frame >= self._times.gone:
            return 0.0
        if frame >= self._times.leaves:
            return 1 - (frame - self._times.leaves + 1) / (self._times.gone - self._times.leaves)
        return min(1.0, (frame + 1) / self._times.whole)

    def _clock_parts(self, frame: int) -> tuple[_Part, ...]:
        times = self._clock_times
        if times is None or frame < times.enters or frame >= times.gone:
            return ()
        if frame < times.counts:
            return (_Part("waiting", 0, min(1.0, (frame - times.enters + 1) / CLOCK_FRAMES)),)
        if frame < times.done:
            return (_Part("counting", frame - times.counts, 1.0),)
        if frame < times.done + TICK_FRAMES:
            last = _Part("counting", times.done - times.counts - 1, 1.0)
            return (last, _Part("done", 0, (frame - times.done + 1) / TICK_FRAMES))
        if frame < times.leaves:
            return (_Part("done", 0, 1.0),)
        return (_Part("done", 0, 1 - (frame - times.leaves + 1) / (times.gone - times.leaves)),)

    def _tile(self, part: _Part) -> Tile:
        if self._clock is None:
            raise ValueError("an overlay with clock times needs a clock")
        if part.name == "counting":
            return self._clock.counting(part.frame)
        return self._clock.waiting if part.name == "waiting" else self._clock.done
