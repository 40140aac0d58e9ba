"""The inner measures of an option: its letter, its tick, and what is left for its text."""

from trivia_render.models.theme import Theme
from trivia_render.scene.grid import Grid, even_down

MIN_OPTION_HEIGHT, MAX_OPTION_HEIGHT = 88, 148
#: From the letter's ground to the text.
BADGE_GAP = 24
#: In the compact arrangement, whatever the option's height.
TIGHT_BADGE, TIGHT_BADGE_GAP = 60, 16
MAX_BADGE = 96
TICK_SIZE = 56
#: Air at an option's end, where no tick stands there.
_LEAST_END = 24


def beside_text(grid: Grid, theme: Theme, *, compact: bool) -> int:
    """Return the width in an option that its text may not take: badge, tick and their air."""
    # An option in the last column may reach beyond what is safe; its text may not.
    unsafe = max(0, grid.right - grid.safe_right - grid.inset)
    if compact:
        # No room is kept for a tick: it takes the letter's place.
        end = end_room(grid, "letter", MIN_OPTION_HEIGHT)
        return TIGHT_BADGE + grid.inset + badge_gap(grid, theme, compact=True) + end + unsafe
    start = MAX_BADGE + badge_inset(grid, MAX_OPTION_HEIGHT) + badge_gap(grid, theme, compact=False)
    return start + end_room(grid, grid.tick, MAX_OPTION_HEIGHT) + unsafe


def badge_gap(grid: Grid, theme: Theme, *, compact: bool) -> int:
    """Return the distance from a letter to its option's text."""
    gap = TIGHT_BADGE_GAP if compact else BADGE_GAP
    if theme.badge_style != "block":
        return gap
    # A block's colour goes as far behind its letter as before it.
    return gap + (grid.inset if compact else badge_inset(grid, MAX_OPTION_HEIGHT))


def end_room(grid: Grid, tick: str, option_height: int) -> int:
    """Return the width that an option's end keeps free."""
    if tick == "letter":
        return max(grid.inset, _LEAST_END)
    return TICK_SIZE + BADGE_GAP + badge_inset(grid, option_height)


def badge_inset(grid: Grid, option_height: int) -> int:
    """Return how far a letter stands from its end of the option: as far as from above, within limits."""
    height = min(option_height, MAX_OPTION_HEIGHT)
    return max(grid.inset, (height - badge_size(height)) // 2)


def badge_size(option_height: int) -> int:
    """Return the side of the letter's badge in an option of this height."""
    return even_down(min(MAX_BADGE, option_height - 2 * 12, option_height * 0.66))
