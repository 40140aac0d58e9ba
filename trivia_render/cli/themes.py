"""`trivia themes`: which themes there are."""

import json

import typer

from trivia_render.models.config import ThemeChoice
from trivia_render.scene.themes import load_theme, theme_names


def run_themes(*, as_json: bool) -> None:
    """Print each theme's name and what it is like."""
    for name in theme_names():
        theme = load_theme(ThemeChoice(name=name))
        if as_json:
            typer.echo(json.dumps(theme.model_dump(mode="json"), ensure_ascii=False))
        else:
            typer.echo(f"{name:<12} {theme.summary} (motion: {theme.motion})")
