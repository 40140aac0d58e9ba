"""Text as it is spoken: what a voice is given of a text, and where its sentences end. Pure."""

import re
import unicodedata
from typing import NamedTuple

from trivia_render.models.phrases import phrases_for

#: Pictographs, arrows, dingbats, flags, skin tones, keycap and tag marks: drawn, never spoken.
#: Ranges after the Unicode blocks that hold the `Emoji_Presentation` characters.
_PICTURES = re.compile(
    "[\u20e3\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\ufe00-\ufe0f\ufffc\ufffd"
    "\U0001f000-\U0001faff\U000e0000-\U000e007f]+"
)
_JOINERS = "\u200c\u200d"
_TAG = re.compile(r"<\s*(/?)\s*([A-Za-z][\w-]*)[^<>]*>")
#: `[word](/phonemes/)` is markup to some voices: brackets become blanks, so that text stays text.
_BRACKETS = re.compile(r"[\[\]{}|\\`]+")
_GAP = re.compile(r"_{2,}")
_BLANKS = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?…](?:\s|$))")

_BOUNDARY = re.compile(r"""(?:(?<=[.!?…؟।])["'”’»)\]]*\s+|(?<=[。！？])["”’」』）]*\s*|\n+)(?=\S)""")
#: A full stop after these ends no sentence. Titles and the like, in the languages with phrases.
_ABBREVIATIONS = frozenset(
    [
        *("mr", "mrs", "ms", "dr", "prof", "st", "sr", "sra", "jr", "vs", "mt", "lt", "sgt", "rev", "gov"),
        *("sen", "mme", "mlle", "bzw", "nr", "inż", "św", "tzw", "dott", "sig"),
    ]
)


class SpokenSentence(NamedTuple):
    """A sentence as written, for captions, and as a voice is given it (never empty)."""

    written: str
    spoken: str


def speakable(text: str, *, language: str) -> str:
    """Return what a voice should be given of a text; empty where nothing of it can be spoken.

    Emoji, markup signs and invisible characters are left out; a gap `____` is named; a tag such as
    `<b>` is spoken as its name.
    """
    text = unicodedata.normalize("NFC", text)
    text = _GAP.sub(f" {phrases_for(language).blank} ", text)
    text = _PICTURES.sub(" ", text)
    text = _TAG.sub(lambda match: f" {match[2]} ", text)
    text = _BRACKETS.sub(" ", text)
    text = "".join(_audible(text, place) for place in range(len(text)))
    text = _SPACE_BEFORE_MARK.sub("", _BLANKS.sub(" ", text)).strip()
    return text if any(character.isalnum() for character in text) else _named_signs(text)


def sentences(text: str, *, language: str) -> tuple[SpokenSentence, ...]:
    """Split a text into sentences that can be spoken; what cannot goes with its neighbour.

    The written parts, joined by blanks, are the text. Empty where nothing can be spoken.
    """
    found: list[SpokenSentence] = []
    unspoken = ""
    for written in split_sentences(text):
        spoken = speakable(written, language=language)
        if spoken:
            found.append(SpokenSentence(f"{unspoken} {written}".strip(), spoken))
            unspoken = ""
        elif found:
            found[-1] = found[-1]._replace(written=f"{found[-1].written} {written}")
        else:
            unspoken = f"{unspoken} {written}".strip()
    return tuple(found)


def split_sentences(text: str) -> tuple[str, ...]:
    """Split a text after its sentences' final marks; blanks become single. No part is empty."""
    parts: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if _ends_sentence(text[start : match.start()], following=text[match.end()]):
            parts.append(text[start : match.end()])
            start = match.end()
    parts.append(text[start:])
    return tuple(" ".join(part.split()) for part in parts if part.strip())


def _ends_sentence(before: str, *, following: str) -> bool:
    """False after an abbreviation or an initial, and where the sentence goes on in lower case."""
    if following.islower():
        return False
    if not before.endswith("."):
        return True
    words = before[:-1].split()
    word = words[-1].lstrip("(\"'“‘«") if words else ""
    is_initial = len(word) == 1 and word.isupper()
    return not (is_initial or "." in word or word.lower() in _ABBREVIATIONS)


def _audible(text: str, place: int) -> str:
    """Return the character at a place as a voice should get it: nothing for what is invisible."""
    character = text[place]
    category = unicodedata.category(character)
    if character in _JOINERS:
        # Between letters and their marks, joiners are orthography (Persian, Hindi); elsewhere glue.
        around = (text[place - 1 : place], text[place + 1 : place + 2])
        return character if all(side and unicodedata.category(side)[0] in "LM" for side in around) else ""
    if category == "Cf":
        return ""
    return " " if category[0] == "C" else character


def _named_signs(text: str) -> str:
    """A text of signs alone is spoken if it holds one that has a name to speak, such as `+` or `€`."""
    return text if any(unicodedata.category(character) in {"Sc", "Sm"} for character in text) else ""
