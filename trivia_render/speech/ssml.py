"""Lines packed into as few Google Cloud Text-to-Speech requests as its limits allow. Pure."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from trivia_render.errors import SpeechTooLongError
from trivia_render.speech.text import SpokenSentence

#: "The input size is limited to 5000 bytes": markup included (SynthesisInput in the API's reference).
LIMIT_BYTES = 5000
#: Between two lines of one request: long enough to find the cut in, whatever the voice's own pauses are.
_BREAK = '<break time="1s"/>'
_OPEN, _CLOSE = "<speak>", "</speak>"
_MARK = re.compile(r'<mark name="\w+"/>')

InputStyle = Literal["ssml", "text"]


class Piece(NamedTuple):
    """A line, or as much of it as one request takes."""

    line: int
    sentences: tuple[SpokenSentence, ...]


def pack(lines: Sequence[Sequence[SpokenSentence]], *, style: InputStyle) -> tuple[tuple[Piece, ...], ...]:
    """Share lines out over requests: many lines to a request of SSML, one to a request of text.

    A line over the limit is split between sentences. Raises SpeechTooLongError for a sentence over it.
    """
    requests: list[tuple[Piece, ...]] = []
    for index, line in enumerate(lines):
        for piece in _split(index, line, style=style):
            joined = (*requests[-1], piece) if requests else (piece,)
            if requests and style == "ssml" and _size(joined, style=style) <= LIMIT_BYTES:
                requests[-1] = joined
            else:
                requests.append((piece,))
    return tuple(requests)


def document(pieces: Sequence[Piece], *, style: InputStyle) -> str:
    """Write what one request says, with a mark before and behind each piece and before its sentences.

    Google bills every character of SSML but those of marks.
    """
    if style == "text":
        return " ".join(sentence.spoken for piece in pieces for sentence in piece.sentences)
    return _OPEN + _BREAK.join(_marked(index, piece) for index, piece in enumerate(pieces)) + _CLOSE


def billed_characters(text: str) -> int:
    """Return how many characters of a request Google bills: all but marks, see its price page."""
    return len(_MARK.sub("", text))


def markup_characters(lines: int) -> int:
    """Return how many billed characters of markup a request of so many lines has, were it in SSML."""
    return len(_OPEN) + len(_CLOSE) + max(0, lines - 1) * len(_BREAK)


def begin_mark(piece: int) -> str:
    """Name of the mark before a piece."""
    return f"{piece}b"


def end_mark(piece: int) -> str:
    """Name of the mark behind a piece."""
    return f"{piece}e"


def sentence_mark(piece: int, sentence: int) -> str:
    """Name of the mark before a piece's sentence."""
    return f"{piece}s{sentence}"


def _marked(index: int, piece: Piece) -> str:
    spoken = [escape(sentence.spoken) for sentence in piece.sentences]
    text = spoken[0] + "".join(
        f' <mark name="{sentence_mark(index, number)}"/>{words}'
        for number, words in enumerate(spoken[1:], start=1)
    )
    return f'<mark name="{begin_mark(index)}"/>{text}<mark name="{end_mark(index)}"/>'


def _split(index: int, line: Sequence[SpokenSentence], *, style: InputStyle) -> list[Piece]:
    pieces: list[Piece] = []
    for sentence in line:
        alone = Piece(index, (sentence,))
        if _size((alone,), style=style) > LIMIT_BYTES:
            raise SpeechTooLongError(
                f"A sentence is over the {LIMIT_BYTES} bytes that Google Cloud Text-to-Speech takes at once.",
                evidence=f"{len(sentence.spoken.encode())} bytes: {sentence.written[:80]!r} …",
                remedy="Shorten it, or end sentences in it with a full stop.",
            )
        joined = Piece(index, (*pieces[-1].sentences, sentence)) if pieces else alone
        if pieces and _size((joined,), style=style) <= LIMIT_BYTES:
            pieces[-1] = joined
        else:
            pieces.append(alone)
    return pieces


def _size(pieces: Sequence[Piece], *, style: InputStyle) -> int:
    return len(document(pieces, style=style).encode())
