"""Draw the contact sheets of docs/images: `python -m bench.contact_sheets [FOLDER]`.

One sheet a format shows each stage of a clip and what else can happen (an image, a long text, another
script); one shows all themes. They are made smaller and of 256 colours, for a README that loads fast.
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from tests.golden import samples
from trivia_render.models.config import ThemeChoice
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import ClipSpec
from trivia_render.scene.colours import URGENT, mix, rgb, vivid
from trivia_render.scene.compose import open_scene
from trivia_render.scene.fonts import load_font
from trivia_render.scene.planes import planes_to_image
from trivia_render.scene.stills import stage_stills
from trivia_render.scene.themes import load_theme, theme_names

FOLDER = Path(__file__).parent.parent / "docs" / "images"
#: GitHub shows a README's image some 900 px wide; a sheet above this size would load slowly.
MOST_BYTES = 700_000
_GAP, _CAPTION = 14, 40
_GROUND, _INK = (18, 18, 24), (214, 216, 226)


class Still(NamedTuple):
    """A caption and a picture."""

    caption: str
    image: Image.Image


class Sheet(NamedTuple):
    """How a format's sheet is arranged: columns, and the width of each picture."""

    columns: int
    width: int


SHEETS: dict[FormatName, Sheet] = {"16:9": Sheet(3, 540), "9:16": Sheet(6, 290), "1:1": Sheet(4, 400)}
PICTURE, PICTURE_ASSETS = samples.picture(1500, 1000)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, sheet in SHEETS.items():
        started = time.monotonic()
        stills = format_stills(name)
        _save(arranged(stills, sheet), folder / f"stages-{FORMATS[name].slug}.png", started)
    started = time.monotonic()
    _save(arranged(theme_stills(), Sheet(4, 440)), folder / "themes.png", started)


def format_stills(name: FormatName) -> list[Still]:
    """Return a still of each stage, then of other kinds of question, in the default theme."""
    question = samples.question(explanation=samples.SHORT_EXPLANATION)
    image = samples.question(
        image=PICTURE, question="Which planet has rings like these?", number=4, label="Question 4/10"
    )
    long = samples.long_question(number=5, label="Question 5/10")
    if name == "1:1":
        # A square has less room.
        long = samples.question(
            number=5,
            label="Question 5/10",
            question="Which astronomer, the son of a wealthy brewer in a port on the Baltic Sea, drew the "
            "first atlas of the Moon?",
            options=(
                "Johannes Hevelius of Danzig",
                "Tycho Brahe",
                "Giovanni Riccioli",
                "Christopher Clavius",
            ),
            correct=0,
        )
    return [
        *stills_of(samples.spec(samples.intro(), name=name), only=("intro",)),
        *stills_of(samples.spec(question, name=name)),
        *stills_of(samples.spec(image, name=name), only=("read",), caption="image"),
        *stills_of(samples.spec(long, name=name), only=("reveal",), caption="long text"),
        *stills_of(
            samples.spec(samples.arabic_question(), name=name, language="ar-SA"),
            only=("reveal",),
            caption="right to left",
        ),
        *stills_of(samples.spec(samples.emoji_question(), name=name), only=("countdown",), caption="emoji"),
        *stills_of(
            samples.spec(
                samples.question(
                    question="Saturn would float on water.", options=("True", "False"), correct=0
                ),
                name=name,
            ),
            only=("read",),
            caption="two options",
        ),
        *stills_of(samples.spec(samples.outro(), name=name), only=("outro",)),
    ]


def theme_stills() -> list[Still]:
    """Return a title, a countdown, a reveal and a reveal in 9:16 of every theme."""
    stills = []
    for theme in theme_names():
        question = samples.question()
        stills += stills_of(samples.spec(samples.intro(), theme=theme), only=("intro",), caption=theme)
        stills += stills_of(samples.spec(question, theme=theme), only=("countdown",), caption="")
        stills += stills_of(samples.spec(question, theme=theme), only=("reveal",), caption="")
        tall = samples.spec(question, theme=theme, name="9:16")
        stills += stills_of(tall, only=("reveal",), caption="")
    return stills


def stills_of(spec: ClipSpec, *, only: tuple[str, ...] = (), caption: str | None = None) -> list[Still]:
    """Draw a clip's stills, or some of its stages."""
    timeline = samples.timeline(spec.content)
    scene = open_scene(spec, timeline, assets=PICTURE_ASSETS)
    size = FORMATS[spec.format]
    return [
        Still(
            stage if caption is None else caption,
            planes_to_image(scene.frame(frame), width=size.width, height=size.height),
        )
        for stage, frame in stage_stills(spec, timeline)
        if not only or stage in only
    ]


def arranged(stills: list[Still], sheet: Sheet) -> Image.Image:
    """Put stills in rows, each with its caption below, pictures of a row equally high."""
    rows = [stills[start : start + sheet.columns] for start in range(0, len(stills), sheet.columns)]
    height = round(sheet.width * stills[0].image.height / stills[0].image.width)
    widths = [[round(height * still.image.width / still.image.height) for still in row] for row in rows]
    caption = _CAPTION if any(still.caption for still in stills) else 0
    total = max(sum(row) + _GAP * (len(row) + 1) for row in widths)
    image = Image.new("RGB", (total, _GAP + len(rows) * (height + caption + _GAP)), _GROUND)
    font = load_font("inter", weight=500, size_px=22)
    pen = ImageDraw.Draw(image)
    y = _GAP
    for row, row_widths in zip(rows, widths, strict=True):
        x = _GAP
        for still, width in zip(row, row_widths, strict=True):
            image.paste(still.image.resize((width, height), Image.Resampling.LANCZOS), (x, y))
            pen.text((x + 2, y + height + 7), still.caption, font=font, fill=_INK)
            x += width + _GAP
        y += height + caption + _GAP
    return image


def _save(image: Image.Image, path: Path, started: float) -> None:
    reduced = image.quantize(palette=_palette_of(image), dither=Image.Dither.FLOYDSTEINBERG)
    reduced.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {image.width}x{image.height}, {size:,} bytes, {time.monotonic() - started:.1f} s")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size:,} bytes; {MOST_BYTES:,} are allowed: make its pictures smaller.")


def _palette_of(image: Image.Image) -> Image.Image:
    """Return 256 colours for a sheet.

    Backgrounds would take them all: the themes' small bright marks get room of their own.
    """
    marks = []
    for theme in theme_names():
        colours = load_theme(ThemeChoice(name=theme)).colours
        correct = rgb(colours.correct)
        bright = [rgb(colours.accent), rgb(colours.badge), correct, vivid(correct, saturation=0.7), URGENT]
        marks += [mix(mark, rgb(colours.background), share) for mark in bright for share in (0, 0.4)]
    source = Image.new("RGB", (image.width, image.height + image.height // 4))
    source.paste(image, (0, 0))
    width = image.width // len(marks)
    for index, mark in enumerate(marks):
        source.paste(mark, (index * width, image.height, (index + 1) * width, source.height))
    return source.quantize(256, method=Image.Quantize.MEDIANCUT)


if __name__ == "__main__":
    main()
