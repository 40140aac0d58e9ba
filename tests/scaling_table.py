"""The truth table of docs/scaling.md.

`python -m tests.scaling_table` writes it anew from the cases that the tests go through.
"""

from pathlib import Path

from tests.unit.fleet.truth_table import as_markdown

DOCUMENT = Path(__file__).parents[1] / "docs" / "scaling.md"
_BEGIN = "<!-- truth table: made by `python -m tests.scaling_table` -->"
_END = "<!-- end of truth table -->"


def with_table(text: str) -> str:
    """Return the document's text with the table between its two marks made anew."""
    start, stop = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return f"{text[:start]}\n\n{as_markdown()}\n\n{text[stop:]}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
