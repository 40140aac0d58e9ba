"""From one line of characters to runs of one face and one direction, placed from left to right."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import regex

from trivia_render.models.theme import FontName
from trivia_render.scene.bidi import Direction, first_strong, line_levels, visual_order
from trivia_render.scene.clusters import clusters, is_emoji, skin_tones, without_skin_tones
from trivia_render.scene.fonts import LINING_FIGURES, Face, covers, drawn, open_face, theme_face

_LEFT_TO_RIGHT_OVERRIDE, _RIGHT_TO_LEFT_OVERRIDE, _POP = "\u202d", "\u202e", "\u202c"
_SPACEABLE = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}\p{Inherited}]+")
Colour = tuple[int, int, int]
#: A ligature among letters that are spaced out would stand out as a knot.
_SPACED_FEATURES = (*LINING_FIGURES, "-liga", "-clig")


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
    features: tuple[str, ...] = LINING_FIGURES
    #: Extra advance, in parts of the size.
    spacing: float = 0.0


class ShapedLine(NamedTuple):
    """Runs from left to right; the ink lies within `width_px`, `rise_px` over the baseline and
    `drop_px` under it."""

    text: str
    runs: tuple[Run, ...]
    width_px: int
    rise_px: int
    drop_px: int


class _Piece(NamedTuple):
    text: str
    face: Face
    level: int
    tones: tuple[Colour, ...]


def shape_line(
    text: str, levels: Sequence[int], *, base: Direction, typeface: Typeface, size_px: int
) -> ShapedLine:
    """Shape one line; `levels` are the characters' embedding levels within their paragraph."""
    pieces = _pieces(text, line_levels(text, levels, base=base), typeface)
    ordered = [
        run
        for index in visual_order([piece.level for piece in pieces])
        for run in _runs(pieces[index], typeface)
    ]
    placed: list[Run] = []
    origin = left = right = rise = drop = 0.0
    for index, run in enumerate(ordered):
        ink = _ink_box(run.text, run.face, run.direction, run.features, size_px, typeface.language)
        placed.append(run._replace(x_px=origin))
        left, right = min(left, origin + ink[0]), max(right, origin + ink[2])
        rise, drop = max(rise, -ink[1]), max(drop, ink[3])
        if index + 1 < len(ordered):
            origin += _advance(run, size_px, typeface.language)
    shift = math.ceil(-left)
    return ShapedLine(
        text,
        tuple(run._replace(x_px=run.x_px + shift) for run in placed),
        math.ceil(right) + shift,
        math.ceil(rise),
        math.ceil(drop),
    )


def line_advance(text: str, levels: Sequence[int], *, typeface: Typeface, size_px: int) -> float:
    """Return the width of a text on one line, in pixels, blanks at its ends included."""
    pieces = _pieces(text, levels, typeface)
    return sum(
        _advance(run, size_px, typeface.language) for piece in pieces for run in _runs(piece, typeface)
    )


def missing_characters(text: str, typeface: Typeface) -> str:
    """Return the characters that no face has, each once, in order."""
    found = "".join(
        drawn(cluster, name=typeface.font, weight=typeface.weight, borrowed=typeface.borrowed).missing
        for cluster in clusters(text)
    )
    return "".join(dict.fromkeys(found))


def _advance(run: Run, size_px: int, language: str | None) -> float:
    length = open_face(run.face, size_px=size_px).getlength(
        run.text, direction=run.direction, features=list(run.features), language=language
    )
    return length + run.spacing * size_px


@lru_cache(maxsize=4096)
def _ink_box(
    text: str, face: Face, direction: Direction, features: tuple[str, ...], size_px: int, language: str | None
) -> tuple[float, float, float, float]:
    """Return the box of a run's ink around its origin, in pixels, wherever in a pixel the origin lies."""
    left, top, right, bottom = open_face(face, size_px=size_px).getbbox(
        text, direction=direction, features=list(features), language=language, anchor="ls"
    )
    # A fraction of the origin can move anti-aliased ink into the next pixel.
    return left, top, right + 1, bottom


def _pieces(text: str, levels: Sequence[int], typeface: Typeface) -> list[_Piece]:
    """Join clusters of one face, level and tint, in logical order."""
    theme = theme_face(typeface.font, weight=typeface.weight)
    if text.isascii() and text and not typeface.borrowed and len(set(levels)) == 1:
        return [_Piece(text, theme, levels[0], ())]
    pieces: list[_Piece] = []
    place = 0
    words = theme
    for cluster in clusters(text):
        level = levels[place]
        place += len(cluster)
        face, shaped, _ = drawn(
            cluster, name=typeface.font, weight=typeface.weight, borrowed=typeface.borrowed
        )
        if not shaped:
            continue
        # A blank belongs to the words around it, not to the theme nor to a symbol's font.
        if cluster.isspace() and covers(words, cluster):
            face = words
        elif cluster[0].isalnum() and not is_emoji(cluster):
            words = face
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
            Run(letter, piece.face, direction, 0.0, (), _SPACED_FEATURES, typeface.tracking)
            for letter in clusters(piece.text)
        ]
    text = piece.text
    # raqm orders the run again by itself: an override that the text asked for must be said again.
    if direction == "rtl" and first_strong(text) == "ltr":
        text = f"{_RIGHT_TO_LEFT_OVERRIDE}{text}{_POP}"
    elif direction == "ltr" and first_strong(text) == "rtl":
        text = f"{_LEFT_TO_RIGHT_OVERRIDE}{text}{_POP}"
    return [Run(text, piece.face, direction, 0.0, piece.tones)]
