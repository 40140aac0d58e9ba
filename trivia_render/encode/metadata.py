"""Title and chapters as FFmpeg's metadata file, and the list of clips to join. Pure.

Titles are what people typed. They are escaped here and reach FFmpeg as a file's content alone.
"""

from collections.abc import Sequence

from trivia_render.models.formats import FPS
from trivia_render.models.results import Chapter

#: MP4's Nero chapter list gives a title one length byte. FFmpeg cuts longer ones in the middle of a letter.
MAX_TITLE_BYTES = 255


def metadata_file(*, title: str, chapters: Sequence[Chapter]) -> str:
    """Return the file's text: global title, then each chapter with whole frames as its bounds."""
    lines = [";FFMETADATA1", f"title={escape(title)}"]
    for chapter in chapters:
        lines += [
            "[CHAPTER]",
            f"TIMEBASE=1/{FPS}",
            f"START={round(chapter.start_seconds * FPS)}",
            f"END={round(chapter.end_seconds * FPS)}",
            f"title={escape(shorten(chapter.title, max_bytes=MAX_TITLE_BYTES))}",
        ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Escape what the format gives a meaning: `=`, `;`, `#`, `\\` and the end of a line.

    A NUL would end the value and has no place in a title: it is left out. A backslash at the end gets a
    blank behind it, since FFmpeg's reader takes even an escaped one there for the escape of the line's end
    and loses the chapter (seen in 9.0).
    """
    escaped = "".join(f"\\{sign}" if sign in "=;#\\\n\r" else sign for sign in text if sign != "\0")
    return f"{escaped} " if escaped.endswith("\\") else escaped


def shorten(text: str, *, max_bytes: int) -> str:
    """Cut a text to so many bytes of UTF-8, between letters, with an ellipsis where something is lost."""
    if len(text.encode()) <= max_bytes:
        return text
    cut = text.encode()[: max_bytes - len("…".encode())].decode(errors="ignore")
    return f"{cut.rstrip()}…"


def clip_list_file(names: Sequence[str]) -> str:
    """Return FFmpeg's concat list. `names` are ours: letters, digits, dots and dashes, nothing to quote."""
    return "".join(["ffconcat version 1.0\n", *(f"file '{name}'\n" for name in names)])
