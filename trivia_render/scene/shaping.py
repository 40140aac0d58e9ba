"""From one line of characters to runs of one face and one direction, placed from left to right."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import regex
from PIL import ImageFont

from trivia_render.models.theme import FontName
from trivia_render.scene.bidi import Direction, first_strong, line_levels, visual_order
from trivia_render.scene.clusters import clusters, is_emoji, shaped_part, skin_tones, without_skin_tones
from trivia_render.scene.fonts import Face, covers, face_for, open_face, theme_face

_LEFT_TO_RIGHT_OVERRIDE, _RIGHT_TO_LEFT_OVERRIDE, _POP = "\u202d", "\u202e", "\u202c"
_SPACEABLE = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}\p{Inherited}]+")
Colour = tuple[int, int, int]
#: Hair lines between letters look even only if ligatures are off where letters are spaced out.
_SPACED_FEATURES = ("-liga", "-clig")


class Typeface(NamedTuple):
    """What a line is set in. `tracking` is extra space after each letter, in parts of the size."""

    font: FontName
    weight: int
    tracking: float = 0.0
    language: str | None = None
    #: Alphabets that another typeface sets, as `fonts.lenders` tells.
    borrowed: tuple[tuple[str, FontName], ...] = ()


class Run(NamedTuple):
    """Text of one face and direction; `x_px` is its origin, from the line's left edge."""

    text: str
    face: Face
    direction: Direction
    x_px: float
    tones: tuple[Colour, ...] = ()
    features: tuple[str, ...] = ()


class ShapedLine(NamedTuple):
    """Runs from left to right; the ink lies within `width_px`, `rise_px` over the baseline and
    `drop_px` under it."""

    text: str
    runs: tuple[Run, ...]
    advance_px: float
    width_px: int
    rise_px: int
    drop_px: int


class _Piece(NamedTuple):
    text: str
    face: Face
    level: int
    tones: tuple[Colour, ...]


class Extent(NamedTuple):
    """How far a run advances, and the box of its ink around its origin."""

    advance_px: float
    left_px: float
    top_px: float
    right_px: float
    bottom_px: float


def shape_line(
    text: str, levels: Sequence[int], *, base: Direction, typeface: Typeface, size_px: int
) -> ShapedLine:
    """Shape one line; `levels` are the characters' embedding levels within their paragraph."""
    pieces = _pieces(text, line_levels(text, levels, base=base), typeface)
    runs: list[Run] = []
    origin = left = right = 0.0
    rise = drop = 0.0
    for index in visual_order([piece.level for piece in pieces]):
        for run in _runs(pieces[index], typeface):
            extent = measure(run, size_px=size_px, language=typeface.language)
            runs.append(run._replace(x_px=origin))
            left = min(left, origin + extent.left_px)
            right = max(right, origin + extent.right_px)
            rise, drop = max(rise, -extent.top_px), max(drop, extent.bottom_px)
            origin += extent.advance_px
            if run.features:
                origin += typeface.tracking * size_px
    shift = math.ceil(-left)
    width = math.ceil(max(right, origin) + shift)
    placed = tuple(run._replace(x_px=run.x_px + shift) for run in runs)
    return ShapedLine(text, placed, origin, width, math.ceil(rise), math.ceil(drop))


def missing_characters(text: str, typeface: Typeface) -> str:
    """Return the characters that no face has, each once, in order."""
    found = "".join(
        face_for(cluster, name=typeface.font, weight=typeface.weight, borrowed=typeface.borrowed)[1]
        for cluster in clusters(text)
    )
    return "".join(dict.fromkeys(found))


def measure(run: Run, *, size_px: int, language: str | None) -> Extent:
    """Measure a run; bounds are in whole pixels and hold wherever its origin falls within one."""
    return _measure(run.text, run.face, run.direction, run.features, size_px, language)


def font_options(run: Run, *, language: str | None) -> dict[str, str | list[str]]:
    """Return the arguments that Pillow needs beside the text to shape a run."""
    options: dict[str, str | list[str]] = {"direction": run.direction}
    if run.features:
        options["features"] = list(run.features)
    if language:
        options["language"] = language
    return options


@lru_cache(maxsize=65536)
def _measure(
    text: str,
    face: Face,
    direction: Direction,
    features: tuple[str, ...],
    size_px: int,
    language: str | None,
) -> Extent:
    font: ImageFont.FreeTypeFont = open_face(face, size_px=size_px)
    chosen = list(features) or None
    advance = font.getlength(text, direction=direction, features=chosen, language=language)
    left, top, right, bottom = font.getbbox(
        text, direction=direction, features=chosen, language=language, anchor="ls"
    )
    # A fraction of the origin can move anti-aliased ink into the next pixel.
    return Extent(advance, left, top, right + 1, bottom)


def _pieces(text: str, levels: Sequence[int], typeface: Typeface) -> list[_Piece]:
    """Join clusters of one face, level and tint, in logical order."""
    pieces: list[_Piece] = []
    place = 0
    before = ""
    previous = theme_face(typeface.font, weight=typeface.weight)
    for cluster in clusters(text):
        level = levels[place]
        place += len(cluster)
        shaped = shaped_part(cluster)
        if not shaped:
            continue
        face, _ = face_for(cluster, name=typeface.font, weight=typeface.weight, borrowed=typeface.borrowed)
        if cluster.isspace() and not is_emoji(before) and covers(previous, cluster):
            face = previous
        previous, before = face, cluster
        tones = skin_tones(cluster)
        if tones:
            shaped = _narrower_emoji(shaped, face)
        last = pieces[-1] if pieces else None
        if last and (last.face, last.level) == (face, level) and not tones and not last.tones:
            pieces[-1] = last._replace(text=last.text + shaped)
        else:
            pieces.append(_Piece(shaped, face, level, tones))
    return pieces


@lru_cache(maxsize=1024)
def _narrower_emoji(cluster: str, face: Face) -> str:
    """Return an emoji with its skin tone modifiers only if the font joins them with it to one glyph.

    The font draws a modifier that it cannot join as a swatch beside the emoji; the tone is painted anyway.
    """
    font = open_face(face, size_px=64)
    return min((cluster, without_skin_tones(cluster)), key=font.getlength)


def _runs(piece: _Piece, typeface: Typeface) -> list[Run]:
    direction: Direction = "rtl" if piece.level % 2 else "ltr"
    # Joined and stacked scripts must not be torn apart: only separate letters are spaced out.
    if typeface.tracking and direction == "ltr" and _SPACEABLE.fullmatch(piece.text):
        return [
            Run(letter, piece.face, direction, 0.0, (), _SPACED_FEATURES) for letter in clusters(piece.text)
        ]
    text = piece.text
    # raqm orders the run again by itself: an override that the text asked for must be said again.
    if direction == "rtl" and first_strong(text) == "ltr":
        text = f"{_RIGHT_TO_LEFT_OVERRIDE}{text}{_POP}"
    elif direction == "ltr" and first_strong(text) == "rtl":
        text = f"{_LEFT_TO_RIGHT_OVERRIDE}{text}{_POP}"
    return [Run(text, piece.face, direction, 0.0, piece.tones)]
