"""Embedding levels and visual order of mixed left-to-right and right-to-left text (UAX #9).

FriBidi works inside raqm on one run of one font; a line that mixes fonts is put in order here.
Rule names (X5a, W4, N0 …) are those of the Unicode Bidirectional Algorithm, revision 15.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

Direction = Literal["ltr", "rtl"]

_MAX_DEPTH = 125
_STRONG = {"L": 0, "R": 1, "AL": 1}
_ISOLATES = {"LRI", "RLI", "FSI"}
_EMBEDDINGS = {"LRE": 0, "LRO": 0, "RLE": 1, "RLO": 1}
#: Taken out of the text by X9.
_REMOVED = {"LRE", "RLE", "LRO", "RLO", "PDF", "BN"}
_NEUTRAL = {"B", "S", "WS", "ON", "LRI", "RLI", "FSI", "PDI"}
_TRAILING = {"WS", "LRI", "RLI", "FSI", "PDI", *_REMOVED}
#: The brackets of natural text among those of BidiBrackets.txt, opening and closing in turn.
_PAIRS = (
    "()[]{}⁅⁆⁽⁾₍₎⌈⌉⌊⌋❨❩❪❫❬❭❮❯❰❱❲❳❴❵⟦⟧⟨⟩⟪⟫⟬⟭⟮⟯⦃⦄⦅⦆⸨⸩〈〉《》「」『』【】〔〕〖〗〘〙〚〛（）［］｛｝｟｠｢｣"
)
_CLOSING = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
_CLOSERS = set(_CLOSING.values())
#: Canonical equivalents count as one bracket (BD14).
_SAME = {"\u2329": "〈", "\u232a": "〉"}
_RIGHT_TO_LEFT_LANGUAGES = {"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"}


def base_direction(text: str, *, language: str | None) -> Direction:
    """Return the order of a paragraph's runs: its first strong letter's, else the language's.

    In a language written from right to left, a foreign word at the start of the sentence decides
    nothing, and only a wholly foreign sentence keeps its own order.
    """
    own = first_strong(text)
    written = language_direction(language)
    if written == "rtl" and own == "ltr" and any(first_strong(letter) == "rtl" for letter in text):
        return "rtl"
    return own or written


def alignment_direction(text: str, *, language: str | None) -> Direction:
    """Return the side where lines start: the same for all texts of a right-to-left language."""
    if language_direction(language) == "rtl":
        return "rtl"
    return first_strong(text) or "ltr"


def language_direction(language: str | None) -> Direction:
    """Return how a language (BCP 47 tag) is written; left to right where none is given."""
    return "rtl" if (language or "").split("-")[0].lower() in _RIGHT_TO_LEFT_LANGUAGES else "ltr"


def first_strong(text: str) -> Direction | None:
    """Return the direction of the first strong character outside isolates (P2, P3)."""
    classes = [unicodedata.bidirectional(character) for character in text]
    level = _first_strong(classes, 0, len(classes))
    return None if level is None else ("rtl" if level else "ltr")


def levels(text: str, *, base: Direction) -> list[int]:
    """Return the embedding level of each character of one paragraph."""
    original = [unicodedata.bidirectional(character) or "L" for character in text]
    base_level = int(base == "rtl")
    if base_level == 0 and not {"R", "AL", "AN", "RLE", "RLO", "RLI", "FSI", "LRO"} & set(original):
        return [0] * len(text)
    matching = _matching_isolates(original)
    classes = list(original)
    explicit = _explicit_levels(classes, matching, base_level)
    result = list(explicit)
    for sequence in _isolating_run_sequences(original, explicit, matching):
        level = explicit[sequence[0]]
        start, end = _bounds(sequence, original, explicit, base_level)
        kinds = _weak_types([classes[index] for index in sequence], start)
        marks = [original[index] == "NSM" for index in sequence]
        embedding = "R" if level % 2 else "L"
        _paired_brackets([text[index] for index in sequence], kinds, marks, embedding, start)
        _neutral_types(kinds, embedding, start, end)
        for index, kind in zip(sequence, kinds, strict=True):
            result[index] = level + _implicit_rise(kind, level)
    return _settle_removed(original, result, base_level)


def line_levels(text: str, resolved: Sequence[int], *, base: Direction) -> list[int]:
    """Return a line's levels with its trailing blanks at the base level (L1)."""
    result = list(resolved)
    base_level = int(base == "rtl")
    trailing = True
    for index in range(len(text) - 1, -1, -1):
        kind = unicodedata.bidirectional(text[index])
        if kind in {"S", "B"}:
            trailing = True
        if trailing and (kind in _TRAILING or kind in {"S", "B"}):
            result[index] = base_level
        else:
            trailing = False
    return result


def visual_order(run_levels: Sequence[int]) -> list[int]:
    """Return the indices of runs from left to right, by their levels (L2)."""
    order = list(range(len(run_levels)))
    if not order:
        return order
    lowest_odd = min((level for level in run_levels if level % 2), default=max(run_levels) + 1)
    for level in range(max(run_levels), lowest_odd - 1, -1):
        start = 0
        while start < len(order):
            if run_levels[order[start]] < level:
                start += 1
                continue
            end = start
            while end < len(order) and run_levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end
    return order


def _first_strong(classes: Sequence[str], start: int, end: int) -> int | None:
    depth = 0
    for kind in classes[start:end]:
        if kind in _ISOLATES:
            depth += 1
        elif kind == "PDI":
            depth = max(0, depth - 1)
        elif depth == 0 and kind in _STRONG:
            return _STRONG[kind]
    return None


def _matching_isolates(classes: Sequence[str]) -> dict[int, int]:
    """Return the PDI of each isolate initiator that has one (BD9)."""
    opened: list[int] = []
    matching = {}
    for index, kind in enumerate(classes):
        if kind in _ISOLATES:
            opened.append(index)
        elif kind == "PDI" and opened:
            matching[opened.pop()] = index
    return matching


def _explicit_levels(  # noqa: PLR0912 - X1 to X8 are one state machine over the kinds of controls
    classes: list[str], matching: dict[int, int], base_level: int
) -> list[int]:
    """Apply X1 to X8: `classes` is changed where an override says so."""
    stack: list[tuple[int, str | None, bool]] = [(base_level, None, False)]
    overflow_isolates = overflow_embeddings = valid_isolates = 0
    closing = {close: opening for opening, close in matching.items()}
    result = [base_level] * len(classes)
    for index, kind in enumerate(list(classes)):
        level, override, _ = stack[-1]
        result[index] = level
        if kind in _EMBEDDINGS or kind in _ISOLATES:
            isolate = kind in _ISOLATES
            if isolate and override:
                classes[index] = override
            right = _EMBEDDINGS.get(kind, int(kind == "RLI"))
            if kind == "FSI":
                right = _first_strong(classes, index + 1, matching.get(index, len(classes))) or 0
            new = (level + 1) | 1 if right else (level + 2) & ~1
            if new <= _MAX_DEPTH and not overflow_isolates and not overflow_embeddings:
                valid_isolates += isolate
                forced = ("R" if right else "L") if kind in {"LRO", "RLO"} else None
                stack.append((new, forced, isolate))
            elif isolate:
                overflow_isolates += 1
            elif not overflow_isolates:
                overflow_embeddings += 1
        elif kind == "PDI":
            if overflow_isolates:
                overflow_isolates -= 1
            elif valid_isolates and index in closing:
                overflow_embeddings = 0
                while not stack[-1][2]:
                    stack.pop()
                stack.pop()
                valid_isolates -= 1
            level, override, _ = stack[-1]
            result[index] = level
            if override:
                classes[index] = override
        elif kind == "PDF":
            if not overflow_isolates:
                if overflow_embeddings:
                    overflow_embeddings -= 1
                elif not stack[-1][2] and len(stack) > 1:
                    stack.pop()
        elif kind == "B":
            result[index] = base_level
        elif override and kind != "BN":
            classes[index] = override
    return result


def _isolating_run_sequences(
    original: Sequence[str], result: Sequence[int], matching: dict[int, int]
) -> list[list[int]]:
    """Return the sequences of X10 as lists of indices, without what X9 removes."""
    kept = [index for index, kind in enumerate(original) if kind not in _REMOVED]
    runs: list[list[int]] = []
    for index in kept:
        if runs and result[runs[-1][-1]] == result[index]:
            runs[-1].append(index)
        else:
            runs.append([index])
    starting = {run[0]: run for run in runs}
    closers = set(matching.values())
    sequences = []
    for run in runs:
        if run[0] in closers:
            continue  # It continues the sequence of its initiator.
        sequence = list(run)
        while sequence[-1] in matching and matching[sequence[-1]] in starting:
            sequence += starting[matching[sequence[-1]]]
        sequences.append(sequence)
    return sequences


def _bounds(
    sequence: Sequence[int], original: Sequence[str], explicit: Sequence[int], base_level: int
) -> tuple[str, str]:
    """Return the types that a sequence sees before its start and after its end (X10)."""

    def level_of(indices: range) -> int:
        return next((explicit[index] for index in indices if original[index] not in _REMOVED), base_level)

    level = explicit[sequence[0]]
    before = level_of(range(sequence[0] - 1, -1, -1))
    open_ended = original[sequence[-1]] in _ISOLATES
    after = base_level if open_ended else level_of(range(sequence[-1] + 1, len(original)))
    return "R" if max(level, before) % 2 else "L", "R" if max(level, after) % 2 else "L"


def _implicit_rise(kind: str, level: int) -> int:
    """Return how much deeper a character lies than its embedding (I1, I2)."""
    if level % 2:
        return int(kind in {"L", "EN", "AN"})
    return {"R": 1, "AN": 2, "EN": 2}.get(kind, 0)


def _weak_types(kinds: list[str], start: str) -> list[str]:
    """Apply W1 to W7."""
    return _number_types(_marks_and_letters(kinds, start), start)


def _marks_and_letters(kinds: list[str], start: str) -> list[str]:
    """Apply W1 to W3."""
    previous = start
    for index, kind in enumerate(kinds):  # W1
        if kind == "NSM":
            kinds[index] = "ON" if previous in _ISOLATES or previous == "PDI" else previous
        previous = kinds[index]
    strong = start
    for index, kind in enumerate(kinds):  # W2
        if kind in {"L", "R", "AL"}:
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[index] = "AN"
    return ["R" if kind == "AL" else kind for kind in kinds]  # W3


def _number_types(kinds: list[str], start: str) -> list[str]:
    """Apply W4 to W7."""
    for index in range(1, len(kinds) - 1):  # W4
        left, kind, right = kinds[index - 1 : index + 2]
        if left == right and ((kind == "ES" and left == "EN") or (kind == "CS" and left in {"EN", "AN"})):
            kinds[index] = left
    index = 0
    while index < len(kinds):  # W5
        end = index
        while end < len(kinds) and kinds[end] == "ET":
            end += 1
        if end > index:
            beside = (index > 0 and kinds[index - 1] == "EN") or (end < len(kinds) and kinds[end] == "EN")
            kinds[index:end] = ["EN" if beside else "ON"] * (end - index)
        index = end + 1
    kinds = ["ON" if kind in {"ES", "ET", "CS"} else kind for kind in kinds]  # W6
    strong = start
    for index, kind in enumerate(kinds):  # W7
        if kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[index] = "L"
    return kinds


def _paired_brackets(
    characters: list[str], kinds: list[str], marks: list[bool], embedding: str, start: str
) -> None:
    """Apply N0: a pair of brackets takes the direction of what it holds or follows."""
    opened: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for index, raw in enumerate(characters):
        character = _SAME.get(raw, raw)
        if kinds[index] != "ON":
            continue
        if character in _CLOSING:
            if len(opened) == 63:
                pairs = []
                break
            opened.append((_CLOSING[character], index))
        elif character in _CLOSERS:
            for depth in range(len(opened) - 1, -1, -1):
                if opened[depth][0] == character:
                    pairs.append((opened[depth][1], index))
                    del opened[depth:]
                    break
    for first, last in sorted(pairs):
        inside = {_strong_type(kind) for kind in kinds[first + 1 : last]} - {None}
        if not inside:
            continue
        direction = embedding
        if embedding not in inside:
            context = next((t for t in map(_strong_type, reversed(kinds[:first])) if t), start)
            direction = context if context != embedding else embedding
        for place in (first, last):
            kinds[place] = direction
            follower = place + 1
            while follower < len(kinds) and marks[follower]:
                kinds[follower] = direction
                follower += 1


def _strong_type(kind: str) -> str | None:
    return "R" if kind in {"R", "EN", "AN"} else "L" if kind == "L" else None


def _neutral_types(kinds: list[str], embedding: str, start: str, end: str) -> None:
    """Apply N1 and N2."""
    bounds = [-1, *(i for i, kind in enumerate(kinds) if kind not in _NEUTRAL), len(kinds)]
    for left, right in pairwise(bounds):
        if right - left == 1:
            continue
        before = start if left < 0 else _strong_type(kinds[left])
        after = end if right == len(kinds) else _strong_type(kinds[right])
        direction = before if before == after and before else embedding
        kinds[left + 1 : right] = [direction] * (right - left - 1)


def _settle_removed(original: Sequence[str], result: list[int], base_level: int) -> list[int]:
    """Give what X9 removed the level before it, so that it splits no run."""
    previous = base_level
    for index, kind in enumerate(original):
        if kind in _REMOVED:
            result[index] = previous
        previous = result[index]
    return result
