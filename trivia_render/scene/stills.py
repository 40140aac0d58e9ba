"""Which frames of a clip show its stages, for previews and contact sheets."""

from trivia_render.models.plan import ClipSpec, QuestionClip
from trivia_render.models.timeline import Timeline
from trivia_render.scene.planes import planes_to_image

__all__ = ["planes_to_image", "stage_stills"]


def stage_stills(spec: ClipSpec, timeline: Timeline) -> list[tuple[str, int]]:
    """Return a name and a frame number for each stage worth looking at, in order."""
    if not isinstance(spec.content, QuestionClip):
        return [(spec.content.kind, timeline.frames - 1)]
    stills: list[tuple[str, int]] = []
    for span in timeline.spans:
        length = span.end_frame - span.start_frame
        if span.stage == "enter":
            stills.append(("enter", span.start_frame + length // 2))
        elif span.stage == "read":
            stills.append(("read", span.end_frame - 1))
        elif span.stage == "countdown":
            stills.append(("countdown", span.start_frame + length * 2 // 5))
        elif span.stage in {"reveal", "explain"}:
            stills.append((span.stage, span.end_frame - 1))
    return stills
