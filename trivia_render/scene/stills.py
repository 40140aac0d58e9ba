"""Which frames of a clip show its stages, for previews and contact sheets."""

from trivia_render.models.formats import FPS
from trivia_render.models.plan import ClipSpec
from trivia_render.models.timeline import Span, Timeline
from trivia_render.scene.planes import planes_to_image
from trivia_render.scene.timeline import CARD_FRAMES, OPTION_STAGGER_FRAMES

__all__ = ["planes_to_image", "stage_stills"]

#: With so many seconds left the clock has just changed its colour.
_SECONDS_LEFT = 3


def stage_stills(spec: ClipSpec, timeline: Timeline) -> list[tuple[str, int]]:
    """Return a name and a frame number for each stage worth looking at, in order."""
    stills: list[tuple[str, int]] = []
    for span in timeline.spans:
        if span.stage != "gap":
            stills.append((span.stage, _telling_frame(span)))
    if spec.content.kind != "question":
        # Of a title card, what it says matters: not that it holds.
        stills = [(spec.content.kind if stage == "hold" else stage, frame) for stage, frame in stills]
    return stills


def _telling_frame(span: Span) -> int:
    """Return the frame that shows most of a stage."""
    length = span.end_frame - span.start_frame
    if span.stage == "enter":
        # The card stands, the second option is coming in; or a title's parts are on their way.
        return span.start_frame + min(CARD_FRAMES + OPTION_STAGGER_FRAMES + 3, length * 3 // 5)
    if span.stage == "countdown":
        return max(span.start_frame, span.end_frame - _SECONDS_LEFT * FPS + FPS // 2)
    if span.stage == "hold":
        # Not its end: an intro fades there.
        return span.start_frame + length // 2
    return span.end_frame - 1
