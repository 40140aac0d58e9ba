"""Where a line may end: a small subset of UAX #14 that suits questions and answers.

A text is cut into segments, each of which stays whole on a line. The blanks at a segment's end count
for nothing where the line ends after it.
"""

from typing import NamedTuple

import regex

from trivia_render.scene.clusters import SOFT_HYPHEN, ZWSP, clusters

#: Written without spaces between words: a line may end between any two characters …
_IDEOGRAPHIC = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\u3001-\u303F\uFF01-\uFF60]")
#: … but none starts with these, and none ends with those.
_NOT_FIRST = regex.compile(
    r"[\p{Pe}\p{Pf}!?,.:;…%‰°、。，．・：；？！ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ]"
)
_NOT_LAST = regex.compile(r"[\p{Ps}\p{Pi}¿¡$£¥#]")
#: Written without spaces, and broken between words, which takes a dictionary: broken between clusters
#: where a line is full.
_UNSPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
#: Vowels that are written before the consonant that they belong to.
_LEADING_VOWEL = regex.compile(r"[\u0E40-\u0E44\u0EC0-\u0EC4]")
_BLANK = regex.compile(r"[\p{Zs}--\u00A0\u2007\u202F]", flags=regex.VERSION1)
_ALPHABETIC = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Armenian}\p{Georgian}]")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}{2}")
_LETTER_DASHES = "-‐/"
_DASHES = "–—"
#: French sets these off with a space, often an ordinary one, on which no line may end.
_AFTER_SPACE = "?!:;»›%"
_BEFORE_SPACE = "«‹"


class Segment(NamedTuple):
    """Characters [start, end) of a paragraph; those from `ink_end` are blanks."""

    start: int
    ink_end: int
    end: int
    #: What is printed where a line ends after this segment: a hyphen, or nothing.
    hyphen: str = ""


def segments(paragraph: str, *, at: str = "everywhere") -> list[Segment]:
    """Cut a paragraph at spaces alone (`at="spaces"`) or everywhere that a line may end.

    Everywhere is also after dashes, after hyphens and slashes between letters, at soft hyphens and
    zero-width spaces, and between ideographs or emoji.
    """
    parts = clusters(paragraph)
    found: list[Segment] = []
    start = ink_end = place = 0
    for index, part in enumerate(parts):
        following = parts[index + 1] if index + 1 < len(parts) else ""
        place += len(part)
        if not _BLANK.match(part):
            ink_end = place
        elif following and not _BLANK.match(following) and not _holds_together(parts, index):
            found.append(Segment(start, ink_end, place))
            start = ink_end = place
            continue
        if following and at == "everywhere" and not _BLANK.match(following):
            before = parts[index - 1] if index else ""
            if _breaks_between(before, part, following):
                found.append(Segment(start, ink_end, place, "-" if part.endswith(SOFT_HYPHEN) else ""))
                start = ink_end = place
    if place > start or not found:
        found.append(Segment(start, max(ink_end, start), place))
    return found


def split_segment(paragraph: str, segment: Segment) -> list[Segment]:
    """Cut a segment between its clusters, for a word wider than any line."""
    parts = clusters(paragraph[segment.start : segment.ink_end])
    pieces: list[Segment] = []
    start = place = segment.start
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        place += len(part)
        if following and (_NOT_FIRST.match(following) or _NOT_LAST.match(part) or _LEADING_VOWEL.match(part)):
            continue
        between_letters = _ALPHABETIC.match(part) and _ALPHABETIC.match(following)
        pieces.append(Segment(start, place, place, "-" if between_letters else ""))
        start = place
    if not pieces:
        return [segment]
    pieces[-1] = Segment(pieces[-1].start, segment.ink_end, segment.end, segment.hyphen)
    return pieces


def may_be_split(paragraph: str, segment: Segment) -> bool:
    """Tell whether a segment is a phrase of a script without spaces rather than one word."""
    return _UNSPACED.match(paragraph, segment.start) is not None


def _holds_together(parts: list[str], index: int) -> bool:
    """Tell whether the blank at `index` sets off a mark from its sentence."""
    before, mark = parts[index - 1] if index else "", parts[index + 1]
    beyond = parts[index + 2] if index + 2 < len(parts) else " "
    return before in _BEFORE_SPACE or (mark in _AFTER_SPACE and not beyond.isalnum())


def _breaks_between(before: str, part: str, following: str) -> bool:
    if part.endswith((ZWSP, SOFT_HYPHEN)):
        return True
    if _NOT_FIRST.match(following) or _NOT_LAST.match(part):
        return False
    if part in _LETTER_DASHES and before:
        return before[0].isalpha() and following[0].isalpha()
    if part in _DASHES and before:
        between_numbers = before[0].isdigit() and following[0].isdigit()
        return not between_numbers and not before.isspace() and following not in _DASHES
    if _IDEOGRAPHIC.match(part) or _IDEOGRAPHIC.match(following):
        return True
    return bool(_EMOJI.match(part) and _EMOJI.match(following))
