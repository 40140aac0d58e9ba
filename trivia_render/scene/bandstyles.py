"""What moves in the band: light ribbons, clouds, a grid floor, chevrons.

Each style prepares what never changes and returns a painter, which draws the style's picture of a phase
(0 to 119) into planes that hold the band's still ground. Phase 119 leads into phase 0.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

from trivia_render.models.theme import Theme
from trivia_render.scene.backdrops import Stage
from trivia_render.scene.colours import WHITE, mix, rgb, vivid
from trivia_render.scene.planes import Views, tint

#: Frames after which the band repeats: four seconds, two GOPs.
PERIOD_FRAMES = 120

Painter = Callable[[Views, int], None]
Floats = npt.NDArray[np.float64]


def _turn(phase: int) -> float:
    return 2 * np.pi * phase / PERIOD_FRAMES


def _ribbons(theme: Theme, stage: Stage) -> Painter:
    """Ribbons of light that wind across: a bright crest over a long soft fall."""
    height, width = stage.band_bottom - stage.band_top, stage.width // 2
    low, high = rgb(theme.colours.background_end), rgb(theme.colours.background)
    colours = (
        vivid(high, saturation=0.60),
        vivid(low, saturation=0.80, value=0.86),
        vivid(low, saturation=0.50),
    )
    x = np.arange(width, dtype=np.float64) / 460
    rows = np.arange(height, dtype=np.int32)[:, None] * _FINE
    tables = [_crest(height, glow=glow, peak=peak) for glow, peak in ((0.46, 74), (0.40, 104), (0.30, 120))]
    fade = _edge_fade(height, open_below=stage.band_bottom >= stage.height)
    faded = np.flatnonzero(fade < 1)
    share = fade[faded, None]

    def paint(strip: Views, phase: int) -> None:
        turn = _turn(phase)
        crests = (
            0.40 + 0.17 * np.sin(2.1 * x + 0.5 - turn) + 0.06 * np.sin(5.3 * x + turn),
            0.58 + 0.15 * np.sin(2.6 * x + 2.4 + turn) + 0.07 * np.sin(4.1 * x + 1.0 - turn),
            0.74 + 0.12 * np.sin(3.2 * x + 4.1 - turn) + 0.05 * np.sin(6.1 * x + 2 * turn),
        )
        for colour, crest, table in zip(colours, crests, tables, strict=True):
            shift = (crest * (height * _FINE)).astype(np.int32) - height * _FINE
            mask = table[rows - shift[None, :]]
            mask[faded] = mask[faded] * share
            # Crests are nearly level: two columns can share a value, and chroma's rows are two of luma's.
            full = Image.fromarray(np.repeat(mask, 2, axis=1))
            half = Image.fromarray(mask[0::2] // 2 + mask[1::2] // 2)
            tint(strip, colour, full, half)

    return paint


#: Crests move by fractions of a row: their profile is kept at this many steps a row.
_FINE = 8


def _crest(height: int, *, glow: float, peak: int) -> npt.NDArray[np.uint8]:
    """Return opacity by fine rows: index `height` rows is the crest, smaller is above it."""
    rows = (np.arange(2 * height * _FINE, dtype=np.float64) - height * _FINE) / _FINE
    line = np.exp(-((rows / 3.6) ** 2))
    fall = np.where(rows > 0, np.exp(-rows / (height * glow)), np.exp(rows / 6.4))
    return np.asarray(peak * (0.62 * fall + 0.38 * line) * 1.25, np.uint8)


def _edge_fade(height: int, *, open_below: bool) -> Floats:
    """Return 0 to 1 by row: what moves fades out before the band's edges."""
    rows = np.arange(height, dtype=np.float64)
    fade = np.clip(rows / 40, 0, 1)
    return np.asarray(fade if open_below else fade * np.clip((height - 1 - rows) / 68, 0, 1), np.float64)


def _clouds(theme: Theme, stage: Stage) -> Painter:
    """Three banks of clouds that sway like a stage set."""
    del theme
    height, width = stage.band_bottom - stage.band_top, stage.width
    reach = 72
    banks = []
    for index, (colour, opacity, top) in enumerate(
        (((255, 240, 205), 150, 0.30), ((255, 247, 228), 205, 0.50), (WHITE, 255, 0.70))
    ):
        bank = _cloud_bank(width + 2 * reach, height, top=top, seed=31 + index, strength=opacity)
        banks.append((colour, bank, (1, -1, 1)[index] * (60, 44, 64)[index], 0.9 * index))

    def paint(strip: Views, phase: int) -> None:
        for colour, bank, sway, start in banks:
            x = reach + round(sway * np.sin(_turn(phase) + start))
            y = 8 + round(6 * np.sin(_turn(phase) + 2 * start + 1))
            mask = bank.crop((x, y, x + width, y + height))
            tint(strip, colour, mask, mask.reduce(2))

    return paint


def _cloud_bank(width: int, height: int, *, top: float, seed: int, strength: int) -> Image.Image:
    """Return a row of discs standing on a solid ground, "L", with 16 rows to spare for swaying."""
    random = np.random.default_rng(seed)
    scale = 2
    mask = Image.new("L", (width * scale, (height + 16) * scale), 0)
    pen = ImageDraw.Draw(mask)
    x = -40.0
    while x < width + 60:
        radius = random.uniform(34, 74)
        y = height * top + radius * random.uniform(0.55, 1.1)
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse([part * scale for part in box], fill=strength)
        pen.rectangle([part * scale for part in (x - radius, y, x + radius, height + 16)], fill=strength)
        x += radius * random.uniform(0.9, 1.25)
    return mask.reduce(scale)


def _floor(theme: Theme, stage: Stage) -> Painter:
    """A grid that rushes towards the viewer from the horizon."""
    height, width = stage.band_bottom - stage.band_top, stage.width
    horizon = stage.horizon - stage.band_top
    accent, second = rgb(theme.colours.accent), rgb(theme.colours.badge)
    depth = np.arange(height, dtype=np.float64) - horizon + 0.5
    below = depth > 0
    safe = np.maximum(depth, 0.5)
    columns = np.arange(width, dtype=np.float64) - width / 2 + 0.5
    spread = columns[None, :] / safe[:, None]
    # Lines lie 0.9 of the depth apart; each keeps a width that grows a little towards the viewer.
    # Measured across the line, which leans the more the farther it is from the middle.
    lean = safe[:, None] / np.hypot(safe[:, None], columns[None, :])
    place = np.abs(spread / 0.9 - np.round(spread / 0.9)) * 0.9 * safe[:, None] * lean
    stroke = (0.7 + 0.012 * safe)[:, None]
    # Where lines come closer than a few pixels, they blur into one.
    across = np.clip(stroke - place + 0.5, 0, 1) * np.clip(0.9 * safe[:, None] * lean / 14 - 0.3, 0, 1)
    across *= below[:, None]
    fade = np.ones(height, np.float64)
    if stage.band_bottom < stage.height:
        fade = np.clip((height - np.arange(height)) / 60, 0, 1)
    glow = np.exp(-((np.abs(depth) / 3.0) ** 2)) * 0.9

    def paint(strip: Views, phase: int) -> None:
        travel = 8 * phase / PERIOD_FRAMES
        distance = 150 / safe + travel
        gap = np.abs(distance - np.round(distance)) * safe * safe / 150
        along = np.clip(0.7 + 0.016 * safe - gap + 0.5, 0, 1) * np.clip(safe / 30, 0, 1) * below
        lines = np.maximum(across, along[:, None])
        lines = np.maximum(lines * 0.62, glow[:, None]) * fade[:, None]
        mask = Image.fromarray((lines * 255).astype(np.uint8))
        tint(strip, mix(accent, second, 0.12), mask, mask.reduce(2))

    return paint


def _chevrons(theme: Theme, stage: Stage) -> Painter:
    """Arrows that run from both sides towards the clock."""
    height, width = stage.band_bottom - stage.band_top, stage.width
    pitch, tall, speed = 80, 60, 2
    travel = speed * PERIOD_FRAMES
    half = width // 2
    middle = stage.horizon - stage.band_top
    pattern = _chevron_row(half + travel, height, middle=middle, pitch=pitch, tall=tall)
    gap = 150
    fade = np.clip((half - gap - np.arange(half)) / 60, 0, 1) * np.clip(np.arange(half) / 500 + 0.12, 0, 1)
    window = Image.fromarray(np.tile((fade * 255).astype(np.uint8), (height, 1)))
    colour = mix(rgb(theme.colours.background), rgb(theme.colours.accent), 0.85)

    def paint(strip: Views, phase: int) -> None:
        shift = travel - speed * phase
        left = ImageChops.multiply(pattern.crop((shift, 0, shift + half, height)), window)
        mask = Image.new("L", (width, height), 0)
        mask.paste(left, (0, 0))
        mask.paste(left.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (width - half, 0))
        tint(strip, colour, mask, mask.reduce(2))

    return paint


def _chevron_row(width: int, height: int, *, middle: int, pitch: int, tall: int) -> Image.Image:
    scale = 2
    mask = Image.new("L", (width * scale, height * scale), 0)
    pen = ImageDraw.Draw(mask)
    reach, thick = tall * 0.42, 24
    for x in range(-2 * pitch, width + pitch, pitch):
        points = [
            (x, middle - tall / 2), (x + thick, middle - tall / 2), (x + thick + reach, middle),
            (x + thick, middle + tall / 2), (x, middle + tall / 2), (x + reach, middle),
        ]  # fmt: skip
        pen.polygon([(px * scale, py * scale) for px, py in points], fill=210)
    return mask.reduce(scale)


def _none(theme: Theme, stage: Stage) -> Painter:
    del theme, stage

    def paint(strip: Views, phase: int) -> None:
        del strip, phase

    return paint


STYLES: dict[str, Callable[[Theme, Stage], Painter]] = {
    "ribbons": _ribbons,
    "clouds": _clouds,
    "floor": _floor,
    "chevrons": _chevrons,
    "none": _none,
}
