"""Typefaces: the themes' own, and the fallback for characters that those lack.

All fonts come as installed packages. Text is always shaped by raqm (HarfBuzz and FriBidi); a machine
without it gets an error, for the basic layout would print wrong Arabic and Hindi in silence.
"""

import importlib.util
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import regex
from PIL import ImageFont, features

from trivia_render.errors import ProgramMissingError
from trivia_render.models.theme import FontName
from trivia_render.scene.clusters import drawn_part, is_emoji, shaped_part
from trivia_render.scene.cmap import covered_characters

_REMEDY = "Install the project's dependencies again (`make setup`)."

#: Package and upright file of each theme face. Poppins comes as one file a weight.
_THEME_FACES: dict[FontName, tuple[str, str]] = {
    "inter": ("fontpkg_inter", "files/Inter[opsz,wght].ttf"),
    "poppins": ("fontpkg_poppins", "files/Poppins-{weight}.ttf"),
    "fredoka": ("fontpkg_fredoka", "files/Fredoka[wdth,wght].ttf"),
    "playfair": ("fontpkg_playfair_display", "files/PlayfairDisplay[wght].ttf"),
    "space-grotesk": ("fontpkg_space_grotesk", "files/SpaceGrotesk[wght].ttf"),
}

#: The basmala in one glyph: FreeType 2.14 gives up on its outline ("raster overflow") where bolder.
_REGULAR_ONLY = frozenset({"\ufdfd"})
#: Kinds of Unicode decomposition that change the style of a letter, not the letter.
_SAME_LETTER = ("<font>", "<wide>", "<narrow>")
#: Poppins 4 draws Devanagari digits as European ones, with every language tag.
_MISDRAWN = frozenset(range(0x0966, 0x0970))

#: Asked before the Noto fonts, for letters that the theme's face lacks: faces of a like build.
_COMPANIONS: dict[FontName, tuple[FontName, ...]] = {
    "inter": (),
    "poppins": ("inter",),
    "fredoka": ("poppins", "inter"),
    "playfair": ("inter",),
    "space-grotesk": ("inter",),
}

_ALPHABETS = {
    script: regex.compile(rf"[\p{{L}}&&\p{{{script}}}]", flags=regex.VERSION1)
    for script in ("Latin", "Greek", "Cyrillic")
}
_COMMON = regex.compile(r"[\p{Common}--\p{Zs}]", flags=regex.VERSION1)
#: Letters beyond Latin-1 of languages written in Latin letters.
_LETTERS = {
    "cs": "čďěňřšťůž",
    "et": "šž",
    "hr": "čćđšž",
    "hu": "őű",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "pl": "ąćęłńśźż",
    "ro": "ășț",
    "sk": "čďĺľňŕšťž",
    "sl": "čšž",
    "tr": "ğıİş",
    "vi": "ăđơưạảấẵệỉốờụỹ",
}

_STATIC_WEIGHTS = {
    100: "Thin",
    200: "ExtraLight",
    300: "Light",
    400: "Regular",
    500: "Medium",
    600: "SemiBold",
    700: "Bold",
    800: "ExtraBold",
    900: "Black",
}

#: OpenType features for all text: figures as tall as capitals, where a typeface (Playfair) sets others.
LINING_FIGURES = ("lnum",)

_FALLBACK_PACKAGE = "manimgx_fonts"
_EMOJI_FACE = "NotoEmoji"
#: In the order in which they are asked: general Latin, Greek and Cyrillic first, symbols late.
_FALLBACK_FACES = (
    "NotoSans",
    "NotoSansArabic",
    "NotoSansHebrew",
    "NotoSansDevanagari",
    "NotoSansBengali",
    "NotoSansGurmukhi",
    "NotoSansGujarati",
    "NotoSansOriya",
    "NotoSansTamil",
    "NotoSansTelugu",
    "NotoSansKannada",
    "NotoSansMalayalam",
    "NotoSansSinhala",
    "NotoSansThai",
    "NotoSansLao",
    "NotoSansKhmer",
    "NotoSansMyanmar",
    "NotoSansGeorgian",
    "NotoSansArmenian",
    "NotoSansEthiopic",
    "NotoSansSymbols",
    _EMOJI_FACE,
)


class Face(NamedTuple):
    """One font file with the weight to set it at."""

    path: Path
    weight: int


def load_font(name: FontName, *, weight: int, size_px: int) -> ImageFont.FreeTypeFont:
    """Return a theme's typeface at a weight (100 to 900, clamped to what it has) and size.

    Raises ProgramMissingError when its package or Pillow's raqm is not installed.
    """
    return open_face(theme_face(name, weight=weight), size_px=size_px)


@cache
def theme_face(name: FontName, *, weight: int) -> Face:
    """Return the face of a theme's typeface. Raises ProgramMissingError."""
    package, file_name = _THEME_FACES[name]
    nearest = min(_STATIC_WEIGHTS, key=lambda static: (abs(static - weight), static))
    return Face(_font_file(package, file_name.format(weight=_STATIC_WEIGHTS[nearest])), weight)


# A face at a size takes some 100 kB; a fit looks at a few dozen sizes of a few faces.
@lru_cache(maxsize=512)
def open_face(face: Face, *, size_px: int) -> ImageFont.FreeTypeFont:
    """Open a face at a size, shaped by raqm, its axes set. Raises ProgramMissingError."""
    if not features.check("raqm"):
        raise ProgramMissingError(
            "Pillow has no raqm, so that text cannot be shaped.",
            evidence="features.check('raqm') is false: Pillow was built without it or misses FriBidi.",
            remedy="Install Pillow's own wheel (`make setup`), not a build without raqm.",
        )
    try:
        font = ImageFont.truetype(str(face.path), size_px, layout_engine=ImageFont.Layout.RAQM)
    except OSError as error:
        raise ProgramMissingError(
            f"The font file {face.path.name} cannot be read.",
            evidence=f"{face.path}: {error}",
            remedy=_REMEDY,
        ) from error
    if "[" in face.path.name:
        font.set_variation_by_axes(_axis_values(font, weight=face.weight, size_px=size_px))
    return font


def _axis_values(font: ImageFont.FreeTypeFont, *, weight: int, size_px: int) -> list[float]:
    values: list[float] = []
    for axis in font.get_variation_axes():
        wanted: dict[bytes, float] = {b"weight": weight, b"optical size": size_px}
        value = wanted.get(axis["name"].lower(), axis["default"] or 0)
        values.append(min(max(value, axis["minimum"] or 0), axis["maximum"] or 0))
    return values


def lenders(
    text: str, *, name: FontName, weight: int, language: str | None = None
) -> tuple[tuple[str, FontName], ...]:
    """Return which typeface sets which alphabet in place of the theme's, as (script, typeface).

    Where the theme's face lacks a letter of an alphabet that the text or its language uses, one face
    sets the whole of it: a word in two faces looks broken, and so do four options in two.
    """
    letters = text + _LETTERS.get((language or "").split("-")[0].lower(), "")
    theme = theme_face(name, weight=weight)
    found: list[tuple[str, FontName]] = []
    for script, pattern in _ALPHABETS.items():
        used = "".join(set(pattern.findall(letters)))
        if covers(theme, used):
            continue
        for lender in _COMPANIONS[name]:
            if covers(theme_face(lender, weight=weight), used):
                found.append((script, lender))
                break
    return tuple(found)


class Drawn(NamedTuple):
    """How a cluster is drawn: its face, what the shaper gets, and the characters that no face has."""

    face: Face
    text: str
    missing: str


@lru_cache(maxsize=16384)
def drawn(
    cluster: str, *, name: FontName, weight: int, borrowed: tuple[tuple[str, FontName], ...] = ()
) -> Drawn:
    """Choose the face of a cluster.

    The theme's face comes first, but for emoji and for alphabets in `borrowed` (see `lenders`), whose
    digits and punctuation go with them. A letter that only differs in style or width from a plain one
    (`𝐀`, `Ａ`) is drawn as that where no face has it. Else the first face with the base character draws
    the cluster, or the theme's, with its own box for what it lacks.
    """
    faces = _faces_in_order(cluster, name=name, weight=weight, borrowed=borrowed)
    for form in (cluster, _plain_form(cluster)):
        needed = drawn_part(form)
        for face in faces:
            if covers(face, needed):
                regular = face._replace(weight=400) if needed in _REGULAR_ONLY else face
                return Drawn(regular, shaped_part(form), "")
    needed = drawn_part(cluster)
    best = next((face for face in faces if covers(face, needed[:1])), theme_face(name, weight=weight))
    known = _drawn_by(best.path)
    lacking = "".join(character for character in needed if ord(character) not in known)
    return Drawn(best, shaped_part(cluster), lacking)


def _faces_in_order(
    cluster: str, *, name: FontName, weight: int, borrowed: tuple[tuple[str, FontName], ...]
) -> list[Face]:
    faces = [theme_face(known, weight=weight) for known in (name, *_COMPANIONS[name])]
    faces += (_fallback_face(stem, weight=weight) for stem in _FALLBACK_FACES)
    if is_emoji(cluster):
        return [_fallback_face(_EMOJI_FACE, weight=weight), *faces]
    for script, lender in borrowed:
        if _ALPHABETS[script].match(cluster) or _COMMON.match(cluster):
            return [theme_face(lender, weight=weight), *faces]
    return faces


def _plain_form(cluster: str) -> str:
    return "".join(
        unicodedata.normalize("NFKC", character)
        if unicodedata.decomposition(character).startswith(_SAME_LETTER)
        else character
        for character in cluster
    )


def covers(face: Face, text: str) -> bool:
    """Tell whether the face has a glyph for every character."""
    known = _drawn_by(face.path)
    return all(ord(character) in known for character in text)


@cache
def _drawn_by(path: Path) -> frozenset[int]:
    known = covered_characters(path)
    return known - _MISDRAWN if path.stem.startswith("Poppins") else known


@cache
def _fallback_face(stem: str, *, weight: int) -> Face:
    return Face(_font_file(_FALLBACK_PACKAGE, f"{stem}[wght].ttf"), weight)


@cache
def _font_file(package: str, file_name: str) -> Path:
    # The package is found, not imported: only its files matter.
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / file_name
        if path.is_file():
            return path
    raise ProgramMissingError(
        f"The font {Path(file_name).name} of the package {package.replace('_', '-')} is not installed.",
        evidence=f"looked in: {', '.join(folders) or 'no such package'}",
        remedy=_REMEDY,
    )
