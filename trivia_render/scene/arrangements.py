"""The ways to use a frame for a question, and where its image stands in each."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from trivia_render.models.formats import FormatName
from trivia_render.scene.grid import Grid
from trivia_render.scene.planes import Box

CARD_OPTIONS_GAP, OPTION_GAP = 28, 20
#: Below this step of size another arrangement is tried first.
_COMFORTABLE_STEP = 3
#: With an image: a large one is worth smaller type and the low clock.
_COMFORTABLE_STEP_WITH_IMAGE = 1


class ImagePlace(NamedTuple):
    """Beside card and options, beside the card alone, or on top; and its size across that direction."""

    where: Literal["none", "side", "card", "top"]
    size: int


class Arrangement(NamedTuple):
    """A way to use the grid."""

    columns: int
    compact: bool
    image: ImagePlace
    words: Literal["whole", "split"]
    #: Whether the question may leave the frame's middle for all the width that is safe.
    wide: bool
    #: Smallest step of size that still looks right in it.
    lowest_step: int


_NO_IMAGE = ImagePlace("none", 0)
_IMAGES: dict[FormatName, tuple[ImagePlace, ...]] = {
    "16:9": (ImagePlace("side", 760), ImagePlace("card", 560), ImagePlace("card", 420)),
    "9:16": (ImagePlace("top", 420), ImagePlace("top", 320), ImagePlace("top", 220)),
    "1:1": (ImagePlace("card", 460), ImagePlace("top", 290), ImagePlace("top", 220)),
}


def arrangements(name: FormatName, *, with_image: bool) -> Iterator[tuple[Arrangement, ...]]:
    """List the ways to lay a question out, the best first; of a tuple the one with the largest type."""
    for words in _WORDS:
        yield from _comfortable(name, words, with_image=with_image)
        yield from _tight(name, words, with_image=with_image)


_WORDS: tuple[Literal["whole", "split"], ...] = ("whole", "split")


def _comfortable(
    name: FormatName, words: Literal["whole", "split"], *, with_image: bool
) -> Iterator[tuple[Arrangement, ...]]:
    lowest = _COMFORTABLE_STEP_WITH_IMAGE if with_image else _COMFORTABLE_STEP
    for image in _IMAGES[name] if with_image else (_NO_IMAGE,):
        for compact in (False, True) if with_image else (False,):
            yield tuple(
                Arrangement(columns, compact, image, words, wide=False, lowest_step=lowest)
                for columns in _columns(name, image)
            )


def _tight(
    name: FormatName, words: Literal["whole", "split"], *, with_image: bool
) -> Iterator[tuple[Arrangement, ...]]:
    ways = ((False, False), (True, False), (True, True))
    for compact, wide in ways if name == "9:16" else ways[:2]:
        for image in _IMAGES[name] if with_image else (_NO_IMAGE,):
            # Short answers to a very long question stand side by side, even in a tall frame.
            yield tuple(
                Arrangement(columns, compact, image, words, wide=wide, lowest_step=0)
                for columns in ((1, 2) if wide else _columns(name, image))
            )


def _columns(name: FormatName, image: ImagePlace) -> tuple[int, ...]:
    return (1,) if name == "9:16" or image.where == "side" else (2, 1)


def room_beside_image(area: Box, image: ImagePlace) -> tuple[Box, int]:
    """Return the area for card and options, and the card's width."""
    place, size = image
    if place == "side":
        width = area.width - size - CARD_OPTIONS_GAP
        return Box(area.x, area.y, width, area.height), width
    if place == "card":
        return area, area.width - size - OPTION_GAP
    if place == "top":
        taken = size + OPTION_GAP
        return Box(area.x, area.y + taken, area.width, area.height - taken), area.width
    return area, area.width


def image_box(
    image: ImagePlace, area: Box, card: Box, options: tuple[Box, ...], grid: Grid, middle: int
) -> Box | None:
    """Return the image's box once card and options stand; `middle` is the frame's."""
    place, size = image
    if place == "side":
        return Box(area.right - size, card.y, size, options[-1].bottom - card.y)
    if place == "card":
        return Box(area.right - size, card.y, size, card.height)
    if place == "top":
        return Box(middle - grid.narrow // 2, card.y - OPTION_GAP - size, grid.narrow, size)
    return None
