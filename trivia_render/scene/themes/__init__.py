"""Themes: data files in this folder, checked when they are loaded."""

import difflib
import json
from functools import cache
from importlib import resources

from pydantic import ValidationError

from trivia_render.errors import ThemeInvalidError
from trivia_render.models.config import ThemeChoice
from trivia_render.models.theme import Theme, ThemeAsset
from trivia_render.scene.colours import contrast, rgb

#: WCAG 2.2, 1.4.3 (AA). Large type would need only 3:1, but is read on phones in the sun.
MIN_CONTRAST = 4.5

#: Text and what it stands on.
_PAIRS = (
    ("card_text", "card"),
    ("option_text", "option"),
    ("badge_text", "badge"),
    ("correct_text", "correct"),
    ("text", "background"),
    ("text", "background_end"),
)


@cache
def theme_names() -> tuple[str, ...]:
    """List the themes, the default first."""
    names = sorted(
        entry.name.removesuffix(".json")
        for entry in resources.files(__name__).iterdir()
        if entry.name.endswith(".json")
    )
    default = ThemeChoice().name
    return (default, *(name for name in names if name != default))


def load_theme(
    choice: ThemeChoice,
    *,
    background_image: ThemeAsset | None = None,
    logo: ThemeAsset | None = None,
) -> Theme:
    """Return a theme with the choice's overrides.

    Raises ThemeInvalidError for an unknown name, and where text would be too faint to read.
    """
    if choice.name not in theme_names():
        raise ThemeInvalidError(f"There is no theme {choice.name!r}.", remedy=_suggestion(choice.name))
    data = json.loads(resources.files(__name__).joinpath(f"{choice.name}.json").read_text(encoding="utf-8"))
    colours = data["colours"] | choice.colours.model_dump(exclude_none=True)
    overrides = {
        "font": choice.font,
        "display_font": choice.display_font,
        "background_image": background_image,
        "logo": logo,
    }
    if choice.colours.badge is not None:
        # One colour was asked for: it takes the place of one for each letter.
        data.pop("badge_colours", None)
    data |= {name: value for name, value in overrides.items() if value is not None}
    try:
        theme = Theme.model_validate(data | {"name": choice.name, "colours": colours})
    except ValidationError as error:
        raise ThemeInvalidError(
            f"The theme {choice.name!r} cannot be used.", evidence=str(error), remedy="Correct its data."
        ) from error
    _check_contrast(theme)
    return theme


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, theme_names(), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}There are: {', '.join(theme_names())}."


def _check_contrast(theme: Theme) -> None:
    faint = []
    for index, colour in enumerate(theme.badge_colours or ()):
        ratio = contrast(rgb(theme.colours.badge_text), rgb(colour))
        if ratio < MIN_CONTRAST:
            faint.append(
                f"  badge_text {theme.colours.badge_text} on badge_colours[{index}] {colour}: {ratio:.1f}:1"
            )
    for ink, ground in _PAIRS:
        if theme.background_image is not None and ground.startswith("background"):
            # The picture is darkened or lightened under text: see `background.py`.
            continue
        ratio = contrast(rgb(getattr(theme.colours, ink)), rgb(getattr(theme.colours, ground)))
        if ratio < MIN_CONTRAST:
            faint.append(
                f"  theme.colours.{ink} {getattr(theme.colours, ink)} on "
                f"{ground} {getattr(theme.colours, ground)}: {ratio:.1f}:1"
            )
    if faint:
        raise ThemeInvalidError(
            f"Text of the theme {theme.name!r} would be hard to read:",
            evidence="\n".join(faint),
            remedy=f"Choose colours with a contrast of {MIN_CONTRAST}:1 or more.",
        )
