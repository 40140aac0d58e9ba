"""Colours: contrast as WCAG measures it, and mixing."""

import colorsys

from PIL import ImageColor

RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)
#: What the countdown turns to in its last seconds.
URGENT: RGB = (255, 84, 84)


def rgb(colour: str) -> RGB:
    """Return the numbers of `#rrggbb`."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Return `first` with so much of `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def vivid(colour: RGB, *, saturation: float = 0.75, value: float = 1.0) -> RGB:
    """Return a luminous colour of the same hue, for light."""
    hue, own, _ = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    red, green, blue = colorsys.hsv_to_rgb(hue, min(saturation, own * 1.2), value)
    return round(red * 255), round(green * 255), round(blue * 255)


def contrast(first: RGB, second: RGB) -> float:
    """Return the contrast ratio, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(ground: RGB) -> RGB:
    """Return black or white, whichever stands out more."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, ground))


def _luminance(colour: RGB) -> float:
    """Return the relative luminance (WCAG 2.2)."""

    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(value) for value in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
