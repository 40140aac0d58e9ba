"""Intro and outro: emblems, heading and pill come in one after the other; an intro leaves as it came."""

from collections.abc import Mapping

from trivia_render.models.plan import ClipSpec, IntroClip, OutroClip
from trivia_render.models.timeline import Timeline
from trivia_render.scene.grid import even_down, frame_size
from trivia_render.scene.ground import asset_picture, band_of, ground_image
from trivia_render.scene.overlay import BandOverlay, BandTimes
from trivia_render.scene.pictures import contain
from trivia_render.scene.planes import Box, blend_tile, to_planes, views
from trivia_render.scene.segments import Enter, Fade, Hold, Move, Segment
from trivia_render.scene.timeline import TITLE_FRAMES
from trivia_render.scene.title_layout import lay_out_title
from trivia_render.scene.title_tiles import below_tile, emblem_tiles, heading_tile

_LEAVE_FRAMES = 10
_EMBLEM_FRAMES, _EMBLEM_STAGGER = 9, 2
_LOGO = (260, 76)


def title_parts(
    spec: ClipSpec, content: IntroClip | OutroClip, timeline: Timeline, assets: Mapping[str, bytes]
) -> tuple[tuple[int, int], list[Segment], BandOverlay]:
    """Return the frame's size, the segments and the overlay of an intro or outro."""
    layout = lay_out_title(content, name=spec.format, theme=spec.theme, language=spec.language)
    outro = isinstance(content, OutroClip)
    ground = ground_image(spec.theme, spec.format, assets)
    logo = asset_picture(spec.theme.logo, assets, what="logo")
    if logo is not None:
        mark = contain(logo, *_LOGO)
        header = layout.grid.header
        x = header.x if layout.right_to_left else header.right - mark.width
        ground.alpha_composite(mark, (x, header.y))
    empty = to_planes(ground.convert("RGB"))
    emblems = emblem_tiles(layout, spec.theme, outro=outro)
    heading, below = heading_tile(layout, spec.theme), below_tile(layout, spec.theme, outro=outro)
    moves = (
        *(
            Move(tile, index * _EMBLEM_STAGGER, _EMBLEM_FRAMES, 0, -56, swing=True)
            for index, tile in enumerate(emblems)
        ),
        Move(heading, 2, TITLE_FRAMES - 3, 0, 40),
        Move(below, 5, TITLE_FRAMES - 5, 0, 56, swing=True),
    )
    shown = empty.copy()
    for move in moves:
        blend_tile(views(shown), move.tile)
    width, height = frame_size(spec.format)
    band = band_of(spec.theme, spec.format, assets, compact=False)
    leaves = timeline.frames if outro else max(TITLE_FRAMES, timeline.frames - _LEAVE_FRAMES)
    body = Box(0, 0, width, even_down(band.rows[0]))
    segments: list[Segment] = []
    for span in timeline.spans:
        start, end = span.start_frame, span.end_frame
        if span.stage == "enter":
            segments.append(Enter(start, end, views(empty), moves))
            continue
        if start < leaves:
            segments.append(Hold(start, min(end, leaves), views(shown)))
        if leaves < end:
            segments.append(Fade(max(start, leaves), end, views(shown), views(empty), [body]))
    overlay = BandOverlay(band, BandTimes(whole=TITLE_FRAMES, leaves=leaves, gone=timeline.frames))
    return (width, height), segments, overlay
