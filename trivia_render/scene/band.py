"""The moving band: rows whose picture repeats every 120 frames, drawn once per theme and format.

Everything in it depends on the theme alone, never on a question, so that all clips share it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from trivia_render.models.ports import Planes
from trivia_render.models.theme import Theme
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.bandstyles import PERIOD_FRAMES, STYLES
from trivia_render.scene.planes import Box, Views, cross_fade, views

#: All bands of a process together: the usual and the compact one of 16:9 take 77 and 45 MiB.
CACHE_BYTES = 128 * 1024 * 1024


class Band:
    """The band's pictures over one still background; each is made when it is first asked for."""

    def __init__(self, theme: Theme, ground: Planes, stage: Stage) -> None:
        self.rows = (stage.band_top, stage.band_bottom)
        self.moves = theme.motion != "none" and theme.band_style != "none"
        # A copy: the whole frame behind it is not kept.
        self._ground = _cut(views(ground), self.rows)
        self._paint = STYLES[theme.band_style](theme, stage) if self.moves else None
        self._pictures: dict[int, Planes] = {}
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Memory that the pictures take once each was shown."""
        return self._ground.nbytes * (PERIOD_FRAMES + 1 if self.moves else 1)

    def paint(self, target: Views, frame: int, *, opacity: float) -> None:
        """Write the band's rows at a frame of a clip; at opacity 0 its still ground."""
        top, bottom = self.rows
        rows = Views(target.y[top:bottom], target.u[top // 2 : bottom // 2], target.v[top // 2 : bottom // 2])
        ground = views(self._ground)
        if 0 < opacity < 1:
            whole = Box(0, 0, target.y.shape[1], bottom - top)
            cross_fade(rows, ground, views(self.picture(frame)), whole, share=opacity)
            return
        source = views(self.picture(frame)) if opacity else ground
        for to, of in zip(rows, source, strict=True):
            to[:] = of

    def picture(self, frame: int) -> Planes:
        """Return the band's own I420 planes at a frame of a clip. Not to be changed."""
        phase = frame % PERIOD_FRAMES if self.moves else 0
        with self._lock:
            picture = self._pictures.get(phase)
            if picture is None:
                picture = self._ground.copy()
                if self._paint is not None:
                    self._paint(views(picture), phase)
                self._pictures[phase] = picture
        return picture


class BandCache:
    """The process's bands. Those unused for longest are dropped when all take too much memory."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bands: OrderedDict[tuple[object, ...], Band] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...], make: Callable[[], Band]) -> Band:
        """Return the band of this key, made now if it is not there."""
        with self._lock:
            band = self._bands.pop(key, None) or make()
            self._bands[key] = band
            # A band in use outlives its place here; only its sharing ends.
            while len(self._bands) > 1 and self.size_bytes > self._limit_bytes:
                self._bands.popitem(last=False)
            return band

    @property
    def size_bytes(self) -> int:
        """Memory that all bands take once all their pictures were shown."""
        return sum(band.size_bytes for band in self._bands.values())


def _cut(planes: Views, rows: tuple[int, int]) -> Planes:
    """Return the planes of some rows as an I420 buffer of their own."""
    top, bottom = rows
    parts = (planes.y[top:bottom], planes.u[top // 2 : bottom // 2], planes.v[top // 2 : bottom // 2])
    flat = np.concatenate([part.ravel() for part in parts])
    return flat.reshape(-1, planes.y.shape[1])
