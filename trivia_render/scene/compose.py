"""From a clip's plan and timeline to its frames.

A clip is a row of segments, painted frame by frame. The band's rows and the clock in them are painted
last and overlap nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.ports import Planes
from trivia_render.models.timeline import Timeline
from trivia_render.scene.overlay import BandOverlay
from trivia_render.scene.planes import new_planes, views
from trivia_render.scene.question_scene import question_parts
from trivia_render.scene.segments import Motion, Segment
from trivia_render.scene.title_scene import title_parts


class SceneSpan(NamedTuple):
    """Frames [start_frame, end_frame) and what of the picture may change from one to the next.

    `still`: nothing. `band`: rows of the band alone. `full`: anything. The first frame of a span may
    differ from the last of the span before it in any way.
    """

    motion: Motion
    start_frame: int
    end_frame: int


class Scene:
    """A clip's pictures."""

    def __init__(self, *, width: int, height: int, segments: Sequence[Segment], overlay: BandOverlay) -> None:
        self._width, self._height = width, height
        self._segments = segments
        self._overlay = overlay

    @property
    def band_rows(self) -> tuple[int, int]:
        """Rows [top, bottom) of the band: multiples of 16, or the frame's end."""
        return self._overlay.rows

    @property
    def spans(self) -> tuple[SceneSpan, ...]:
        """What moves when."""
        found: list[SceneSpan] = []
        for segment in self._segments:
            edges = [edge for edge in self._overlay.edges() if segment.start < edge < segment.end]
            for start, end in pairwise([segment.start, *edges, segment.end]):
                moves = any(self._overlay.changes_at(frame) for frame in range(start + 1, end))
                motion: Motion = "full" if segment.motion == "full" else "band" if moves else "still"
                if found and found[-1].motion == motion == "full":
                    found[-1] = found[-1]._replace(end_frame=end)
                else:
                    found.append(SceneSpan(motion, start, end))
        return tuple(found)

    def frame(self, number: int) -> Planes:
        """Draw one frame alone into a fresh I420 array, (height * 3 / 2, width) uint8. Pure."""
        segment = next((part for part in self._segments if part.start <= number < part.end), None)
        if segment is None:
            raise IndexError(f"frame {number} of {self._segments[-1].end}")
        planes = new_planes(self._width, self._height)
        target = views(planes)
        segment.paint(target, number, fresh=True)
        self._overlay.paint(target, number)
        return planes

    def frames(self) -> Iterator[Planes]:
        """Yield every frame in order in one buffer: use or copy it before asking for the next."""
        planes = new_planes(self._width, self._height)
        target = views(planes)
        for segment in self._segments:
            for number in range(segment.start, segment.end):
                fresh = number == segment.start
                segment.paint(target, number, fresh=fresh)
                if fresh or self._overlay.changes_at(number):
                    self._overlay.paint(target, number)
                yield planes


def open_scene(spec: ClipSpec, timeline: Timeline, *, assets: Mapping[str, bytes]) -> Scene:
    """Lay out and draw a clip's states; `assets` holds its images by sha256.

    Raises TextDoesNotFitError naming the question, AssetInvalidError.
    """
    if isinstance(spec.content, QuestionClip):
        size, segments, overlay = question_parts(spec, spec.content, timeline, assets)
    else:
        size, segments, overlay = title_parts(spec, spec.content, timeline, assets)
    return Scene(width=size[0], height=size[1], segments=segments, overlay=overlay)
