"""A theme as data: colours, type, shapes, background, motion."""

from typing import Annotated, Literal

from pydantic import Field

from trivia_render.models.base import Model

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", description="A colour as #rrggbb.")]
Motion = Literal["none", "band"]
#: The themes of this release, the default first; each is a file in `scene/themes/`. They stand here so
#: that a config can be checked without them.
THEME_NAMES = ("aurora", "neon", "paper", "stadium", "sunny")
FontName = Literal["inter", "poppins", "fredoka", "playfair", "space-grotesk"]


class Colours(Model):
    """The theme's palette. Text on its ground keeps a contrast of 4.5:1 or better."""

    background: Colour = Field(description="Ground of the frame, or where its gradient starts.")
    background_end: Colour = Field(description="Where the gradient ends.")
    card: Colour = Field(description="Ground of the question card.")
    card_text: Colour
    option: Colour = Field(description="Ground of an option.")
    option_text: Colour
    badge: Colour = Field(description="Ground of an option's letter.")
    badge_text: Colour
    accent: Colour = Field(description="Countdown ring, progress, highlights.")
    correct: Colour = Field(description="Ground of the right option at the reveal.")
    correct_text: Colour
    text: Colour = Field(description="Text straight on the background: title, progress label.")


class ThemeAsset(Model):
    """An image that the theme shows, by content."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    uri: str


class Theme(Model):
    """A complete theme, overrides applied. Part of the clip key."""

    name: str
    summary: str
    motion: Motion
    font: FontName
    display_font: FontName = Field(description="Face of the title, the digit and the badges.")
    backdrop: Literal["aurora", "sunburst", "horizon", "stripes", "paper", "plain"] = Field(
        description="What is drawn over the gradient."
    )
    band_style: Literal["ribbons", "clouds", "floor", "chevrons", "none"] = Field(
        description="What moves in the band."
    )
    corner_radius: int = Field(ge=0, le=80, description="Pixels for a short side of 1080.")
    card_style: Literal["solid", "outline", "glow", "shadow"] = "shadow"
    badge_style: Literal["chip", "disc", "block", "ring"] = Field(
        default="chip", description="Shape of an option's letter."
    )
    badge_colours: tuple[Colour, Colour, Colour, Colour] | None = Field(
        default=None, description="Grounds of the letters A to D, where each has its own."
    )
    colours: Colours
    background_image: ThemeAsset | None = None
    logo: ThemeAsset | None = None
