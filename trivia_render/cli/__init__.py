"""The command `trivia`. Heavy imports happen inside the commands: help and validate stay quick."""

from trivia_render.cli.app import main

__all__ = ["main"]
