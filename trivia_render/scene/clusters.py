"""Characters as a reader sees them: cleaning a text, and its grapheme clusters."""

import unicodedata

import regex

ZWSP = "\u200b"
SOFT_HYPHEN = "\u00ad"
VS15 = "\ufe0e"
VS16 = "\ufe0f"

#: Fitzpatrick modifiers and their tones: the colours of Unicode's own chart glyphs, rounded.
SKIN_TONES: dict[str, tuple[int, int, int]] = {
    "\U0001f3fb": (247, 222, 206),
    "\U0001f3fc": (243, 210, 162),
    "\U0001f3fd": (213, 171, 136),
    "\U0001f3fe": (175, 126, 87),
    "\U0001f3ff": (124, 83, 62),
}

_NEWLINES = regex.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_CONTROLS = regex.compile(r"[\p{Cc}--\n]", flags=regex.VERSION1)
_SURROGATES = regex.compile(r"\p{Cs}")
_CLUSTER = regex.compile(r"\X")
#: Emoji by default, or made one: variation selector 16, keycap, skin tone, flag, joined pictographs.
_EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|[\uFE0F\u20E3\U0001F3FB-\U0001F3FF]"
    r"|\p{Extended_Pictographic}.*\u200D.*\p{Extended_Pictographic}"
)
_PICTOGRAPH = regex.compile(r"[\p{Extended_Pictographic}\U0001F3FB-\U0001F3FF]")
#: The hyphen that does not break looks like the one that does, and few fonts have it.
_GLYPH_ALIASES = {0x2011: "-"}
#: Shapes its neighbours without ink of its own.
_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}")
#: Unseen characters that the shaper must still get: joiners, variation selectors, tags of flags.
_SHAPING = regex.compile(r"[\u200C\u200D\u180B-\u180D\u180F\uFE00-\uFE0F\U000E0020-\U000E007F]")


def clean_text(text: str) -> str:
    """Return the text in NFC with `\\n` alone for line ends and a space for other controls.

    A lone surrogate, which no font can have, becomes U+FFFD.
    """
    text = _NEWLINES.sub("\n", text)
    text = _CONTROLS.sub(" ", text)
    text = _SURROGATES.sub("\ufffd", text)
    return unicodedata.normalize("NFC", text)


def clusters(text: str) -> list[str]:
    """Split into extended grapheme clusters (UAX #29); an emoji sequence is one cluster."""
    found: list[str] = _CLUSTER.findall(text)
    return found


def is_emoji(cluster: str) -> bool:
    """Tell whether the cluster is shown as an emoji rather than as text."""
    return VS15 not in cluster and _EMOJI.search(cluster) is not None


def skin_tones(cluster: str) -> tuple[tuple[int, int, int], ...]:
    """Return the RGB colours of an emoji's skin tone modifiers, in order."""
    if not _PICTOGRAPH.match(cluster):
        return ()
    return tuple(SKIN_TONES[character] for character in cluster if character in SKIN_TONES)


def without_skin_tones(cluster: str) -> str:
    """Return an emoji without its modifiers; a modifier alone stays, as a swatch."""
    if not _PICTOGRAPH.match(cluster):
        return cluster
    return cluster[0] + "".join(character for character in cluster[1:] if character not in SKIN_TONES)


def drawn_part(text: str) -> str:
    """Return the characters that need a glyph."""
    seen: str = _UNSEEN.sub("", without_skin_tones(text) if is_emoji(text) else text)
    return seen.translate(_GLYPH_ALIASES)


def shaped_part(text: str) -> str:
    """Return what the shaper gets: all but line breaking hints, bidi controls and the like."""
    shaped: str = _UNSEEN.sub(lambda match: match[0] if _SHAPING.match(match[0]) else "", text)
    return shaped.translate(_GLYPH_ALIASES)
