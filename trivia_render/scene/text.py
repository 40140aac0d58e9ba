"""Setting text: the largest size that fits a box, shaped, in lines, and drawn.

The text is shown exactly as written, never as markup: only its characters are normalised (NFC,
controls become spaces). A character that no installed font has shows as the theme font's box and is
named in `SetText.missing`; no text makes setting fail but one that does not fit.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

from PIL import Image, ImageColor, ImageDraw

from trivia_render.errors import TextDoesNotFitError
from trivia_render.models.theme import FontName
from trivia_render.scene.bidi import Direction, first_strong, language_direction
from trivia_render.scene.clusters import clean_text
from trivia_render.scene.emoji import ToneLayer, tone_layer
from trivia_render.scene.fitting import Paragraph, block_height, break_paragraph, estimate_lines, paragraph
from trivia_render.scene.fonts import lenders, open_face, theme_face
from trivia_render.scene.shaping import Run, ShapedLine, Typeface, font_options, missing_characters

Align = Literal["start", "center"]
#: A size below this part of the largest is worth breaking an overlong word for.
_COMFORTABLE = 0.75
_SHOWN_CHARACTERS = 40


class TextStyle(NamedTuple):
    """`leading` is the distance of lines, `tracking` the extra space after Latin letters, per size."""

    font: FontName
    weight: int
    leading: float = 1.2
    tracking: float = 0.0


class SetText(NamedTuple):
    """A text in lines at a size. All its ink lies within `width_px` x `height_px`."""

    text: str
    style: TextStyle
    size_px: int
    lines: tuple[ShapedLine, ...]
    baselines_px: tuple[int, ...]
    width_px: int
    height_px: int
    #: Lines aligned to "start" begin here: "rtl" is the right.
    direction: Direction
    language: str | None
    #: Characters that no installed font has, each once: callers warn of them.
    missing: str


def set_text(
    text: str,
    *,
    style: TextStyle,
    size_px: int,
    max_width_px: int | None = None,
    direction: Direction | Literal["auto"] = "auto",
    language: str | None = None,
) -> SetText:
    """Set text at a given size, broken to `max_width_px`, if given, and at its own line ends.

    A word wider than that is cut between letters; only a single letter may stick out. `direction`
    "auto" is the language's where it is written right to left, else that of the first strong letter.
    """
    paragraphs = _paragraphs(text, direction=direction, language=language)
    typeface = _typeface(text, style=style, language=language)
    result = _set(text, paragraphs, style, typeface, size_px, max_width_px, "split", direction)
    assert result is not None  # noqa: S101 - only whole words can refuse a width
    return result


def fit_text(
    text: str,
    *,
    style: TextStyle,
    width_px: int,
    height_px: int,
    max_size_px: int,
    min_size_px: int,
    max_lines: int | None = None,
    language: str | None = None,
    direction: Direction | Literal["auto"] = "auto",
) -> SetText:
    """Set text at the largest size at which it fits the box, in lines of even width.

    Words stay whole down to three quarters of the largest size; below that, a word wider than the box
    is broken between letters (with a hyphen in alphabets). Raises TextDoesNotFitError.
    """
    paragraphs = _paragraphs(text, direction=direction, language=language)
    typeface = _typeface(text, style=style, language=language)

    def fitted(words: str, smallest_px: int) -> SetText | None:
        size = _estimate(
            paragraphs, style, typeface, width_px, height_px, max_size_px, smallest_px, max_lines, words
        )
        while size >= smallest_px:
            found = _set(text, paragraphs, style, typeface, size, width_px, words, direction)
            if (
                found is not None
                and found.width_px <= width_px
                and found.height_px <= height_px
                and (max_lines is None or len(found.lines) <= max_lines)
            ):
                return found
            size -= 1
        return None

    whole = fitted("whole", min_size_px)
    if whole is not None and whole.size_px >= _COMFORTABLE * max_size_px:
        return whole
    split = fitted("split", whole.size_px if whole else min_size_px)
    # A text that is merely long gains nothing by broken words.
    if split is not None and (whole is None or split.size_px > 1.15 * whole.size_px):
        return split
    if whole is not None:
        return whole
    beginning = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    raise TextDoesNotFitError(
        f"The text “{beginning}” ({len(text)} characters) does not fit {width_px}x{height_px} pixels.",
        evidence=f"smallest size: {min_size_px} px"
        + (f", at most {max_lines} lines" if max_lines is not None else ""),
        remedy="Shorten the text.",
    )


def draw_text(
    image: Image.Image,
    set_text: SetText,
    *,
    x: int,
    y: int,
    width_px: int,
    align: Align = "start",
    colour: str | tuple[int, ...],
) -> None:
    """Draw onto an RGB or RGBA image with (x, y) as the block's top left and lines aligned in `width_px`.

    `colour` is `#rrggbb`, `#rrggbbaa` or a tuple. What falls outside the image is cut off.
    """
    ink = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    red, green, blue, *rest = ink
    opacity = rest[0] if rest else 255
    for line, baseline in zip(set_text.lines, set_text.baselines_px, strict=True):
        if not line.runs:
            continue
        slack = width_px - line.width_px
        indent = slack // 2 if align == "center" else slack if set_text.direction == "rtl" else 0
        left, top = x + indent, y + baseline - line.rise_px
        size = (line.width_px, line.rise_px + line.drop_px)
        if not all(size):
            continue
        mask = Image.new("L", size, 0)
        for run in line.runs:
            _draw_run(mask, run, set_text, line.rise_px)
        ink_layer = Image.new("RGB", size, (red, green, blue))
        toned = [run for run in line.runs if run.tones]
        layers = [_toned(run, set_text, size, line.rise_px) for run in toned]
        for layer in layers:
            if layer.under_ink:
                _apply(image, layer.colours, _faded(layer.mask, opacity), left, top)
        _apply(image, ink_layer, _faded(mask, opacity), left, top)
        for layer in layers:
            if not layer.under_ink:
                _apply(image, layer.colours, _faded(layer.mask, opacity), left, top)


def _toned(run: Run, source: SetText, size: tuple[int, int], baseline: int) -> ToneLayer:
    alone = Image.new("L", size, 0)
    _draw_run(alone, run, source, baseline)
    return tone_layer(alone, run.tones, size_px=source.size_px)


def _draw_run(mask: Image.Image, run: Run, source: SetText, baseline: int) -> None:
    font = open_face(run.face, size_px=source.size_px)
    options = font_options(run, language=source.language)
    ImageDraw.Draw(mask).text((run.x_px, baseline), run.text, fill=255, font=font, anchor="ls", **options)  # type: ignore[arg-type]


def _faded(mask: Image.Image, opacity: int) -> Image.Image:
    return mask if opacity == 255 else mask.point(lambda value: value * opacity // 255)


def _apply(image: Image.Image, colour: Image.Image, mask: Image.Image, left: int, top: int) -> None:
    if image.mode == "RGB":
        image.paste(colour, (left, top), mask)
        return
    layer = colour.convert("RGBA")
    layer.putalpha(mask)
    # alpha_composite takes no negative place: cut off what lies outside first.
    inside = (max(0, -left), max(0, -top))
    if inside[0] < layer.width and inside[1] < layer.height:
        image.alpha_composite(layer, (max(0, left), max(0, top)), inside)


def _paragraphs(
    text: str, *, direction: Direction | Literal["auto"], language: str | None
) -> list[Paragraph]:
    return [
        paragraph(line, base=_base(line, direction=direction, language=language))
        for line in clean_text(text).strip("\n").split("\n")
    ]


def _typeface(text: str, *, style: TextStyle, language: str | None) -> Typeface:
    borrowed = lenders(clean_text(text), name=style.font, weight=style.weight, language=language)
    return Typeface(style.font, style.weight, style.tracking, language, borrowed)


def _base(text: str, *, direction: Direction | Literal["auto"], language: str | None) -> Direction:
    """Return the base direction of a paragraph."""
    if direction != "auto":
        return direction
    own = first_strong(text)
    from_language = language_direction(language)
    if from_language == "rtl" and own == "ltr":
        # Latin words at the start of an Arabic sentence; but a wholly Latin one keeps its order.
        return "rtl" if any(first_strong(letter) == "rtl" for letter in text) else "ltr"
    return own or from_language or "ltr"


def _alignment(text: str, *, direction: Direction | Literal["auto"], language: str | None) -> Direction:
    if direction != "auto":
        return direction
    return "rtl" if language_direction(language) == "rtl" else first_strong(text) or "ltr"


def _set(
    text: str,
    paragraphs: list[Paragraph],
    style: TextStyle,
    typeface: Typeface,
    size_px: int,
    max_width_px: int | None,
    words: str,
    direction: Direction | Literal["auto"],
) -> SetText | None:
    lines: list[ShapedLine] = []
    for source in paragraphs:
        broken = break_paragraph(
            source, typeface=typeface, size_px=size_px, max_width_px=max_width_px, words=words
        )
        if broken is None:
            return None
        lines += broken
    height, baselines = block_height(
        lines, size_px=size_px, leading=style.leading, cap_px=_cap_height(style.font, style.weight, size_px)
    )
    return SetText(
        text=text,
        style=style,
        size_px=size_px,
        lines=tuple(lines),
        baselines_px=tuple(baselines),
        width_px=max(line.width_px for line in lines),
        height_px=height,
        direction=_alignment(text, direction=direction, language=typeface.language),
        language=typeface.language,
        missing=missing_characters(clean_text(text).replace("\n", " "), typeface),
    )


def _estimate(
    paragraphs: list[Paragraph],
    style: TextStyle,
    typeface: Typeface,
    width_px: int,
    height_px: int,
    max_size_px: int,
    min_size_px: int,
    max_lines: int | None,
    words: str,
) -> int:
    """Return a size a little over the largest that may fit, by scaled widths."""

    def may_fit(size_px: int) -> bool:
        total = 0
        for source in paragraphs:
            count = estimate_lines(
                source, typeface=typeface, size_px=size_px, max_width_px=int(width_px * 1.02) + 1, words=words
            )
            if count is None:
                return False
            total += count
        return total * style.leading * size_px <= height_px + 1 and (max_lines is None or total <= max_lines)

    low, high = min_size_px, max_size_px
    while low < high:
        middle = (low + high + 1) // 2
        if may_fit(middle):
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=1024)
def _cap_height(font: FontName, weight: int, size_px: int) -> float:
    """Return the height of capitals."""
    _, top, _, _ = open_face(theme_face(font, weight=weight), size_px=size_px).getbbox("H", anchor="ls")
    return -top
