"""`python -m trivia_render` is the command `trivia`."""

from trivia_render.cli import main

if __name__ == "__main__":
    main()
